#!/bin/sh
# Slack, Discord, Teams, ntfy, SMS, PagerDuty, Opsgenie, Alertmanager, syslog, commands and the
# webhook's formats against stand-ins on loopback.
here=$(cd "$(dirname "$0")" && pwd)
exec "$here/servers/run" check_chat.py http.server
