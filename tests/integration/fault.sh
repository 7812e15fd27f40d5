#!/bin/sh
# A spread over the calls that can fail and all named steps; `make fault` takes each of them.
# In a release that is tried after two whole runs of all tests (quickstart) this one is not repeated.
[ "${TW_SLOW:-0}" -lt 4 ] || { echo "skipped: it ran twice before this build"; exit 77; }
exec "$TW_SOURCE/tests/fault/run.sh" short
