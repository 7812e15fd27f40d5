#!/bin/sh
# The short storm: rotations, kills and strange content in a spread of cells; a count at the end.
# What fails keeps its folder and prints the command that repeats it. TW_SEED sets the seed.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || skip "no python3"
exec python3 "$TW_SOURCE/tests/storm/run" --program "$TW_BIN" --short ${TW_SEED:+--seed "$TW_SEED"}
