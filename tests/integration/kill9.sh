#!/bin/sh
# kill -9 anywhere: no alert and no entry lost or doubled.
# A writer appends failed logins of many addresses while the daemon is killed
# again and again; in the end there must be exactly the alerts of a replay.
. "$(dirname "$0")/lib.sh"
KILLS=${TW_KILLS:-20}
LOG=$SCRATCH/xui.log
CONFIG=$SCRATCH/c.yaml
cat > "$CONFIG" <<EOF
state: $SCRATCH/state
host: kill.example
channels:
  xui: {inputs: [{type: file, path: $LOG, from: begin}]}
notifiers:
  out: {type: file, path: $SCRATCH/out.jsonl}
bans: {backend: dry-run, max_age: 0s, file: $SCRATCH/bans}
EOF
: > "$LOG"
# 40 addresses, 7 failures each, interleaved: 40 alerts and no more.
(
    i=0
    while [ $i -lt 280 ]; do
        printf '2026/11/21 01:%02d:%02d WARNING - failed login: username="u%d", IP="203.0.113.%d", reason="invalid credentials"\n' \
            $((10 + i / 60)) $((i % 60)) $((i % 40)) $((i % 40 + 1)) >> "$LOG"
        i=$((i + 1))
        [ $((i % 4)) -ne 0 ] || sleep 0.02
    done
) &
writer=$!
k=0
while [ $k -lt "$KILLS" ]; do
    # Every other one hands each block to a worker thread.
    TW_WORKERS=$((k % 2 * 2)) "$TW_BIN" run --quiet --config "$CONFIG" > "$SCRATCH/run.log" 2>&1 &
    daemon=$!
    sleep "0.$((k * 37 % 23 + 3))"
    kill -9 $daemon 2>/dev/null || { cat "$SCRATCH/run.log"; fail "the daemon ended by itself"; }
    wait $daemon 2>/dev/null
    k=$((k + 1))
done
wait $writer
"$TW_BIN" run --once --quiet --config "$CONFIG" || fail "the last run"
"$TW_BIN" replay --json "$LOG" | sed 's/.*"id":"\([0-9a-f]*\)","rule":{"id".*/\1/' | sort > "$SCRATCH/expected"
"$TW_BIN" alerts list --json --limit 10000 --config "$CONFIG" |
    sed 's/.*"id":"\([0-9a-f]*\)","rule":{"id".*/\1/' | sort > "$SCRATCH/stored"
"$TW_BIN" trail show --type alert --json --config "$CONFIG" |
    sed 's/.*"type":"alert","id":"\([0-9a-f]*\)".*/\1/' | sort > "$SCRATCH/entries"
[ -s "$SCRATCH/expected" ] || fail "the replay told nothing"
cmp -s "$SCRATCH/expected" "$SCRATCH/stored" || { diff "$SCRATCH/expected" "$SCRATCH/stored" | head; fail "alerts differ from the replay's"; }
cmp -s "$SCRATCH/expected" "$SCRATCH/entries" || { diff "$SCRATCH/expected" "$SCRATCH/entries" | head; fail "entries differ from the replay's"; }
# Messages: at least once, with the alert's id as key.
sed 's/.*"id":"\([0-9a-f]*\)","rule":{"id".*/\1/' "$SCRATCH/out.jsonl" | sort -u > "$SCRATCH/told"
cmp -s "$SCRATCH/expected" "$SCRATCH/told" || fail "not every alert was told"
"$TW_BIN" trail verify --quiet --config "$CONFIG" || fail "the trail is not good"
"$TW_BIN" trail show --type daemon.start --json --config "$CONFIG" > "$SCRATCH/starts"
head -n 1 "$SCRATCH/starts" | grep -q '"unclean"' && fail "the first start had nothing before it"
tail -n 1 "$SCRATCH/starts" | grep -q '"unclean":true' || fail "a start after kill -9 does not say so"
"$TW_BIN" run --once --quiet --config "$CONFIG" || fail "one more run"
"$TW_BIN" trail show --type daemon.start --json --config "$CONFIG" | tail -n 1 |
    grep -q '"unclean"' && fail "the run before ended by itself"
echo "$(wc -l < "$SCRATCH/expected") alerts, $KILLS kills, none lost or doubled"
