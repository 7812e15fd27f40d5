#!/bin/sh
# No line that a stranger can shape bans anybody but the stranger: every trick through every
# channel's writers, by the shipped formats and rules. TW_SEED: other addresses, ports and order.
. "$(dirname "$0")/lib.sh"
command -v python3 > /dev/null || skip "no python3"
PYTHONDONTWRITEBYTECODE=1 python3 "$TW_SOURCE/tests/integration/wrong-bans.py" \
    "$TW_BIN" "$SCRATCH" ${TW_SEED:+"$TW_SEED"} || exit 1
