#!/bin/sh
# The processes of `run`: each is killed and started again, the configuration is changed while
# they work, two daemons meet, and nothing is lost or told twice.
. "$(dirname "$0")/lib.sh"
command -v pgrep >/dev/null || skip "no pgrep"
LOG=$SCRATCH/xui.log
CONFIG=$SCRATCH/c.yaml
config() {
    cat > "$CONFIG" <<EOF
state: $SCRATCH/state
host: roles.example
channels:
  xui: {inputs: [{type: file, path: $LOG, from: begin}]}
$1
notifiers:
  out: {type: file, path: $SCRATCH/out.jsonl}
  second: {type: file, path: $SCRATCH/second.jsonl}
bans: {backend: dry-run, max_age: 0s, file: $SCRATCH/bans}
EOF
}
wait_for() { # TEXT CONDITION...
    text=$1
    shift
    n=0
    until "$@" >/dev/null 2>&1; do
        n=$((n + 1))
        [ $n -lt 200 ] || { cat "$SCRATCH/run.log"; fail "never: $text"; }
        sleep 0.1
    done
}
child() { pgrep -P "$daemon" -x "tw-$1" | head -1; }
alive() { [ -n "$(child reader)" ] && [ -n "$(child core)" ] && [ "$(pgrep -P "$daemon" -x -c "tw-send|tw-block")" = 3 ]; }
start() {
    "$TW_BIN" run --config "$CONFIG" > "$SCRATCH/run.log" 2>&1 &
    daemon=$!
    wait_for "the control socket" test -S "$SCRATCH/state/control"
    wait_for "all processes" alive
}
second=0
failures() { # ADDRESS COUNT
    for _ in $(seq "$2"); do
        second=$((second + 1))
        printf '2026/11/21 01:%02d:%02d WARNING - failed login: username="root", IP="%s", reason="invalid credentials"\n' \
            $((10 + second / 60)) $((second % 60)) "$1" >> "$LOG"
    done
}
told() { grep -c "\"source.ip\":\"$1\"" "$SCRATCH/out.jsonl"; }
is_told() { [ "$(told "$1")" -ge 1 ]; }
entry() { "$TW_BIN" trail show --type "$1" --trail "$SCRATCH/state/trail" | grep -q "${2:-.}"; }
: > "$LOG"
config ""
start

# Each process dies once; what is written meanwhile is told once.
for role in reader core send block; do
    victim=$(child $role)
    kill -9 "$victim"
    case $role in reader) host=11 ;; core) host=12 ;; send) host=13 ;; *) host=15 ;; esac
    failures 203.0.113.$host 7
    wait_for "a $role again" alive
    wait_for "the alert after the death of the $role" is_told 203.0.113.$host
done
kill -STOP "$(child core)"; failures 203.0.113.14 7; sleep 0.3; kill -CONT "$(child core)"
wait_for "the alert after a pause of the core" is_told 203.0.113.14
wait_for "an entry of the dead reader" entry role.ended role=reader
wait_for "an entry of the dead core" entry daemon.restart

# A second daemon on the same state is refused; the first one works on.
"$TW_BIN" run --once --quiet --config "$CONFIG" > "$SCRATCH/other.log" 2>&1 && fail "two daemons"
said "$SCRATCH/other.log" "another"
alive || fail "the first daemon suffered"

# A window goes on over a reload: three before, three behind.
failures 203.0.113.20 3
config "  api: {inputs: [{type: file, path: $SCRATCH/api.log, from: begin}]}"
want "reload" "ok: the new configuration runs" "$("$TW_BIN" reload --config "$CONFIG")"
failures 203.0.113.20 3
wait_for "the alert whose window saw a reload" is_told 203.0.113.20
wait_for "an entry of the reload" entry daemon.reload
# The new channel is followed.
printf '{"timestamp": "2026-11-21 01:42:39,498", "level": "INFO", "name": "x", "message": "login_success", "username": "a", "client_ip": "198.51.100.7"}\n' > "$SCRATCH/api.log"
has_api() { "$TW_BIN" status --json --config "$CONFIG" | grep -q '"channel":"api","lines":1'; }
wait_for "a line of the new channel" has_api

# A fault in it: the old one stays, and the fault is told with its place.
reader=$(child reader)
config "  nonsense: {inputs: 7}"
"$TW_BIN" reload --config "$CONFIG" > "$SCRATCH/reload.log" 2>&1
want "exit of reload with a fault" 78 $?
said "$SCRATCH/reload.log" "c.yaml:5:"
kill -HUP "$daemon"
wait_for "an entry of the refusal" entry config.refused
want "the reader" "$reader" "$(child reader)"
failures 203.0.113.21 7
wait_for "the alert behind a refused reload" is_told 203.0.113.21
config ""
sed -i "s|^state: .*|state: $SCRATCH/elsewhere|" "$CONFIG"
kill -HUP "$daemon"
wait_for "an entry of the second refusal" entry config.refused "state, trail, keys and origin"
sed -i "s|^state: .*|state: $SCRATCH/state|" "$CONFIG"
want "the reader" "$reader" "$(child reader)"

# A folder that is made anew is another one for a process whose rights lie on the old one.
mkdir "$SCRATCH/sub"
config "  api: {inputs: [{type: file, path: '$SCRATCH/sub/api*.log', from: begin}]}
processes: {stall: 4s}"
want "reload" "ok: the new configuration runs" "$("$TW_BIN" reload --config "$CONFIG")"
reader=$(child reader)
rm -r "$SCRATCH/sub"
sleep 1.2 # a sign of life in between: the folder is away
mkdir "$SCRATCH/sub"
api() { printf '{"timestamp": "2026-11-21 01:42:39,498", "level": "INFO", "name": "x", "message": "login_success", "username": "b", "client_ip": "198.51.100.7"}\n'; }
api > "$SCRATCH/sub/api-1.log"
has_two() { "$TW_BIN" status --json --config "$CONFIG" | grep -q '"channel":"api","lines":2'; }
wait_for "a line of the new folder" has_two
[ "$reader" != "$(child reader)" ] || fail "the reader did not begin anew"
config ""
want "reload" "ok: the new configuration runs" "$("$TW_BIN" reload --config "$CONFIG")"

# Told to end: all is committed and signed, nobody is left.
failures 203.0.113.22 7
wait_for "the alert before the end" is_told 203.0.113.22
kill -TERM "$daemon"
wait "$daemon"
want "exit status" 0 $?
[ ! -e "$SCRATCH/state/control" ] || fail "the control socket was left"
"$TW_BIN" reload --config "$CONFIG" > /dev/null 2>&1
want "exit of reload without a daemon" 5 $?

# The parent dies by force: nobody outlives it, and the next one takes over.
start
reader=$(child reader) core=$(child core)
kill -9 "$daemon"
wait "$daemon" 2>/dev/null
gone() { ! kill -0 "$reader" && ! kill -0 "$core"; }
wait_for "the end of all children" gone
rm -f "$SCRATCH/state/control"
start
failures 203.0.113.23 7
wait_for "the alert behind a killed parent" is_told 203.0.113.23
kill -INT "$daemon"
wait "$daemon"

for host in 11 12 13 14 20 21 22 23; do
    want "alerts of 203.0.113.$host" 1 \
        "$("$TW_BIN" alerts list --json --limit 1000 --rule 5151ec3b-549f-5c30-aadb-21616cf609cf --config "$CONFIG" |
            grep -c "\"group\":\[{\"name\":\"source.ip\",\"value\":\"203.0.113.$host\"}\]")"
done
"$TW_BIN" alerts list --json --limit 1000 --config "$CONFIG" | sed 's/.*"id":"\([0-9a-f]*\)","rule":{"id".*/\1/' | sort > "$SCRATCH/stored"
"$TW_BIN" replay --json "$LOG" | sed 's/.*"id":"\([0-9a-f]*\)","rule":{"id".*/\1/' | sort > "$SCRATCH/replayed"
cmp "$SCRATCH/stored" "$SCRATCH/replayed" || fail "not the alerts of a replay"
"$TW_BIN" trail verify --quiet --config "$CONFIG" || fail "the trail is not good"

# Started as root with a user for the others: they are his, the state is, and all works.
if [ "$(id -u)" = 0 ] && id nobody > /dev/null 2>&1; then
    chmod 755 "$SCRATCH"
    mkdir -m 777 "$SCRATCH/told"
    cat > "$SCRATCH/user.yaml" <<EOF
state: $SCRATCH/others
channels:
  xui: {inputs: [{type: file, path: $LOG, from: begin}]}
notifiers:
  out: {type: file, path: $SCRATCH/told/out.jsonl}
processes: {user: nobody}
EOF
    chmod 600 "$LOG" # root's alone: the reader keeps the one right to read it
    "$TW_BIN" run --quiet --config "$SCRATCH/user.yaml" > "$SCRATCH/run.log" 2>&1 &
    daemon=$!
    wait_for "alerts by another user" test -s "$SCRATCH/told/out.jsonl"
    want "users of the roles" "nobody nobody nobody" \
        "$(ps -o user= --ppid "$daemon" | tr -d ' ' | tr '\n' ' ' | sed 's/ $//')"
    want "owner of the state" nobody "$(stat -c %U "$SCRATCH/others")"
    kill -TERM "$daemon"
    wait "$daemon"
    want "exit status with a user" 0 $?
    "$TW_BIN" trail verify --quiet --trail "$SCRATCH/others/trail" || fail "the trail of another user is not good"
fi

# What only the operator can mend ends `run`: here a trail that was cut.
log=$(ls "$SCRATCH"/state/trail/log/*.jsonl | tail -1)
head -c -200 "$log" > "$SCRATCH/cut" && cat "$SCRATCH/cut" > "$log"
"$TW_BIN" run --once --quiet --config "$CONFIG" > "$SCRATCH/cut.log" 2>&1
want "exit with a cut trail" 10 $?
said "$SCRATCH/cut.log" "shorter"
exit 0
