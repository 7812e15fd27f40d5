# Common to the capture scripts. Each re-runs itself in namespaces of its own: mounts, network,
# processes, host name. Inside, /etc, /home, /run, /var/log and /dev are copies or empty, the
# network is a loopback with documentation addresses, and when the script ends the kernel ends
# every process in it: no server stays, no account and no file of the host is touched.
# shellcheck shell=sh
set -eu

name=$(basename "$0" .sh)
say() { echo "$name: $*"; }
out_of_reach() { # REASON: exit 77, as our tests do
    echo "$name: skipped: $*" >&2
    exit 77
}

[ $# -eq 1 ] || { echo "usage: $0 FOLDER (the raw logs go there)" >&2; exit 64; }
mkdir -p "$1"
OUT=$(cd "$1" && pwd)

need() { # PROGRAM PACKAGE...
    wanted=$1
    shift
    PATH=$PATH:/usr/sbin:/sbin
    command -v "$wanted" >/dev/null && return 0
    command -v apt-get >/dev/null || out_of_reach "$wanted is missing and there is no apt-get"
    say "installing $*"
    # RUNLEVEL=1: nothing that is installed is started
    RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends "$@" >/dev/null 2>&1 ||
        out_of_reach "cannot install $* (apt-get update first?)"
    command -v "$wanted" >/dev/null || out_of_reach "$* has no $wanted"
}

GUEST=198.51.100.7   # who logs in well
STRANGER=203.0.113.66 # who does not
SERVER=192.0.2.1

# All that follows the call runs inside.
sandbox() {
    if [ -z "${TW_CAPTURE_INSIDE:-}" ]; then
        [ "$(id -u)" = 0 ] || out_of_reach "needs root for namespaces"
        scratch=$(mktemp -d "${TMPDIR:-/tmp}/capture.XXXXXX")
        trap 'rm -rf "$scratch" "${TW_CAPTURE_PYTHON:-$scratch}"' EXIT
        TW_CAPTURE_INSIDE=$scratch unshare --mount --net --pid --uts --fork --kill-child --mount-proc "$0" "$OUT" ||
            { code=$?; [ $code = 77 ] || say "failed with $code"; exit $code; }

        exit 0
    fi
    WORK=$TW_CAPTURE_INSIDE
    PATH=$PATH:/usr/sbin:/sbin
    hostname vpn1
    mount --make-rprivate /
    mkdir "$WORK/etc" "$WORK/dev" "$WORK/out"
    mount --bind "$OUT" "$WORK/out"
    cp -a /etc/. "$WORK/etc/"
    for node in null zero full random urandom tty; do
        : > "$WORK/dev/$node"
        mount --bind "/dev/$node" "$WORK/dev/$node"
    done
    mkdir "$WORK/dev/pts" "$WORK/dev/shm" "$WORK/dev/net"
    mount -t devpts -o newinstance,ptmxmode=0666 devpts "$WORK/dev/pts"
    ln -s pts/ptmx "$WORK/dev/ptmx"
    ln -s /proc/self/fd "$WORK/dev/fd"
    if [ -e /dev/net/tun ]; then
        : > "$WORK/dev/net/tun"
        mount --bind /dev/net/tun "$WORK/dev/net/tun"
    fi
    mount --rbind "$WORK/dev" /dev
    mount --bind "$WORK/etc" /etc
    for folder in /run /home /var/log /var/mail; do
        [ -d $folder ] && mount -t tmpfs tmpfs $folder
    done
    OUT=$WORK/out
    ip link set lo up
    for address in $GUEST $STRANGER $SERVER 203.0.113.77; do
        ip address add $address/32 dev lo
    done
}

syslog_to() { # FILE: what is sent to /dev/log, as rsyslog writes it; FILE.iso has RFC 3339 times
    need rsyslogd rsyslog
    cat > "$WORK/rsyslog.conf" <<END
module(load="imuxsock" SysSock.Use="on")
module(load="builtin:omfile")
*.* action(type="omfile" file="$1" template="RSYSLOG_TraditionalFileFormat")
*.* action(type="omfile" file="$1.iso" template="RSYSLOG_FileFormat")
END
    rsyslogd -n -f "$WORK/rsyslog.conf" -i "$WORK/rsyslog.pid" &
    wait_for "a syslog socket" test -S /dev/log
}

wait_for() { # WHAT COMMAND...: at most 10 seconds
    what=$1
    shift
    tries=0
    until "$@" >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ $tries -lt 100 ] || { say "no $what after 10 seconds"; exit 1; }
        sleep 0.1
    done
}

settle() { sleep 1; } # a logger's buffer

report() { # FILE...
    for file; do
        [ -s "$file" ] && say "$(wc -l < "$file") lines in $(basename "$file")"
    done
    return 0
}
