#!/bin/sh
# The commands that act: what they ask of the daemon over the control socket, and its answers.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || skip "no python3"
python3 "$(dirname "$0")/acts.py" "$TW_BIN" "$SCRATCH" "$TW_SOURCE/rules/library/xui/failed-logins.yml"
