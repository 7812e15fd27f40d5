#!/bin/sh
# Bans by the daemon in the real nftables of its own network namespace, killed and flushed.
# shellcheck source=tests/integration/lib.sh
. "$TW_SOURCE/tests/integration/lib.sh"
[ "$(id -u)" = 0 ] || skip "only root makes network namespaces"
for tool in nft unshare python3 pgrep; do
    command -v "$tool" > /dev/null || skip "no $tool"
done
unshare -n nft add table inet tw_try 2> /dev/null || skip "no nftables in a namespace here"
"$TW_BIN" help config | grep -q 'backend nftables' || skip "built without libnftables"
export SCRATCH
unshare -n python3 "$TW_SOURCE/tests/integration/bans-live.py"
