#!/bin/sh
# doctor: what it finds on hosts made for it, that its cures cure, how it is shown.
. "$(dirname "$0")/lib.sh"
mkdir -p "$SCRATCH/log" "$SCRATCH/state" "$SCRATCH/etc"
chmod 755 "$SCRATCH" "$SCRATCH/log"
chmod 700 "$SCRATCH/state"
LOG=$SCRATCH/log/xui.log
CONFIG=$SCRATCH/c.yaml
echo line > "$LOG"
cat > "$CONFIG" <<EOF
state: $SCRATCH/state
channels:
  xui: {inputs: [{type: file, path: $LOG}]}
EOF
OUT=$SCRATCH/out

doctor() { # EXPECTED-EXIT [OPTION...]: findings of --json, a line each, in $OUT
    expected=$1
    shift
    $AS "$TW_BIN" doctor --json --config "$CONFIG" "$@" > "$SCRATCH/json" 2> "$SCRATCH/errors"
    code=$?
    sed 's/{"check"/\n{"check"/g' "$SCRATCH/json" > "$OUT"
    [ "$code" -eq "$expected" ] || { cat "$SCRATCH/errors" "$OUT"; fail "doctor ended with $code, not $expected"; }
}
AS=
has() { # CHECK RESULT TEXT
    grep -F "\"check\":\"$1\",\"result\":\"$2\"" "$OUT" | grep -qF -- "$3" ||
        { cat "$OUT"; fail "no $2 of '$1' with: $3"; }
}
cures() { sed -n "/\"check\":\"$1\",\"result\":\"$2\"/s/.*\"cures\":\\[\\(.*\\)\\].*/\\1/p" "$OUT"; }

# A host of our own: users, logrotate, units, journald. In mounts that nobody else sees.
host() {
    mkdir -p "$SCRATCH/etc/logrotate.d"
    cp /etc/passwd /etc/group "$SCRATCH/etc"
    grep -q ^adm: "$SCRATCH/etc/group" || echo adm:x:4: >> "$SCRATCH/etc/group"
    sed -i /^trailwarden:/d "$SCRATCH/etc/passwd" "$SCRATCH/etc/group"
    echo "trailwarden:x:64999:64999::/:/bin/false" >> "$SCRATCH/etc/passwd"
    printf 'trailwarden:x:64999:\nweblogs:x:64998:\n' >> "$SCRATCH/etc/group"
    mount --bind "$SCRATCH/etc/passwd" /etc/passwd && mount --bind "$SCRATCH/etc/group" /etc/group &&
        mkdir -p /etc/logrotate.d && mount --bind "$SCRATCH/etc/logrotate.d" /etc/logrotate.d &&
        mkdir -p /etc/systemd && mount -t tmpfs tmpfs /etc/systemd || skip "no mounts"
    chown -R 64999:64999 "$SCRATCH/state"
    chmod 644 "$CONFIG"
}
run_cures() { # CHECK RESULT: as they stand, but for what has no systemd here
    cures "$1" "$2" | sed 's/","/\n/g; s/^"//; s/"$//; s/\\\\/\\/g' |
        sed 's/ && systemctl .*//; /^systemctl/d; /^in /d' > "$SCRATCH/cures"
    [ -s "$SCRATCH/cures" ] || { cat "$OUT"; fail "no cure for $1"; }
    sh -e "$SCRATCH/cures" || { cat "$SCRATCH/cures"; fail "a cure of $1 failed"; }
}
if [ "${1-}" = inside ]; then
    host
    doctor 0
    has user ok "judged as user 'trailwarden'"
    has files ok "1 readable"

    # Root's log: the group of logs is the cure, now and after a rotation.
    chmod 600 "$LOG"
    doctor 10
    has files bad "cannot be read by 'trailwarden' (mode 0600, root:root)"
    has files bad "create 0640 root adm"
    run_cures files bad
    doctor 0
    has files ok "1 readable"

    # A group that may read: the user joins it.
    chgrp weblogs "$LOG"
    chmod 640 "$LOG"
    doctor 10
    has files bad "usermod -a -G weblogs trailwarden"
    sed -i 's/^weblogs:.*/weblogs:x:64998:trailwarden/' /etc/group 2> /dev/null ||
        { sed 's/^weblogs:.*/weblogs:x:64998:trailwarden/' /etc/group > "$SCRATCH/g"; cat "$SCRATCH/g" > /etc/group; }
    doctor 0
    has files ok "1 readable"

    # A folder on the way.
    chmod 700 "$SCRATCH/log"
    doctor 10
    has files bad "cannot pass the folder '$SCRATCH/log'"
    run_cures files bad
    doctor 0
    has files ok "1 readable"

    # Rotation that loses lines, and one that locks us out.
    printf '%s {\n  weekly\n  copytruncate\n}\n' "$SCRATCH/log/*.log" > /etc/logrotate.d/xui
    doctor 0
    has logrotate warn "by copytruncate"
    printf '# x\n"%s"\n{\n  create 0600 root root\n}\n/other { copytruncate\n}\n' "$LOG" > /etc/logrotate.d/xui
    doctor 10
    has logrotate bad "says create 0600 root root"
    printf '%s {\n  create 0640 root adm\n}\n' "$LOG" > /etc/logrotate.d/xui
    doctor 0
    has logrotate ok "nothing against the logs in 1 files"

    # journald's limit, and the unit that is free of it.
    cat > "$CONFIG" <<EOF
state: $SCRATCH/state
channels:
  xray: {inputs: [{type: journald, unit: xray.service}]}
EOF
    doctor_any() { "$TW_BIN" doctor --json --config "$CONFIG" | sed 's/{"check"/\n{"check"/g' > "$OUT"; }
    doctor_any
    has rate-limit warn "beyond 10000 lines in 30s"
    mkdir -p /etc/systemd/journald.conf.d
    printf '[Journal]\nRateLimitIntervalSec=5s\nRateLimitBurst=7\n' > /etc/systemd/journald.conf
    printf '[Journal]\nRateLimitBurst = 9\n#RateLimitBurst=0\n' > /etc/systemd/journald.conf.d/x.conf
    doctor_any
    has rate-limit warn "beyond 9 lines in 5s"
    run_cures rate-limit warn
    doctor_any
    has rate-limit ok "xray.service is free"
    rm -r /etc/systemd/system
    printf '[Journal]\nRateLimitBurst=0\n' > /etc/systemd/journald.conf.d/y.conf
    doctor_any
    has rate-limit ok "limits no service"

    # Local times that nobody states a zone for.
    sed -i "s#{type: journald.*#{type: file, path: $LOG}]}#" "$CONFIG"
    TZ=Asia/Tokyo doctor 0
    has zones warn "540 minutes off"
    echo "rights, rotation, journald and zones: found and cured"
    exit 0
fi

# What is well is well, and nothing but the state's first run is to come.
doctor 0
has config ok "1 channels, 1 inputs"
has files ok "'$LOG': 1 readable"
has state ok "MiB free"
has daemon info "no daemon runs"
has jit ok "machine code"
has inotify ok "max_user_watches"

# A table within 80 columns; only commands to copy may be longer.
"$TW_BIN" doctor --config "$CONFIG" > "$OUT" || fail "the table"
grep -qE '^ok +files' "$OUT" || fail "no row of the files"
grep -v '^     # ' "$OUT" | awk 'length > 80 { print; bad = 1 } END { exit bad }' || fail "wider than 80 columns"
printf '\033' | grep -qFf - "$OUT" && fail "colours without a terminal"

# A broken configuration is one finding; the host is judged all the same.
printf 'channel: {}\n' > "$SCRATCH/broken.yaml"
doctor 10 --config "$SCRATCH/broken.yaml"
has config bad "unknown key"
has seccomp ok "seccomp"
grep -q '"check":"files"' "$OUT" && fail "files of no configuration"

# Rights of state and keys.
"$TW_BIN" trail init --config "$CONFIG" > /dev/null || fail "trail init"
doctor 0
has trail ok "in their places"
chmod 644 "$SCRATCH/state/keys/identity.key"
doctor 10
has trail bad "others can read the key"
chmod 600 "$SCRATCH/state/keys/identity.key"
mv "$SCRATCH/state/keys/identity.key" "$SCRATCH/elsewhere"
doctor 10
has trail bad "its key"
mv "$SCRATCH/elsewhere" "$SCRATCH/state/keys/identity.key"
chmod 777 "$SCRATCH/state"
doctor 10
has state bad "open to others (mode 0777)"
cures state bad | grep -qF "chmod 0770 '$SCRATCH/state'" || { cures state bad; fail "the cure of an open folder"; }
chmod 700 "$SCRATCH/state"

# A secret that is not there.
cat >> "$CONFIG" <<EOF
notifiers:
  hook: {type: telegram, chat: -1, token: {file: $SCRATCH/no-such-token}}
EOF
doctor 10
has secrets bad "receiver 'hook': its token"
(umask 077; echo 123:abc > "$SCRATCH/no-such-token")
doctor 0
has secrets ok "1 secrets"

# A running daemon is seen by its lock.
: > "$SCRATCH/state/trailwarden.db.lock"
flock "$SCRATCH/state/trailwarden.db.lock" "$TW_BIN" doctor --json --config "$CONFIG" |
    grep -qF "a daemon runs on" || fail "the lock is not seen"

# No machine code where memory must not be written and run.
cat > "$SCRATCH/no-wx.py" <<'EOF'
import ctypes, os, sys
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0): # PR_SET_MDWE, Linux 6.3
    sys.exit(77)
os.execv(sys.argv[1], sys.argv[1:])
EOF
if command -v python3 > /dev/null && python3 "$SCRATCH/no-wx.py" /bin/true; then
    AS="python3 $SCRATCH/no-wx.py"
    case $(nm -D "$TW_BIN" 2> /dev/null) in *__asan_init*) ;; *)
        doctor 0
        has jit warn "cannot compile to machine code" ;;
    esac
    AS=
fi

# The rest needs a host of our own.
if [ "$(id -u)" -ne 0 ] || ! unshare -m true 2> /dev/null; then
    echo "not as root: no users, logrotate and journald of our own"
    exit 0
fi
unshare -m sh "$0" inside
