#!/bin/bash
# Bans in real nftables: two network namespaces with a wire between them, and a test that plays the
# core (bans-nft.py). Nothing of the machine's own network is touched.
# shellcheck source=tests/integration/lib.sh
. "$TW_SOURCE/tests/integration/lib.sh"
[ "$(id -u)" = 0 ] || skip "only root makes network namespaces"
for tool in nft ip unshare nsenter python3; do
    command -v "$tool" > /dev/null || skip "no $tool"
done
unshare -n true 2> /dev/null || skip "no network namespaces here"
unshare -n nft add table inet tw_try 2> /dev/null || skip "no nftables here"
said_config=0
printf 'backend: nftables\n' > "$SCRATCH/plain.yaml"
"$TW_BUILD/tests/integration/bans-nft-driver" "$SCRATCH/plain.yaml" x 2> "$SCRATCH/why" || said_config=$?
[ "$said_config" = 78 ] && skip "$(cat "$SCRATCH/why")"
SCRATCH=$SCRATCH unshare -n python3 "$TW_SOURCE/tests/integration/bans-nft.py"
