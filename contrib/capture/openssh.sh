#!/bin/sh
# OpenSSH: passwords right and wrong, keys, unknown users, odd names, other protocols.
. "$(dirname "$0")/lib.sh"
need sshd openssh-server
need ssh openssh-client
need sshpass sshpass
need rsyslogd rsyslog
need nc netcat-openbsd
sandbox

syslog_to "$OUT/auth.log"
useradd -m -s /bin/sh alice
printf 'alice:right\nroot:right\n' | chpasswd
mkdir -p /run/sshd "$WORK/ssh"
ssh-keygen -q -t ed25519 -N '' -f "$WORK/ssh/host"
ssh-keygen -q -t ed25519 -N '' -f "$WORK/ssh/key"
ssh-keygen -q -t ed25519 -N '' -f "$WORK/ssh/ca"
ssh-keygen -q -s "$WORK/ssh/ca" -I "x from $GUEST port 1 ssh2" -n nobody "$WORK/ssh/key.pub"
mkdir -p /home/alice/.ssh
cp "$WORK/ssh/key.pub" /home/alice/.ssh/authorized_keys
chown -R alice /home/alice/.ssh
cat > "$WORK/ssh/config" <<END
Port 22
ListenAddress $SERVER
HostKey $WORK/ssh/host
UsePAM yes
PermitRootLogin yes
PasswordAuthentication yes
KbdInteractiveAuthentication no
MaxAuthTries 3
MaxStartups 3:100:3
LogLevel VERBOSE
LoginGraceTime 5
DenyUsers denied
PidFile $WORK/ssh/pid
Subsystem sftp internal-sftp
END
useradd -m denied
printf 'denied:right\n' | chpasswd
/usr/sbin/sshd -f "$WORK/ssh/config"
wait_for "answer of sshd" nc -z $SERVER 22

with_password() { # PASSWORD USER ADDRESS
    sshpass -p "$1" ssh -F /dev/null -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o PubkeyAuthentication=no \
        -o NumberOfPasswordPrompts="${4:-1}" -o ConnectTimeout=5 -b "$3" -l "$2" $SERVER true >/dev/null 2>&1 || true
}
with_key() { # USER ADDRESS
    ssh -F /dev/null -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes -o IdentitiesOnly=yes -i "$WORK/ssh/key" \
        -o CertificateFile="$WORK/ssh/${3:-none}" -b "$2" -l "$1" $SERVER true >/dev/null 2>&1 || true
}
with_password right alice $GUEST
with_password right root $GUEST
for user in root alice admin '' 'a from b' "root from $GUEST port 22 ssh2" "$(printf 'x\nAccepted')"; do
    with_password wrong "$user" $STRANGER
done
with_password wrong root $STRANGER 3
with_password right denied $STRANGER
with_key alice $GUEST
with_key bob $STRANGER
with_key bob $STRANGER key-cert.pub
printf 'GET / HTTP/1.0\r\n\r\n' | nc -q1 -s $STRANGER $SERVER 22 >/dev/null || true
nc -z -s $STRANGER $SERVER 22 || true
printf 'SSH-1.5-old\r\n' | nc -q1 -s $STRANGER $SERVER 22 >/dev/null || true
ssh -F /dev/null -o KexAlgorithms=diffie-hellman-group14-sha1 -o StrictHostKeyChecking=no -b $STRANGER -l x $SERVER true >/dev/null 2>&1 || true
for _ in 1 2 3 4 5 6; do
    nc -s $STRANGER $SERVER 22 </dev/zero >/dev/null 2>&1 &
done
sleep 7 # the grace time ends
kill "$(cat "$WORK/ssh/pid")"
settle
report "$OUT/auth.log" "$OUT/auth.log.iso"
