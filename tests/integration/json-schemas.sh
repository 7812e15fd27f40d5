#!/bin/sh
# Every document that we print in JSON validates against its schema.
command -v python3 >/dev/null || { echo "skipped: no python3"; exit 77; }
exec python3 "$(dirname "$0")/json-schemas.py"
