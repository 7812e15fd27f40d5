#!/bin/sh
# rsyslog and syslog-ng as receivers of entries.
here=$(cd "$(dirname "$0")" && pwd)
exec "$here/servers/run" check_siem_daemons.py json openssl
