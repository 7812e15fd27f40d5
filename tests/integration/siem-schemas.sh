#!/bin/sh
# OCSF of three releases, ECS and GELF: members, types, numbers, what must be there.
. "${TW_SOURCE:?}/tests/integration/lib.sh"
command -v python3 >/dev/null || skip "python3 is missing"
here=$TW_SOURCE/tests/integration
driver=$TW_BUILD/tests/integration/encode-driver
python3 "$here/siem-entries.py" 2000 "${TW_SEED:-1}" > "$SCRATCH/entries" || fail "no entries"
python3 "$here/siem-schemas.py" "$driver" "$TW_SOURCE/tests/data/siem/ocsf.json" \
    < "$SCRATCH/entries" || fail "the structure is wrong"
