#!/bin/sh
# fail2ban: a jail with an action that only writes; bans, an action that fails, a stop.
. "$(dirname "$0")/lib.sh"
need fail2ban-server fail2ban
sandbox

mkdir -p "$WORK/f2b/action.d" "$WORK/f2b/filter.d"
log=$WORK/auth.log
: > "$log"
cp -a /etc/fail2ban/filter.d/. "$WORK/f2b/filter.d/"
cat > "$WORK/f2b/fail2ban.conf" <<END
[Definition]
loglevel = INFO
logtarget = $OUT/fail2ban.log
syslogsocket = auto
socket = $WORK/f2b.sock
pidfile = $WORK/f2b.pid
dbfile = None
dbpurgeage = 1d
END
printf '[Definition]\nactionban = true\nactionunban = true\n' > "$WORK/f2b/action.d/good.conf"
printf '[Definition]\nactionban = false\nactionunban = false\n' > "$WORK/f2b/action.d/bad.conf"
cat > "$WORK/f2b/jail.conf" <<END
[DEFAULT]
backend = polling
maxretry = 3
findtime = 600
bantime = 4
usedns = no
filter = sshd
logpath = $log
enabled = true
[sshd]
action = good
[broken]
action = bad
END
fail2ban() { fail2ban-client -c "$WORK/f2b" -s "$WORK/f2b.sock" -p "$WORK/f2b.pid" "$@"; }
fail2ban start >/dev/null 2>&1 || { cat "$OUT/fail2ban.log" >&2; exit 1; }
for address in $STRANGER 203.0.113.77 2001:db8::66; do
    for port in 1 2 3 4; do
        echo "$(LC_ALL=C date '+%b %e %H:%M:%S') vpn1 sshd[812]: Failed password for root from $address port 4000$port ssh2" >> "$log"
    done
done
wait_for "ban" grep -q ' Ban ' "$OUT/fail2ban.log"
wait_for "unban" grep -q ' Unban ' "$OUT/fail2ban.log"
fail2ban set sshd banip 203.0.113.5 >/dev/null
fail2ban reload >/dev/null
fail2ban stop >/dev/null
settle
report "$OUT/fail2ban.log"
