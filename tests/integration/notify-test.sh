#!/bin/sh
# A sample alert to receivers by hand: the dialogue is shown, secrets are not.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || skip "no python3"
TMPDIR=$SCRATCH python3 "$(dirname "$0")/notify-test.py" "$TW_BIN" "$SCRATCH"
