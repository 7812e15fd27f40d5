#!/bin/sh
# What systemd is told: ready, reloading, alive only while the whole chain moves.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || skip "no python3"
command -v pgrep >/dev/null || skip "no pgrep"
exec python3 "$(dirname "$0")/notify.py" "$TW_BIN" "$SCRATCH"
