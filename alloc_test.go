package awsauth

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

// How often signing allocates at most, case for case as bench/ measures them;
// TestScopeAllocations and TestLargeFileInConstantMemory have two more. What
// a test needs to make its request anew is not counted.
func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("sync.Pool drops items under the race detector")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // it empties pools

	const bucket = "https://examplebucket.s3.us-east-1.amazonaws.com/"
	get := http.Header{"Range": {"bytes=0-9"}, "Accept": {"*/*"}, "X-Amz-Meta-A": {"b"}}
	temporary := testKeys
	temporary.SessionToken = strings.Repeat("FQoGZXIvYXdzEXAMPLE/", 45)
	signer := &Signer{Service: "s3", Region: "us-east-1", Credentials: testKeys}
	sign4 := func(s *Signer) func(*http.Request) error {
		return func(req *http.Request) error { return s.Sign4(req) }
	}
	var many [1000]Credentials
	for i := range many {
		many[i] = Credentials{AccessKeyID: fmt.Sprintf("AKIDEXAMPLE%d", i), SecretAccessKey: fmt.Sprintf("%s%d", testSecret, i)}
	}
	next := 0
	tenant := func() Credentials {
		next = (next + 1) % len(many)
		return many[next]
	}

	for _, c := range []struct {
		name, method, url string
		header            http.Header
		body              []byte
		sign              func(*http.Request) error
		most              float64
	}{
		{"S3 GET", "GET", bucket + "photos/cat.jpg", get, nil, sign4(signer), 2},
		{"session token", "GET", bucket + "photos/cat.jpg", get, nil,
			sign4(&Signer{Service: "s3", Region: "us-east-1", Credentials: temporary}), 2},
		{"DynamoDB POST", "POST", "https://dynamodb.us-east-1.amazonaws.com/",
			http.Header{"Content-Type": {"application/x-amz-json-1.0"}, "X-Amz-Target": {"DynamoDB_20120810.GetItem"}},
			make([]byte, 1<<10), sign4(&Signer{Service: "dynamodb", Region: "us-east-1", Credentials: testKeys}), 4},
		{"S3 list", "GET", bucket + "?list-type=2&prefix=photos%2F2024%2F&delimiter=%2F&max-keys=100&start-after=photos%2F2024%2Fcat.jpg&fetch-owner=true",
			http.Header{}, nil, sign4(signer), 3},
		{"presign", "GET", bucket + "photos/cat.jpg", http.Header{}, nil,
			func(req *http.Request) error { return signer.Presign(req, time.Hour) }, 2},
		{"S3 PUT", "PUT", bucket + "photos/cat.jpg", http.Header{"Content-Type": {"image/jpeg"}}, make([]byte, 64<<10), sign4(signer), 5},
		{"tenants in turn", "GET", bucket + "photos/cat.jpg", get, nil,
			func(req *http.Request) error { return signer.Sign4(req, tenant()) }, 4},
		{"service and region looked up", "GET", bucket + "photos/cat.jpg", get, nil, sign4(&Signer{Credentials: testKeys}), 2},
		{"new signer and key", "GET", bucket + "photos/cat.jpg", get, nil,
			func(req *http.Request) error {
				return (&Signer{Service: "s3", Region: "us-east-1", Credentials: tenant()}).Sign4(req)
			}, 46},
	} {
		t.Run(c.name, func(t *testing.T) {
			req, err := http.NewRequest(c.method, c.url, nil)
			if c.body != nil {
				req, err = http.NewRequest(c.method, c.url, bytes.NewReader(c.body))
			}
			if err != nil {
				t.Fatal(err)
			}
			u := req.URL
			reset := func() { req.URL, req.Header = u, maps.Clone(c.header) }
			sign := func() {
				reset()
				if err := c.sign(req); err != nil {
					t.Fatal(err)
				}
			}
			testing.AllocsPerRun(2*len(many), sign) // with its one processor, whose pools are its own
			if n := testing.AllocsPerRun(len(many), sign) - testing.AllocsPerRun(len(many), reset); n > c.most {
				t.Errorf("signing allocates %v times, want at most %v", n, c.most)
			} else if n < c.most {
				t.Logf("signing allocates %v times; %v were allowed", n, c.most)
			}
		})
	}
}
