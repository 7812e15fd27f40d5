#!/bin/sh
# sudo: allowed, not allowed, wrong passwords, a folder named like a command.
. "$(dirname "$0")/lib.sh"
need sudo sudo
need rsyslogd rsyslog
sandbox

syslog_to "$OUT/auth.log"
for user in alice bob mallory; do
    useradd -m -s /bin/sh $user
    echo "$user:right" | chpasswd
done
cat > /etc/sudoers.d/capture <<'END'
alice ALL=(ALL:ALL) ALL
bob ALL=(root) /usr/bin/id
END
chmod 440 /etc/sudoers.d/capture
trap_folder="/tmp/x ; USER=bob ; COMMAND=/bin/ls"
mkdir -p "$WORK/$trap_folder" && chmod -R 755 "$WORK"
as() { # USER PASSWORD FOLDER ARGUMENT...
    user=$1 password=$2 folder=$3
    shift 3
    (cd "$folder" && printf '%s\n%s\n%s\n' "$password" "$password" "$password" |
        setpriv --reuid "$user" --regid "$user" --init-groups env HOME="/home/$user" USER="$user" LOGNAME="$user" sudo -S -k "$@" >/dev/null 2>&1) || true
}
as alice right /home/alice id
as alice right /home/alice -u bob id
as alice right /home/alice sh -c 'echo "USER=x ; COMMAND=y"'
as alice right "$WORK/$trap_folder" id
as alice wrong /home/alice id
as bob right /home/bob id
as bob right /home/bob cat /etc/shadow
as mallory right /home/mallory id
as mallory right /home/mallory -l
as alice right /home/alice -n id
as alice right /home/alice sh -c "$(printf 'echo a\necho b')"
settle
report "$OUT/auth.log" "$OUT/auth.log.iso"
