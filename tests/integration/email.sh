#!/bin/sh
# The e-mail receiver against an SMTP server (python3-aiosmtpd) on loopback.
here=$(cd "$(dirname "$0")" && pwd)
exec "$here/servers/run" check_email.py aiosmtpd openssl
