#!/bin/sh
# Host names of the allow list, asked for by a process of its own: who is there is never banned, and
# who is banned gets in when the name moves to him.
# shellcheck source=tests/integration/lib.sh
. "$TW_SOURCE/tests/integration/lib.sh"
[ "$(id -u)" = 0 ] || skip "only root puts a hosts file of its own in place"
command -v unshare > /dev/null || skip "no unshare"
if [ "${TW_INSIDE:-}" = "" ]; then
    unshare -mn true 2> /dev/null || skip "no namespaces here"
    TW_INSIDE=1 exec unshare -mn "$0"
fi
cp /etc/hosts "$SCRATCH/hosts"
echo "198.18.0.7 home.tw-test.example" >> "$SCRATCH/hosts"
mount --bind "$SCRATCH/hosts" /etc/hosts || skip "cannot mount"
LOG=$SCRATCH/xui.log
cat > "$SCRATCH/c.yaml" <<END
state: $SCRATCH/state
channels: {xui: {inputs: [{type: file, path: $LOG, from: begin}]}}
bans: {backend: dry-run, max_age: 0s, file: $SCRATCH/bans, resolve: 10s, allow: [home.tw-test.example, 10.0.0.0/8]}
END
failures() { # ADDRESS
    for k in 1 2 3 4 5 6 7; do
        printf '2026/11/21 01:10:%02d WARNING - failed login: username="root", IP="%s", reason="invalid credentials"\n' "$k" "$1" >> "$LOG"
    done
}
wait_for() { # WHAT COMMAND...
    what=$1 n=0
    shift
    until "$@"; do
        n=$((n + 1))
        [ $n -lt 300 ] || { cat "$SCRATCH/run.log"; fail "never: $what"; }
        sleep 0.1
    done
}
tw() { "$TW_BIN" "$@" --config "$SCRATCH/c.yaml"; }
: > "$LOG"
"$TW_BIN" run --config "$SCRATCH/c.yaml" > "$SCRATCH/run.log" 2>&1 &
daemon=$!
wait_for "the daemon" test -S "$SCRATCH/state/control"
wait_for "the process that asks" pgrep -P "$daemon" -x tw-names > /dev/null
sleep 0.5 # the first answer comes at once, but by another line than the log's
failures 198.18.0.7
failures 198.18.0.8
wait_for "the ban of a stranger" grep -q 'ban 198.18.0.8' "$SCRATCH/bans"
wait_for "the refusal" sh -c "'$TW_BIN' trail show --type ban.skipped --json --trail '$SCRATCH/state/trail' | grep -q 'home.tw-test.example'"
grep -q '198.18.0.7' "$SCRATCH/bans" && fail "the name was banned"
sed 's/^198.18.0.7/198.18.0.8/' "$SCRATCH/hosts" > "$SCRATCH/moved"
cat "$SCRATCH/moved" > "$SCRATCH/hosts" # the same file: it is mounted
wait_for "the name moved, and he is in" grep -q 'unban 198.18.0.8' "$SCRATCH/bans"
kill -TERM "$daemon"
wait "$daemon"
want "exit status" 0 $?
