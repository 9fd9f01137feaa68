#!/usr/bin/env bash
# Measures all signers in one run and prints one markdown table of medians; the
# details follow from benchstat, on standard error.
#
#	COUNT=10 BENCHTIME=300ms ./run.sh
#
# Every round runs every benchmark once, so that a machine that gets slower or
# faster does so for all.
set -euo pipefail
cd "$(dirname "$0")"
benchstat=golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da
dir=$(mktemp -d)
out=${OUT:-$dir/out.txt} # the raw results; OUT=FILE keeps them
trap 'rm -rf "$dir"' EXIT

go test -c -o "$dir/bench.test" .
for ((round = 1; round <= ${COUNT:-10}; round++)); do
	echo "round $round" >&2
	"$dir/bench.test" -test.run '^$' -test.bench . -test.skip 'Parallel|Stream|SHA256' -test.benchtime "${BENCHTIME:-300ms}"
	"$dir/bench.test" -test.run '^$' -test.bench Parallel -test.cpu 1,2 -test.benchtime "${BENCHTIME:-300ms}"
done >"$out"

go run ./table <"$out"
go run "$benchstat" -col /impl "$out" >&2 || echo 'no benchstat: the table stands without it' >&2
