#!/bin/sh
# A full disk stops reading, never the memory; when there is room again, nothing was lost.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || skip "needs root for a small tmpfs"
DISK=$SCRATCH/disk
mkdir "$DISK"
mount -t tmpfs -o size=3m tmpfs "$DISK" 2>/dev/null || skip "cannot mount a tmpfs"
trap 'kill $(jobs -p) 2>/dev/null; sleep 0.2; umount "$DISK"; rm -rf "$SCRATCH"' EXIT
cat > "$SCRATCH/c.yaml" <<EOF
state: $DISK/state
channels: {xui: {inputs: [{type: file, path: $SCRATCH/xui.log, from: begin}]}}
EOF
: > "$SCRATCH/xui.log"
"$TW_BIN" run --once --quiet --config "$SCRATCH/c.yaml" || fail "the first run"
head -c 10m /dev/zero > "$DISK/fill" 2>/dev/null
for i in 1 2 3 4 5 6; do
    echo "2026/11/21 01:38:0$i WARNING - failed login: username=\"root\", IP=\"203.0.113.66\", reason=\"invalid credentials\""
done >> "$SCRATCH/xui.log"
"$TW_BIN" run --config "$SCRATCH/c.yaml" > "$SCRATCH/err" 2>&1 &
daemon=$!
n=0
until grep -q "nothing is read until this commit succeeds" "$SCRATCH/err" || ! kill -0 $daemon 2>/dev/null; do
    n=$((n + 1))
    [ $n -lt 100 ] || break
    sleep 0.1
done
if kill -0 $daemon 2>/dev/null; then
    said "$SCRATCH/err" "nothing is read until this commit succeeds"
else
    # The very first entry found no room: it says so and ends; nothing was committed.
    grep -qiE "No space left|full" "$SCRATCH/err" || { cat "$SCRATCH/err"; fail "it did not say that the disk is full"; }
fi
rm "$DISK/fill"
n=0
while kill -0 $daemon 2>/dev/null && ! grep -q "succeeded again" "$SCRATCH/err" && [ $n -lt 100 ]; do
    n=$((n + 1))
    sleep 0.1
done
kill -TERM $daemon 2>/dev/null
wait $daemon 2>/dev/null
"$TW_BIN" run --once --quiet --config "$SCRATCH/c.yaml" || fail "the run with room again"
want "alerts" 2 "$("$TW_BIN" alerts list --json --config "$SCRATCH/c.yaml" | wc -l)"
"$TW_BIN" trail verify --quiet --config "$SCRATCH/c.yaml" || fail "the trail is not good"
umount "$DISK"

# With the reserve: the alarm and what was owed are committed on a full disk, nothing is read
# meanwhile, and the reserve comes back with the room.
mount -t tmpfs -o size=48m tmpfs "$DISK" || fail "the second tmpfs"
cat > "$SCRATCH/c.yaml" <<EOF
state: $DISK/state
channels: {xui: {audit: all, inputs: [{type: file, path: $SCRATCH/xui.log, from: begin}]}}
bans: {backend: dry-run, max_age: 0s, file: $SCRATCH/bans}
EOF
lines() { # TENS: six failed logins of an address
    for i in 1 2 3 4 5 6; do
        echo "2026/11/21 01:38:$1$i WARNING - failed login: username=\"root\", IP=\"203.0.113.6$1\", reason=\"invalid credentials\""
    done
}
log=$DISK/state/trail/log/00000000000000000000.jsonl
events() { grep -c '"type":"event"' "$log"; }
: > "$SCRATCH/xui.log"
"$TW_BIN" run --single --config "$SCRATCH/c.yaml" > "$SCRATCH/err" 2>&1 &
daemon=$!
until_said() { # TEXT FILE
    n=0
    until grep -q -- "$1" "$2" 2>/dev/null; do
        n=$((n + 1))
        kill -0 $daemon 2>/dev/null || { cat "$SCRATCH/err"; fail "the daemon ended"; }
        [ $n -lt 100 ] || { cat "$SCRATCH/err"; fail "no '$1' in $2"; }
        sleep 0.1
    done
}
until_said '"type":"daemon.start"' "$log"
want "size of the reserve" 16777216 "$(stat -c %s "$DISK/state/reserve")"
cat /dev/zero > "$DISK/fill" 2>/dev/null
lines 0 >> "$SCRATCH/xui.log"
until_said "the reserve is in use" "$SCRATCH/err"
until_said '"type":"disk.full"' "$log"
until_said 203.0.113.60 "$SCRATCH/bans"
[ -e "$DISK/state/reserve" ] && fail "the reserve is still there"
want "events in the trail" 6 "$(events)"
lines 1 >> "$SCRATCH/xui.log"
sleep 1.5 # nothing is to happen: there is nothing to wait for
want "events read on the reserve" 6 "$(events)"
rm "$DISK/fill"
until_said "the reserve is whole" "$SCRATCH/err"
until_said '"type":"disk.room"' "$log"
until_said 203.0.113.61 "$SCRATCH/bans"
kill -TERM $daemon
wait $daemon || { cat "$SCRATCH/err"; fail "the end after a full disk"; }
want "events at the end" 12 "$(events)"
[ -e "$DISK/state/reserve" ] || fail "the reserve was not made again"
"$TW_BIN" trail verify --quiet --config "$SCRATCH/c.yaml" || fail "the trail is not good after a full disk"
echo good
