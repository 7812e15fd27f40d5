#!/bin/sh
# Every call that can fail, failing: run.sh short|all [CLASS...]
# A short run over some logs is disturbed once: the n-th call of a class (tests/fault/shim.c) fails,
# or the process ends there, or at a named step (base/fault.h). Whatever happened, a start
# without the fault must give the exact count: each line one entry, each alert one entry, told
# at least once, a trail that verifies; never a signal, always an exit code that means something.
# `short` takes a spread of all n (for CI) and leaves allocations to `all`, whose walk is too long for
# it; `all` takes every n, and of allocations every 20th.
. "$(dirname "$0")/../integration/lib.sh"
MODE=${1:-short}
WIDE=$((1 + ${TW_SLOW:-0}))
[ $# -eq 0 ] || shift
if [ "$MODE" = short ]; then usual="named sync rename open truncate unlink write"; else usual="named sync rename open truncate unlink write alloc"; fi
CLASSES=${*:-$usual}
SHIM=$TW_BUILD/tests/fault/shim.so
[ -f "$SHIM" ] || skip "no shim: make check builds it"
SANITIZED=
if nm -D "$TW_BIN" 2>/dev/null | grep -q __asan_init || ldd "$TW_BIN" | grep -q libasan; then
    SANITIZED=yes
    # The sanitizer owns malloc, and what a killed process leaves is no leak.
    export ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0
fi
CONFIG=$SCRATCH/c.yaml
DIR=$SCRATCH/d
cat > "$CONFIG" <<EOT
state: $DIR/state
host: fault.example
channels:
  xui: {audit: all, inputs: [{type: file, path: $DIR/xui.log, from: begin}]}
  hysteria: {audit: all, inputs: [{type: file, path: $DIR/hysteria.log, from: begin}]}
notifiers:
  out: {type: file, path: $DIR/out.jsonl}
bans: {backend: dry-run, max_age: 0s, file: $DIR/bans}
EOT
XUI=$TW_SOURCE/contrib/samples/xui.log
HYSTERIA=$TW_SOURCE/contrib/samples/hysteria.log
LINES_ALL=$(cat "$XUI" "$HYSTERIA" | wc -l)

# Two places to start from: nothing at all, and a state with half of the lines read.
mkdir -p "$SCRATCH/fresh" "$SCRATCH/half"
cp "$XUI" "$SCRATCH/fresh/xui.log"
cp "$HYSTERIA" "$SCRATCH/fresh/hysteria.log"
mkdir "$DIR"
head -12 "$XUI" > "$DIR/xui.log"
head -6 "$HYSTERIA" > "$DIR/hysteria.log"
"$TW_BIN" run --single --once --quiet --config "$CONFIG" || fail "the undisturbed run"
tail -n +13 "$XUI" >> "$DIR/xui.log"
tail -n +7 "$HYSTERIA" >> "$DIR/hysteria.log"
cp -a "$DIR/." "$SCRATCH/half/"
"$TW_BIN" run --single --once --quiet --config "$CONFIG" || fail "the undisturbed second run"

keys() { sed -n 's/.*"type":"event".*"key":"\([^"]*\)".*/\1/p' "$DIR"/state/trail/log/*.jsonl | sort; }
# That a log could not be read is told, too: by the disturbed run alone.
ours() { grep -v '"title":"An input cannot be read"' "$@"; }
alerts() { ours -h "$DIR"/state/trail/log/*.jsonl | sed -n 's/.*"type":"alert","id":"\([^"]*\)".*/\1/p' | sort; }
told() { ours "$DIR/out.jsonl" | sed 's/.*"id":"\([0-9a-f]*\)","rule":{"id".*/\1/' | sort -u; }
keys > "$SCRATCH/keys"
alerts > "$SCRATCH/alerts"
want "entries of the undisturbed run" "$LINES_ALL" "$(sort -u "$SCRATCH/keys" | wc -l)"
[ -s "$SCRATCH/alerts" ] || fail "no alerts in the undisturbed run"

ROUNDS=0
HITS=0
EXITS=
shown() { cat "$SCRATCH/out1" "$SCRATCH/out2" 2>/dev/null; fail "$1, after $WHERE from $FROM (exit $CODE)"; }

# disturbed FROM NAME=VALUE...: one run with the fault, one without, and the count
disturbed() {
    FROM=$1
    shift
    WHERE=$*
    rm -rf "$DIR"
    cp -a "$SCRATCH/$FROM" "$DIR"
    timeout 60 env "$@" "$TW_BIN" run --single --once --quiet --config "$CONFIG" > "$SCRATCH/out1" 2>&1
    CODE=$?
    ROUNDS=$((ROUNDS + 1))
    case $CODE in
    86) HITS=$((HITS + 1)) ;;
    0 | 1 | 4 | 78) ;;
    124) shown "it did not end" ;;
    *) shown "no sensible exit code" ;;
    esac
    EXITS="$EXITS $CODE"
    timeout 60 "$TW_BIN" run --single --once --quiet --config "$CONFIG" > "$SCRATCH/out2" 2>&1 ||
        shown "the next start failed"
    keys | cmp -s - "$SCRATCH/keys" || shown "entries lost or doubled"
    alerts | cmp -s - "$SCRATCH/alerts" || shown "alerts lost or doubled"
    told | cmp -s - "$SCRATCH/alerts" || shown "not every alert was told"
    "$TW_BIN" trail verify --quiet --config "$CONFIG" > "$SCRATCH/out2" 2>&1 || shown "the trail is not good"
}

# A power failure at each named step, at its first passes; and each step is really passed.
named() {
    sed -n 's/^ *X([A-Z_]*, "\([^"]*\)".*/\1/p' "$TW_SOURCE/base/fault.h" > "$SCRATCH/steps"
    [ "$(wc -l < "$SCRATCH/steps")" -ge 10 ] || fail "no steps found in base/fault.h"
    while read -r step; do
        case $step in "keep: "*) continue ;; esac # tests/integration/trail-keep.sh walks over these
        passed=0
        for n in 1 3; do
            for from in fresh half; do
                before=$HITS
                disturbed $from "TW_FAULT=$step:$n"
                passed=$((passed + HITS - before))
            done
        done
        case $step in
        "trail: new segment" | "trail: epoch"*) ;; # epochs end after an unclean stop; days and segments are another test's
        *) [ $passed -gt 0 ] || fail "no run passes '$step'" ;;
        esac
    done < "$SCRATCH/steps"
}

shim() { # FROM WHAT: a run under the shim
    from=$1
    shift
    disturbed "$from" LD_PRELOAD="$SHIM" TW_SHIM_AFTER=trailwarden.db.lock "$@"
}

faults_of() { # the ways in which a class fails
    case $1 in
    alloc) echo ENOMEM ;;
    write) echo "ENOSPC EIO short exit-after" ;;
    sync) echo "EIO ENOSPC exit-before exit-after" ;;
    rename) echo "EIO exit-before exit-after" ;;
    open) echo "EMFILE EACCES" ;;
    truncate) echo "EIO exit-after" ;;
    unlink) echo "EACCES exit-after" ;;
    esac
}

# The step between two n: 1 for all, and so wide for the short form that it takes a minute; twice as wide
# where everything is slow (a sanitizer).
stride() { # CLASS COUNT
    case $MODE$1 in
    allalloc) echo 20 ;;
    all*) echo 1 ;;
    shortwrite) echo $(($2 * WIDE / 6 + 1)) ;;
    shortalloc) echo $(($2 * WIDE / 14 + 1)) ;;
    shortopen) echo $(($2 * WIDE / 8 + 1)) ;;
    *) echo $(($2 * WIDE / 5 + 1)) ;;
    esac
}

class() {
    before=$HITS
    for from in fresh half; do
        rm -rf "$DIR"
        cp -a "$SCRATCH/$from" "$DIR"
        TW_SHIM_COUNT=$SCRATCH/count TW_SHIM_AFTER=trailwarden.db.lock LD_PRELOAD=$SHIM \
            "$TW_BIN" run --single --once --quiet --config "$CONFIG" > "$SCRATCH/out1" 2>&1 ||
            { cat "$SCRATCH/out1"; fail "an undisturbed run under the shim"; }
        count=$(sed -n "s/^$1 //p" "$SCRATCH/count")
        [ "$count" -gt 0 ] || fail "no call of '$1' was seen"
        step=$(stride "$1" "$count")
        k=0
        for what in $(faults_of "$1"); do
            n=$((1 + k % step))
            k=$((k + 2))
            while [ "$n" -le "$count" ]; do
                shim $from "TW_SHIM=$1:$n:$what"
                n=$((n + step))
            done
        done
    done
    case $(faults_of "$1") in
    *exit*) [ "$HITS" -gt "$before" ] || fail "no call of '$1' ended the process" ;;
    esac
}

for c in $CLASSES; do
    started=$(date +%s)
    rounds=$ROUNDS
    if [ "$c" = named ]; then
        named
    elif [ "$c" = alloc ] && [ -n "$SANITIZED" ]; then
        echo "alloc: left out, the sanitizer owns malloc"
    else
        class "$c"
    fi
    echo "$c: $((ROUNDS - rounds)) faults, $(($(date +%s) - started)) s"
done
echo "exit codes:$(echo "$EXITS" | tr ' ' '\n' | sed '/^$/d' | sort | uniq -c | sort -rn | awk '{ printf " %s x %s,", $1, $2 }')"
echo "$ROUNDS faults, $HITS ended the process, none lost or doubled an entry"
