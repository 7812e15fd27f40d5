#!/bin/sh
# The short flood: a log as fast as it goes, then 200 of them; a quiet log beside them must not wait.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || skip "no python3"
# A sanitizer's shadow is no memory of ours.
memory=256
! grep -q fsanitize "$TW_BUILD/Makefile" || memory=4096
exec python3 "$TW_SOURCE/tests/storm/flood" --program "$TW_BIN" --hook "$TW_BUILD/tests/bench/hook" \
    --seconds 12 --memory $memory
