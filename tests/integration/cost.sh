#!/bin/sh
# What a line costs in instructions and mallocs has not risen above what is noted
# (tests/bench/cost.expected; `make cost` is the long form); and a rise would be seen.
. "${TW_SOURCE:?}/tests/integration/lib.sh"
: "${TW_BUILD:?set by make check}"

cost() { TMPDIR=$SCRATCH "$TW_SOURCE/tests/bench/cost" "$TW_BIN" --build "$TW_BUILD" "$@"; }

cost --short --json > "$SCRATCH/figures" || {
    rc=$?
    [ $rc != 77 ] || skip "$(sed 's/^skipped: //' "$SCRATCH/figures")"
    fail "counting ended with $rc"
}
cost --figures "$SCRATCH/figures" || fail "a line costs more than noted"

# Figures a little lower than the true ones: the check must see a rise of either kind.
lower() { # COLUMN: of the row `all`
    awk -v column="$1" '$1 == "all" { $column = column == 2 ? int($2 * 0.94) : $3 - 2 } { print }' \
        "$TW_SOURCE/tests/bench/cost.expected" > "$SCRATCH/lower"
    cost --figures "$SCRATCH/noted" --expected "$SCRATCH/lower" > "$SCRATCH/said"
}
awk 'BEGIN { printf "{" } /^[a-z]/ { printf "%s\"%s\": [%s, %s]", n++ ? ", " : "", $1, $2, $3 } END { print "}" }' \
    "$TW_SOURCE/tests/bench/cost.expected" > "$SCRATCH/noted"
cost --figures "$SCRATCH/noted" > "$SCRATCH/said" || fail "the noted figures differ from themselves"
lower 2 && fail "six percent more instructions went unseen"
said "$SCRATCH/said" "make cost-bless"
lower 3 && fail "two more mallocs for 1,000 lines went unseen"
said "$SCRATCH/said" "RISEN"
exit 0
