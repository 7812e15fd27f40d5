#!/bin/sh
# The tools of `make bench`: the same seed gives the same bytes, a second run takes the files of
# the first, rows have figures, and other programs give the answers that ours gives.
. "${TW_SOURCE:?}/tests/integration/lib.sh"
BENCH=$TW_SOURCE/tests/bench

generate() { "$BENCH/generate.py" "$SCRATCH/$1" --bytes 300K --seed "$2" > "$SCRATCH/$1.json"; }
sums() { (cd "$SCRATCH/$1" && sha256sum -- *.log); }
generate a 7
generate b 7
generate c 8
want "bytes of one seed" "$(sums a)" "$(sums b)"
[ "$(sums a)" != "$(sums c)" ] || fail "another seed gives the same bytes"
# Also on another machine and under another Python.
want "sum of seed 7" 4bb24c031b05f588 "$(sums a | sha256sum | cut -c1-16)"

run() { TW_BENCH_DATA=$SCRATCH/data "$BENCH/run" "$TW_BIN" --size 1MB --runs 1 --json "$@"; }
run --only "library, xui" --peer-size 200K > "$SCRATCH/rows.json" || { cat "$SCRATCH/rows.json"; fail "run"; }
before=$(ls -l --time-style=full-iso "$SCRATCH"/data/*)
run --only "library, xui" --no-peers --against "$TW_BIN" > "$SCRATCH/against.json" || fail "run --against"
want "files are made once" "$before" "$(ls -l --time-style=full-iso "$SCRATCH"/data/*)"
python3 - "$SCRATCH" <<'EOF' || fail "figures"
import json, sys
told, against = (json.load(open("%s/%s.json" % (sys.argv[1], n))) for n in ("rows", "against"))
row, = told["rows"]
assert row["cpu_s"] > 0 and row["rss_kib"] > 1000 and row["matches"] >= told["files"]["xui"]["matter"], row
assert against["rows"][0]["against"] > 0, against
ours = [p for p in told["peers"] if p["name"] == "trailwarden, 1 rule"]
assert len(ours) == 4 and all(p["found"] for p in ours), ours
assert ours[0]["found"] == told["files"]["xui"]["matter"], ours[0]
other = [p for p in told["peers"] if "same" in p and not p["same"]]
assert not other, other
print("%d other programs gave our answer; %s" % (sum("same" in p for p in told["peers"]), told["notes"]))
EOF
exit 0
