#!/bin/sh
# The e-mail receiver against relays that fail in every way, with both SMTP libraries.
here=$(cd "$(dirname "$0")" && pwd)
exec "$here/servers/run" check_email_outages.py aiosmtpd openssl
