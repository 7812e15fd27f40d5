#!/bin/sh
# Witness, POST, folder and time stamp authority, each against a server of its own.
here=$(cd "$(dirname "$0")" && pwd)
exec "$here/servers/run" check_anchors.py http.server openssl
