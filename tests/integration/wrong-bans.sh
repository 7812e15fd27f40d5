#!/bin/sh
# No line that a stranger can shape bans anybody but the stranger: every trick through every
# channel's writers, by the shipped formats and rules, in replay and in run. TW_SEED: other addresses.
. "$(dirname "$0")/lib.sh"
command -v python3 > /dev/null || skip "no python3"
PYTHONDONTWRITEBYTECODE=1 python3 "$TW_SOURCE/tests/integration/wrong-bans.py" \
    "$TW_BIN" "$SCRATCH" "${TW_SEED:-20261121}" --daemon || exit 1
