#!/bin/sh
# Buttons of the Telegram receiver against a stand-in for the Bot API on loopback.
here=$(cd "$(dirname "$0")" && pwd)
exec "$here/servers/run" check_telegram_buttons.py http.server
