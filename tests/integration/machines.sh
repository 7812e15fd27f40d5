#!/bin/sh
# The receivers of entries against stand-ins on loopback.
here=$(cd "$(dirname "$0")" && pwd)
exec "$here/servers/run" check_machines.py http.server openssl
