#!/bin/sh
# The short form of tests/storm/journald.sh.
TW_ROUNDS=${TW_ROUNDS:-14} exec "${TW_SOURCE:-.}/tests/storm/journald.sh"
