#!/usr/bin/env bash
# What signing adds to a binary: prints a markdown table.
set -euo pipefail
cd "$(dirname "$0")"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

echo "| program | bytes | over net/http alone |"
echo "|---|--:|--:|"
for name in nethttp awsauth-sign4 awsauth minio-go aws-sdk-go-v2; do
	go build -trimpath -ldflags='-s -w' -o "$out/$name" "./size/$name"
	size=$(wc -c <"$out/$name")
	alone=${alone:-$size}
	title="net/http with $name"
	case $name in
	nethttp) title="net/http alone" ;;
	awsauth-sign4) title="net/http with awsauth, Sign4 alone" ;;
	esac
	echo "| $title | $size | $(((size - alone + 500) / 1000)) KB |"
done
