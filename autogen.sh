#!/bin/sh
# Makes configure from configure.ac; only in a checkout, never in a release.
set -e
cd "$(dirname "$0")"
exec autoreconf --install --force --warnings=all
