#!/bin/sh
# The short form of the bench of reports: 200,000 entries, bounded memory, microseconds an entry.
. "$(dirname "$0")/lib.sh"
case $(nm "$TW_BUILD/tests/bench/report" 2>/dev/null) in *__asan_*) limit=2000000 ;; *) limit=204800 ;; esac
TMPDIR=$SCRATCH "$TW_BUILD/tests/bench/report" --entries 200000 --kind security --json > "$SCRATCH/row" || fail "the bench"
cat "$SCRATCH/row"
python3 - "$SCRATCH/row" $limit <<'EOF2' || fail "figures"
import json, sys
row = json.load(open(sys.argv[1]))
assert row["entries"] == 200000 and row["rss_kib"] < int(sys.argv[2]), row
assert row["cpu_seconds"] / row["entries"] < 60e-6, row
EOF2
exit 0
