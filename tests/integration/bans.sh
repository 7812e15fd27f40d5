#!/bin/sh
# Bans from the command line: what is asked of the daemon, and what a real one makes of it.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || skip "no python3"
here=$(dirname "$0")
export PYTHONDONTWRITEBYTECODE=1
python3 "$here/bans-acts.py" "$TW_BIN" "$SCRATCH" || exit 1
python3 "$here/bans-contrib.py" "$TW_SOURCE" "$SCRATCH" || exit 1
python3 "$here/bans-run.py" "$TW_BIN" "$SCRATCH" "$TW_SOURCE/rules/library/xui/failed-logins.yml" "$TW_SOURCE/schemas" || exit 1
