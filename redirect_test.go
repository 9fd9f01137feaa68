package awsauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/go-awsauth/awsauth/internal/reference"
)

const customerKey = "an encryption key of SSE-C"

// leaks returns what of a signature, or of the keys behind it, r has.
func leaks(r *http.Request) (found []string) {
	text := r.RequestURI + "\n" + fmt.Sprint(r.Header)
	for _, secret := range []string{testID, testSecret, testToken, "Signature=", "AWS4-", customerKey} {
		if strings.Contains(text, secret) {
			found = append(found, secret)
		}
	}
	for name := range r.Header {
		if strings.HasPrefix(http.CanonicalHeaderKey(name), "X-Amz-") {
			found = append(found, name)
		}
	}
	return found
}

// Redirects over real connections: a server that the first request was not signed
// for gets nothing of a signature. One that it was signed for gets, from a
// Transport, a signature of its own.
func TestRedirects(t *testing.T) {
	const first = "https://bucket.example/start"
	const s3 = "https://examplebucket.s3.us-east-1.amazonaws.com/start"
	const api = "https://abc123.execute-api.eu-west-1.amazonaws.com/start"
	tests := []struct {
		name  string
		hops  []string
		in    bool // the last hop is where the first request was signed for
		plain bool // and CheckRedirect sees it so too
		host  string
	}{
		{name: "same host", hops: []string{first, "/end"}, in: true, plain: true},
		{name: "same host, other case, own port", hops: []string{first, "https://Bucket.Example:443/end"}, in: true, plain: true},
		{name: "other host", hops: []string{first, "https://evil.example/end"}},
		{name: "subdomain", hops: []string{first, "https://evil.bucket.example/end"}},
		{name: "parent domain", hops: []string{"https://a.bucket.example/start", "https://bucket.example/end"}},
		{name: "other port", hops: []string{first, "https://bucket.example:8443/end"}},
		{name: "to http", hops: []string{first, "http://bucket.example/end"}},
		{name: "to http on the port of https", hops: []string{first, "http://bucket.example:8080/end"}},
		{name: "to https", hops: []string{"http://bucket.example/start", "https://bucket.example/end"}, in: true, plain: true},
		{name: "to https, other port", hops: []string{"http://bucket.example/start", "https://bucket.example:8443/end"}},
		{name: "http, other host", hops: []string{"http://bucket.example/start", "http://evil.example/end"}},
		{name: "userinfo", hops: []string{first, "https://bucket.example@evil.example/end"}},
		{name: "userinfo, same host", hops: []string{first, "https://evil.example@bucket.example/end"}, in: true, plain: true},
		{name: "several", hops: []string{first, "/1", "/2", "https://bucket.example/3", "/end"}, in: true, plain: true},
		{name: "several, then out", hops: []string{first, "/1", "/2", "https://evil.example/end"}},
		{name: "out and on", hops: []string{first, "https://evil.example/1", "https://evil.example/end"}},
		{name: "out and back", hops: []string{first, "https://evil.example/1", "https://bucket.example/end"}},
		{name: "out, back and on", hops: []string{first, "https://evil.example/1", "https://bucket.example/2", "/end"}},
		{name: "https, http, https", hops: []string{first, "http://bucket.example/1", "https://bucket.example/end"}},
		{name: "Host of the request, stays", hops: []string{first, "/end"}, in: true, plain: true, host: "public.example"},
		{name: "Host of the request, named", hops: []string{first, "https://bucket.example/end"}, in: true, plain: true, host: "public.example"},
		{name: "Host of the request as the target", hops: []string{first, "https://public.example/end"}, host: "public.example"},
		{name: "S3, another region", hops: []string{s3, "https://examplebucket.s3.eu-west-1.amazonaws.com/end"}, in: true},
		{name: "S3, by lookup", hops: []string{s3, "https://examplebucket.s3-eu-west-1.amazonaws.com/end"}, in: true},
		{name: "S3, then out", hops: []string{s3, "https://examplebucket.s3.eu-west-1.amazonaws.com/1", "https://evil.example/end"}},
		{name: "S3, another partition", hops: []string{s3, "https://examplebucket.s3.us-gov-west-1.amazonaws.com/end"}},
		{name: "S3, in the clear", hops: []string{s3, "http://examplebucket.s3.eu-west-1.amazonaws.com/end"}},
		{name: "S3 to a website", hops: []string{s3, "https://examplebucket.s3-website-us-east-1.amazonaws.com/end"}},
		{name: "S3 look-alike", hops: []string{s3, "https://examplebucket.s3.us-east-1.amazonaws.com.evil.example/end"}},
		{name: "S3 to another service", hops: []string{s3, "https://sqs.us-east-1.amazonaws.com/end"}},
		{name: "not S3 to S3", hops: []string{first, "https://evil.s3.eu-west-1.amazonaws.com/end"}},
		{name: "another customer's API", hops: []string{api, "https://evil99.execute-api.eu-west-1.amazonaws.com/end"}},
		{name: "the same API", hops: []string{api, "/end"}, in: true, plain: true},
	}
	noLeak(t)
	var serve http.HandlerFunc
	base := internet(t, true, func(w http.ResponseWriter, r *http.Request) { serve(w, r) })
	for _, test := range tests {
		for _, status := range []int{301, 302, 303, 307, 308} {
			for _, with := range []string{"Transport", "CheckRedirect"} {
				t.Run(fmt.Sprint(test.name, "/", status, "/", with), func(t *testing.T) {
					verifier := &reference.Verifier{Secret: func(id string) (string, string, bool) { return testSecret, testToken, id == testID }}
					var arrived []*http.Request
					var verdicts []error
					serve = func(w http.ResponseWriter, r *http.Request) {
						_, err := verifier.Verify(r)
						arrived, verdicts = append(arrived, r), append(verdicts, err)
						if len(arrived) < len(test.hops) {
							w.Header().Set("Location", test.hops[len(arrived)])
							w.WriteHeader(status)
						}
					}
					signer := &Signer{Credentials: temporaryKeys}
					if strings.Contains(test.hops[0], ".example/") {
						signer.Service, signer.Region = "s3", "eu-west-1"
					}
					req, err := http.NewRequest("POST", test.hops[0], strings.NewReader("a body"))
					if err != nil {
						t.Fatal(err)
					}
					req.Host = test.host
					req.Header.Set("X-Amz-Server-Side-Encryption-Customer-Key", customerKey)
					req.Header["x-amz-odd"] = []string{"v"}
					client := &http.Client{Transport: &Transport{Base: base, Signer: signer}}
					if with == "CheckRedirect" {
						client = &http.Client{Transport: base, CheckRedirect: CheckRedirect}
						if err := signer.Sign4(req); err != nil {
							t.Fatal(err)
						}
					}
					resp, err := client.Do(req)
					if err != nil {
						t.Fatal(err)
					}
					resp.Body.Close()
					if len(arrived) != len(test.hops) {
						t.Fatalf("%d requests arrived of %d", len(arrived), len(test.hops))
					}
					if verdicts[0] != nil {
						t.Errorf("the first request: %v", verdicts[0])
					}
					last, verdict := arrived[len(arrived)-1], verdicts[len(arrived)-1]
					switch {
					case with == "Transport" && test.in:
						if verdict != nil {
							t.Errorf("not signed for %s: %v", last.Host, verdict)
						}
					case with == "CheckRedirect" && test.plain:
						if found := leaks(last); len(found) == 0 {
							t.Error("headers are gone")
						}
					default:
						if found := leaks(last); len(found) > 0 {
							t.Errorf("%s sees %q", last.Host, found)
						}
					}
					for _, r := range arrived {
						if found := leaks(r); strings.Contains(r.Host, "evil") && len(found) > 0 {
							t.Errorf("%s sees %q", r.Host, found)
						}
					}
				})
			}
		}
	}
}

// Without CheckRedirect a token goes to whoever is redirected to: the tests above
// would see it.
func TestRedirectsUnprotected(t *testing.T) {
	var found []string
	base := internet(t, true, func(w http.ResponseWriter, r *http.Request) {
		if r.Host == "evil.example" {
			found = leaks(r)
			return
		}
		http.Redirect(w, r, "https://evil.example/", http.StatusTemporaryRedirect)
	})
	req, _ := http.NewRequest("GET", "https://bucket.example/", nil)
	if err := (&Signer{Service: "s3", Region: "eu-west-1"}).Sign4(req, temporaryKeys); err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: base}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if !slices.Contains(found, testToken) {
		t.Errorf("net/http forwards %q", found)
	}
}

// A presigned URL goes on as a Referer, whole, unless it is stopped; and where one
// leads, nothing is signed.
func TestRedirectPresigned(t *testing.T) {
	signer := &Signer{Service: "s3", Region: "eu-west-1", Credentials: temporaryKeys}
	for _, to := range []string{"https://evil.example/end", "https://bucket.example/end"} {
		for with, client := range map[string]func(http.RoundTripper) *http.Client{
			"Transport": func(base http.RoundTripper) *http.Client {
				return &http.Client{Transport: &Transport{Base: base, Signer: signer}}
			},
			"CheckRedirect": func(base http.RoundTripper) *http.Client {
				return &http.Client{Transport: base, CheckRedirect: CheckRedirect}
			},
		} {
			base := internet(t, true, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/end" {
					w.Header().Set("Location", to)
					w.WriteHeader(307)
					return
				}
				if strings.Contains(to, "bucket") {
					r.Header.Del("Referer") // the same server has seen it
				}
				if found := leaks(r); len(found) > 0 {
					t.Errorf("%s, %s sees %q", with, r.Host, found)
				}
			})
			req, _ := http.NewRequest("GET", "https://bucket.example/start", nil)
			if err := signer.Presign(req, 1e9); err != nil {
				t.Fatal(err)
			}
			resp, err := client(base).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
		}
	}
}

// A redirect whose origin is not to be known is one to a stranger.
func TestRedirectOfUnknownOrigin(t *testing.T) {
	for _, resp := range []*http.Response{{}, {Request: &http.Request{}}} {
		req, _ := http.NewRequest("GET", "https://bucket.example/", nil)
		req.Header.Set("X-Amz-Meta-A", "b")
		req.Response = resp
		tr := &Transport{Signer: &Signer{Service: "s3", Region: "eu-west-1", Credentials: temporaryKeys},
			Base: roundTripper(func(r *http.Request) (*http.Response, error) {
				if found := leaks(r); len(found) > 0 {
					t.Errorf("sent %q", found)
				}
				return &http.Response{StatusCode: 200}, nil
			})}
		if _, err := tr.RoundTrip(req); err != nil {
			t.Error(err)
		}
	}
}

func TestCheckRedirectStops(t *testing.T) {
	requests := 0
	base := internet(t, false, func(w http.ResponseWriter, r *http.Request) {
		requests++
		http.Redirect(w, r, "/", http.StatusFound)
	})
	_, err := (&http.Client{Transport: base, CheckRedirect: CheckRedirect}).Get("http://h.example/")
	if err == nil || !strings.Contains(err.Error(), "stopped after 10 redirects") || requests != 10 {
		t.Error(err, requests)
	}
}

// What the caller authorizes with is the caller's own.
func TestStripKeepsTheRest(t *testing.T) {
	h := http.Header{"Authorization": {"Bearer t"}, "Referer": {"https://h.example/?a=b"}, "X-Amzn-Trace-Id": {"1"}, "Accept": {"*/*"}}
	if strip(h); len(h) != 4 {
		t.Error(h)
	}
	h = http.Header{"authorization": {"x", "AWS4-ECDSA-P256-SHA256 Credential"}, "x-AMZ-date": {""}, "referer": {"https://h/?X-Amz-Signature=1"}}
	if strip(h); len(h) != 0 {
		t.Error(h)
	}
	h = http.Header{"Referer": {"https://h/?X%2dAmz%2DSignature=1"}, "referer": {"https://h/?%"}}
	if strip(h); len(h) != 0 {
		t.Error(h)
	}
}

// Two zones of IPv6 may have one address, of two machines.
func TestRedirectToAnotherZone(t *testing.T) {
	for to, want := range map[string]bool{"[fe80::1%25eth0]:80": true, "[FE80::1%25eth0]": true, "[fe80::1%25eth1]": false, "[fe80::1]": false} {
		first, err := url.Parse("http://[fe80::1%25eth0]/")
		if err != nil {
			t.Fatal(err)
		}
		hop, err := url.Parse("http://" + to + "/")
		if err != nil || sameServer(first, hop) != want || sameScope(first, hop) != want {
			t.Errorf("%s: %v, want %v", to, !want, want)
		}
	}
}

func TestRegional(t *testing.T) {
	for _, c := range []struct{ host, region, want string }{
		{"examplebucket.s3.amazonaws.com", "eu-west-1", "examplebucket.s3.eu-west-1.amazonaws.com"},
		{"s3.amazonaws.com", "eu-west-1", "s3.eu-west-1.amazonaws.com"},
		{"S3.amazonaws.com:443", "eu-west-1", "s3.eu-west-1.amazonaws.com:443"},
		{"s3-external-1.amazonaws.com", "eu-west-1", "s3.eu-west-1.amazonaws.com"},
		{"b.s3.us-west-2.amazonaws.com", "eu-west-1", "b.s3.eu-west-1.amazonaws.com"},
		{"b.s3-us-west-2.amazonaws.com", "eu-west-1", "b.s3.eu-west-1.amazonaws.com"},
		{"b.s3-fips.us-west-2.amazonaws.com", "us-east-1", "b.s3-fips.us-east-1.amazonaws.com"},
		{"b.s3-fips-us-west-2.amazonaws.com", "us-east-1", "b.s3-fips.us-east-1.amazonaws.com"},
		{"b.s3.dualstack.us-west-2.amazonaws.com", "eu-west-1", "b.s3.dualstack.eu-west-1.amazonaws.com"},
		{"us-west-2.s3.us-west-2.amazonaws.com", "eu-west-1", "us-west-2.s3.eu-west-1.amazonaws.com"},
		{"b.s3.cn-north-1.amazonaws.com.cn", "cn-northwest-1", "b.s3.cn-northwest-1.amazonaws.com.cn"},
		{"b.s3.cn-north-1.amazonaws.com.cn", "eu-west-1", ""},
		{"b.s3.us-west-2.amazonaws.com", "us-gov-west-1", ""},
		{"b.s3.us-west-2.amazonaws.com", "cn-north-1", ""},
		{"b.s3.us-west-2.amazonaws.com", "evil.example/", ""},
		{"b.s3.us-west-2.amazonaws.com", "x", ""},
		{"b.s3.us-west-2.amazonaws.com", "eu-west-1.evil", ""},
		{"b.s3.us-west-2.amazonaws.com", "", ""},
		{"b.s3-accelerate.amazonaws.com", "eu-west-1", ""},
		{"m.accesspoint.s3-global.amazonaws.com", "eu-west-1", ""},
		{"bucket.vpce-1a2b3c4d-5e6f.s3.us-east-1.vpce.amazonaws.com", "eu-west-1", ""},
		{"sqs.us-west-2.amazonaws.com", "eu-west-1", ""},
		{"minio.example:9000", "eu-west-1", ""},
		{"", "eu-west-1", ""},
	} {
		if got := regional(c.host, c.region); got != c.want {
			t.Errorf("%s in %q: got %q, want %q", c.host, c.region, got, c.want)
		}
	}
}

// A fakeS3 has one bucket, in one region, and sends requests there as S3 does.
type fakeS3 struct {
	region string
	status int  // of the reply elsewhere
	bare   bool // without a body, as to a HEAD
	silent bool // without a header
	got    []string
}

func (f *fakeS3) serve(w http.ResponseWriter, r *http.Request) {
	verifier := &reference.Verifier{Service: "s3", Region: f.region, Secret: func(string) (string, string, bool) { return testSecret, testToken, true }}
	f.got = append(f.got, r.Host)
	_, err := verifier.Verify(r)
	var refusal *reference.Error
	anonymous := r.Header.Get("Authorization") == ""
	switch {
	case err == nil, anonymous && strings.Contains(r.Host, f.region):
		io.Copy(w, r.Body)
		return
	case errors.As(err, &refusal) && refusal.Code != "AuthorizationHeaderMalformed" && !anonymous:
		w.WriteHeader(403)
		return
	}
	if !f.silent {
		w.Header().Set("X-Amz-Bucket-Region", f.region)
	}
	w.WriteHeader(f.status)
	code := "PermanentRedirect"
	if f.status == 400 {
		code = "AuthorizationHeaderMalformed"
	}
	if !f.bare {
		fmt.Fprintf(w, "<Error><Code>%s</Code><Message>the region 'us-east-1' is wrong; expecting '%s'</Message><Region>%s</Region></Error>", code, f.region, f.region)
	}
}

func TestRegionRedirect(t *testing.T) {
	const global, path = "https://examplebucket.s3.amazonaws.com/k", "https://s3.us-west-2.amazonaws.com/examplebucket/k"
	for _, test := range []struct {
		name     string
		url      string
		fake     fakeS3
		signer   *Signer
		method   string
		body     io.Reader
		hosts    []string // asked by the first request
		next     []string // and by the second
		status   int
		hostname string
	}{
		{name: "301", url: global, fake: fakeS3{status: 301},
			hosts: []string{"examplebucket.s3.amazonaws.com", "examplebucket.s3.eu-west-1.amazonaws.com"},
			next:  []string{"examplebucket.s3.eu-west-1.amazonaws.com"}},
		{name: "301 to HEAD", url: path, fake: fakeS3{status: 301, bare: true}, method: "HEAD",
			hosts: []string{"s3.us-west-2.amazonaws.com", "s3.eu-west-1.amazonaws.com"}, next: []string{"s3.eu-west-1.amazonaws.com"}},
		{name: "400 with a header alone", url: global, fake: fakeS3{status: 400, bare: true},
			hosts: []string{"examplebucket.s3.amazonaws.com", "examplebucket.s3.eu-west-1.amazonaws.com"},
			next:  []string{"examplebucket.s3.eu-west-1.amazonaws.com"}},
		{name: "400 with a body alone", url: global, fake: fakeS3{status: 400, silent: true},
			hosts: []string{"examplebucket.s3.amazonaws.com", "examplebucket.s3.eu-west-1.amazonaws.com"},
			next:  []string{"examplebucket.s3.eu-west-1.amazonaws.com"}},
		{name: "307 is not remembered", url: path, fake: fakeS3{status: 307},
			hosts: []string{"s3.us-west-2.amazonaws.com", "s3.eu-west-1.amazonaws.com"}, next: []string{"s3.us-west-2.amazonaws.com", "s3.eu-west-1.amazonaws.com"}},
		{name: "upload of a file", url: path, fake: fakeS3{status: 301}, method: "PUT", body: struct{ io.ReadSeeker }{strings.NewReader("hello")},
			hosts: []string{"s3.us-west-2.amazonaws.com", "s3.eu-west-1.amazonaws.com"}},
		{name: "explicit region", url: path, fake: fakeS3{status: 301}, signer: &Signer{Region: "us-west-2"},
			hosts: []string{"s3.us-west-2.amazonaws.com"}, next: []string{"s3.us-west-2.amazonaws.com"}, status: 301},
		{name: "another status", url: path, fake: fakeS3{status: 403},
			hosts: []string{"s3.us-west-2.amazonaws.com"}, next: []string{"s3.us-west-2.amazonaws.com"}, status: 403},
		{name: "the same region", url: path, fake: fakeS3{status: 301, region: "us-west-2"}, signer: &Signer{Credentials: Credentials{AccessKeyID: testID, SecretAccessKey: "wrong"}},
			hosts: []string{"s3.us-west-2.amazonaws.com"}, status: 403},
		{name: "no region of AWS", url: path, fake: fakeS3{status: 301, region: "evil.example/"},
			hosts: []string{"s3.us-west-2.amazonaws.com"}, status: 301},
		{name: "another partition", url: path, fake: fakeS3{status: 301, region: "us-gov-west-1"},
			hosts: []string{"s3.us-west-2.amazonaws.com"}, status: 301},
		{name: "body that can't be sent again", url: path, fake: fakeS3{status: 301}, signer: &Signer{Payload: UnsignedPayload}, method: "PUT", body: readOnceBody("hello"),
			hosts: []string{"s3.us-west-2.amazonaws.com"}, status: 301},
		{name: "anonymous", url: path, fake: fakeS3{status: 301}, signer: &Signer{Credentials: Anonymous{}},
			hosts: []string{"s3.us-west-2.amazonaws.com", "s3.eu-west-1.amazonaws.com"}, next: []string{"s3.eu-west-1.amazonaws.com"}},
		{name: "Host of the request", url: "https://proxy.example/examplebucket/k", hostname: "s3.us-west-2.amazonaws.com", fake: fakeS3{status: 301},
			hosts: []string{"s3.us-west-2.amazonaws.com", "s3.eu-west-1.amazonaws.com"}, next: []string{"s3.eu-west-1.amazonaws.com"}},
		{name: "not AWS's", url: "https://minio.example/examplebucket/k", fake: fakeS3{status: 400, silent: true}, signer: &Signer{Service: "s3"},
			hosts: []string{"minio.example", "minio.example"}, next: []string{"minio.example"}},
		{name: "not AWS's, header", url: "https://minio.example/examplebucket/k", fake: fakeS3{status: 301}, signer: &Signer{Service: "s3"},
			hosts: []string{"minio.example"}, status: 301},
		{name: "not AWS's, odd region", url: "https://minio.example/examplebucket/k", fake: fakeS3{status: 400, region: "a/b"}, signer: &Signer{Service: "s3"},
			hosts: []string{"minio.example"}, status: 400},
		{name: "not S3", url: "https://minio.example/examplebucket/k", fake: fakeS3{status: 400}, signer: &Signer{Service: "execute-api"},
			hosts: []string{"minio.example"}, status: 400},
	} {
		t.Run(test.name, func(t *testing.T) {
			noLeak(t)
			t.Setenv("AWS_REGION", "us-east-1")
			f := &test.fake
			if f.region == "" {
				f.region = "eu-west-1"
			}
			base := internet(t, true, f.serve)
			signer := test.signer
			if signer == nil {
				signer = new(Signer)
			}
			if signer.Credentials == nil {
				signer.Credentials = temporaryKeys
			}
			tr := &Transport{Base: base, Signer: signer}
			send := func(want []string) {
				t.Helper()
				f.got = nil
				req, err := http.NewRequest(test.method, test.url, test.body)
				if err != nil {
					t.Fatal(err)
				}
				req.Host = test.hostname
				resp, err := (&http.Client{Transport: tr}).Do(req)
				if err != nil {
					t.Fatal(err)
				}
				body, _ := io.ReadAll(resp.Body)
				if resp.Body.Close(); !slices.Equal(f.got, want) {
					t.Errorf("asked %q, want %q", f.got, want)
				}
				if want := max(200, test.status); resp.StatusCode != want {
					t.Errorf("status %d, want %d", resp.StatusCode, want)
				}
				if test.method == "PUT" && resp.StatusCode == 200 && string(body) != "hello" {
					t.Errorf("the body arrived as %q", body)
				}
			}
			send(test.hosts)
			if test.next != nil {
				send(test.next)
			}
		})
	}
}

// A bucket that was made again in another region is found there again. A server
// that is not content with the region that it told is asked once.
func TestRegionChanges(t *testing.T) {
	t.Setenv("AWS_REGION", "us-east-1")
	f := &fakeS3{region: "eu-west-1", status: 301}
	tr := &Transport{Base: internet(t, true, f.serve), Signer: &Signer{Service: "s3", Credentials: temporaryKeys}}
	send := func(url string, want ...string) {
		t.Helper()
		f.got = nil
		resp, err := (&http.Client{Transport: tr}).Get(url)
		if err != nil {
			t.Fatal(err)
		}
		if resp.Body.Close(); !slices.Equal(f.got, want) {
			t.Errorf("asked %q, want %q", f.got, want)
		}
	}
	const url = "https://s3.us-west-2.amazonaws.com/b/k"
	send(url, "s3.us-west-2.amazonaws.com", "s3.eu-west-1.amazonaws.com")
	f.region = "ap-south-1"
	send(url, "s3.eu-west-1.amazonaws.com", "s3.ap-south-1.amazonaws.com")
	send(url, "s3.ap-south-1.amazonaws.com")
	f.region = "us-west-2"
	send(url, "s3.ap-south-1.amazonaws.com", "s3.us-west-2.amazonaws.com")
	send(url, "s3.us-west-2.amazonaws.com")

	sent, region := 0, "<Region>eu-west-1</Region>"
	tr.Base = roundTripper(func(*http.Request) (*http.Response, error) {
		sent++
		return &http.Response{StatusCode: 400, Body: io.NopCloser(strings.NewReader("<Code>AuthorizationHeaderMalformed</Code>" + region))}, nil
	})
	for i, want := range []int{2, 3, 4} {
		req, _ := http.NewRequest("GET", "https://minio.example/b/k", nil)
		if i == 2 {
			region = "" // an answer that tells nothing
		}
		if tr.RoundTrip(req); sent != want {
			t.Errorf("request %d: sent %d, want %d", i, sent, want)
		}
	}
}

// Servers that send a request in circles do so once, and not at all to where it is.
func TestRegionRedirectOnce(t *testing.T) {
	sent := 0
	here := &Transport{Signer: &Signer{Credentials: testKeys}, Base: roundTripper(func(r *http.Request) (*http.Response, error) {
		sent++
		return &http.Response{StatusCode: 301, Header: http.Header{"X-Amz-Bucket-Region": {"us-west-2"}}}, nil
	})}
	req, _ := http.NewRequest("GET", "https://s3.us-west-2.amazonaws.com/b/k", nil)
	if here.RoundTrip(req); sent != 1 {
		t.Errorf("sent %d times", sent)
	}
	sent = 0
	tr := &Transport{Signer: &Signer{Credentials: testKeys}, Base: roundTripper(func(r *http.Request) (*http.Response, error) {
		sent++
		region := "eu-west-1"
		if strings.Contains(r.URL.Host, region) {
			region = "us-west-2"
		}
		return &http.Response{StatusCode: 301, Header: http.Header{"X-Amz-Bucket-Region": {region}}}, nil
	})}
	resp, err := tr.RoundTrip(req)
	if err != nil || resp.StatusCode != 301 || sent != 2 || req.URL.Host != "s3.us-west-2.amazonaws.com" {
		t.Error(resp, err, sent, req.URL)
	}
}

// Buckets are told apart, by host or by path, and schemes.
func TestBucketOf(t *testing.T) {
	for u, want := range map[string]place{
		"https://b.s3.amazonaws.com/dir/k":                {"https", "b.s3.amazonaws.com", ""},
		"http://b.s3.amazonaws.com/dir/k":                 {"http", "b.s3.amazonaws.com", ""},
		"https://s3.amazonaws.com/b/dir/k":                {"https", "s3.amazonaws.com", "b"},
		"https://s3.amazonaws.com/b":                      {"https", "s3.amazonaws.com", "b"},
		"https://s3.amazonaws.com":                        {"https", "s3.amazonaws.com", ""},
		"https://b.s3-fips.us-west-2.amazonaws.com/dir/k": {"https", "b.s3-fips.us-west-2.amazonaws.com", ""},
		"https://s3-us-west-2.amazonaws.com/b/k":          {"https", "s3-us-west-2.amazonaws.com", "b"},
		"https://minio.example:9000/b/d/k":                {"https", "minio.example:9000", "b"},
	} {
		req, _ := http.NewRequest("GET", u, nil)
		if got := bucketOf(req); got != want {
			t.Errorf("%s: %v", u, got)
		}
	}
}

// Anonymous requests go out unsigned; nothing else does.
func TestAnonymous(t *testing.T) {
	creds, err := Anonymous{}.Retrieve(t.Context())
	if err != nil || !creds.anonymous() || creds == (Credentials{}) {
		t.Fatal(creds, err)
	}
	none := Env{Getenv: envOf()}
	for name, p := range map[string]Provider{"itself": Anonymous{}, "chain": Chain{none, Anonymous{}}, "cache": Cache(Anonymous{}), "retrieved": creds} {
		sent := 0
		tr := &Transport{Signer: &Signer{Credentials: p}, Base: roundTripper(func(r *http.Request) (*http.Response, error) {
			if sent++; r.Header.Get("X-Amz-Acl") == "" || len(r.Header) != 1 {
				t.Errorf("%s: sent with %v", name, r.Header)
			}
			return &http.Response{StatusCode: 200}, nil
		})}
		for _, u := range []string{"https://examplebucket.s3.amazonaws.com/k", "https://nothing.that.the.table.knows.example/k"} {
			req, _ := http.NewRequest("GET", u, nil)
			req.Header.Set("X-Amz-Acl", "private")
			if _, err := tr.RoundTrip(req); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if sent != 2 {
			t.Errorf("%s: sent %d times", name, sent)
		}

		req, _ := http.NewRequest("PUT", "https://examplebucket.s3.amazonaws.com/a(b)", strings.NewReader("hello"))
		if err := Sign4(req, temporaryKeys); err != nil {
			t.Fatal(err)
		}
		for _, sign := range []func(*http.Request, ...Provider) error{Sign, Sign4, Sign4A} {
			if err := sign(req, p); err != nil || len(req.Header) != 0 || req.URL.RawPath != "/a%28b%29" {
				t.Errorf("%s: %v, %v, %s", name, err, req.Header, req.URL)
			}
		}
		if body, _ := io.ReadAll(req.Body); string(body) != "hello" {
			t.Errorf("%s: the body reads %q", name, body)
		}
		if err := Presign(req, 1e9, p); err == nil || req.URL.RawQuery != "" {
			t.Errorf("%s: presigned %s", name, req.URL)
		}
	}

	// Empty keys, no keys, and keys that were put in the place of none.
	mixed := creds
	mixed.AccessKeyID = testID
	for _, p := range []Provider{Credentials{}, Chain{none}, Cache(Credentials{}), ProviderFunc(func(context.Context) (Credentials, error) { return Credentials{}, nil }), mixed} {
		req, _ := http.NewRequest("GET", "https://examplebucket.s3.amazonaws.com/k", nil)
		tr := &Transport{Signer: &Signer{Credentials: p}, Base: roundTripper(func(r *http.Request) (*http.Response, error) {
			t.Errorf("sent with %v", p)
			return &http.Response{StatusCode: 200}, nil
		})}
		if _, err := tr.RoundTrip(req); err == nil {
			t.Errorf("%v: no error", p)
		}
		if err := Sign4(req, p); err == nil {
			t.Errorf("%v: no error", p)
		}
	}
	if got := fmt.Sprintf("%v %+v %s", creds, creds, creds); got != strings.TrimSuffix(strings.Repeat("awsauth.Anonymous{} ", 3), " ") {
		t.Error(got)
	}
}
