#!/bin/sh
# What others read in a report: JSON by its schema, CSV by Python's reader, HTML by Python's parser,
# PDF by poppler.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || skip "no python3"
samples="$TW_BUILD/tests/unit/test_report_forms"
[ -x "$samples" ] || skip "the unit tests are not built (no cmocka)"
"$samples" --write "$SCRATCH" || fail "the samples could not be written"
python3 "$(dirname "$0")/report-forms.py" "$SCRATCH"
