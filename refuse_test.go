package awsauth

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// A refusal is a bad request, and what the error has to say. The request must
// be left as it was.
var refusals = []struct {
	name    string
	signer  *Signer // nil: for S3
	method  string
	url     string
	body    func() io.Reader
	edit    func(*http.Request)
	keys    Provider
	expires time.Duration // 0: an hour; zeroExpires: 0
	want    string
	only    string // "header" or "presign"
}{
	{name: "empty credentials", keys: Credentials{}, want: "set AccessKeyID and SecretAccessKey"},
	{name: "empty secret", keys: Credentials{AccessKeyID: "A"}, want: "set SecretAccessKey"},
	{name: "empty ID", keys: Credentials{SecretAccessKey: "S"}, want: "set AccessKeyID"},
	{name: "ID with a line end", keys: Credentials{AccessKeyID: "A\n", SecretAccessKey: "S"}, want: "line end"},
	{name: "token with a line end", keys: Credentials{AccessKeyID: "A", SecretAccessKey: "S", SessionToken: "T\r\nX: y"}, want: "line end"},
	{name: "nil source", keys: Chain{nil}, want: "nil"},
	{name: "nil source in a cache", keys: Cache(nil), want: "nil"},
	{name: "expired credentials", keys: Credentials{AccessKeyID: "A", SecretAccessKey: "S", Expires: time.Now().Add(-time.Second)}, want: "expired at"},
	{name: "source fails", keys: ProviderFunc(func(context.Context) (Credentials, error) { return Credentials{}, errors.New("vault: sealed") }), want: "vault: sealed"},
	{name: "source returns nothing", keys: ProviderFunc(func(context.Context) (Credentials, error) { return Credentials{}, nil }), want: "empty credentials"},
	{name: "half a pair in the environment", keys: Env{Getenv: envOf("AWS_ACCESS_KEY_ID", "A")}, want: "set AWS_SECRET_ACCESS_KEY"},
	{name: "nothing anywhere", keys: Chain{Env{Getenv: envOf()}, &EC2Role{Getenv: envOf("AWS_EC2_METADATA_DISABLED", "true")}}, want: "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set, nor a role; the EC2 metadata service is disabled"},

	{name: "unknown host", signer: &Signer{}, want: "set Signer.Service and Signer.Region"},
	{name: "region set", only: "header", signer: &Signer{Service: "s3", Region: "*"}, want: "region set"},

	{name: "query with a lone percent", url: "https://h.example/?a=%", want: "RawQuery"},
	{name: "query with a bad escape", url: "https://h.example/?a%zz=1", want: "RawQuery"},
	{name: "query with a bad first digit", url: "https://h.example/?a=%g1", want: "RawQuery"},
	{name: "DEL in a value", edit: func(r *http.Request) { r.Header["X-Test"] = []string{"a\x7f"} }, want: "control character"},
	{name: "query with half an escape", url: "https://h.example/?b=1&a=%4", want: "RawQuery"},
	{name: "path without a slash", edit: func(r *http.Request) { r.URL.Path = "k" }, want: `set URL.Path to "/k"`},
	{name: "path of a star", method: "OPTIONS", edit: func(r *http.Request) { r.URL.Path = "*" }, want: "set URL.Path"},
	{name: "opaque of another host", edit: func(r *http.Request) { r.URL.Opaque = "//other.example/k" }, want: "URL.Opaque"},
	{name: "opaque without a path", edit: func(r *http.Request) { r.URL.Opaque = "k" }, want: "URL.Opaque"},
	{name: "opaque with a query", edit: func(r *http.Request) { r.URL.Opaque = "/k?a=b" }, want: "URL.Opaque"},
	{name: "no host", edit: func(r *http.Request) { r.URL.Host, r.Host = "", "" }, want: "set URL.Host"},
	{name: "host with a space", edit: func(r *http.Request) { r.Host = "a b" }, want: "correct URL.Host or Request.Host"},
	{name: "host with a line end", edit: func(r *http.Request) { r.Host = "a\r\nX: y" }, want: "correct URL.Host or Request.Host"},
	{name: "host that is not UTF-8", edit: func(r *http.Request) { r.Host = "a\xff" }, want: "correct URL.Host or Request.Host"},
	{name: "method with a line end", edit: func(r *http.Request) { r.Method = "GET\n" }, want: "Request.Method"},

	{name: "two spellings", edit: func(r *http.Request) { r.Header["X-Test"], r.Header["x-test"] = []string{"a"}, []string{"b"} }, want: "X-Test is set under two spellings"},
	{name: "two spellings of the payload header", edit: func(r *http.Request) {
		r.Header["X-Amz-Content-Sha256"], r.Header["x-amz-content-sha256"] = []string{"a"}, []string{"b"}
	}, want: "X-Amz-Content-Sha256 is set under two spellings"},
	{name: "two spellings of an unsigned header", edit: func(r *http.Request) { r.Header["User-Agent"], r.Header["user-agent"] = []string{"a"}, []string{"b"} }, want: "User-Agent is set under two spellings"},
	{name: "two odd spellings", edit: func(r *http.Request) { r.Header["X-TEST"], r.Header["x-test"] = []string{"a"}, []string{"b"} }, want: "X-Test is set under two spellings"},
	{name: "two payload headers", edit: func(r *http.Request) { r.Header["X-Amz-Content-Sha256"] = []string{"a", "b"} }, want: "X-Amz-Content-Sha256 is set more than once"},
	{name: "CR LF in a value", edit: func(r *http.Request) { r.Header["X-Test"] = []string{"a\r\nX-Evil: b"} }, want: "X-Test has a line end"},
	{name: "LF in an unsigned value", edit: func(r *http.Request) { r.Header["User-Agent"] = []string{"a\nb"} }, want: "User-Agent has a line end"},
	{name: "control character in a value", edit: func(r *http.Request) { r.Header["X-Test"] = []string{"a\x00"} }, want: "X-Test has a line end or a control character"},
	{name: "header name with a space", edit: func(r *http.Request) { r.Header["X Test"] = []string{"a"} }, want: "is not a header name"},
	{name: "empty header name", edit: func(r *http.Request) { r.Header[""] = []string{"a"} }, want: "is not a header name"},

	{name: "host in a spelling that net/http sends too", edit: func(r *http.Request) { r.Header["host"] = []string{"evil.example"} }, want: "host is net/http's to write"},
	{name: "length in a spelling that net/http sends too", edit: func(r *http.Request) { r.Header["content-length"] = []string{"3"} }, want: "content-length is net/http's to write"},
	{name: "bad header name without values", edit: func(r *http.Request) { r.Header["bad key"] = nil }, want: "is not a header name"},
	{name: "CONNECT", method: "CONNECT", want: "can't be signed"},
	{name: "host with two zones", edit: func(r *http.Request) { r.Host = "[fe80::1%a%b]" }, want: "net/http can't send the host"},
	{name: "host that ends in colons", edit: func(r *http.Request) { r.Host = "h.example::" }, want: "ends in colons"},
	{name: "host of a port alone", edit: func(r *http.Request) { r.Host = ":443" }, want: "set URL.Host"},

	{name: "unknown payload", signer: &Signer{Service: "s3", Region: "eu-west-1", Payload: "SIGNED"}, want: `Payload "SIGNED"`},
	{name: "unsigned payload over http", only: "header", url: "http://h.example/k", signer: &Signer{Service: "s3", Region: "eu-west-1", Payload: UnsignedPayload}, want: "use https"},
	{name: "unsigned payload over http, not S3", url: "http://h.example/k", signer: &Signer{Service: "es", Region: "eu-west-1", Payload: UnsignedPayload}, want: "use https"},
	{name: "unsigned stream over http", only: "header", url: "http://h.example/k", body: func() io.Reader { return strings.NewReader("0\r\n\r\n") }, edit: func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER") }, want: "use https"},
	{name: "unsigned payload over http, by header", only: "header", url: "http://localhost.example/k", edit: func(r *http.Request) { r.Header.Set("x-amz-content-sha256", "UNSIGNED-PAYLOAD") }, want: "use https"},

	{name: "unsigned stream over http, by Payload", only: "header", url: "http://h.example/k", signer: streamSigner(StreamingUnsignedPayloadTrailer), body: func() io.Reader { return strings.NewReader("hello") }, want: "use https"},
	{name: "unsigned payload in chunks without a trailer", signer: streamSigner("STREAMING-UNSIGNED-PAYLOAD"), body: func() io.Reader { return strings.NewReader("hello") }, want: `Payload "STREAMING-UNSIGNED-PAYLOAD"`},
	{name: "stream in a presigned URL", only: "presign", signer: streamSigner(StreamingPayload), body: func() io.Reader { return strings.NewReader("hello") }, want: "no key to sign the chunks"},
	{name: "stream of SigV4A", only: "header", signer: streamSigner("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"), body: func() io.Reader { return strings.NewReader("hello") }, want: "use StreamingPayload"},
	{name: "stream of SigV4A, by header", edit: func(r *http.Request) {
		r.Header.Set("X-Amz-Content-Sha256", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER")
	}, body: func() io.Reader { return strings.NewReader("hello") }, want: "does not go with a signature by AWS4-HMAC-SHA256"},
	{name: "stream of unknown length", only: "header", signer: streamSigner(StreamingPayload), body: func() io.Reader { return readOnceBody("hello") }, want: "set ContentLength or the header X-Amz-Decoded-Content-Length"},
	{name: "stream of odd length", only: "header", signer: streamSigner(StreamingPayload), body: func() io.Reader { return readOnceBody("hello") }, edit: func(r *http.Request) { r.Header.Set("X-Amz-Decoded-Content-Length", "-5") }, want: `X-Amz-Decoded-Content-Length is "-5"`},
	{name: "stream of absurd length", only: "header", signer: streamSigner(StreamingPayload), body: func() io.Reader { return readOnceBody("hello") }, edit: func(r *http.Request) { r.ContentLength = 1 << 62 }, want: "no body is as long"},
	{name: "stream that can't seek back", only: "header", signer: streamSigner(StreamingPayload), body: func() io.Reader { return &seekOnce{} }, want: "finding out the body's length: disk on fire"},
	{name: "unknown trailer", only: "header", signer: streamSigner(StreamingPayloadTrailer), body: func() io.Reader { return strings.NewReader("hello") }, edit: func(r *http.Request) { r.Header.Set("X-Amz-Trailer", "x-amz-checksum-md5") }, want: "-crc64nvme, -sha1 or -sha256"},
	{name: "two trailers", only: "header", signer: streamSigner(StreamingPayloadTrailer), body: func() io.Reader { return strings.NewReader("hello") }, edit: func(r *http.Request) {
		r.Header["X-Amz-Trailer"] = []string{"x-amz-checksum-sha1", "x-amz-checksum-crc32"}
	}, want: `the trailer "x-amz-checksum-sha1,x-amz-checksum-crc32"`},
	{name: "trailer without a stream for it", only: "header", signer: streamSigner(StreamingPayload), body: func() io.Reader { return strings.NewReader("hello") }, edit: func(r *http.Request) { r.Header.Set("X-Amz-Trailer", "x-amz-checksum-crc32") }, want: "use StreamingPayloadTrailer"},

	{name: "body that fails", signer: &Signer{Service: "execute-api", Region: "eu-west-1"}, body: func() io.Reader { return io.MultiReader(strings.NewReader("hello"), failing{}) }, want: "disk on fire"},
	{name: "body too long to keep", signer: &Signer{Service: "execute-api", Region: "eu-west-1"}, body: func() io.Reader { return io.LimitReader(zeros{}, maxBuffer+10) }, want: "longer than 32 MiB"},
	{name: "body said to be too long to keep", signer: &Signer{Service: "execute-api", Region: "eu-west-1"}, body: func() io.Reader { return io.LimitReader(zeros{}, 5) }, edit: func(r *http.Request) { r.ContentLength = maxBuffer + 1 }, want: "longer than 32 MiB"},
	{name: "body longer than it says", signer: &Signer{Service: "execute-api", Region: "eu-west-1"}, body: func() io.Reader { return strings.NewReader("hello") }, edit: func(r *http.Request) { r.ContentLength = 4 }, want: "ContentLength says 4"},
	{name: "stream shorter than it says", signer: &Signer{Service: "execute-api", Region: "eu-west-1"}, body: func() io.Reader { return readOnceBody("hello") }, edit: func(r *http.Request) { r.ContentLength = 6 }, want: "ContentLength says 6"},
	{name: "GetBody that fails", signer: &Signer{Service: "execute-api", Region: "eu-west-1"}, body: func() io.Reader { return strings.NewReader("hello") }, edit: func(r *http.Request) {
		r.GetBody = func() (io.ReadCloser, error) { return nil, errors.New("disk on fire") }
	}, want: "disk on fire"},

	{name: "GetBody that returns nothing", signer: &Signer{Service: "execute-api", Region: "eu-west-1"}, body: func() io.Reader { return strings.NewReader("hello") }, edit: func(r *http.Request) {
		r.GetBody = func() (io.ReadCloser, error) { return nil, nil }
	}, want: "GetBody"},

	{name: "expires negative", only: "presign", expires: -time.Hour, want: "one second to seven days"},
	{name: "expires under a second", only: "presign", expires: time.Second - 1, want: "one second to seven days"},
	{name: "expires over seven days", only: "presign", expires: 7*24*time.Hour + 1, want: "one second to seven days"},
	{name: "expires zero", only: "presign", expires: zeroExpires, want: "one second to seven days"},
	{name: "credentials expire at once", only: "presign", keys: Credentials{AccessKeyID: "A", SecretAccessKey: "S", Expires: time.Unix(1e9, 5e8)}, signer: &Signer{Service: "s3", Region: "eu-west-1", Now: func() time.Time { return time.Unix(1e9, 0) }}, want: "expire within a second"},
}

const zeroExpires = 1<<63 - 1

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("disk on fire") }

// A seekOnce can tell where it is.
type seekOnce struct{ failing }

func (*seekOnce) Close() error { return nil }

func (*seekOnce) Seek(_ int64, whence int) (int64, error) {
	if whence == io.SeekCurrent {
		return 0, nil
	}
	return 0, errors.New("disk on fire")
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestRefusals(t *testing.T) {
	for _, c := range refusals {
		for _, kind := range []string{"header", "presign"} {
			if c.only != "" && c.only != kind {
				continue
			}
			t.Run(c.name+"/"+kind, func(t *testing.T) {
				s := c.signer
				if s == nil {
					s = &Signer{Service: "s3", Region: "eu-west-1"}
				}
				u, method, keys := c.url, c.method, c.keys
				if u == "" {
					u = "https://h.example:443/a(1)?x=b+c"
				}
				if method == "" {
					method = "PUT"
				}
				if keys == nil {
					keys = testKeys
				}
				var body io.Reader
				if c.body != nil {
					body = c.body()
				}
				req, err := http.NewRequest(method, u, body)
				if err != nil {
					t.Fatal(err)
				}
				req.Header["X-Amz-Date"] = []string{"stays"}
				if c.edit != nil {
					c.edit(req)
				}
				wasURL, wasURLValue, wasHost, wasHeader := req.URL, *req.URL, req.Host, req.Header.Clone()
				wasLength, hadGetBody := req.ContentLength, req.GetBody != nil

				if kind == "header" {
					err = s.Sign4(req, keys)
				} else {
					expires := c.expires
					switch expires {
					case 0:
						expires = time.Hour
					case zeroExpires:
						expires = 0
					}
					err = s.Presign(req, expires, keys)
				}
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Fatalf("%v, want an error with %q", err, c.want)
				}
				if c.name != "source fails" && !strings.HasPrefix(err.Error(), "awsauth: ") {
					t.Errorf("the error does not begin with awsauth: %v", err)
				}
				if req.URL != wasURL || *req.URL != wasURLValue || req.Host != wasHost || !maps.EqualFunc(req.Header, wasHeader, slices.Equal) ||
					req.ContentLength != wasLength || (req.GetBody != nil) != hadGetBody {
					t.Errorf("the request was changed: %v %v %v", req.URL, req.Host, req.Header)
				}
			})
		}
	}
}

// After an error the body reads from where it stood.
func TestRefusedBodyReads(t *testing.T) {
	s := &Signer{Service: "s3", Region: "eu-west-1"}
	for name, body := range map[string]io.Reader{
		"stream that fails":    io.MultiReader(strings.NewReader("hello"), failing{}),
		"stream of odd length": readOnceBody("hello"),
	} {
		req, _ := http.NewRequest("PUT", "https://h.example/k", body)
		req.ContentLength = 6
		if err := s.Sign4(req, testKeys); err == nil {
			t.Fatal("no error")
		}
		if data, _ := io.ReadAll(req.Body); string(data) != "hello" {
			t.Errorf("%s: the body reads %q", name, data)
		}
	}
	closed := 0
	req, _ := http.NewRequest("PUT", "https://h.example/k", closer{io.LimitReader(zeros{}, maxBuffer+10), &closed})
	if err := s.Sign4(req, testKeys); err == nil {
		t.Fatal("no error")
	}
	if n, err := io.Copy(io.Discard, req.Body); n != maxBuffer+10 || err != nil {
		t.Errorf("the body reads %d bytes, %v", n, err)
	}
	if req.Body.Close(); closed != 1 {
		t.Errorf("closed %d times", closed)
	}
}

// A context that ends while the body is read ends the signing.
func TestContextEndsReading(t *testing.T) {
	s := &Signer{Service: "s3", Region: "eu-west-1"}
	for name, body := range map[string]func(io.Reader) io.Reader{
		"read once": func(r io.Reader) io.Reader { return r },
		"seeker":    func(r io.Reader) io.Reader { return endlessSeeker{r} },
	} {
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		src := readerFunc(func(b []byte) (int, error) {
			if n += len(b); n > 1<<16 {
				cancel()
			}
			return len(b), nil
		})
		req, _ := http.NewRequestWithContext(ctx, "PUT", "https://h.example/k", body(src))
		if err := s.Sign4(req, testKeys); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
		if name == "read once" {
			read := n // what was taken from the source reads again
			if _, err := io.ReadFull(req.Body, make([]byte, read)); err != nil || n != read {
				t.Errorf("%d of %d bytes were lost", n-read, read)
			}
		}
		cancel()
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

type endlessSeeker struct{ io.Reader }

func (endlessSeeker) Seek(int64, int) (int64, error) { return 0, nil }
func (endlessSeeker) Close() error                   { return nil }

// Whoever sends the request closes the body that was given.
func TestBodyIsClosedOnce(t *testing.T) {
	s := &Signer{Service: "s3", Region: "eu-west-1"}
	for _, content := range []string{"", "hello"} {
		closed := 0
		req, _ := http.NewRequest("PUT", "https://h.example/k", closer{readOnceBody(content), &closed})
		if err := s.Sign4(req, testKeys); err != nil {
			t.Fatal(err)
		}
		if req.Body.Close(); closed != 1 {
			t.Errorf("%q: closed %d times", content, closed)
		}
	}
}

type closer struct {
	io.Reader
	closed *int
}

func (c closer) Close() error { *c.closed++; return nil }

// Where a body can't be put back to where it stood, it was not signed.
func TestSeekBackFails(t *testing.T) {
	s := &Signer{Service: "s3", Region: "eu-west-1"}
	req, _ := http.NewRequest("PUT", "https://h.example/k", &stuckSeeker{Reader: strings.NewReader("hello")})
	if err := s.Sign4(req, testKeys); err == nil || !strings.Contains(err.Error(), "stuck") {
		t.Error(err)
	}
}

type stuckSeeker struct {
	io.Reader
	seeks int
}

func (s *stuckSeeker) Close() error { return nil }
func (s *stuckSeeker) Seek(int64, int) (int64, error) {
	if s.seeks++; s.seeks > 1 {
		return 0, errors.New("stuck")
	}
	return 0, nil
}

// The copy that GetBody gives to be hashed is closed.
func TestGetBodyCopyIsClosed(t *testing.T) {
	closed := 0
	req, _ := http.NewRequest("PUT", "https://h.example/k", strings.NewReader("hello"))
	req.GetBody = func() (io.ReadCloser, error) { return closer{strings.NewReader("hello"), &closed}, nil }
	if err := (&Signer{Service: "s3", Region: "eu-west-1"}).Sign4(req, testKeys); err != nil || closed != 1 {
		t.Errorf("%v, closed %d times", err, closed)
	}
}

func TestLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "LOCALHOST:80": true, "localhost.": true, "a.localhost": true, "127.0.0.1": true, "127.9.8.7:1": true,
		"[::1]:9000": true, "[::ffff:127.0.0.1]": true, "localhost.example": false, "notlocalhost": false, "128.0.0.1": false,
		"[::2]": false, "127.0.0.1.example": false, "": false,
	} {
		if got := loopback(&url.URL{Host: host}); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}

func TestNilRequests(t *testing.T) {
	req0, _ := http.NewRequest("GET", "https://b.s3.eu-west-1.amazonaws.com/k", nil)
	if err := Sign4(req0, nil); err == nil || !strings.Contains(err.Error(), "is nil") {
		t.Errorf("a nil Provider: %v", err)
	}
	for _, req := range []*http.Request{nil, {}, {Header: http.Header{}}} {
		if err := Sign4(req, testKeys); err == nil || !strings.Contains(err.Error(), "URL") {
			t.Error(err)
		}
		if err := Presign(req, time.Hour, testKeys); err == nil || !strings.Contains(err.Error(), "URL") {
			t.Error(err)
		}
	}
	req := &http.Request{URL: &url.URL{Scheme: "https", Host: "b.s3.eu-west-1.amazonaws.com"}}
	if err := Sign4(req, testKeys); err != nil || req.Header.Get("Authorization") == "" {
		t.Errorf("a nil header map: %v", err)
	}
	req = &http.Request{URL: &url.URL{Scheme: "https", Host: "b.s3.eu-west-1.amazonaws.com"}}
	if err := Presign(req, time.Hour, testKeys); err != nil || req.URL.Query().Get("X-Amz-Signature") == "" {
		t.Errorf("a nil header map: %v", err)
	}
}
