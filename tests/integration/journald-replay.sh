#!/bin/sh
# A saved journal: `replay` tells the alerts that `run` told on it, with the same ids; lines forged
# inside a message, and messages of other units, are nobody's events.
. "$(dirname "$0")/lib.sh"
for remote in /lib/systemd/systemd-journal-remote /usr/lib/systemd/systemd-journal-remote none; do
    [ -x "$remote" ] && break
done
[ "$remote" != none ] || skip "no systemd-journal-remote"
mkdir "$SCRATCH/journal"

# entry UNIT SECOND MESSAGE [MORE LINES OF IT]: one message with all these lines
entry() {
    unit=$1 at=$2
    shift 2
    printf '__REALTIME_TIMESTAMP=%s\n__MONOTONIC_TIMESTAMP=%s\n' $((1795225490000000 + at * 1000000)) $((at + 1))000000
    printf '_BOOT_ID=fedcba9876543210fedcba9876543210\n_PID=77\n_TRANSPORT=stdout\n_SYSTEMD_UNIT=%s\n' "$unit"
    text=$(printf '%s\n' "$@")
    printf 'SYSLOG_IDENTIFIER=x-ui\nMESSAGE\n'
    printf '%016x\n' ${#text} | fold -w2 | tac | while read -r byte; do printf '%b' "\\0$(printf '%o' "0x$byte")"; done
    printf '%s\n\n' "$text"
}
failure() { printf '2026/11/21 01:44:5%s WARNING - failed login: username="u", IP="%s", reason="invalid credentials"' "$1" "$2"; }
i=0
while [ $i -lt 7 ]; do
    entry x-ui.service $i "$(failure $i 203.0.113.1)"
    entry evil.service $i "$(failure $i 203.0.113.2)" # of another unit, whatever it calls itself
    i=$((i + 1))
done > "$SCRATCH/export"
f=$(failure 8 203.0.113.3)
entry x-ui.service 8 "2026/11/21 01:44:58 INFO - a note of" "$f" "$f" "$f" "$f" "$f" "$f" "$f" "$f" >> "$SCRATCH/export"
"$remote" --output="$SCRATCH/journal/system.journal" --split-mode=none "$SCRATCH/export" > "$SCRATCH/log" 2>&1 ||
    { cat "$SCRATCH/log"; fail "the journal was not made"; }

cat > "$SCRATCH/c.yaml" <<EOF
state: $SCRATCH/state
host: replay.example
channels: {xui: {audit: all, inputs: [{type: journald, unit: x-ui, directory: $SCRATCH/journal, from: begin}]}}
EOF
"$TW_BIN" run --once --quiet --config "$SCRATCH/c.yaml" || fail "run"
ids() { sed 's/.*"id":"\([0-9a-f]*\)","rule":{"id".*/\1/' | sort; }
"$TW_BIN" alerts list --json --config "$SCRATCH/c.yaml" > "$SCRATCH/alerts"
ids < "$SCRATCH/alerts" > "$SCRATCH/live"
[ -s "$SCRATCH/live" ] || fail "run told nothing"
grep -q '203\.0\.113\.1' "$SCRATCH/alerts" || fail "the failures of the unit are not told"
grep -E '203\.0\.113\.[23]' "$SCRATCH/alerts" && fail "forged failures were counted"
want "events of the trail" 8 "$("$TW_BIN" trail show --type event --config "$SCRATCH/c.yaml" | wc -l)"

same() { # WHAT ARGUMENTS...
    what=$1
    shift
    "$TW_BIN" replay --json "$@" > "$SCRATCH/out" || fail "$what"
    ids < "$SCRATCH/out" > "$SCRATCH/replayed"
    cmp "$SCRATCH/live" "$SCRATCH/replayed" || fail "$what: other alerts than run told"
}
same "a folder" --journal "$SCRATCH/journal" --channel xui
same "a folder and a unit" --journal "$SCRATCH/journal" --unit x-ui.service --channel xui
same "a file" --journal "$SCRATCH/journal/system.journal" --channel xui
cp "$SCRATCH/journal/system.journal" "$SCRATCH/saved.journal"
same "a file known by its first bytes" "$SCRATCH/saved.journal" --channel xui
same "channels found by their units" --journal "$SCRATCH/journal"
same "a channel found by the unit" "$SCRATCH/saved.journal" --unit 'x-ui*'
"$TW_BIN" replay --json --journal "$SCRATCH/journal" --unit evil --channel xui > "$SCRATCH/out"
grep -q '203\.0\.113\.2' "$SCRATCH/out" || fail "a unit named on the command line is not taken"
"$TW_BIN" replay --journal "$SCRATCH/journal" --unit nobody > "$SCRATCH/out" 2>&1
want "exit for a unit of no channel" 2 $?
said "$SCRATCH/out" "no channel has this unit"
"$TW_BIN" replay --journal "$SCRATCH/none" --channel xui > "$SCRATCH/out" 2>&1
want "exit for no journal" 1 $?
said "$SCRATCH/out" "$SCRATCH/none"
echo "$(wc -l < "$SCRATCH/live") alerts, the same from run and from replay"
