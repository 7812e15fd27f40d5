#!/bin/sh
# Entries go to receivers: kills, outages, refusals.
here=$(cd "$(dirname "$0")" && pwd)
exec "$here/servers/run" check_forward.py http.server ps
