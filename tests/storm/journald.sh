#!/bin/sh
# A real journald in mounts of its own, under rotation, vacuuming, restarts, kills, clocks that are
# set back and new boots, and a trailwarden that is killed at random. In the end every message that
# was ever in the journal is in the trail exactly once and in order, or inside a source.gap.
#
#   TW_ROUNDS   how many things happen to journald (default 150, about five minutes)
#   TW_SEED     of the order in which they happen (printed; default: the time)
#   TW_KEEP     a folder to leave everything in
set -u
here=$(cd "$(dirname "$0")" && pwd)

skip() {
    echo "skipped: $1"
    exit 77
}

[ "$(id -u)" = 0 ] || skip "needs root"
for journald in /lib/systemd/systemd-journald /usr/lib/systemd/systemd-journald none; do
    [ -x "$journald" ] && break
done
[ "$journald" != none ] || skip "no systemd-journald"
[ -s /etc/machine-id ] || skip "no machine id"
command -v python3 > /dev/null || skip "no python3"
command -v journalctl > /dev/null || skip "no journalctl"
unshare -m --propagation private mount -t tmpfs tmpfs /run 2> /dev/null || skip "unshare or mount is not permitted"
: "${TW_BIN:?the program}"

folder=${TW_KEEP:-$(mktemp -d "${TMPDIR:-/tmp}/tw-storm.XXXXXX")}
mkdir -p "$folder"
[ -n "${TW_KEEP:-}" ] || trap 'rm -rf "$folder"' EXIT
unshare -m --propagation private "$here/journald.py" "$journald" "$TW_BIN" "$folder" \
    "${TW_ROUNDS:-150}" "${TW_SEED:-$(date +%s)}"
