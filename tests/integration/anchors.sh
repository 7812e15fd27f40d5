#!/bin/sh
# Checkpoints leave the host: to a witness, a URL, a folder, a time stamp authority.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || skip "no python3"
command -v openssl >/dev/null || skip "no openssl"
exec python3 "$(dirname "$0")/anchors.py" "$TW_BIN" "$SCRATCH" "$TW_SOURCE"
