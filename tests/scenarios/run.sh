#!/bin/sh
# Scenario folders: input.log (and options) through `trailwarden replay --json`, compared
# whole with expect.jsonl. TW_BLESS=1 (make bless) rewrites what is expected.
here=$(cd "$(dirname "$0")" && pwd)
: "${TW_BIN:?set by make check}"
bad=0
n=0
for folder in "$here"/*/; do
    name=$(basename "$folder")
    options=
    [ -f "$folder/options" ] && options=$(cat "$folder/options")
    # shellcheck disable=SC2086
    got=$(cd "$folder" && "$TW_BIN" replay --json $options input*.log) || { echo "$name: replay failed"; bad=1; continue; }
    n=$((n + 1))
    if [ -n "${TW_BLESS:-}" ]; then
        printf '%s\n' "$got" > "$folder/expect.jsonl"
    elif [ "$got" != "$(cat "$folder/expect.jsonl")" ]; then
        echo "$name: not as expected (make bless, and review the diff):"
        printf '%s\n' "$got" | diff "$folder/expect.jsonl" - | cut -c1-300 | head -10
        bad=1
    fi
    # The same result whatever the size of the blocks that are read.
    for size in 4KiB 1MiB; do
        printf 'limits: {block: %s}\n' "$size" > "${TMPDIR:-/tmp}/tw-scenario-$$.yaml"
        # shellcheck disable=SC2086
        other=$(cd "$folder" && "$TW_BIN" replay --json --config "${TMPDIR:-/tmp}/tw-scenario-$$.yaml" $options input*.log)
        rm -f "${TMPDIR:-/tmp}/tw-scenario-$$.yaml"
        [ "$other" = "$got" ] || { echo "$name: blocks of $size change the result"; bad=1; }
    done
done
echo "$n scenarios"
[ $n -gt 0 ] && [ $bad = 0 ]
