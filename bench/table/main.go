// Table reads the output of this module's benchmarks and prints the medians as
// one markdown table. Times and allocations are those of signing alone: what
// impl=fresh takes to make the request anew is subtracted.
package main

import (
	"bufio"
	"fmt"
	"log"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
)

var cases = []struct{ name, title string }{
	{"S3Get", "S3 GET, three headers"},
	{"S3GetToken", "the same, 900-byte session token"},
	{"DynamoDB", "DynamoDB POST, 1 KiB hashed"},
	{"S3List", "S3 list, six parameters"},
	{"Presign", "presigned S3 GET"},
	{"Put16MiB", "S3 PUT, 16 MiB hashed"},
	{"Parallel", "S3 GET, parallel, GOMAXPROCS=1"},
	{"Parallel-2", "S3 GET, parallel, GOMAXPROCS=2"},
	{"Tenants", "S3 GET, 1,000 key pairs in turn"},
	{"Lookup", "S3 GET, service and region looked up"},
	{"Cold", "S3 GET, new signer and key each time"},
	{"Scope", "the lookup alone (`Scope`)"},
}

const ours = "awsauth"

var peers = []string{"aws-sdk-go-v2", "smithy-go", "minio-go", "aws-sdk-go-v1"}

// A key is one benchmark: BenchmarkNAME/impl=IMPL.
type key struct{ name, impl string }

// results has what each run of a benchmark said, by its unit.
type results map[key]map[string][]float64

func main() {
	r := make(results)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		r.add(lines.Text())
	}
	fmt.Println("| case | floor | awsauth | allocs | × floor | fastest peer | its time | times faster |")
	fmt.Println("|---|--:|--:|--:|--:|---|--:|--:|")
	for _, c := range cases {
		own := r.signing(c.name, ours, "ns/op")
		if math.IsNaN(own) {
			log.Fatalf("no result for %s", c.name)
		}
		row := []string{c.title, "–", duration(own), fmt.Sprintf("%.0f", r.signing(c.name, ours, "allocs/op")), "–", "–", "–", "–"}
		if floor := r.median(c.name, "floor", "ns/op"); !math.IsNaN(floor) {
			row[1], row[4] = duration(floor), figures(own/floor)
		}
		if peer := r.fastest(c.name); peer != "" {
			its := r.signing(c.name, peer, "ns/op")
			row[5], row[6], row[7] = peer, duration(its), figures(its/own)
		}
		fmt.Println("| " + strings.Join(row, " | ") + " |")
	}
	fmt.Printf("\nIn parallel, awsauth signs %.2f times as much on two processors as on one.\n",
		r.signing("Parallel", ours, "ns/op")/r.signing("Parallel-2", ours, "ns/op"))
}

// add reads a line such as
//
//	BenchmarkS3Get/impl=awsauth-2   1000   2345 ns/op   456 B/op   7 allocs/op
//
// The number of processors, which is not written where it is one, tells
// the parallel benchmarks apart, and says nothing about the others.
func (r results) add(line string) {
	f := strings.Fields(line)
	name, impl, ok := strings.Cut(strings.TrimPrefix(line, "Benchmark"), "/impl=")
	if !ok || len(f) < 4 {
		return
	}
	impl = strings.Fields(impl)[0]
	if i := strings.LastIndexByte(impl, '-'); i > 0 {
		if procs := impl[i+1:]; strings.Trim(procs, "0123456789") == "" {
			impl = impl[:i]
			if name == "Parallel" {
				name += "-" + procs
			}
		}
	}
	k := key{name, impl}
	if r[k] == nil {
		r[k] = make(map[string][]float64)
	}
	for i := 2; i+1 < len(f); i += 2 {
		if v, err := strconv.ParseFloat(f[i], 64); err == nil {
			r[k][f[i+1]] = append(r[k][f[i+1]], v)
		}
	}
}

// median returns NaN where there is no result.
func (r results) median(name, impl, unit string) float64 {
	v := slices.Sorted(slices.Values(r[key{name, impl}][unit]))
	if len(v) == 0 {
		return math.NaN()
	}
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// signing is a median without what making the request anew takes.
func (r results) signing(name, impl, unit string) float64 {
	fresh := r.median(name, "fresh", unit)
	if math.IsNaN(fresh) {
		fresh = 0 // the lookup alone has no request
	}
	return r.median(name, impl, unit) - fresh
}

func (r results) fastest(name string) (peer string) {
	best := math.Inf(1)
	for _, p := range peers {
		if t := r.signing(name, p, "ns/op"); t < best {
			peer, best = p, t
		}
	}
	return peer
}

func duration(ns float64) string {
	switch {
	case ns < 1e3:
		return fmt.Sprintf("%.0f ns", ns)
	case ns < 1e6:
		return figures(ns/1e3) + " µs"
	}
	return figures(ns/1e6) + " ms"
}

// figures gives three of them.
func figures(x float64) string {
	return strconv.FormatFloat(x, 'f', max(0, 2-int(math.Log10(max(x, 1)))), 64)
}
