#!/bin/sh
# The trail's rows of `make bench`: entries are appended, verified and proved, and others write the same records.
. "$(dirname "$0")/lib.sh"
TMPDIR=$SCRATCH "$TW_SOURCE/tests/bench/trail-peers" "$TW_BUILD/tests/bench/trail" --entries 9000 --json > "$SCRATCH/rows.json" ||
    { cat "$SCRATCH/rows.json"; fail "trail-peers"; }
python3 - "$SCRATCH/rows.json" <<'EOF2' || fail "figures"
import json, sys
told = json.load(open(sys.argv[1]))
rows = {r["row"]: r for r in told["rows"]}
for kind in "trail", "trail with personal values":
    for what in "append", "verify", "prove":
        r = rows["%s, %s" % (kind, what)]
        assert r["value"] > 0 and r["rss_kib"] > 500, r
    assert 150 < rows[kind + ", append"]["bytes_an_entry"] < 800, rows[kind + ", append"]
print(sorted(set(rows)), told["notes"])
EOF2
exit 0
