#!/bin/sh
# Bans by a command, and the dry run: what the program gets, and what its end means.
# shellcheck disable=SC2016 # what a shell would expand is here to show that none does
set -u
here=$(cd "$(dirname "$0")" && pwd)
: "${TW_BUILD:=$(cd "$here/../.." && pwd)}"
driver=$TW_BUILD/tests/integration/sink-driver
[ -x "$driver" ] || { echo "skipped: sink-driver is not built"; exit 77; }
work=$(mktemp -d "${TMPDIR:-/tmp}/trailwarden.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
failed=0

check() { # WHAT EXPECTED GOT
    if [ "$2" = "$3" ]; then
        echo "ok: $1"
    else
        printf 'FAILED: %s\n  expected: %s\n  got:      %s\n' "$1" "$2" "$3"
        failed=1
    fi
}

order() { # ADDRESS [RULE] [DRY-RUN] [ACTION]
    cat > "$work/order.json" <<END
{"version":1,"id":"00ff","action":"${4:-ban}","address":"$1","for_s":3600,
 "rule":"${2:-openvpn-guessing}","title":"Failed logins","dry_run":${3:-false}}
END
}

program() { # reads a script
    { echo '#!/bin/sh'; cat; } > "$work/program"
    chmod 755 "$work/program"
}

config() { # LINE...
    printf 'type: command\n' > "$work/config.yaml"
    printf '%s\n' "$@" >> "$work/config.yaml"
}

run() { "$driver" "$work/config.yaml" "$work/order.json" kind=ban 2>"$work/err"; }
state() { sed -n 's/.*"state":"\([a-z]*\)".*/\1/p'; }
status() { sed -n 's/.*"status":"\(.*\)","remote.*/\1/p'; }

program <<END
{ for w in "\$@"; do printf '[%s]' "\$w"; done; echo; env | sort; } > "$work/seen"
END
config "command: [$work/program, add, '{address}', '{family}', '{seconds}', '{rule}', '{id}', '{action}', 'x{address}', '\$(id)', 'a b;c']"
order 203.0.113.7 'a b;$(reboot)'
check "a command that ends well is sent" sent "$(run | state)"
check "words are replaced whole, and no shell reads them" \
    '[add][203.0.113.7][4][3600][a_b___reboot_][00ff][ban][x{address}][$(id)][a b;c]' "$(head -1 "$work/seen")"
check "the environment is ours alone" \
    "LANG PATH PWD TW_ACTION TW_ADDRESS TW_FAMILY TW_ID TW_RULE TW_SECONDS" \
    "$(sed -n 's/^\([A-Z_]*\)=.*/\1/p' "$work/seen" | grep -v '^_$\|^OLDPWD$\|^SHLVL$' | tr '\n' ' ' | sed 's/ $//')"
check "TW_ADDRESS is the address" "TW_ADDRESS=203.0.113.7" "$(grep TW_ADDRESS "$work/seen")"

order 2001:DB8:0:0::00:7
run >/dev/null
check "an address is written again in one form" "[add][2001:db8::7][6]" "$(head -1 "$work/seen" | cut -d']' -f1-3)]"
order ::ffff:203.0.113.9
run >/dev/null
check "a mapped address is the IPv4 one" "[add][203.0.113.9][4]" "$(head -1 "$work/seen" | cut -d']' -f1-3)]"

rm -f "$work/seen"
for address in 127.0.0.1 ::1 0.0.0.0 255.255.255.255 224.0.0.1 fe80::1 '203.0.113.7; reboot' \
    203.0.113.0/24 example.org '-h' '' 0x7f000001 127.1 ::ffff:127.0.0.1; do
    order "$address"
    check "'$address' is refused" dead "$(run | state)"
done
order 203.0.113.7 rule false unban
check "another action is refused" dead "$(run | state)"
check "nothing was run for them" "" "$(cat "$work/seen" 2>/dev/null)"

config "command: [$work/program]" "allow: [203.0.113.0/24, 2001:db8::/32]"
order 203.0.113.7
check "allowed networks are never banned" "refused: allowed by 203.0.113.0/24" "$(run | status)"
order 2001:db8::7
check "nor IPv6 ones" "refused: allowed by 2001:db8::/32" "$(run | status)"
order 203.0.114.7
check "others are" sent "$(run | state)"

rm -f "$work/seen"
order 203.0.114.7 rule true
check "a dry run says what would be done" "dry run: would ban 203.0.114.7 for 3600s" "$(run | status)"
check "and runs nothing" "" "$(cat "$work/seen" 2>/dev/null)"

order 203.0.113.7
config "command: [$work/program]" "timeout: 1s"
for pair in 0:sent 1:dead 75:retry 255:dead; do
    program <<END
printf 'said \033[31mthis\n' >&2; exit ${pair%:*}
END
    run > "$work/out"
    check "exit ${pair%:*} is ${pair#*:}" "${pair#*:}" "$(state < "$work/out")"
done
check "what it said is kept, printable" 'exit 255: said \\x1b[31mthis' "$(status < "$work/out")"
program <<'END'
head -c 100000 /dev/zero | tr '\0' x
END
check "much output does no harm" sent "$(run | state)"
program <<'END'
kill -9 $$
END
check "a death is worth another try" retry "$(run | state)"
program <<'END'
sleep 60 & sleep 60
END
check "a command that hangs is killed" "killed: it took too long" "$(run | status)"
config "command: [$work/missing]"
check "a missing program is dead" dead "$(run | state)"

fault() { # TEXT LINE...
    text=$1
    shift
    config "$@"
    run >/dev/null
    check "exit 78 for: $*" 78 $?
    check "its text says '$text'" yes "$(grep -q "$text" "$work/err" && echo yes)"
}
fault "no absolute path" "command: [program]"
fault "no words" "command: []"
fault "203.0.113.7/24" "command: [/bin/true]" "allow: [203.0.113.7/24]"

printf 'type: dry-run\nfile: %s\nallow: [203.0.113.0/24]\n' "$work/bans" > "$work/config.yaml"
order 203.0.114.7
check "dry-run says what would be banned" "would ban 203.0.114.7" "$(run | status)"
check "and writes it down" "would ban 203.0.114.7 for 3600s: Failed logins" "$(cat "$work/bans")"
order 203.0.113.7
check "dry-run keeps the allow list, too" dead "$(run | state)"

printf 'type: file\npath: %s\n' "$work/lines" > "$work/config.yaml"
printf '{"version":1,"rule":{"id":"x"}}\n' > "$work/order.json"
run >/dev/null
run >/dev/null
check "the file receiver appends" 2 "$(wc -l < "$work/lines")"
printf 'type: file\npath: %s\n' "$work/none/lines" > "$work/config.yaml"
check "a file that cannot be written is a retry" retry "$(run | state)"
exit $failed
