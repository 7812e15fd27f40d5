#!/bin/sh
# A spread over the calls that can fail and all named steps; `make fault` takes each of them.
exec "$TW_SOURCE/tests/fault/run.sh" short
