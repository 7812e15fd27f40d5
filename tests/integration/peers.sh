#!/bin/sh
# Who is banned on made-up logs of which the truth is known: nobody missed, nobody too many, with two
# seeds. Beside fail2ban and SEC: make peers.
. "$(dirname "$0")/lib.sh"
command -v python3 > /dev/null || skip "no python3"
for seed in 1 2; do
    mkdir "$SCRATCH/$seed"
    PYTHONDONTWRITEBYTECODE=1 python3 "$TW_SOURCE/tests/interop/peers.py" "$TW_BIN" "$SCRATCH/$seed" \
        --short --seed $seed || exit 1
done
