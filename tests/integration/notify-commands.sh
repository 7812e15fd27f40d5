#!/bin/sh
# People deal with alerts of a running daemon: acknowledge, silence, look who was told, try again.
. "$(dirname "$0")/lib.sh"
LOG=$SCRATCH/xui.log
CONFIG=$SCRATCH/c.yaml
: > "$LOG"
cat > "$CONFIG" <<EOF
state: $SCRATCH/state
host: people.example
channels:
  xui: {inputs: [{type: file, path: $LOG, from: begin}]}
rules: {library: false, paths: [$TW_SOURCE/rules/library/xui/failed-logins.yml]}
notifiers:
  disk: {type: file, path: $SCRATCH/disk.jsonl}
  wall: {type: file, path: $SCRATCH/no-folder/wall.jsonl}
  team: {type: file, path: $SCRATCH/team.jsonl}
routes:
  - {notify: [disk, wall], continue: true}
  - {notify: [team], when: {level: [high]}, group: [channel], wait: 1s, interval: 1s}
bans: {backend: dry-run, max_age: 0s}
EOF
tw() { # GROUP VERB ARGUMENT...
    group=$1
    verb=$2
    shift 2
    "$TW_BIN" "$group" "$verb" --config "$CONFIG" "$@"
}
wait_for() { # TEXT CONDITION...
    text=$1
    shift
    n=0
    until "$@" > "$SCRATCH/last" 2>&1; do
        n=$((n + 1))
        [ $n -lt 200 ] || { cat "$SCRATCH/last" "$SCRATCH/run.log"; fail "never: $text"; }
        sleep 0.1
    done
}
failures() { # HOUR ADDRESS: seven failed logins, one alert of each rule that counts them
    for s in 1 2 3 4 5 6 7; do
        printf '2026/11/21 %s:10:0%s WARNING - failed login: username="root", IP="%s", reason="invalid credentials"\n' \
            "$1" $s "$2" >> "$LOG"
    done
}
RULE='xui: more than 5 failed logins from one address'
ids() { tw alerts list "$@" | grep -F "$RULE" | grep -oE ' [0-9a-f]{12} '; }
newest() { ids "$@" | head -1 | tr -d ' '; }
there() { [ "$(ids "$@" | wc -l)" -ge "$wanted" ]; } # how many, in $wanted
row() { tw notify list --limit 1 "$@" --fail-empty; }
exits() { # CODE COMMAND...
    code=$1
    shift
    "$@" > "$SCRATCH/out" 2>&1
    want "exit code of $*" "$code" $?
}

exits 5 tw alerts list # nothing was ever recorded
"$TW_BIN" run --config "$CONFIG" > "$SCRATCH/run.log" 2>&1 &
daemon=$!
trap 'kill "$daemon" 2>/dev/null; rm -rf "$SCRATCH"' EXIT
wait_for "the control socket" test -S "$SCRATCH/state/control"

# An alert, all of it.
failures 01 203.0.113.5
wanted=1
wait_for "an open alert" there --status open
wait_for "it was told" row --receiver disk --status sent
id=$(newest)
tw alerts show "$id" > "$SCRATCH/out" || fail "alerts show"
for text in "$RULE" "203.0.113.5" "Counted 6 within 5m" "open since" "written to" "ban " "would ban" \
    "trailwarden trail prove --type alert --grep $id"; do said "$SCRATCH/out" "$text"; done
want "lines in it" 6 "$(grep -c '^  2026/11/21 01:10' "$SCRATCH/out")"
exits 1 tw alerts show ffff
exits 3 tw alerts list --status closed --fail-empty
exits 3 tw alerts list --level critical --fail-empty
exits 3 tw alerts list --until 2026-11-21T01:00:00Z --fail-empty
want "by the rule's title" 1 "$(tw alerts list --json --rule "$RULE in 5 minutes" | wc -l)"
exits 0 tw alerts list --since 2026-11-21T01:00:00Z --fail-empty

# Somebody looks after it: the next alert of the kind is kept, and nobody is told.
SUDO_USER=alice tw alerts ack "$id" --comment 'our own scanner' > "$SCRATCH/out" || fail "ack"
said "$SCRATCH/out" "acknowledged: $RULE"
wanted=1
wait_for "acked" there --status acked
failures 02 203.0.113.5
wanted=2
wait_for "a second alert of the incident" there --status acked
second=$(newest --status acked)
[ "$second" != "$id" ] || fail "the newest is not the second"
wait_for "the second is held" row --status held
tw alerts show "$second" > "$SCRATCH/out"
said "$SCRATCH/out" "acknowledged by alice: our own scanner"
said "$SCRATCH/out" "2 alerts since"
exits 1 tw alerts ack ffff

# Closed: the next one opens it again.
tw alerts close "$id" > "$SCRATCH/out" || fail "close"
want "none is open" "" "$(newest --status open)"
failures 03 203.0.113.5
wanted=3
wait_for "open again" there --status open

# A silence: what fits is kept and nobody is told, until it is ended.
tw silences add --for 2h --field source.ip=203.0.113.64/26 --comment test > "$SCRATCH/out" || fail "silences add"
said "$SCRATCH/out" "silence 1 for 2h: source.ip 203.0.113.64/26"
said "$SCRATCH/out" "0 open incidents fit now"
failures 04 203.0.113.66
silenced() { tw alerts show "$(newest)" | grep -F "held" | grep -F "silence 1"; }
wait_for "an alert that is held" silenced
tw silences add "$id" --for 30m > "$SCRATCH/out" || fail "silences add ID"
said "$SCRATCH/out" "1 open incident fits now:"
tw silences list > "$SCRATCH/out"
said "$SCRATCH/out" "rule $RULE"
want "silences" 2 "$(tw silences list --json | wc -l)"
tw silences expire 1 2 > "$SCRATCH/out" || fail "expire"
want "none is left" 0 "$(tw silences list --json | wc -l)"
want "but both are known" 2 "$(tw silences list --all --json | wc -l)"
exits 1 tw silences expire 1

# A receiver that cannot be reached: given up by hand, then mended and tried again.
wait_for "a failed message" row --receiver wall --status retry
number=$(tw notify list --receiver wall --status retry --json --limit 1 | sed 's/.*"id":\([0-9]*\),"key".*/\1/')
tw notify show "$number" > "$SCRATCH/out" || fail "notify show"
said "$SCRATCH/out" "message    $number to wall (notify)"
said "$SCRATCH/out" "cannot write"
said "$SCRATCH/out" "2026/11/21"
tw notify drop --receiver wall > "$SCRATCH/out" || fail "notify drop"
said "$SCRATCH/out" "dropped"
none_waits() { ! row --receiver wall --status waiting,retry; }
wait_for "nothing waits" none_waits
tw notify receivers > "$SCRATCH/out"
dead=$(tw notify list --receiver wall --status dead --json | wc -l)
[ "$dead" -ge 1 ] || fail "nothing is dead"
want "the receiver's row" "wall file 0 - 0 $dead" \
    "$(awk '$1 == "wall" { print $1, $2, $3, $4, $5, $6 }' "$SCRATCH/out")"
mkdir "$SCRATCH/no-folder"
tw notify retry "$number" > "$SCRATCH/out" || fail "notify retry"
sent() { tw notify show "$number" | grep "state      sent"; }
wait_for "it is sent" sent
exits 1 tw notify retry "$number"
exits 1 tw notify retry --receiver nobody
exits 1 tw notify show 999999
tw notify retry --receiver wall > "$SCRATCH/out" || fail "notify retry --receiver"
all_sent() { [ "$(wc -l < "$SCRATCH/no-folder/wall.jsonl")" -eq "$dead" ]; }
wait_for "all are sent" all_sent

# Told together: each alert says in which message.
for host in 129 130 131; do failures 05 203.0.113.$host; done
wanted=7
wait_for "three more alerts" there
together() { tw alerts show "$(newest)" | grep -E "team  .*bundled .*in message [0-9]+: sent "; }
wait_for "one that is told with others" together
number=$(sed 's/.*in message \([0-9]*\): .*/\1/' "$SCRATCH/last")
tw notify show "$number" > "$SCRATCH/out" || fail "notify show of a summary"
said "$SCRATCH/out" "message    $number to team (notify)"
said "$SCRATCH/out" "it tells of "
said "$SCRATCH/out" "203.0.113.131"
tw notify list --receiver team > "$SCRATCH/out"
said "$SCRATCH/out" "told in message $number"

# Each act is an entry, also the refused ones; the person can be erased, so stands apart.
tw trail show --type act > "$SCRATCH/out"
for text in "act=ack via=cli" "act=close" "act=silence.add" "act=silence.expire" "act=drop" "act=retry" "done=false"; do
    said "$SCRATCH/out" "$text"
done
grep -qF alice "$SCRATCH/out" && fail "who it was stands in the public part"
tw trail show --type act --field user.name=alice --fail-empty > "$SCRATCH/out" || fail "who it was is not known"
kill "$daemon"
wait "$daemon"
exits 5 tw alerts ack "$id"
said "$SCRATCH/out" "start it"
exits 0 tw alerts list
"$TW_BIN" trail verify --quiet --config "$CONFIG" || fail "the trail is not good"
echo "acknowledged, silenced, dropped and tried again"
