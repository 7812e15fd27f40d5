#!/bin/sh
# A storm of alerts, receivers that fail in every way, kill -9 in between: who is told what adds up.
here=$(cd "$(dirname "$0")" && pwd)
exec "$here/servers/run" check_notify_storm.py json
