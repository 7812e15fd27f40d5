#!/bin/sh
# OpenVPN: a TCP server with passwords; good and bad logins, a revoked certificate, other protocols.
. "$(dirname "$0")/lib.sh"
need openvpn openvpn
need openssl openssl
need nc netcat-openbsd
sandbox

[ -c /dev/net/tun ] || say "no tun device: the server runs with --dev null"
dev="--dev null"
[ -c /dev/net/tun ] && dev="--dev tun"
cd "$WORK" || exit 1
mkdir pki
ca() { openssl "$@" 2>/dev/null; }
cat > ca.cnf <<'END'
[ca]
default_ca = d
[d]
dir = pki
database = pki/index
serial = pki/serial
new_certs_dir = pki
certificate = pki/ca.crt
private_key = pki/ca.key
default_md = sha256
default_days = 2
default_crl_days = 2
policy = p
[p]
organizationName = optional
commonName = supplied
[client]
extendedKeyUsage = clientAuth
keyUsage = digitalSignature
[server]
extendedKeyUsage = serverAuth
keyUsage = digitalSignature
END
: > pki/index
echo 01 > pki/serial
ca req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout pki/ca.key -out pki/ca.crt -days 2 -subj "/O=Example Fleet/CN=Example Fleet CA"
issue() { # NAME KIND
    ca req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "pki/$1.key" -out "pki/$1.csr" -subj "/O=Example Fleet/CN=$1"
    ca ca -batch -config ca.cnf -extensions "$2" -in "pki/$1.csr" -out "pki/$1.crt"
}
issue server server
for user in alice bob mallory; do issue $user client; done
issue wrong-eku server
ca ca -config ca.cnf -revoke pki/mallory.crt
ca ca -config ca.cnf -gencrl -out pki/crl.pem
cat > check <<'END'
#!/bin/sh
{ read -r user; read -r password; } < "$1"
[ "$password" = right ]
END
chmod 755 check
# shellcheck disable=SC2086
openvpn --mode server --tls-server --proto tcp-server --local $SERVER --port 1194 $dev --ca pki/ca.crt --cert pki/server.crt --key pki/server.key \
    --dh none --crl-verify pki/crl.pem --auth-user-pass-verify "$WORK/check" via-file --script-security 2 --ifconfig-noexec --duplicate-cn \
    --remote-cert-tls client --server 10.66.0.0 255.255.255.0 --topology subnet --keepalive 2 10 --verb 3 --management 127.0.0.1 7505 \
    --log-append "$OUT/server.log" &
wait_for "answer of openvpn" nc -z 127.0.0.1 7505
wait_for "port of openvpn" grep -q 'Initialization Sequence Completed' "$OUT/server.log"
client() { # CERTIFICATE USER PASSWORD ADDRESS
    printf '%s\n%s\n' "$2" "$3" > "login-$1"
    timeout 6 openvpn --client --proto tcp-client --remote $SERVER 1194 --local "$4" --lport 0 --dev null --ca pki/ca.crt --cert "pki/$1.crt" \
        --key "pki/$1.key" --auth-user-pass "login-$1" --auth-nocache --ifconfig-noexec --route-noexec --connect-retry-max 1 --verb 0 >/dev/null 2>&1 || true
}
client alice alice right $GUEST
client bob bob wrong $STRANGER
client mallory mallory right $STRANGER
client wrong-eku x right $STRANGER
client bob "eve $GUEST:1 Peer" wrong $STRANGER
printf 'GET / HTTP/1.0\r\n\r\n' | nc -q1 -s $STRANGER $SERVER 1194 >/dev/null || true
printf 'SSH-2.0-x\r\n' | nc -q1 -s $STRANGER $SERVER 1194 >/dev/null || true
printf 'status 2\nkill alice\nquit\n' | nc -q1 127.0.0.1 7505 >/dev/null || true
printf 'signal SIGTERM\nquit\n' | nc -q1 127.0.0.1 7505 >/dev/null || true
settle
report "$OUT/server.log"
