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
echo good
