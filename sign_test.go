package awsauth

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-awsauth/awsauth/internal/reference"
)

const (
	testID     = "AKIDEXAMPLE"
	testSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	testToken  = "FQoGZXIvYXdzEXAMPLE//token=="
)

var testKeys = Credentials{AccessKeyID: testID, SecretAccessKey: testSecret}

// An arrival is a request as a server got it, and what the reference verifier
// says of it.
type arrival struct {
	Proto, Method, Host, URI string
	Header, Trailer          http.Header
	Body                     string
	Length                   int64
	Result                   reference.Result
	Err                      error
}

// A wire is a server on loopback, and a client that leads every host name to it.
type wire struct {
	name   string
	scheme string
	client *http.Client
	got    chan arrival
}

// wires returns servers for HTTP/1.1, HTTP/1.1 over TLS, and HTTP/2.
func wires(t testing.TB, verifier *reference.Verifier) []*wire {
	t.Helper()
	var ws []*wire
	for _, kind := range []struct {
		name   string
		tls, h bool
	}{{"http1", false, false}, {"http1+tls", true, false}, {"http2", true, true}} {
		w := &wire{name: kind.name, scheme: "http", got: make(chan arrival, 1)}
		srv := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			w.got <- arrived(verifier, r)
		}))
		srv.Config.ErrorLog = quiet
		srv.EnableHTTP2 = kind.h
		if kind.tls {
			srv.StartTLS()
			w.scheme = "https"
		} else {
			srv.Start()
		}
		t.Cleanup(srv.Close)
		tr := &http.Transport{
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, srv.Listener.Addr().String())
			},
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
			ForceAttemptHTTP2: kind.h,
		}
		t.Cleanup(tr.CloseIdleConnections)
		w.client = &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		ws = append(ws, w)
	}
	return ws
}

func arrived(verifier *reference.Verifier, r *http.Request) arrival {
	a := arrival{Proto: r.Proto, Method: r.Method, Host: r.Host, URI: r.RequestURI, Header: r.Header, Length: r.ContentLength}
	a.Result, a.Err = verifier.Verify(r)
	body, _ := io.ReadAll(r.Body)
	a.Body, a.Trailer = string(body), r.Trailer

	r = r.Clone(r.Context()) // Verify changes what is aws-chunked
	r.Body = io.NopCloser(bytes.NewReader(body))
	got, _, err := verifyAll(verifierLike(verifier), r)
	if err = errors.Join(err, agree(got, a.Result)); a.Err == nil && err != nil {
		a.Err = fmt.Errorf("Verifier: %w", err)
	}
	return a
}

func testVerifier(service, token string) *reference.Verifier {
	return &reference.Verifier{Service: service, Region: "eu-west-1", Secret: func(id string) (string, string, bool) {
		return testSecret, token, id == testID
	}}
}

// send sends req and returns what arrived.
func (w *wire) send(t testing.TB, req *http.Request) arrival {
	t.Helper()
	resp, err := w.client.Do(req)
	if err != nil {
		t.Fatalf("%s: %v", w.name, err)
	}
	resp.Body.Close()
	select {
	case a := <-w.got:
		return a
	default:
		t.Fatalf("%s: the server answered %s before the handler", w.name, resp.Status)
		return arrival{}
	}
}

// A wireRow is one row of the rules of the wire: a request, and what of it
// arrives and is signed.
type wireRow struct {
	name    string
	service string // "": s3
	method  string
	url     string // without the scheme
	onlyTLS bool
	edit    func(*http.Request)
	body    func() io.Reader
	signer  func(*Signer)

	host     string // what arrives
	uri      string
	signed   string   // the signed headers
	line     string   // a line of the canonical request
	unsigned []string // headers that arrive and are not signed
	payload  string
	check    func(*testing.T, arrival)
}

var wireRows = []wireRow{
	{name: "empty method is GET", edit: func(r *http.Request) { r.Method = "" }, line: "GET"},
	{name: "method as it is", method: "PROPFIND", line: "PROPFIND"},

	{name: "host of the URL", url: "bucket.example.net/k", host: "bucket.example.net", line: "host:bucket.example.net"},
	{name: "host of the request", edit: func(r *http.Request) { r.Host = "Other.example.net:8080" }, host: "Other.example.net:8080", line: "host:Other.example.net:8080"},
	{name: "empty Request.Host", edit: func(r *http.Request) { r.Host = "" }, host: "bucket.example.net"},
	{name: "punycode", url: "bücher.example/k", host: "xn--bcher-kva.example", line: "host:xn--bcher-kva.example"},
	{name: "punycode in Request.Host", edit: func(r *http.Request) { r.Host = "BÜCHER.example:99" }, host: "xn--BCHER-2pa.example:99"},
	{name: "IPv6", url: "[2001:db8::1]:9000/k", host: "[2001:db8::1]:9000", line: "host:[2001:db8::1]:9000"},
	{name: "IPv6 zone", url: "[fe80::1%25eth0]:9000/k", host: "[fe80::1]:9000", line: "host:[fe80::1]:9000"},
	{name: "port 443 of https", url: "bucket.example.net:443/k", onlyTLS: true, host: "bucket.example.net"},
	{name: "port 80 of https stays", url: "bucket.example.net:80/k", onlyTLS: true, host: "bucket.example.net:80"},
	{name: "empty port", edit: func(r *http.Request) { r.URL.Host, r.Host = "bucket.example.net:", "" }, host: "bucket.example.net"},
	{name: "Host in the header map", edit: func(r *http.Request) { r.Header.Set("Host", "evil.example") }, host: "bucket.example.net", signed: "host;x-amz-content-sha256;x-amz-date"},

	{name: "S3 path, raw punctuation", url: "h.example/a()*'!+=@:,;$&b", uri: "/a%28%29%2A%27%21%2B%3D%40%3A%2C%3B%24%26b"},
	{name: "S3 path, as URL.Path", edit: func(r *http.Request) { r.URL.Path = "/a b+c%é(1)" }, uri: "/a%20b%2Bc%25%C3%A9%281%29"},
	{name: "S3 path, other escapes", url: "h.example/a%2fb%7Ec%41", uri: "/a/b~cA", line: "/a/b~cA"},
	{name: "S3 path, never cleaned", url: "h.example//a//./../b/", uri: "//a//./../b/", line: "//a//./../b/"},
	{name: "S3 path, stale RawPath", edit: func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/new", "/old" }, uri: "/new"},
	{name: "S3 family", service: "s3-object-lambda", url: "h.example/a//b(1)", uri: "/a//b%281%29"},
	{name: "S3 Express", service: "s3express", url: "h.example/a//b(1)", uri: "/a//b%281%29"},
	{name: "S3 Outposts", service: "s3-outposts", url: "h.example/a//b(1)", uri: "/a//b%281%29"},
	{name: "other path, encoded again", service: "execute-api", url: "h.example/a%20b/%C3%A9/x%2Fy(1)", uri: "/a%20b/%C3%A9/x%2Fy(1)", line: "/a%2520b/%25C3%25A9/x%252Fy%281%29"},
	{name: "other path, cleaned", service: "execute-api", url: "h.example//a/./b/../c//", uri: "//a/./b/../c//", line: "/a/c/"},
	{name: "other path, above the root", service: "execute-api", url: "h.example/../../a/..", uri: "/../../a/..", line: "/"},
	{name: "empty path", url: "h.example", uri: "/", line: "/"},
	{name: "empty path with query", service: "execute-api", url: "h.example?a=b", uri: "/?a=b", line: "/"},
	{name: "opaque URL", edit: func(r *http.Request) { r.URL.Opaque = "//bucket.example.net/a%2Fb(1)" }, uri: "/a/b%281%29"},
	{name: "opaque path", service: "execute-api", edit: func(r *http.Request) { r.URL.Opaque = "/a%2Fb" }, uri: "/a%2Fb", line: "/a%252Fb"},

	{name: "query plus is a space", url: "h.example/?a=b+c", uri: "/?a=b%20c", line: "a=b%20c"},
	{name: "query semicolon is data", url: "h.example/?a=1;b=2", uri: "/?a=1%3Bb%3D2", line: "a=1%3Bb%3D2"},
	{name: "query encoded once", url: "h.example/?prefix=a/b&x=%7e%2f", uri: "/?prefix=a%2Fb&x=~%2F", line: "prefix=a%2Fb&x=~%2F"},
	{name: "query, an escape too many", url: "h.example/?a=%41", uri: "/?a=A", line: "a=A"},
	{name: "query, escape in lower case", url: "h.example/?a=%2f", uri: "/?a=%2F", line: "a=%2F"},
	{name: "query, second equals sign", url: "h.example/?a=b=c", uri: "/?a=b%3Dc", line: "a=b%3Dc"},
	{name: "query, empty part first", url: "h.example/?&a=b", uri: "/?a=b", line: "a=b"},
	{name: "query, empty part last", url: "h.example/?a=b&", uri: "/?a=b", line: "a=b"},
	{name: "query, earlier signature", url: "h.example/?X-Amz-Signature=x&X-Amz-Date=y&a=b", uri: "/?a=b", line: "a=b"},
	{name: "query, earlier signature last", url: "h.example/?a=b&X-Amz-Signature=x", uri: "/?a=b", line: "a=b"},
	{name: "query order", url: "h.example/?k=a/b&k=a-b&k=&k10=1&k=a&K=z", uri: "/?k=a%2Fb&k=a-b&k=&k10=1&k=a&K=z", line: "K=z&k=&k=a&k=a%2Fb&k=a-b&k10=1"},
	{name: "query sorted by encoded name", url: "h.example/?p%5B10%5D=x&p%5B1%5D=y&p1=z&p=w", line: "p=w&p%5B1%5D=y&p%5B10%5D=x&p1=z"},
	{name: "query without a value", url: "h.example/?lifecycle", uri: "/?lifecycle", line: "lifecycle="},
	{name: "query without a name", url: "h.example/?=v&&a", uri: "/?=v&a", line: "=v&a="},
	{name: "query with raw bytes", edit: func(r *http.Request) { r.URL.RawQuery = "a=b c&d=é\"<>#\x01" }, uri: "/k?a=b%20c&d=%C3%A9%22%3C%3E%23%01"},
	{name: "query, repeated", url: "h.example/?a=2&a=1&a=2", uri: "/?a=2&a=1&a=2", line: "a=1&a=2&a=2"},

	{
		name: "headers signed",
		edit: func(r *http.Request) {
			r.Header = http.Header{
				"Content-Type": {"text/plain"}, "Content-Md5": {"x"}, "Range": {"bytes=0-9"}, "Date": {"Fri, 24 May 2013 00:00:00 GMT"},
				"X-Amz-Acl": {"private"}, "x-lower": {"v"}, "X-Custom_1": {""}, "Accept": {"*/*"}, "If-Match": {`"x"`}, "X-Nil": nil,
			}
		},
		signed: "accept;content-md5;content-type;date;host;if-match;range;x-amz-acl;x-amz-content-sha256;x-amz-date;x-custom_1;x-lower",
	},
	{
		name: "headers skipped",
		edit: func(r *http.Request) {
			for _, name := range []string{
				"User-Agent", "Accept-Encoding", "Proxy-Authorization", "Cookie", "Referer", "From", "Cache-Control", "Pragma",
				"Max-Forwards", "Via", "Forwarded", "X-Forwarded-For", "X-Forwarded-Anything", "Sec-Fetch-Mode", "X-Amzn-Trace-Id",
				"Traceparent", "Tracestate",
			} {
				r.Header.Set(name, "v")
			}
			r.Header.Set("Te", "trailers")
		},
		signed: "host;x-amz-content-sha256;x-amz-date",
		unsigned: []string{
			"User-Agent", "Accept-Encoding", "Cookie", "Referer", "From", "Cache-Control", "Pragma", "Max-Forwards", "Via",
			"Forwarded", "X-Forwarded-For", "Sec-Fetch-Mode", "X-Amzn-Trace-Id", "Traceparent", "Tracestate",
		},
	},
	{
		name: "headers of the connection", // HTTP/2 leaves them out
		edit: func(r *http.Request) {
			r.Header.Set("Keep-Alive", "timeout=5")
			r.Header.Set("Connection", "close")
			r.Header.Set("Expect", "100-continue")
		},
		signed: "host;x-amz-content-sha256;x-amz-date",
	},
	{
		name: "SkipHeader",
		edit: func(r *http.Request) {
			for _, name := range []string{"X-Request-Id", "X-Other", "X-Amz-Meta-A", "Content-Type", "Content-Md5"} {
				r.Header.Set(name, "v")
			}
			r.Header["x-b3-traceid"] = []string{"v"}
		},
		signer: func(s *Signer) {
			s.SkipHeader = func(name string) bool { return name != "X-Other" }
		},
		signed:   "content-md5;content-type;host;x-amz-content-sha256;x-amz-date;x-amz-meta-a;x-other",
		unsigned: []string{"X-Request-Id", "X-B3-Traceid"},
	},
	{
		name: "odd header names", // they stand in X-Amz-SignedHeaders too
		edit: func(r *http.Request) {
			for _, name := range []string{"X&A", "X+A", "X%A", "X%41", "X#A", "X'A", "X*A", "X!A", "X$A", "X^A", "X|A", "X`A"} {
				r.Header[name] = []string{"v"}
			}
		},
	},
	{name: "value trimmed and folded", edit: func(r *http.Request) { r.Header.Set("X-V", " \t a  b \t c ") }, line: "x-v:a b c"},
	{name: "values joined in order", edit: func(r *http.Request) { r.Header["X-V"] = []string{"b  b", " a", "", "b  b"} }, line: "x-v:b b,a,,b b"},
	{name: "value with UTF-8", edit: func(r *http.Request) { r.Header.Set("X-V", "naïve") }, line: "x-v:naïve"},

	{name: "payload header of S3", payload: emptyHash, signed: "host;x-amz-content-sha256;x-amz-date"},
	{name: "no payload header elsewhere", service: "execute-api", payload: emptyHash, signed: "host;x-amz-date"},
	{name: "payload header of aoss", service: "aoss", signed: "host;x-amz-content-sha256;x-amz-date"},
	{
		name: "caller's digest", method: "PUT", service: "execute-api", body: func() io.Reader { return strings.NewReader("hello") },
		edit: func(r *http.Request) {
			r.Header.Set("X-Amz-Content-Sha256", "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824")
		},
		payload: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824", signed: "host;x-amz-content-sha256;x-amz-date",
	},
	{
		name: "caller's word", method: "PUT", onlyTLS: true, body: func() io.Reader { return readOnceBody("hello") },
		edit:    func(r *http.Request) { r.Header["x-amz-content-sha256"] = []string{" UNSIGNED-PAYLOAD "} },
		payload: "UNSIGNED-PAYLOAD",
	},
	{
		name: "UnsignedPayload", method: "PUT", onlyTLS: true, service: "execute-api", body: func() io.Reader { return readOnceBody("hello") },
		signer: func(s *Signer) { s.Payload = UnsignedPayload }, payload: "UNSIGNED-PAYLOAD", signed: "host;x-amz-content-sha256;x-amz-date",
	},
	{
		name: "UnsignedPayload to loopback", method: "PUT", url: "127.0.0.9:80/k", body: func() io.Reader { return strings.NewReader("hello") },
		signer: func(s *Signer) { s.Payload = UnsignedPayload }, payload: "UNSIGNED-PAYLOAD",
	},

	{name: "ContentLength without a body", method: "PUT", edit: func(r *http.Request) { r.ContentLength = 5 }, payload: emptyHash, check: wantBody("")},
	{name: "body NoBody", method: "PUT", body: func() io.Reader { return http.NoBody }, payload: emptyHash, check: wantBody("")},
	{name: "body empty", method: "PUT", body: func() io.Reader { return bytes.NewReader(nil) }, payload: emptyHash, check: wantBody("")},
	{name: "body empty stream", method: "PUT", body: func() io.Reader { return readOnceBody("") }, payload: emptyHash, check: wantBody("")},
	{name: "body with GetBody", method: "PUT", body: func() io.Reader { return strings.NewReader("hello") }, check: wantBody("hello")},
	{name: "body to be read once", method: "POST", service: "execute-api", body: func() io.Reader { return readOnceBody("hello") }, check: wantBody("hello")},
	{
		name: "body of unknown length with GetBody", method: "PUT", body: func() io.Reader { return strings.NewReader("hello") },
		edit: func(r *http.Request) { r.ContentLength = -1 }, check: wantBody("hello"),
	},
}

// readOnceBody is a body that can be read only once.
func readOnceBody(s string) io.Reader { return io.MultiReader(strings.NewReader(s)) }

func wantBody(body string) func(*testing.T, arrival) {
	return func(t *testing.T, a arrival) {
		if a.Body != body || a.Length != int64(len(body)) {
			t.Errorf("arrived: %d bytes %q, want %d %q", a.Length, a.Body, len(body), body)
		}
	}
}

func (row *wireRow) request(t testing.TB, scheme string) *http.Request {
	t.Helper()
	u, method, body := row.url, row.method, io.Reader(nil)
	if u == "" {
		u = "bucket.example.net/k"
	}
	if method == "" {
		method = "GET"
	}
	if row.body != nil {
		body = row.body()
	}
	req, err := http.NewRequest(method, scheme+"://"+u, body)
	if err != nil {
		t.Fatal(err)
	}
	if row.edit != nil {
		row.edit(req)
	}
	return req
}

// TestWire sends each row with header and with query signatures, over each
// protocol, and has the reference verifier check what arrives.
func TestWire(t *testing.T) {
	for _, token := range []string{"", testToken} {
		ws := wires(t, testVerifier("", token))
		for _, row := range wireRows {
			for _, w := range ws {
				if row.onlyTLS && w.scheme != "https" {
					continue
				}
				signer := &Signer{Service: row.service, Region: "eu-west-1",
					Credentials: Credentials{AccessKeyID: testID, SecretAccessKey: testSecret, SessionToken: token}}
				if signer.Service == "" {
					signer.Service = "s3"
				}
				if row.signer != nil {
					row.signer(signer)
				}
				name := row.name + "/" + w.name
				if token != "" {
					name += "/token"
				}
				t.Run(name+"/header", func(t *testing.T) {
					req := row.request(t, w.scheme)
					if err := signer.Sign4(req); err != nil {
						t.Fatal(err)
					}
					a := w.send(t, req)
					row.compare(t, a, token, false)
				})
				t.Run(name+"/presigned", func(t *testing.T) {
					req := row.request(t, w.scheme)
					if err := signer.Presign(req, time.Hour); err != nil {
						t.Fatal(err)
					}
					for _, h := range []string{"Authorization", "X-Amz-Date", "X-Amz-Security-Token", "X-Amz-S3session-Token"} {
						if req.Header.Get(h) != "" {
							t.Errorf("a presigned request has the header %s", h)
						}
					}
					row.compare(t, w.send(t, req), token, true)
				})
			}
		}
	}
}

func (row *wireRow) compare(t *testing.T, a arrival, token string, presigned bool) {
	t.Helper()
	if a.Err != nil {
		t.Fatalf("%v\n%s", a.Err, a.Result.CanonicalRequest)
	}
	if a.Result.Presigned != presigned {
		t.Errorf("presigned: %v", a.Result.Presigned)
	}
	same(t, "host", a.Host, row.host)
	uri := a.URI
	if presigned {
		uri, _, _ = strings.Cut(uri, "X-Amz-Algorithm=")
		uri = strings.TrimRight(uri, "&?")
	}
	same(t, "URI", uri, row.uri)
	lines := strings.Split(a.Result.CanonicalRequest, "\n")
	if row.line != "" && !presigned && !slices.Contains(lines, row.line) {
		t.Errorf("no line %q in\n%s", row.line, a.Result.CanonicalRequest)
	}
	if want := row.signed; want != "" && !presigned {
		names := strings.Split(want, ";")
		if token != "" {
			names = append(names, "x-amz-security-token")
			slices.Sort(names)
		}
		if !slices.Equal(a.Result.SignedHeaders, names) {
			t.Errorf("signed headers: %v, want %v", a.Result.SignedHeaders, names)
		}
	}
	for _, name := range row.unsigned {
		if a.Header.Get(name) == "" {
			t.Errorf("%s did not arrive", name)
		}
	}
	if !presigned {
		same(t, "payload", a.Result.PayloadHash, row.payload)
	}
	if row.check != nil && !presigned {
		row.check(t, a)
	}
}

// Over HTTP/1.1 alone: what Connection names, and the port of http.
func TestWireHTTP1(t *testing.T) {
	w := wires(t, testVerifier("", ""))[0]
	for _, row := range []wireRow{
		{
			name: "Connection",
			edit: func(r *http.Request) {
				r.Header["Connection"] = []string{"close , x-amz-meta-a", "X-Hop"}
				r.Header.Set("X-Hop", "v")
				r.Header.Set("X-Stay", "v")
				r.Header.Set("X-Amz-Meta-A", "v")
				r.Header.Set("Upgrade", "x")
				r.Header.Set("Trailer", "x")
				r.Header.Set("Transfer-Encoding", "x")
				r.Header.Set("Content-Length", "99")
			},
			signed: "host;x-amz-content-sha256;x-amz-date;x-amz-meta-a;x-stay", unsigned: []string{"X-Hop"},
		},
		{
			name: "trailers", method: "PUT", body: func() io.Reader { return readOnceBody("hello") },
			edit: func(r *http.Request) { r.Trailer = http.Header{"X-Sum": {"abc"}} },
			check: func(t *testing.T, a arrival) {
				if a.Body != "hello" || a.Trailer.Get("X-Sum") != "abc" {
					t.Errorf("arrived: %q, trailers %v", a.Body, a.Trailer)
				}
			},
		},
		{name: "port 80 of http", url: "bucket.example.net:80/k", host: "bucket.example.net"},
		{name: "port 443 of http stays", url: "bucket.example.net:443/k", host: "bucket.example.net:443"},
	} {
		t.Run(row.name, func(t *testing.T) {
			req := row.request(t, w.scheme)
			if err := (&Signer{Service: "s3", Region: "eu-west-1"}).Sign4(req, testKeys); err != nil {
				t.Fatal(err)
			}
			row.compare(t, w.send(t, req), "", false)
		})
	}
}

// A file is hashed where it stands, or left unsigned, and its length is sent.
func TestFileBody(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, []byte("skip hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, w := range wires(t, testVerifier("s3", "")) {
		for _, p := range []Payload{"", UnsignedPayload} {
			if p != "" && w.scheme != "https" {
				continue
			}
			for _, from := range []int64{5, 10} {
				f, err := os.Open(name)
				if err != nil {
					t.Fatal(err)
				}
				f.Seek(from, io.SeekStart)
				req, _ := http.NewRequest("PUT", w.scheme+"://b.example/k", f)
				if err := (&Signer{Service: "s3", Region: "eu-west-1", Payload: p}).Sign4(req, testKeys); err != nil {
					t.Fatal(err)
				}
				if from < 10 && req.Body != io.ReadCloser(f) || from < 10 && req.GetBody != nil {
					t.Error("the file was replaced")
				}
				a := w.send(t, req)
				if a.Err != nil {
					t.Error(a.Err)
				}
				wantBody("skip hello"[from:])(t, a)
			}
		}
	}
}

// endless is a file that says it is empty, as those in /proc do.
type endless struct{ at int64 }

func (e *endless) Read(b []byte) (int, error) { e.at += int64(len(b)); return len(b), nil }
func (e *endless) Close() error               { return nil }
func (e *endless) Seek(offset int64, whence int) (int64, error) {
	if whence == io.SeekStart {
		e.at = offset
	}
	return e.at, nil
}

func TestLengthNotTold(t *testing.T) {
	for p, want := range map[Payload]string{UnsignedPayload: "", StreamingPayload: "set ContentLength"} {
		body := new(endless)
		req, _ := http.NewRequest("PUT", "https://b.s3.eu-west-1.amazonaws.com/k", body)
		err := (&Signer{Payload: p}).Sign4(req, testKeys)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) ||
			req.Body != io.ReadCloser(body) || req.ContentLength != 0 || body.at != 0 {
			t.Errorf("%s: %v, ContentLength %d, read to %d", p, err, req.ContentLength, body.at)
		}
	}
}

// An *os.File may be a pipe, which can't be read twice.
func TestPipeBody(t *testing.T) {
	w := wires(t, testVerifier("s3", ""))[0]
	r, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out.WriteString("hello")
	out.Close()
	req, _ := http.NewRequest("PUT", "http://b.example/k", r)
	if err := (&Signer{Service: "s3", Region: "eu-west-1"}).Sign4(req, testKeys); err != nil {
		t.Fatal(err)
	}
	if req.GetBody == nil || req.ContentLength != 5 {
		t.Errorf("GetBody set: %v, ContentLength %d", req.GetBody != nil, req.ContentLength)
	}
	again, _ := req.GetBody()
	if data, _ := io.ReadAll(again); string(data) != "hello" {
		t.Errorf("GetBody gives %q", data)
	}
	a := w.send(t, req)
	if a.Err != nil {
		t.Error(a.Err)
	}
	wantBody("hello")(t, a)
}

func TestLargeFileInConstantMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("hashes 1 GiB")
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "large"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(1 << 30); err != nil { // sparse
		t.Skip(err)
	}
	req, _ := http.NewRequest("PUT", "https://b.s3.eu-west-1.amazonaws.com/k", f)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := Sign4(req, testKeys); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("signing 1 GiB allocated %d bytes", n)
	}
	if got := req.Header.Get("X-Amz-Content-Sha256"); got != "49bc20df15e412a64472421e13fe86ff1c5165e18b2afccf160d4dc19fe68a14" {
		t.Errorf("hash of 1 GiB of zeros: %s", got)
	}
	if req.ContentLength != 1<<30 {
		t.Errorf("ContentLength %d", req.ContentLength)
	}
}

// A request that was signed before is signed as a fresh one.
func TestSignAgain(t *testing.T) {
	at := time.Date(2026, 2, 28, 23, 59, 58, 0, time.UTC)
	signer := &Signer{Service: "s3", Region: "eu-west-1", Now: func() time.Time { return at }}
	withToken := testKeys
	withToken.SessionToken = testToken
	fresh := func() *http.Request {
		req, err := http.NewRequest("PUT", "https://b.example/a(1)?x=b+c", strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Amz-Acl", "private")
		return req
	}
	sign := map[string]func(*http.Request) error{
		"header":       func(r *http.Request) error { return signer.Sign4(r, testKeys) },
		"header+token": func(r *http.Request) error { return signer.Sign4(r, withToken) },
		"query":        func(r *http.Request) error { return signer.Presign(r, time.Hour, testKeys) },
		"query+token":  func(r *http.Request) error { return signer.Presign(r, time.Minute, withToken) },
		"other service": func(r *http.Request) error {
			return (&Signer{Service: "execute-api", Region: "x"}).Sign4(r, withToken)
		},
	}
	for first, signFirst := range sign {
		for second, signSecond := range sign {
			if second == "other service" {
				continue
			}
			want, got := fresh(), fresh()
			if err := errors.Join(signSecond(want), signFirst(got), signSecond(got)); err != nil {
				t.Fatal(err)
			}
			if got.URL.String() != want.URL.String() || !maps.EqualFunc(got.Header, want.Header, slices.Equal) || got.Host != want.Host {
				t.Errorf("%s after %s:\ngot  %s %v\nwant %s %v", second, first, got.URL, got.Header, want.URL, want.Header)
			}
		}
	}

	// Under other spellings too, and with another body.
	got := fresh()
	got.Header["x-amz-date"] = []string{"old"}
	got.Header["AUTHORIZATION"] = []string{"AWS4-HMAC-SHA256 old"}
	got.Header["x-amz-security-token"] = []string{"old"}
	want := fresh()
	if err := errors.Join(signer.Sign4(got, testKeys), signer.Sign4(want, testKeys)); err != nil {
		t.Fatal(err)
	}
	if !maps.EqualFunc(got.Header, want.Header, slices.Equal) {
		t.Errorf("got %v, want %v", got.Header, want.Header)
	}
	other, _ := http.NewRequest("PUT", "https://b.example/a(1)?x=b+c", strings.NewReader("another body"))
	other.Header.Set("X-Amz-Acl", "private")
	got.Body, got.GetBody, got.ContentLength = other.Body, other.GetBody, other.ContentLength
	if err := errors.Join(signer.Sign4(got, testKeys), signer.Sign4(other, testKeys)); err != nil {
		t.Fatal(err)
	}
	same(t, "after a change of the body", got.Header.Get("Authorization"), other.Header.Get("Authorization"))

	// A digest that the caller set for another service, or for a body that can
	// be read only once.
	for _, s := range []*Signer{{Service: "es", Region: "x", Now: signer.Now}, signer} {
		req, _ := http.NewRequest("PUT", "https://b.example/k", readOnceBody("hello"))
		digest := strings.Repeat("0", 64)
		req.Header.Set("X-Amz-Content-Sha256", digest)
		if err := errors.Join(s.Sign4(req, testKeys), s.Sign4(req, testKeys)); err != nil {
			t.Error(err)
		}
		same(t, "the caller's digest", req.Header.Get("X-Amz-Content-Sha256"), digest)
	}

	// Presigned, S3 needs no digest, and what a signature left is gone.
	left, _ := http.NewRequest("PUT", "https://b.example/k", readOnceBody("hello"))
	left.Header.Set("X-Amz-Content-Sha256", strings.Repeat("0", 64))
	if err := errors.Join(signer.Sign4(left, testKeys), signer.Presign(left, time.Hour, testKeys)); err != nil {
		t.Error(err)
	}
	if left.Header["X-Amz-Content-Sha256"] != nil {
		t.Errorf("left over: %v", left.Header)
	}

	// A signature under another spelling.
	for _, sign := range sign {
		req := fresh()
		req.URL.RawQuery = "a=b&X%2DAmz-Signature=00&X-Amz-Date=1&c"
		if err := sign(req); err != nil || strings.Contains(req.URL.RawQuery, "=00") || !strings.HasPrefix(req.URL.RawQuery, "a=b&c") {
			t.Error(req.URL.RawQuery, err)
		}
	}
}

// After a redirect from PUT to GET net/http keeps the digest of the body that it
// drops.
func TestSignRedirect(t *testing.T) {
	v := testVerifier("s3", "")
	for _, status := range []int{302, 303, 307} {
		signer := &Signer{Service: "s3", Region: "eu-west-1", Credentials: testKeys}
		var last arrival
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if last = arrived(v, r); r.URL.Path == "/from" {
				http.Redirect(w, r, "/to", status)
			}
		}))
		defer srv.Close()
		client := srv.Client()
		client.CheckRedirect = func(req *http.Request, _ []*http.Request) error { return signer.Sign4(req) }
		req, _ := http.NewRequest("PUT", srv.URL+"/from", strings.NewReader("hello"))
		if err := signer.Sign4(req); err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if last.Err != nil || last.URI != "/to" {
			t.Errorf("%d: %s %v", status, last.URI, last.Err)
		}
	}
}

// A URL and a header map may be shared, and the values of headers too.
func TestSharedState(t *testing.T) {
	u, _ := url.Parse("https://b.example:443/a(1)?x=b+c")
	before := *u
	values := []string{"old", "x"}
	req := &http.Request{URL: u, Header: http.Header{"X-Amz-Date": values[:1]}}
	signer := &Signer{Service: "s3", Region: "eu-west-1"}
	if err := errors.Join(signer.Sign4(req, testKeys), signer.Presign(req, time.Hour, testKeys)); err != nil {
		t.Fatal(err)
	}
	if *u != before || values[0] != "old" || values[1] != "x" {
		t.Errorf("changed: %v, %v", u, values)
	}
	signer.Sign4(req, testKeys)
	date := req.Header.Get("X-Amz-Date")
	req.Header.Add("Authorization", "more")
	req.Header.Add("X-Amz-Content-Sha256", "more")
	same(t, "X-Amz-Date after Add to its neighbours", req.Header.Get("X-Amz-Date"), date)
}

// What is used apart from the request leads to the host that was signed.
func TestPresignedURLAlone(t *testing.T) {
	for _, w := range wires(t, testVerifier("s3", "")) {
		for _, raw := range []string{
			"://b.example/a b+(1)?x=1", "://user:pass@b.example/k", "://b.example:" + map[string]string{"http": "80", "https": "443"}[w.scheme] + "/k",
			"://bücher.example//k", "://b.example",
		} {
			req, err := http.NewRequest("GET", w.scheme+raw, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := (&Signer{Service: "s3", Region: "eu-west-1"}).Presign(req, time.Hour, testKeys); err != nil {
				t.Fatal(err)
			}
			alone, err := http.NewRequest("GET", req.URL.String(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if a := w.send(t, alone); a.Err != nil {
				t.Errorf("%s %s: %v", w.name, raw, a.Err)
			}
		}
	}
}

func TestPresignExpires(t *testing.T) {
	now := time.Date(2026, 2, 28, 23, 59, 58, 5e8, time.UTC)
	signer := &Signer{Service: "s3", Region: "eu-west-1", Now: func() time.Time { return now }}
	for _, c := range []struct {
		expires, life time.Duration
		want          string
	}{
		{time.Second, 0, "1"},
		{1999 * time.Millisecond, 0, "1"},
		{7 * 24 * time.Hour, 0, "604800"},
		{time.Hour, 2 * time.Hour, "3600"},
		{time.Hour, 30 * time.Minute, "1800"},
		{time.Hour, 30*time.Minute + 999*time.Millisecond, "1800"},
		{7 * 24 * time.Hour, time.Second, "1"},
	} {
		keys := testKeys
		if c.life != 0 {
			keys.Expires = now.Add(c.life)
		}
		req, _ := http.NewRequest("GET", "https://b.example/k", nil)
		if err := signer.Presign(req, c.expires, keys); err != nil {
			t.Error(err)
		}
		same(t, fmt.Sprint(c), req.URL.Query().Get("X-Amz-Expires"), c.want)
	}
}

func TestPresignParameterOrder(t *testing.T) {
	keys := testKeys
	keys.SessionToken = testToken
	order := func(service string) string {
		req, _ := http.NewRequest("GET", "https://b.example/k?z=1&X-Amz-Expires=5&a=2", nil)
		if err := (&Signer{Service: service, Region: "eu-west-1"}).Presign(req, time.Hour, keys); err != nil {
			t.Fatal(err)
		}
		var names []string
		for part := range strings.SplitSeq(req.URL.RawQuery, "&") {
			name, _, _ := strings.Cut(part, "=")
			names = append(names, name)
		}
		return strings.Join(names, " ")
	}
	same(t, "s3", order("s3"), "z a X-Amz-Algorithm X-Amz-Credential X-Amz-Date X-Amz-Expires X-Amz-Security-Token X-Amz-SignedHeaders X-Amz-Signature")
	same(t, "iotdevicegateway", order("iotdevicegateway"), "z a X-Amz-Algorithm X-Amz-Credential X-Amz-Date X-Amz-Expires X-Amz-SignedHeaders X-Amz-Signature X-Amz-Security-Token")
}

// IoT's token is not part of what is signed.
func TestPresignIoT(t *testing.T) {
	socket, _ := http.NewRequest("GET", "wss://a1b2-ats.iot.eu-west-1.amazonaws.com:443/mqtt", nil)
	if err := Presign(socket, time.Hour, testKeys); err != nil || socket.URL.Host != "a1b2-ats.iot.eu-west-1.amazonaws.com" {
		t.Errorf("a WebSocket's own port: %v, %s", err, socket.URL.Host)
	}

	w := wires(t, testVerifier("iotdevicegateway", testToken))[1]
	keys := testKeys
	keys.SessionToken = testToken
	req, _ := http.NewRequest("GET", "https://a1b2-ats.iot.eu-west-1.amazonaws.com/mqtt", nil)
	if err := Presign(req, time.Hour, keys); err != nil {
		t.Fatal(err)
	}
	if a := w.send(t, req); a.Err != nil || strings.Contains(a.Result.CanonicalRequest, "Security-Token") {
		t.Error(a.Err)
	}
}

func TestScopeOfSigner(t *testing.T) {
	for _, c := range []struct {
		host, service, region string
		env                   map[string]string
		want, err             string
	}{
		{host: "b.s3.eu-central-1.amazonaws.com", want: "eu-central-1/s3"},
		{host: "email.us-west-2.amazonaws.com", want: "us-west-2/ses"},
		{host: "b.s3.eu-central-1.amazonaws.com", region: "us-east-1", want: "us-east-1/s3"},
		{host: "b.s3.eu-central-1.amazonaws.com", service: "other", want: "eu-central-1/other"},
		{host: "localhost:9000", service: "s3", region: "x", want: "x/s3"},
		{host: "localhost:9000", service: "s3", env: map[string]string{"AWS_REGION": "r1", "AWS_DEFAULT_REGION": "r2"}, want: "r1/s3"},
		{host: "localhost:9000", service: "s3", env: map[string]string{"AWS_REGION": " ", "AWS_DEFAULT_REGION": "r2"}, want: "r2/s3"},
		{host: "b.s3-accelerate.amazonaws.com", region: "eu-west-1", want: "eu-west-1/s3"},
		{host: "localhost:9000", service: "s3", err: "set Signer.Service and Signer.Region"},
		{host: "localhost:9000", region: "x", err: "set Signer.Service and Signer.Region"},
		{host: "localhost:9000", env: map[string]string{"AWS_REGION": "r1"}, err: "set Signer.Service and Signer.Region"},
		// The host is AWS's, and the environment's region may be another.
		{host: "b.s3-accelerate.amazonaws.com", service: "s3", env: map[string]string{"AWS_REGION": "r1"}, err: "does not tell the region"},
		{host: "m.mrap.accesspoint.s3-global.amazonaws.com", err: "region set"},
		{host: "x.example", service: "s3", region: "us-east-1,us-west-*", err: "region set"},
		{host: "x.example", service: "s3", region: "eu-west-1\n", err: "credential scope"},
		{host: "x.example", service: "s3/evil", region: "eu-west-1", err: "credential scope"},
		{host: "x.example", service: "s3", region: "eu-west-1\x7f", err: "credential scope"},
		{host: "x.example", service: "s3,s4", region: "eu-west-1", err: "credential scope"},
	} {
		t.Setenv("AWS_REGION", c.env["AWS_REGION"])
		t.Setenv("AWS_DEFAULT_REGION", c.env["AWS_DEFAULT_REGION"])
		req, _ := http.NewRequest("GET", "https://"+c.host+"/k", nil)
		err := (&Signer{Service: c.service, Region: c.region}).Sign4(req, testKeys)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%v: error %v", c, err)
			}
			continue
		}
		if err != nil || !strings.Contains(req.Header.Get("Authorization"), "/"+c.want+"/aws4_request") {
			t.Errorf("%v: %v %s", c, err, req.Header.Get("Authorization"))
		}
	}
	// The host that is sent tells the scope, wherever the connection goes.
	req, _ := http.NewRequest("GET", "http://127.0.0.1:8080/k", nil)
	req.Host = "sqs.eu-north-1.amazonaws.com"
	if err := Sign4(req, testKeys); err != nil || !strings.Contains(req.Header.Get("Authorization"), "/eu-north-1/sqs/") {
		t.Error(err, req.Header.Get("Authorization"))
	}
}

// The time is that of each signature.
func TestDateOfEachSignature(t *testing.T) {
	now := time.Date(2026, 2, 28, 23, 59, 58, 999, time.UTC)
	s := &Signer{Service: "s3", Region: "eu-west-1", Credentials: testKeys, Now: func() time.Time { return now }}
	for _, want := range []string{"20260228T235958Z", "20260228T235959Z", "20260301T000000Z", "20260301T000001Z"} {
		req, _ := http.NewRequest("GET", "https://b.example/k", nil)
		if err := s.Sign4(req); err != nil {
			t.Fatal(err)
		}
		same(t, "X-Amz-Date", req.Header.Get("X-Amz-Date"), want)
		if scope := "/" + want[:8] + "/eu-west-1/s3/"; !strings.Contains(req.Header.Get("Authorization"), scope) {
			t.Errorf("%s is not in %s", scope, req.Header.Get("Authorization"))
		}
		now = now.Add(time.Second)
	}
}

// A changed secret under the same key ID never meets the old signing key.
func TestChangedSecret(t *testing.T) {
	signer := &Signer{Service: "s3", Region: "eu-west-1", Now: func() time.Time { return time.Unix(1e9, 0) }}
	auth := func(s *Signer, keys Credentials) string {
		req, _ := http.NewRequest("GET", "https://b.example/k", nil)
		if err := s.Sign4(req, keys); err != nil {
			t.Fatal(err)
		}
		return req.Header.Get("Authorization")
	}
	other := Credentials{AccessKeyID: testID, SecretAccessKey: "another secret"}
	first := auth(signer, testKeys)
	if auth(signer, other) == first {
		t.Error("the old signing key was used")
	}
	same(t, "with the first secret again", auth(signer, testKeys), first)

	// The cache is bounded, and right past its bound.
	for i := range 2*maxKeys + 10 {
		auth(signer, Credentials{AccessKeyID: testID, SecretAccessKey: fmt.Sprint("secret", i)})
	}
	st := signer.state()
	if n := len(st.young) + len(st.old); n > 2*maxKeys {
		t.Errorf("%d signing keys are kept", n)
	}
	same(t, "past the bound", auth(signer, testKeys), first)

	// A key is derived once, and kept past one turn of the generations.
	c := new(keyCache)
	id := func(i int) keyID { return keyID{secret: fmt.Sprint(i), day: "d", region: "r", service: "s"} }
	key := c.key(id(0), deriveKey)
	if c.key(id(0), deriveKey) != key {
		t.Error("the key was derived again at once")
	}
	for i := range maxKeys {
		c.key(id(i+1), deriveKey)
	}
	if c.key(id(0), deriveKey) != key {
		t.Error("the key was derived again after one turn")
	}
}

// Standard library only, tests included.
func TestNoDependencies(t *testing.T) {
	data, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(data), "require") {
		t.Errorf("go.mod requires modules:\n%s", data)
	}
}
