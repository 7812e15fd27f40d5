#!/bin/sh
# Hysteria 2 at level debug: good and bad logins, a refused target. Only where it is installed.
. "$(dirname "$0")/lib.sh"
command -v hysteria >/dev/null ||
    out_of_reach "no hysteria in the path; it is in no Debian archive and no package registry (see the project's own releases)"
need openssl openssl
need curl curl
sandbox

openssl req -x509 -newkey rsa:2048 -nodes -keyout "$WORK/k.pem" -out "$WORK/c.pem" -days 1 -subj /CN=vpn.example.net \
    -addext subjectAltName=DNS:vpn.example.net 2>/dev/null
cat > "$WORK/server.yaml" <<END
listen: $SERVER:4443
tls: {cert: $WORK/c.pem, key: $WORK/k.pem}
auth: {type: userpass, userpass: {alice: right}}
acl: {inline: ["reject(10.0.0.0/8)", "direct(all)"]}
masquerade: {type: string, string: {content: hello}}
END
run() { # FORMAT
    HYSTERIA_LOG_LEVEL=debug HYSTERIA_LOG_FORMAT=$1 HYSTERIA_DISABLE_UPDATE_CHECK=1 hysteria server -c "$WORK/server.yaml" 2> "$OUT/$1.log" &
    server=$!
    wait_for "start of hysteria" grep -q 'server up and running' "$OUT/$1.log"
    for login in alice:right alice:wrong bob:right; do
        printf 'server: %s:4443\nauth: %s\ntls: {insecure: true}\nsocks5: {listen: 127.0.0.1:1080}\n' $SERVER $login > "$WORK/client.yaml"
        timeout 8 hysteria client -c "$WORK/client.yaml" >/dev/null 2>&1 &
        sleep 2
        curl -s -o /dev/null --max-time 2 -x socks5h://127.0.0.1:1080 http://10.0.0.5:80/ || true
        curl -s -o /dev/null --max-time 2 -x socks5h://127.0.0.1:1080 http://$SERVER:9/ || true
        wait $! 2>/dev/null || true
    done
    kill $server
    wait $server 2>/dev/null || true
}
run console
run json
report "$OUT/console.log" "$OUT/json.log"
