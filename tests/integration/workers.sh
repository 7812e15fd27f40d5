#!/bin/sh
# However many threads read, and in blocks of whatever size: the same alerts in the same order, in
# replay; and in a daemon that is killed while its threads are at work.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || skip "no python3"
"$TW_SOURCE/tests/bench/generate.py" "$SCRATCH" --bytes 2M > /dev/null || fail "no logs"
# Rules without a literal, and one whose expression runs into its limits now and then.
cat > "$SCRATCH/rules.yml" <<'EOF'
title: high port
id: 77777777-0000-4000-8000-000000000001
logsource: {product: xray}
detection: {s: {source.port|gt: 60000}, n: {user.name|re: '^user1'}, condition: s and not n}
level: low
---
title: an expression that explodes
id: 77777777-0000-4000-8000-000000000002
logsource: {product: xui}
detection: {s: {user.name|re: '^(a+)+$'}, condition: s}
level: low
EOF
# The same minutes in all of them: inputs whose times lie far apart are another test's.
awk 'BEGIN { for (i = 0; i < 4000; i++) {
    user = i % 97 == 5 ? "a" : i % 4 == 0 ? "aaa" : "u" i % 7
    while (i % 97 == 5 && length(user) < 300) user = user user
    printf "2026/11/01 00:%02d:%02d WARNING - failed login: username=\"%s%s\", IP=\"203.0.113.%d\", reason=\"invalid credentials\"\n",
        i / 1800, i / 30 % 60, user, i % 97 == 5 ? "!" : "", i % 50 + 1 } }' > "$SCRATCH/xui.log"

# ---- replay ----

BLOCKS="4KiB 64KiB 1MiB" THREADS="0 1 2 4"
[ "${TW_SLOW:-0}" = 0 ] || BLOCKS="4KiB 1MiB" THREADS="2 4"
digest() { # WORKERS BLOCK FILE...
    printf 'limits: {block: %s}\n' "$2" > "$SCRATCH/block.yaml"
    workers=$1
    shift 2
    "$TW_BIN" replay --digest --workers "$workers" --config "$SCRATCH/block.yaml" --rules "$SCRATCH/rules.yml" "$@" ||
        fail "replay of $*"
}
same() { # FILE...
    expected=$(digest 0 64KiB "$@")
    for block in $BLOCKS; do
        for n in $THREADS; do
            want "digest of $* with $n workers and blocks of $block" "$expected" "$(digest $n $block "$@")"
        done
    done
    echo "$expected"
}
for log in "$TW_SOURCE"/contrib/samples/*.log; do
    want "digest of $log" "$(digest 0 64KiB "$log")" "$(digest 2 4KiB "$log")"
done
same "$TW_SOURCE"/contrib/samples/*.log
same "$SCRATCH"/*.log
same "$SCRATCH/xui.log" | grep -q "^[0-9a-f]* .* 4000 events, 4000 lines$" || fail "counts"
want "one digest in JSON" "$(digest 0 64KiB "$SCRATCH/xui.log" | cut -d' ' -f1)" \
    "$("$TW_BIN" replay --digest --json --rules "$SCRATCH/rules.yml" "$SCRATCH/xui.log" | sed 's/.*"digest":"\([0-9a-f]*\)".*/\1/')"
"$TW_BIN" replay --workers 99 "$SCRATCH/xui.log" > /dev/null 2> "$SCRATCH/said"
want "exit with 99 workers" 2 $?
said "$SCRATCH/said" "--workers takes auto or a number up to 16"

# ---- run ----

# A restart forgets which rules rest: without the one that explodes.
sed -n '1,/^---$/p' "$SCRATCH/rules.yml" | sed '/^---$/d' > "$SCRATCH/run-rules.yml"

CONFIG=$SCRATCH/c.yaml
config() { # WORKERS
    cat > "$CONFIG" <<EOF
state: $SCRATCH/state
host: workers.example
processes: {workers: $1}
rules: {paths: [$SCRATCH/run-rules.yml]}
channels:
  xray: {inputs: [{type: file, path: $SCRATCH/xray.log, from: begin}]}
  xui: {inputs: [{type: file, path: '$SCRATCH/xui*.log', from: begin}]}
EOF
}
ids() { sed 's/.*"id":"\([0-9a-f]*\)","rule":{"id".*/\1/' | sort; }
stored() { "$TW_BIN" alerts list --json --limit 100000 --config "$CONFIG" | ids; }
threads() { # of the reader
    for task in /proc/"$(pgrep -P "$daemon" -x tw-reader)"/task/*/comm; do cat "$task"; done 2>/dev/null | grep -c tw-worker
}
ends_as() { # NAME: all is read, and what was told is what a run without workers tells
    TW_WORKERS=$1 "$TW_BIN" run --once --quiet --config "$CONFIG" > "$SCRATCH/run.log" 2>&1 ||
        { cat "$SCRATCH/run.log"; fail "run with $1 workers"; }
    stored > "$SCRATCH/stored"
    cmp "$SCRATCH/stored" "$SCRATCH/expected" || fail "other alerts: $2"
    "$TW_BIN" trail verify --quiet --config "$CONFIG" || fail "the trail is not good: $2"
}
config 0
"$TW_BIN" run --once --quiet --config "$CONFIG" > "$SCRATCH/run.log" 2>&1 || fail "a run without workers"
stored > "$SCRATCH/expected"
[ "$(wc -l < "$SCRATCH/expected")" -gt 200 ] || fail "hardly an alert"
for n in 1 4; do
    config $n
    rm -rf "$SCRATCH/state"
    ends_as "" "backlog with $n workers"
    rm -rf "$SCRATCH/state"
    ends_as $n "each block handed over to $n workers"
    rm -rf "$SCRATCH/state"
    "$TW_BIN" run --single --once --quiet --config "$CONFIG" > "$SCRATCH/run.log" 2>&1 || fail "a run in one process"
    stored > "$SCRATCH/stored"
    cmp "$SCRATCH/stored" "$SCRATCH/expected" || fail "other alerts of one process with $n workers"
done

# Killed in the middle of the backlog: the whole of it, or the reader alone.
command -v pgrep >/dev/null || skip "no pgrep: nothing was killed"
config 2
rm -rf "$SCRATCH/state"
seen=0
for k in 1 2 3 4 5 6 7 8; do
    TW_WORKERS=2 "$TW_BIN" run --quiet --config "$CONFIG" > "$SCRATCH/run.log" 2>&1 &
    daemon=$!
    sleep "0.$((k * 7 % 4))$((k * 3 % 10))"
    [ "$(threads)" -gt 0 ] && seen=$((seen + 1))
    [ $((k % 2)) = 0 ] && kill -9 "$(pgrep -P $daemon -x tw-reader)" 2>/dev/null && sleep 0.2
    kill -9 $daemon 2>/dev/null || { cat "$SCRATCH/run.log"; fail "the daemon ended by itself"; }
    wait $daemon 2>/dev/null
done
ends_as 2 "a backlog with eight kills"
# Told to end in the middle: what the threads have is given first.
rm -rf "$SCRATCH/state"
for k in 1 2 3; do
    TW_WORKERS=2 "$TW_BIN" run --quiet --config "$CONFIG" > "$SCRATCH/run.log" 2>&1 &
    daemon=$!
    until [ -S "$SCRATCH/state/control" ] || ! kill -0 $daemon; do sleep 0.02; done
    [ $k != 2 ] || kill -HUP $daemon
    kill -TERM $daemon
    wait $daemon
    want "exit status when told to end" 0 $?
done
ends_as 2 "a backlog with three ends"
[ $seen -gt 0 ] || echo "no thread was seen at a kill"
echo "$(wc -l < "$SCRATCH/expected") alerts each time; threads at work at $seen of 8 kills"
