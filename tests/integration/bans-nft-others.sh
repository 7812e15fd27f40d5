#!/bin/bash
# Bans by ipset, by a fail2ban server of the test's own, and by programs of the operator's
# (bans-nft-others.py plays the core).
# shellcheck source=tests/integration/lib.sh
. "$TW_SOURCE/tests/integration/lib.sh"
[ "$(id -u)" = 0 ] || skip "only root makes network namespaces"
command -v python3 > /dev/null || skip "no python3"
unshare -n true 2> /dev/null || skip "no network namespaces here"
SCRATCH=$SCRATCH unshare -n python3 "$TW_SOURCE/tests/integration/bans-nft-others.py"
