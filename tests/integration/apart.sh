#!/bin/sh
# Two logs whose events lie weeks apart, read beside each other: whenever the daemon dies in the
# backlog, the alerts are those of an undisturbed run.
. "$(dirname "$0")/lib.sh"
CONFIG=$SCRATCH/c.yaml
cat > "$CONFIG" <<EOF
state: $SCRATCH/state
host: apart.example
limits: {block: 4KiB}
channels:
  xui: {inputs: [{type: file, path: $SCRATCH/xui.log, from: begin}]}
  openvpn: {inputs: [{type: file, path: '$SCRATCH/openvpn-*.log', from: begin}]}
EOF
# Each, for addresses of its own: bursts of 18 failed logins from three addresses, every 15 minutes.
awk 'function t(i) { return int(i / 18) * 900 + i % 18 * 5 } BEGIN { for (i = 0; i < 1200; i++)
    printf "2026/11/14 %02d:%02d:%02d WARNING - failed login: username=\"u%d\", IP=\"203.0.113.%d\", reason=\"invalid credentials\"\n",
        t(i) / 3600, t(i) / 60 % 60, t(i) % 60, i % 5, i % 3 + 1 }' > "$SCRATCH/xui.log"
for month in 07 10; do
    awk -v m=$month 'function t(i) { return int(i / 18) * 900 + i % 18 * 5 } BEGIN { for (i = 0; i < 1200; i++)
        printf "2026-%s-01 %02d:%02d:%02d us=%d 198.51.100.%d:%d TLS Auth Error: Auth Username/Password verification failed for peer\n",
            m, t(i) / 3600, t(i) / 60 % 60, t(i) % 60, i, i % 3 + m, 40000 + i }' > "$SCRATCH/openvpn-$month.log"
done
run() { "$TW_BIN" run --single --once --quiet --config "$CONFIG" > "$SCRATCH/out" 2>&1; }
alerts() { "$TW_BIN" alerts list --json --limit 100000 --config "$CONFIG" | sed 's/.*"id":"\([0-9a-f]*\)","rule":{"id".*/\1/' | sort; }
run || { cat "$SCRATCH/out"; fail "the undisturbed run"; }
alerts > "$SCRATCH/alerts"
[ "$(wc -l < "$SCRATCH/alerts")" -gt 20 ] || fail "few alerts to compare"
ends=0
for n in 1 2 3; do
    rm -rf "$SCRATCH/state"
    for _ in 1 2 3; do
        TW_FAULT="store: after commit:$n" "$TW_BIN" run --single --once --quiet --config "$CONFIG" > "$SCRATCH/out" 2>&1
        [ $? -ne 86 ] || ends=$((ends + 1))
    done
    run || { cat "$SCRATCH/out"; fail "the run after the ends"; }
    alerts | cmp -s - "$SCRATCH/alerts" || fail "other alerts after ends at commit $n"
done
[ $ends -ge 5 ] || fail "it ended only $ends times in the backlog"
echo "$(wc -l < "$SCRATCH/alerts") alerts, the same after $ends ends"
