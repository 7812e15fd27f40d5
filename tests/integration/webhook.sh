#!/bin/sh
# The webhook receiver against an HTTP server on loopback.
here=$(cd "$(dirname "$0")" && pwd)
exec "$here/servers/run" check_webhook.py http.server
