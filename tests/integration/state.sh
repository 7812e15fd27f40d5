#!/bin/sh
# state show, export, set-cursor; and starts with trouble: each says what is wrong and what to do,
# and what can go on goes on with the exact count.
. "$(dirname "$0")/lib.sh"
cd "$SCRATCH" || exit 99
CONFIG=$SCRATCH/c.yaml
LOG=$SCRATCH/xui.log
cat > "$CONFIG" <<EOF
state: $SCRATCH/state
host: state.example
channels:
  xui: {audit: all, inputs: [{type: file, path: $LOG, from: begin}]}
notifiers:
  out: {type: file, path: $SCRATCH/out.jsonl}
bans: {backend: dry-run, max_age: 0s, file: $SCRATCH/bans}
EOF
SAMPLE=$TW_SOURCE/contrib/samples/xui.log
LINES_ALL=$(wc -l < "$SAMPLE")
tw() { # state|trail SUBCOMMAND ARGUMENT...
    group=$1
    command=$2
    shift 2
    "$TW_BIN" "$group" "$command" --config "$CONFIG" "$@"
}
once() { "$TW_BIN" run --single --once --quiet --config "$CONFIG" > out 2> err; }
events() { cat state/trail/log/*.jsonl | grep -c '"type":"event"'; }
twice() { sed -n "s/.*\"type\":\"$1\".*\"$2\":\"\([^\"]*\)\".*/\1/p" state/trail/log/*.jsonl | sort | uniq -d; }
ids() { sed 's/.*"id":"\([0-9a-f]*\)","rule":{"id".*/\1/' out.jsonl | sort; }
exact() { # WHAT: each line one entry, each alert one entry and one message
    want "entries, $1" "$LINES_ALL" "$(events)"
    want "entries doubled, $1" "" "$(twice event key)"
    want "alerts doubled, $1" "" "$(sed -n 's/.*"type":"alert","id":"\([^"]*\)".*/\1/p' state/trail/log/*.jsonl | sort | uniq -d)"
    want "messages doubled, $1" "" "$(ids | uniq -d)"
    tw trail verify --quiet > out 2> err || { cat out err; fail "the trail is not good, $1"; }
}
refused() { # CODE TEXT: the start is refused with this exit code, and says so
    once
    want "exit code of: $2" "$1" "$?"
    said err "$2"
}

head -15 "$SAMPLE" > "$LOG"
once || { cat err; fail "the first run"; }
cp -a state old
tail -n +16 "$SAMPLE" >> "$LOG"
once || { cat err; fail "the second run"; }
exact "undisturbed"
cp -a state good
cp out.jsonl good.jsonl
reset() { rm -rf state; cp -a good state; cp good.jsonl out.jsonl; }

# ---- the commands ----
tw state show > out || fail "state show"
said out "lock      free: no daemon runs"
said out "xui:file:$LOG"
tw state show --json > out || fail "state show --json"
said out '"holder":0'
tw state export > export.jsonl || fail "state export"
for kind in state cursor signal alert outbox; do said export.jsonl "{\"kind\":\"$kind\""; done
cursor=$(grep '"kind":"cursor"' export.jsonl | grep offset)
stream=$(echo "$cursor" | sed 's/.*"stream":"\([0-9a-f]*\)".*/\1/')
value=$(echo "$cursor" | sed 's/.*"value":"\(.*\)","committed".*/\1/; s/\\"/"/g; s/\\\//\//g')
tw state set-cursor "xui:file:$LOG" > out 2> err && fail "without a stream"
tw state set-cursor "xui:file:$LOG" "$stream" 17 > out 2> err
want "usage" 2 "$?"
tw state set-cursor nothing "$stream" --forget > out 2> err && fail "an input that is not there"
said err "no input 'nothing'"
tw state set-cursor "xui:file:$LOG" none --forget > out 2> err && fail "a stream that is not there"
said err "has no stream 'none'"
tw state set-cursor "xui:file:$LOG" "$stream" --forget > out 2> err || { cat err; fail "set-cursor --forget"; }
tw trail show --type state.cursor --json > out
said out "\"stream\":\"$stream\",\"old\":"
said out "\"new\":\"\",\"uid\":$(id -u)"
tw state export | grep -q "\"stream\":\"$stream\"" && fail "the stream was not forgotten"
tw state set-cursor "xui:file:$LOG" "$stream" "$value" || fail "set-cursor"
tw state export | grep -q "\"stream\":\"$stream\"" || fail "the cursor was not set"
once || { cat err; fail "the run after set-cursor"; }
exact "after the cursor was forgotten and set again"

# ---- two daemons ----
"$TW_BIN" run --single --quiet --config "$CONFIG" > daemon.log 2>&1 &
daemon=$!
n=0
until tw state show 2>/dev/null | grep -q "lock      held by process"; do
    n=$((n + 1))
    [ $n -lt 100 ] || { cat daemon.log; fail "the daemon does not hold the lock"; }
    sleep 0.05
done
refused 1 "another trailwarden (process "
tw state set-cursor "xui:file:$LOG" "$stream" --forget > out 2> err && fail "set-cursor beside a daemon"
said err "another trailwarden (process "
kill -TERM $daemon
wait $daemon || { cat daemon.log; fail "the daemon's end"; }

# ---- a restored backup: nothing signed is cut, nothing doubled, nobody told twice ----
older() { reset; rm -f state/trailwarden.db*; cp old/trailwarden.db* state/; }
older
once || { cat err; fail "a restored backup"; }
exact "after a restored backup"
tw trail show --type state.replay --json > out
said out '"type":"state.replay","from":'
once || fail "the start after it"
exact "after a restored backup and another start"

# ---- killed in the middle of reading again ----
for step in "store: after commit:1" "store: after commit:2" "trail: after fdatasync:2" "store: in txn:2"; do
    older
    TW_FAULT=$step "$TW_BIN" run --single --once --quiet --config "$CONFIG" > out 2> err
    want "killed at $step" 86 $?
    once || { cat err; fail "after a restored backup and a kill at '$step'"; }
    exact "after a restored backup and a kill at '$step'"
done

# ---- a lost database, and one that was cut to nothing ----
for how in gone empty; do
    reset
    rm -f state/trailwarden.db*
    [ $how = gone ] || : > state/trailwarden.db
    "$TW_BIN" run --single --once --config "$CONFIG" > out 2> err || { cat err; fail "a lost state database"; }
    said err "the state is older than the signed trail"
    exact "after a lost state database ($how)"
    once || fail "the start after it"
    exact "after a lost state database ($how) and another start"
done

# ---- what does not go on ----
reset
sed -i '$d' state/trail/log/00000000000000000000.jsonl
cp state/trail/checkpoint before
refused 10 "the log is shorter than"
said err "nothing is signed any more; see \`trailwarden trail verify\` and docs/state.md"
cmp -s before state/trail/checkpoint || fail "it signed"
reset
rm -rf state/trail
refused 10 "the trail is gone, but the state knows one: restore it"
reset
rm -rf state/trailwarden.db* state/trail/checkpoint
refused 10 "there are entries, but no checkpoint: restore it"
reset
rm -f state/trailwarden.db-*
printf 'not a database at all, but long enough to have a header of some bytes, and more of it, yes, and more' > state/trailwarden.db
refused 10 "is damaged: restore a copy, or move it and its -wal away"
rm -f state/trailwarden.db*
once || { cat err; fail "after the damaged one was moved away"; }
exact "after a damaged database was moved away"
reset
rm -f state/trailwarden.db-*
truncate -s 20000 state/trailwarden.db
refused 10 "is damaged: restore a copy"
reset
keys=$(dirname "$(find state -name identity.key)")
chmod 644 "$keys/identity.key"
refused 1 "'identity.key' has mode 0644, others may use it"
reset
rm "$keys/identity.key"
refused 1 "'identity.key' is not there: restore the key folder"
reset
rm -rf "$keys"
refused 1 "cannot open '$SCRATCH/$keys'"
reset
if [ "$(id -u)" = 0 ] && command -v setpriv > /dev/null; then
    chmod 755 "$SCRATCH"
    chmod -R a+rX state
    chmod 644 "$CONFIG"
    setpriv --reuid 65534 --regid 65534 --clear-groups "$TW_BIN" run --single --once --quiet --config "$CONFIG" > out 2> err
    want "exit code without rights" 4 "$?"
    said err "cannot open '$SCRATCH/state/trailwarden.db.lock': Permission denied"
    mkdir ro
    if mount --bind state ro 2>/dev/null && mount -o remount,ro,bind ro 2>/dev/null; then
        "$TW_BIN" run --single --once --quiet --config "$CONFIG" --state "$SCRATCH/ro" > out 2> err
        want "exit code on a read-only file system" 1 "$?"
        umount ro
        said err "Read-only file system"
    else
        umount ro 2>/dev/null
        echo "no read-only mount: that part was left out"
    fi
fi
echo good
