#!/bin/sh
# import fail2ban: jails become channels and rules that check accepts and that find what they must;
# the report says what is left out and why.
. "$(dirname "$0")/lib.sh"
cd "$SCRATCH" || exit 99
command -v python3 > /dev/null || skip "no python3"
jails=$SCRATCH/f2b
mkdir -p "$jails/jail.d"
cp -r "$TW_SOURCE/tests/data/fail2ban/filter.d" "$jails/"
cat > "$jails/jail.conf" << 'END'
[INCLUDES]
before = paths.conf

[DEFAULT]
enabled = false
ignoreip = 127.0.0.1/8 ::1
bantime = 10m
findtime = 10m
maxretry = 5
backend = %(auth_backend)s
mode = normal
filter = %(__name__)s[mode=%(mode)s]
action = %(no_such_name)s

[shell]
port = ssh,2222:2223
protocol = tcp
action = %(no_such_name)s
logpath = %(auth_log)s

[web]
mode = fallback
port = http,nosuchport
logtimezone = UTC+0200
logpath = /var/log/nginx/error.log
          /srv/*/error.log tail

[mail]
filter = mail
backend = systemd
usedns = no
datepattern = ^%%Y %%d
ignorecommand = /bin/true
bantime = -1
findtime = 1d 2h

[pair]
logpath = /var/log/pair.log

[nothing]
logpath = /var/log/nothing.log

[odd]
logpath = %(no_such_name)s
END
cat > "$jails/paths.conf" << 'END'
[DEFAULT]
auth_backend = auto
auth_log = /var/log/auth.log
END
cat > "$jails/jail.d/local.conf" << 'END'
[shell]
enabled = true
maxretry = 3
[web]
enabled = yes
[mail]
enabled = 1
[nothing]
enabled = true
END
cat > "$jails/jail.local" << 'END'
[shell]
bantime = 1h
ignoreip = 127.0.0.1/8 192.0.2.0/28, office.example.org
failregex = ^mine <HOST>$
END

"$TW_BIN" import fail2ban "$jails" --to "$SCRATCH/out" > said 2> faults || { cat said faults; fail "import"; }
said said "shell: filter $jails/filter.d/shell.conf, 3 failures in 10m ban for 1h"
said said "    not carried over: failregex of the jail: put it into filter.d/shell.local"
said said "    not carried over: ignoreip office.example.org is no address"
said said "    its action is its own: its bans are for the jail's port and protocol"
said said "web: filter $jails/filter.d/web.conf[mode=fallback], 5 failures in 10m ban for 10m"
said said "    port 'nosuchport' is not known here: its bans are for all ports"
said said "mail: filter $jails/filter.d/mail.conf[usedns=no,datepattern=\"^%Y %d\"], 5 failures in 1d2h ban for 3640d"
said said "    it names no unit of the journal: all of the journal is read"
said said "    not carried over: ignorecommand of the jail"
said said "    left out: its filter 'nothing' cannot be read"
said said "4 jails are enabled, 3 of them taken over; 2 are disabled"
said faults "nothing.conf: error: there is no such file"
said out/fail2ban.yaml 'path: "/srv/*/error.log", zone: "Etc/GMT-2"'
said out/fail2ban.yaml '      - {type: journald}'
said out/fail2ban.yaml 'allow: ["127.0.0.0/8", "192.0.2.0/28", "::1"]'
said out/fail2ban-rules.yml 'timespan: 93600s'
said out/fail2ban-rules.yml 'ban: {field: source.ip, for: 3600s, ports: [22, 2222, 2223], protocol: tcp}'
said out/fail2ban-rules.yml 'ban: {field: source.ip, for: 600s}'

"$TW_BIN" check --config out/fail2ban.yaml > checked 2>&1 || { cat checked; fail "check refuses it"; }
for i in 1 2 3; do
    echo "Nov 21 01:44:2$i h sshd[81$i]: Failed password for root from 203.0.113.66 port 4002$i ssh2"
done > auth.log
"$TW_BIN" replay --config out/fail2ban.yaml --channel shell auth.log > alerts 2>&1
said alerts "Jail shell: 3 failures of one address in 600 seconds"
head -2 auth.log > two.log
"$TW_BIN" replay --config out/fail2ban.yaml --channel shell two.log > alerts 2>&1
grep -q "Jail shell" alerts && fail "two failures are enough"

# Longer bans for who comes again: one scale for all.
cp -r "$jails" longer
cat >> longer/jail.local << 'END'
bantime.increment = true
bantime.maxtime = 3h
[web]
bantime.increment = true
bantime.multipliers = 1 5 30
END
"$TW_BIN" import fail2ban longer --to "$SCRATCH/scale" > said 2> faults || { cat said faults; fail "import"; }
said scale/fail2ban.yaml 'escalate: [3600s, 7200s, 10800s]'
said said "    its longer bans are those of jail shell: one scale is for all"

"$TW_BIN" import fail2ban "$jails" --to "$SCRATCH/out" > /dev/null 2> again && fail "it overwrites"
said again "is there already: --force overwrites"
"$TW_BIN" import fail2ban "$jails" --to "$SCRATCH/out" --force > /dev/null 2>&1 || fail "--force"

"$TW_BIN" import fail2ban "$jails" --json > report.json 2> /dev/null || fail "--json"
want "jails in the report" "shell,web,mail,nothing" "$(python3 -c '
import json
print(",".join(j["name"] for j in json.load(open("report.json"))["jails"]))')"

printf '[odd]\nenabled = true\n' >> "$jails/jail.local"
"$TW_BIN" import fail2ban "$jails" > said 2> faults
want "exit of a jail with a fault" 78 $?
said faults "unknown name 'no_such_name' in %(...)s"
