package bench

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"hash"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-awsauth/awsauth"
	"github.com/go-awsauth/awsauth/internal/reference"
)

const (
	bucket    = "https://examplebucket.s3.us-east-1.amazonaws.com/"
	object    = bucket + "photos/cat.jpg"
	listQuery = "list-type=2&prefix=photos%2F2024%2F&delimiter=%2F&max-keys=100&start-after=photos%2F2024%2Fcat.jpg&fetch-owner=true"
	secret    = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)

var (
	one       = []*keys{newKeys("AKIDEXAMPLE", secret, "")}
	temporary = []*keys{newKeys("ASIDEXAMPLE", secret, strings.Repeat("FQoGZXIvYXdzEXAMPLE/", 45))} // 900 bytes
	many      = make([]*keys, 1000)
	getHeader = http.Header{"Range": {"bytes=0-9"}, "Accept": {"*/*"}, "X-Amz-Meta-A": {"b"}}
)

func init() {
	for i := range many {
		many[i] = newKeys(fmt.Sprintf("AKIDEXAMPLE%d", i), fmt.Sprintf("%s%03d", secret[:37], i), "")
	}
}

var (
	s3Get   = &request{method: "GET", url: object, header: getHeader, service: "s3", region: "us-east-1", keys: one}
	s3Token = &request{method: "GET", url: object, header: getHeader, service: "s3", region: "us-east-1", keys: temporary}
	dynamo  = &request{method: "POST", url: "https://dynamodb.us-east-1.amazonaws.com/", body: bytes.Repeat([]byte("x"), 1<<10),
		header:  http.Header{"Content-Type": {"application/x-amz-json-1.0"}, "X-Amz-Target": {"DynamoDB_20120810.GetItem"}},
		service: "dynamodb", region: "us-east-1", keys: one}
	s3List  = &request{method: "GET", url: bucket + "?" + listQuery, service: "s3", region: "us-east-1", keys: one}
	presign = &request{method: "GET", url: object, service: "s3", region: "us-east-1", keys: one, presign: true}
	s3Put   = &request{method: "PUT", url: object, header: http.Header{"Content-Type": {"image/jpeg"}}, body: make([]byte, 16<<20),
		service: "s3", region: "us-east-1", keys: one}
	tenants = &request{method: "GET", url: object, header: getHeader, service: "s3", region: "us-east-1", keys: many}
	lookup  = &request{method: "GET", url: object, header: getHeader, keys: one}
)

// table/main.go has a title for each.

func BenchmarkS3Get(b *testing.B)      { measure(b, s3Get, warm, alone) }
func BenchmarkS3GetToken(b *testing.B) { measure(b, s3Token, warm, alone) }
func BenchmarkDynamoDB(b *testing.B)   { measure(b, dynamo, warm, alone) }
func BenchmarkS3List(b *testing.B)     { measure(b, s3List, warm, alone) }
func BenchmarkPresign(b *testing.B)    { measure(b, presign, warm, alone) }
func BenchmarkPut16MiB(b *testing.B)   { measure(b, s3Put, warm, alone) }
func BenchmarkParallel(b *testing.B)   { measure(b, s3Get, warm, parallel) }
func BenchmarkTenants(b *testing.B)    { measure(b, tenants, warm, alone) }
func BenchmarkLookup(b *testing.B)     { measure(b, lookup, warm, alone) }
func BenchmarkCold(b *testing.B)       { measure(b, tenants, cold, alone) }

// BenchmarkScope is the lookup alone, of which the others do nothing.
func BenchmarkScope(b *testing.B) {
	u := newFresh(lookup).base.URL
	run(b, "awsauth", alone, func() func() {
		return func() {
			if _, _, err := awsauth.Scope(u); err != nil {
				panic(err)
			}
		}
	})
}

// How a benchmark gets its signers.
type prepare int

const (
	warm prepare = iota // kept, and has signed with each key before
	cold                // made anew for each signature
)

func (p prepare) signFunc(s signer, r *request) signFunc {
	if p == cold {
		return func(req *http.Request, k *keys) (string, error) { return s.make(r)(req, k) }
	}
	sign, f := s.make(r), newFresh(r)
	for _, k := range r.keys {
		if _, err := sign(f.reset(), k); err != nil {
			panic(err)
		}
	}
	return sign
}

// measure runs a sub-benchmark for each signer, and two for what they are held
// against: impl=fresh, which the time of each signer contains, and impl=floor.
func measure(b *testing.B, r *request, p prepare, repeat repeater) {
	run(b, "fresh", repeat, func() func() {
		f := newFresh(r)
		return func() { f.reset() }
	})
	run(b, "floor", repeat, floor(b, r, p))
	for _, s := range signers {
		if r.service == "" && s.name != "awsauth" {
			continue
		}
		sign := p.signFunc(s, r)
		run(b, s.name, repeat, func() func() {
			f, i := newFresh(r), 0
			return func() {
				if _, err := sign(f.reset(), r.keys[i]); err != nil {
					panic(err)
				}
				i = (i + 1) % len(r.keys)
			}
		})
	}
}

// run measures what start returns; start is called once in each goroutine.
func run(b *testing.B, name string, repeat repeater, start func() func()) {
	b.Run("impl="+name, func(b *testing.B) {
		b.ReportAllocs()
		repeat(b, start)
	})
}

type repeater func(b *testing.B, start func() func())

func alone(b *testing.B, start func() func()) {
	step := start()
	for b.Loop() {
		step()
	}
}

func parallel(b *testing.B, start func() func()) {
	b.RunParallel(func(pb *testing.PB) {
		for step := start(); pb.Next(); {
			step()
		}
	})
}

// floor is the cryptography that no signer can do without: the hashes of the body
// and of the canonical request, and the HMAC of the string to sign, from buffers
// of the right size. The keys are derived and ready, unless the signers are cold.
func floor(b *testing.B, r *request, p prepare) func() func() {
	f := newFresh(r)
	if _, err := byAWSAuth(r, nil)(f.reset(), r.keys[0]); err != nil {
		b.Fatal(err)
	}
	result := verify(b, &f.req, r)
	canonical, toSign := []byte(result.CanonicalRequest), []byte(result.StringToSign)
	return func() func() {
		macs := make([]hash.Hash, len(r.keys))
		for i := range macs {
			macs[i] = hmac.New(sha256.New, make([]byte, sha256.Size))
			macs[i].Sum(nil)
			macs[i].Reset() // keeps the state that follows the key
		}
		i, sum := 0, make([]byte, 0, sha256.Size)
		return func() {
			if r.body != nil && !r.presign {
				sha256.Sum256(r.body)
			}
			sha256.Sum256(canonical)
			mac := macs[i]
			if p == cold {
				secret := []byte(r.keys[i].awsauth.SecretAccessKey)
				for _, part := range []string{"20260102", r.region, r.service, "aws4_request"} {
					h := hmac.New(sha256.New, secret)
					h.Write([]byte(part))
					secret = h.Sum(nil)
				}
				mac = hmac.New(sha256.New, secret)
			}
			mac.Write(toSign)
			mac.Sum(sum)
			mac.Reset()
			i = (i + 1) % len(macs)
		}
	}
}

// more has what others sign beyond what awsauth does. Their signatures differ then,
// and are held against the reference verifier alone.
var more = map[string]string{
	"DynamoDB aws-sdk-go-v2": "content-length",
	"DynamoDB minio-go":      "x-amz-content-sha256", // it has no other way to learn the hash
	"Put16MiB aws-sdk-go-v2": "content-length",
}

// What is measured is the same work: all signatures hold, and they are the same,
// byte for byte, where the same headers are signed.
func TestSameSignature(t *testing.T) {
	for _, c := range []struct {
		name string
		*request
	}{{"S3Get", s3Get}, {"S3GetToken", s3Token}, {"DynamoDB", dynamo}, {"S3List", s3List},
		{"Presign", presign}, {"Put16MiB", s3Put}, {"Tenants", tenants}} {
		for _, s := range signers {
			t.Run(c.name+"/"+s.name, func(t *testing.T) {
				sign := warm.signFunc(s, c.request)
				for _, k := range c.keys[:min(len(c.keys), 3)] {
					theirs := signed(t, c.request, sign, k)
					at, err := time.Parse("20060102T150405Z", strings.Split(theirs.StringToSign, "\n")[1])
					if err != nil {
						t.Fatal(err)
					}
					ours := signed(t, c.request, byAWSAuth(c.request, func() time.Time { return at }), k)
					if name := more[c.name+" "+s.name]; name != "" {
						i := slices.Index(theirs.SignedHeaders, name)
						if i < 0 || !slices.Equal(slices.Delete(theirs.SignedHeaders, i, i+1), ours.SignedHeaders) {
							t.Errorf("signs %q, want %q and %s", theirs.SignedHeaders, ours.SignedHeaders, name)
						}
					} else if theirs.Signature != ours.Signature {
						t.Errorf("got\n%s\n\nwant\n%s", theirs.CanonicalRequest, ours.CanonicalRequest)
					}
				}
			})
		}
	}
}

// signed signs r and returns what the reference verifier saw in it.
func signed(t testing.TB, r *request, sign signFunc, k *keys) reference.Result {
	t.Helper()
	req := newFresh(r).reset()
	link, err := sign(req, k)
	if err == nil && link != "" {
		req.URL, err = url.Parse(link)
	}
	if err != nil {
		t.Fatal(err)
	}
	return verify(t, req, r)
}

// verify checks a signature as a server gets it over HTTP/1.1.
func verify(t testing.TB, req *http.Request, r *request) reference.Result {
	t.Helper()
	var wire bytes.Buffer
	if err := req.Write(&wire); err != nil {
		t.Fatal(err)
	}
	arrived, err := http.ReadRequest(bufio.NewReader(&wire))
	if err != nil {
		t.Fatal(err)
	}
	v := reference.Verifier{Service: r.service, Region: r.region, Secret: func(id string) (secret, token string, ok bool) {
		for _, k := range r.keys {
			if c := &k.awsauth; c.AccessKeyID == id {
				return c.SecretAccessKey, c.SessionToken, true
			}
		}
		return "", "", false
	}}
	result, err := v.Verify(arrived)
	if err != nil {
		t.Fatalf("%v\n%s", err, result.CanonicalRequest)
	}
	return result
}
