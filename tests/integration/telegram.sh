#!/bin/sh
# The Telegram receiver against a stand-in for the Bot API on loopback.
here=$(cd "$(dirname "$0")" && pwd)
exec "$here/servers/run" check_telegram.py http.server
