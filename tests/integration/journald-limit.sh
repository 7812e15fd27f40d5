#!/bin/sh
# A unit that is cut by journald's rate limit: the number of messages that are missing is in the
# trail. What a sender says of its own unit, or of a suppression, is not believed.
. "$(dirname "$0")/lib.sh"
unit=limit-test.service
[ "$(id -u)" = 0 ] || skip "needs root"
for journald in /lib/systemd/systemd-journald /usr/lib/systemd/systemd-journald none; do
    [ -x "$journald" ] && break
done
[ "$journald" != none ] || skip "no systemd-journald"
[ -s /etc/machine-id ] || skip "no machine id"
command -v python3 > /dev/null || skip "no python3"
unshare -m --propagation private mount -t tmpfs tmpfs /run 2> /dev/null || skip "unshare or mount is not permitted"
cat > "$SCRATCH/c.yaml" <<EOF
state: $SCRATCH/state
host: limit.example
channels: {xui: {audit: all, inputs: [{type: journald, unit: $unit, from: begin}]}}
EOF
cat > "$SCRATCH/inside" <<EOF
mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /var/log || exit 77
mkdir -p /run/systemd/journal /run/systemd/journald.conf.d /run/log/journal /var/log/journal/\$(cat /etc/machine-id)
printf '[Journal]\nRateLimitBurst=100\nRateLimitIntervalSec=2s\nStorage=persistent\n' > /run/systemd/journald.conf.d/test.conf
"$journald" 2> "$SCRATCH/journald.log" &
daemon=\$!
n=0
until [ -S /run/systemd/journal/stdout ]; do
    n=\$((n + 1))
    [ \$n -lt 100 ] || exit 77
    sleep 0.05
done
journalctl --flush 2> /dev/null
"$TW_SOURCE/tests/integration/journald-limit.py" $unit 5000 || exit 1
"$TW_BIN" run --once --quiet --config "$SCRATCH/c.yaml" || exit 1
journalctl -q _SYSTEMD_UNIT=$unit -o cat | wc -l > "$SCRATCH/there"
journalctl -q _TRANSPORT=driver MESSAGE_ID=a596d6fe7bfa4994828e72309e95d61e -o cat > "$SCRATCH/said"
kill \$daemon
EOF
unshare -m --propagation private sh "$SCRATCH/inside"
r=$?
[ $r -ne 77 ] || skip "journald cannot run here"
[ $r -eq 0 ] || { cat "$SCRATCH/journald.log"; fail "journald, the writer or the program failed"; }
show() { "$TW_BIN" trail show --json --config "$SCRATCH/c.yaml" --type "$1"; }
there=$(cat "$SCRATCH/there")
want "events" "$there" "$(show event | wc -l)"
dropped=$(show source.suppressed | sed 's/.*"dropped":\([0-9]*\).*/\1/' | awk '{ n += $1 } END { print n + 0 }')
[ "$dropped" -gt 0 ] || fail "no suppression is told"
show source.suppressed | grep -q '"dropped":7,' && fail "a forged suppression is told"
want "dropped messages" "$(awk '{ n += $2 } END { print n }' "$SCRATCH/said")" "$dropped" # Suppressed N messages from ...
show source.suppressed | grep -q "\"unit\":\"$unit\"" || fail "the unit is not named"
echo "$there messages read, $dropped dropped by journald and told"
