#!/bin/sh
# The trail read by others: checkpoints, tiles, proofs and bundles by the packages of the Go checksum database.
. "$(dirname "$0")/lib.sh"
SOURCES=/usr/share/gocode
command -v go > /dev/null || skip "no Go compiler (Debian: golang-go)"
[ -d "$SOURCES/src/golang.org/x/mod/sumdb/tlog" ] || skip "no sumdb packages (Debian: golang-golang-x-mod-dev)"
driver=$TW_BUILD/tests/integration/trail-driver
cd "$SCRATCH" || exit 99
GO111MODULE=off GOPATH=$SOURCES GOCACHE=$SCRATCH/cache GOFLAGS='' go build -o tlog "$TW_SOURCE/tests/interop/tlog.go" > build 2>&1 ||
    { cat build; fail "build"; }

# Sizes on both sides of a tile's end, with one level, two, and a partial one above.
for size in 1 2 255 256 257 700 1537; do
    "$driver" make "t$size" "k$size" "$size" > "key$size" || fail "make $size"
    key=$(cat "key$size")
    have=$(sed -n 2p "t$size/checkpoint")
    mkdir proofs
    for i in 0 1 2 254 255 256 257 511 512 $((have / 2)) $((have - 2)) $((have - 1)); do
        [ "$i" -ge 0 ] && [ "$i" -lt "$have" ] || continue
        "$driver" prove "t$size" "$i" > "proofs/$i.tlog-proof" || fail "prove $i of $have"
        "$driver" check "$key" "proofs/$i.tlog-proof" > leaf || fail "check $i of $have"
        said leaf "{\"i\":$i,"
    done
    for old in 1 2 3 255 256 257 512 $((have / 2)) $((have - 1)) "$have"; do
        [ "$old" -ge 1 ] && [ "$old" -le "$have" ] || continue
        "$driver" consistency "t$size" "$old" "$have" > "proofs/$old-$have" || fail "consistency $old"
    done
    "$driver" export "t$size" "e$size" || fail "export"
    ./tlog "$key" "t$size" proofs > out || { cat out; fail "the trail of $have"; }
    ./tlog "$key" "e$size" proofs > out || { cat out; fail "the export of $have"; }
    cat out
    said out "$have leaves of bundles"
    rm -rf proofs
done

# It can say no: another key, another root, another path.
./tlog "$(cat key2)" t700 /nonexistent > out && fail "another key was taken"
said out "note:"
cp -a t700 bad
printf x | dd of=bad/tile/0/001 bs=1 seek=40 conv=notrunc 2> dd.out
mkdir proofs
"$driver" prove t700 300 > proofs/300.tlog-proof || fail "prove"
./tlog "$(cat key700)" bad proofs > out && fail "a bad tile was taken"
sed -i '4s/^../AA/' proofs/300.tlog-proof
./tlog "$(cat key700)" t700 proofs > out && fail "a bad path was taken"
exit 0
