#!/bin/sh
# The jails of Debian's own fail2ban, taken over as they are: check accepts the outcome, samples of
# each log give the jail's ban, and neither blocks nor threads nor the scan change what is found.
. "$(dirname "$0")/lib.sh"
cd "$SCRATCH" || exit 99
[ -f /etc/fail2ban/filter.d/sshd.conf ] || skip "no fail2ban in /etc/fail2ban"
grep -q 'MLFID' /etc/fail2ban/filter.d/sshd.conf || skip "its sshd filter is too old"
cp -r /etc/fail2ban f2b 2> /dev/null
rm -f f2b/jail.d/* f2b/jail.local
cat > f2b/jail.local << 'END'
[DEFAULT]
ignoreip = 127.0.0.1/8 192.0.2.200
maxretry = 4
[sshd]
enabled = true
backend = auto
maxretry = 3
[nginx-botsearch]
enabled = true
logpath = /var/log/nginx/access.log
[postfix]
enabled = true
backend = auto
mode = aggressive
[dovecot]
enabled = true
backend = auto
bantime = 2h
[apache-auth]
enabled = true
[recidive]
enabled = true
[mongodb-auth]
enabled = true
END
"$TW_BIN" import fail2ban f2b --to out > said 2>&1 || { cat said; fail "import"; }
said said "7 jails are enabled, 7 of them taken over"
"$TW_BIN" check --config out/fail2ban.yaml > checked 2>&1 || { cat checked; fail "check refuses it"; }

# ---- lines of each log: four failures of 203.0.113.N, and others between ----

# lines FORMAT: %s is the number of the line, and its second
lines() {
    for i in 11 12 13 14; do
        # shellcheck disable=SC2059
        printf "$1\n" "$i" "$i"
    done
}
lines 'Nov 21 10:00:%s h sshd[1%s]: Failed password for root from 203.0.113.1 port 4000 ssh2' > sshd.log
lines '203.0.113.2 - - [21/Nov/2026:10:00:%s +0000] "GET /wp-login.php?%s HTTP/1.1" 404 5 "-" "-"' > nginx-botsearch.log
lines 'Nov 21 10:00:%s mx postfix/smtpd[%s]: warning: unknown[203.0.113.3]: SASL LOGIN authentication failed: x' > postfix.log
lines 'Nov 21 10:00:%s mx dovecot: imap-login: Disconnected (auth failed, 3 attempts in 9 secs): user=<u%s>, method=PLAIN, rip=203.0.113.4, lip=198.51.100.1, TLS' > dovecot.log
lines '[Sat Nov 21 10:00:%s.123 2026] [auth_basic:error] [pid %s] [client 203.0.113.5:4711] AH01617: user bob: authentication failure for "/x": Password Mismatch' > apache-auth.log
lines '2026-11-21 10:00:%s,123 fail2ban.actions        [8%s]: NOTICE  [sshd] Ban 203.0.113.6' > recidive.log
# Two lines each, and the address stands in the second.
for i in 11 12 13 14; do
    echo "2026-11-21T10:00:$i.123 [conn$i] Failed to authenticate u@db with mechanism MONGODB-CR: AuthenticationFailed UserNotFound x"
    echo "2026-11-21T10:00:$i.124 [conn$i] end connection 203.0.113.7:4711 (0 connections now open)"
done > mongodb-auth.log

n=0
for jail in sshd nginx-botsearch postfix dovecot apache-auth recidive mongodb-auth; do
    n=$((n + 1))
    case $jail in dovecot) seconds=7200 ;; recidive) seconds=604800 ;; *) seconds=600 ;; esac
    "$TW_BIN" replay --config out/fail2ban.yaml --channel $jail --json $jail.log > alerts 2>&1
    want "alerts of $jail" 1 "$(grep -c '"rule":{"id"' alerts)"
    said alerts "\"ban\":{\"address\":\"203.0.113.$n\",\"for_s\":$seconds"
    said alerts "\"channel\":\"$jail\""
    said alerts '"event.outcome":"failure"'
    said alerts "\"fail2ban.id\":\"203.0.113.$n\""
done

# ---- the same, however it is read ----

# An address in one line, its failure 30 lines on: across blocks of 4 KiB.
awk 'BEGIN {
    for (i = 0; i < 3000; i++) {
        second = int(i / 50)
        time = sprintf("Nov 21 10:%02d:%02d", int(second / 60), second % 60)
        printf "%s h sshd[%d]: Connection from 203.0.113.%d port %d\n", time, 1000 + i, i % 150, 1024 + i
        if (i >= 30 && i % 3 == 0)
            printf "%s h sshd[%d]: User bob not allowed because account is locked\n", time, 970 + i
        if (i % 7 == 0)
            printf "%s h sshd[%d]: Failed password for root from 198.51.100.%d port 1 ssh2\n", time, 9000 + i, i % 250
        printf "%s h CRON[%d]: pam_unix(cron:session): session opened for user root\n", time, i
    }
}' > mixed.log
alone=
for block in 4KiB 1MiB; do
    { echo "limits: {block: $block}"; cat out/fail2ban.yaml; } > "$block.yaml"
    for workers in 0 1 2; do
        digest=$("$TW_BIN" replay --config $block.yaml --workers $workers --digest --channel sshd mixed.log 2>&1 | tail -1)
        : "${alone:=$digest}"
        want "digest with blocks of $block and $workers workers" "$alone" "$digest"
    done
done
want "digest without the scan" "$alone" "$("$TW_BIN" replay --config 1MiB.yaml --no-prefilter --digest --channel sshd mixed.log 2>&1 | tail -1)"
case $alone in *" 0 alerts"*) fail "nothing was found: $alone" ;; esac
found=$(fail2ban-regex -o row --no-check-all mixed.log f2b/filter.d/sshd.conf 2> /dev/null | grep -c "^\['")
[ "$found" = 0 ] || said_matches=$(echo "$alone" | sed 's/.*, \([0-9]*\) matches.*/\1/')
[ "$found" = 0 ] || want "failures beside fail2ban-regex" "$found" "$said_matches"
echo "$alone"

# ---- killed between the two lines of a failure, again and again ----

cat > live.yaml << END
host: kill.example
state: $SCRATCH/state
channels: {sshd: {filter: "$SCRATCH/f2b/filter.d/sshd.conf", inputs: [{type: file, path: $SCRATCH/live.log, from: begin}]}}
rules: {paths: [$SCRATCH/out/fail2ban-rules.yml], library: false}
bans: {backend: dry-run, max_age: 0s}
END
: > live.log
ids() { sed 's/.*"id":"\([0-9a-f]*\)","rule":{"id".*/\1/' | sort; }
head -3000 mixed.log > rest
(
    while IFS= read -r line; do
        echo "$line" >> live.log
        k=$(((k + 1) % 60))
        [ $k -ne 0 ] || sleep 0.02
    done < rest
) &
writer=$!
for k in 1 2 3 4 5 6 7 8; do
    "$TW_BIN" run --quiet --config live.yaml > run.log 2>&1 &
    daemon=$!
    sleep "0.$((k * 37 % 23 + 3))"
    kill -9 $daemon 2> /dev/null || { cat run.log; fail "the daemon ended by itself"; }
    wait $daemon 2> /dev/null
done
wait $writer
"$TW_BIN" run --once --quiet --config live.yaml || fail "the last run"
"$TW_BIN" replay --config live.yaml --channel sshd --json live.log | ids > expected
"$TW_BIN" alerts list --json --limit 10000 --config live.yaml | ids > stored
[ -s expected ] || fail "the replay told nothing"
cmp -s expected stored || { diff expected stored | head; fail "alerts differ from the replay's"; }
"$TW_BIN" state show --config live.yaml > state.txt
said state.txt "filter:"

# ---- a filter that cannot be used refuses the configuration, with its place ----

printf '[Definition]\nfailregex = ^(unclosed <HOST>\n' > f2b/filter.d/broken.conf
sed 's|filter.d/sshd.conf|filter.d/broken.conf|' live.yaml > broken.yaml
"$TW_BIN" check --config broken.yaml > checked 2>&1 && fail "a broken filter is accepted"
said checked "filter.d/broken.conf:2:"
said checked "channel 'sshd' has no filter"
