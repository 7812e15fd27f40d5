#!/bin/sh
# A real journald, a writer, rotations, and a reader that is killed again and again: every line is
# read exactly once. Runs in mounts of its own; skipped without root, journald or python3.
set -u
reader=${TW_BUILD:-.}/tests/unit/test_input_journald
source=${TW_SOURCE:-.}
lines=${TW_STORM_LINES:-4000}
unit=storm-test.service

skip() {
    echo "1..0 # SKIP $1"
    exit 77
}

fail() {
    echo "not ok 1 - $1"
    exit 1
}

inside() { # FOLDER: in mounts of our own
    mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /var/log || exit 77
    mkdir -p /run/systemd/journal /run/systemd/journald.conf.d /run/log/journal \
        "/var/log/journal/$(cat /etc/machine-id)"
    printf '[Journal]\nRateLimitBurst=0\nRateLimitIntervalSec=0\nStorage=persistent\n' \
        > /run/systemd/journald.conf.d/test.conf
    "$journald" 2> "$1/journald.log" &
    daemon=$!
    trap 'kill "$daemon"' EXIT
    n=0
    until [ -S /run/systemd/journal/stdout ]; do
        n=$((n + 1))
        [ $n -lt 100 ] || exit 77
        sleep 0.05
    done
    journalctl --flush 2> /dev/null
    "$source/tests/integration/journald-writer.py" "$unit" "$lines" &
    writer=$!
    kills=0
    while kill -0 "$writer" 2> /dev/null; do
        "$reader" follow "$1" "$unit" &
        pid=$!
        sleep "0.$((1 + kills % 4))"
        kill -KILL "$pid" 2> /dev/null || exit 1
        wait "$pid" 2> /dev/null
        kills=$((kills + 1))
    done
    wait "$writer" || exit 1
    "$reader" follow "$1" "$unit" &
    pid=$!
    sleep 2
    kill -KILL "$pid"
    echo "# $kills kills"
}

[ "$(id -u)" = 0 ] || skip "needs root"
for journald in /lib/systemd/systemd-journald /usr/lib/systemd/systemd-journald none; do
    [ -x "$journald" ] && break
done
[ "$journald" != none ] || skip "no systemd-journald"
[ -s /etc/machine-id ] || skip "no machine id"
command -v python3 > /dev/null || skip "no python3"
command -v unshare > /dev/null || skip "no unshare"
[ -x "$reader" ] || skip "the reader is not built"
if [ "${1:-}" = inside ]; then
    inside "$2"
    exit 0
fi

folder=$(mktemp -d "${TMPDIR:-/tmp}/tw-journald-XXXXXX")
trap 'rm -rf "$folder"' EXIT
unshare -m --propagation private "$0" inside "$folder"
case $? in
0) ;;
77) skip "journald cannot run here" ;;
*) fail "the reader or the writer ended by itself" ;;
esac

tr '|' '\n' < "$folder/out" > "$folder/lines"
got=$(grep -c ' line$' "$folder/lines")
different=$(grep ' line$' "$folder/lines" | sort -u | wc -l)
long=$(awk '/^long x+$/ { print length($0) }' "$folder/lines")
echo "1..1"
[ "$got" = "$lines" ] || fail "$got lines of $lines"
[ "$different" = "$lines" ] || fail "$((lines - different)) lines are missing"
[ "$long" = 60005 ] || fail "the long line has '$long' characters"
echo "ok 1 - every line of the journal was read exactly once"
