# Sourced by the integration tests: a scratch folder, and words for failing.
set -u
: "${TW_BIN:?set by make check}" "${TW_SOURCE:?set by make check}"
SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/tw-test.XXXXXX")
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$SCRATCH"' EXIT
fail() { echo "FAIL: $*"; exit 1; }
skip() { echo "skipped: $*"; exit 77; }
# want NAME EXPECTED ACTUAL
want() { [ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"; }
# said FILE TEXT: the file holds the text
said() { grep -qF -- "$2" "$1" || { cat "$1"; fail "no '$2' in $1"; }; }
