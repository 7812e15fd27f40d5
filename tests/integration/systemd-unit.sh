#!/bin/sh
# The unit file: systemd finds no fault in it, its exposure is not above the committed figure, and its
# system call filter has what the daemon calls.
. "$(dirname "$0")/lib.sh"
EXPOSURE_MAX=1.2
command -v systemd-analyze > /dev/null || skip "no systemd-analyze"
systemd-analyze security --help | grep -q -- --offline || skip "systemd-analyze has no --offline (before 250)"
# strace would leave it running: the daemon itself is told, by the number in its trace.
end_daemon() { kill "$(sed -n '1s/ .*//p' "$SCRATCH/trace/r")"; }
unit=$SCRATCH/trailwarden.service
sed "s#/usr/bin/trailwarden#$TW_BIN#" "$TW_SOURCE/contrib/trailwarden.service" > "$unit"

systemd-analyze verify --man=no "$unit" > "$SCRATCH/verify" 2>&1 || { cat "$SCRATCH/verify"; fail "verify"; }
grep -F trailwarden.service "$SCRATCH/verify" && fail "verify has something to say"

systemd-analyze security --offline=yes --no-pager "$unit" > "$SCRATCH/security" 2> "$SCRATCH/errors" ||
    { cat "$SCRATCH/errors"; fail "security"; }
[ -s "$SCRATCH/errors" ] && { cat "$SCRATCH/errors"; fail "a line of the unit is not understood"; }
exposure=$(sed -n 's/.*Overall exposure level for trailwarden.service: \([0-9.]*\).*/\1/p' "$SCRATCH/security")
[ -n "$exposure" ] || fail "no exposure in what systemd-analyze printed"
awk -v is="$exposure" -v most=$EXPOSURE_MAX 'BEGIN { exit !(is + 0 <= most + 0) }' ||
    { grep '✗' "$SCRATCH/security"; fail "exposure $exposure is above $EXPOSURE_MAX"; }

# Names that the filter allows: the sets of systemd-analyze, opened, in the order of the lines.
systemd-analyze syscall-filter 2> /dev/null | awk -v unit="$unit" '
    /^@/ { set = $1; next }
    /^ +[^# ]/ { members[set] = members[set] " " $1 }
    function open_set(name, value, i, n, part) {
        if (name !~ /^@/) { allowed[name] = value; return }
        n = split(members[name], part, " ")
        for (i = 1; i <= n; i++) open_set(part[i], value)
    }
    END {
        open_set("@default", 1) # always in an allow list
        while ((getline line < unit) > 0) {
            if (line !~ /^SystemCallFilter=/) continue
            sub(/^SystemCallFilter=/, "", line)
            value = 1
            if (sub(/^~/, "", line)) value = 0
            n = split(line, words, " ")
            for (w = 1; w <= n; w++) open_set(words[w], value)
        }
        for (name in allowed) if (allowed[name]) print name
    }' | sort > "$SCRATCH/allowed"
[ "$(wc -l < "$SCRATCH/allowed")" -gt 200 ] || fail "the sets of system calls were not read"
printf '%s\n' landlock_create_ruleset landlock_add_rule landlock_restrict_self seccomp prctl \
    prlimit64 capget clone execve > "$SCRATCH/called"
# A leak checker does not work under strace.
if ! nm "$TW_BIN" 2> /dev/null | grep -q __asan_init && command -v strace > /dev/null && strace -o /dev/null true 2> /dev/null; then
    # As in the unit: no root. What a root's daemon calls beyond it (fchown) is not asked for.
    cp "$TW_SOURCE/contrib/samples/xui.log" "$SCRATCH/xui.log"
    cat > "$SCRATCH/c.yaml" <<EOF
state: $SCRATCH/state
channels: {xui: {inputs: [{type: file, path: $SCRATCH/xui.log, from: begin}]}}
notifiers:
  mail: {type: webhook, url: "http://127.0.0.1:1/"}
bans: {backend: command, max_age: 0s, command: [/bin/true, "{address}"]}
EOF
    user=
    [ "$(id -u)" -ne 0 ] || user="setpriv --reuid=65534 --regid=65534 --clear-groups"
    chmod 755 "$SCRATCH" && chmod 644 "$SCRATCH"/* && mkdir "$SCRATCH/state" "$SCRATCH/trace" &&
        chmod 777 "$SCRATCH" "$SCRATCH/state" "$SCRATCH/trace"
    # shellcheck disable=SC2086
    timeout 60 $user strace -f -qq -o "$SCRATCH/trace/t" "$TW_BIN" replay --quiet "$SCRATCH/xui.log" \
        > /dev/null 2> "$SCRATCH/replay.log" || { cat "$SCRATCH/replay.log"; fail "replay under strace"; }
    # shellcheck disable=SC2086
    timeout 60 $user strace -f -qq -o "$SCRATCH/trace/r" "$TW_BIN" run --config "$SCRATCH/c.yaml" \
        > /dev/null 2> "$SCRATCH/run.log" &
    daemon=$!
    tries=0
    # The hook's execve beside our own; who has dropped his rights hides his arguments from strace.
    until [ "$(grep -cs 'execve(' "$SCRATCH/trace/r")" -ge 2 ] 2> /dev/null && grep -q 'connect(' "$SCRATCH/trace/r"; do
        tries=$((tries + 1))
        [ $tries -lt 300 ] || { end_daemon; cat "$SCRATCH/run.log"; fail "the traced daemon did not do its work"; }
        sleep 0.1
    done
    end_daemon
    wait $daemon 2> /dev/null
    cat "$SCRATCH/trace/r" "$SCRATCH/trace/t" |
        sed -nE 's/^[0-9]+ +([a-z][a-z0-9_]*)\(.*/\1/p' | sort -u > "$SCRATCH/traced"
    grep -qx inotify_add_watch "$SCRATCH/traced" && grep -qx fdatasync "$SCRATCH/traced" ||
        fail "the trace does not show the daemon's work"
    cat "$SCRATCH/traced" >> "$SCRATCH/called"
fi
sort -u "$SCRATCH/called" | comm -23 - "$SCRATCH/allowed" > "$SCRATCH/missing"
[ -s "$SCRATCH/missing" ] && { cat "$SCRATCH/missing"; fail "the unit's SystemCallFilter lacks these"; }
echo "exposure $exposure (at most $EXPOSURE_MAX), $(sort -u "$SCRATCH/called" | wc -l) system calls allowed"
