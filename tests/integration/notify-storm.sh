#!/bin/sh
# A storm of alerts, receivers that fail in every way, kill -9 in between: who is told what adds up.
# In a release that is tried after two whole runs of all tests (quickstart) this one is not repeated.
[ "${TW_SLOW:-0}" -lt 4 ] || { echo "skipped: it ran twice before this build"; exit 77; }
here=$(cd "$(dirname "$0")" && pwd)
exec "$here/servers/run" check_notify_storm.py json
