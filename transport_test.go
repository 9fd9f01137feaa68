package awsauth

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-awsauth/awsauth/internal/reference"
)

// noLeak fails the test if it leaves goroutines behind. Call it first.
func noLeak(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		for range 500 {
			if runtime.NumGoroutine() <= before {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		stacks := make([]byte, 1<<20)
		t.Errorf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
	})
}

// internet returns a transport for which every host name is there: over TLS on the
// ports 443 and 8443, with HTTP/2 if it is wanted, in the clear on any other.
func internet(t *testing.T, http2 bool, h http.HandlerFunc) *http.Transport {
	clear := httptest.NewUnstartedServer(h)
	encrypted := httptest.NewUnstartedServer(h)
	clear.Config.ErrorLog, encrypted.Config.ErrorLog = quiet, quiet
	encrypted.EnableHTTP2 = http2
	clear.Start()
	encrypted.StartTLS()
	tr := &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			to := clear
			if strings.HasSuffix(addr, "443") {
				to = encrypted
			}
			return new(net.Dialer).DialContext(ctx, network, to.Listener.Addr().String())
		},
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		ForceAttemptHTTP2: http2,
	}
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		clear.Close()
		encrypted.Close()
	})
	return tr
}

var temporaryKeys = Credentials{AccessKeyID: testID, SecretAccessKey: testSecret, SessionToken: testToken}

// counts counts what is opened and closed again.
type counts struct{ opened, closed atomic.Int32 }

// body returns r as a body that is counted.
func (c *counts) body(r io.Reader) *countedBody {
	c.opened.Add(1)
	return &countedBody{Reader: r, n: c}
}

type countedBody struct {
	io.Reader
	n    *counts
	done atomic.Bool
}

func (b *countedBody) Read(p []byte) (int, error) {
	if b.done.Load() {
		return 0, errors.New("read after close")
	}
	return b.Reader.Read(p)
}
func (b *countedBody) Close() error { b.done.Store(true); b.n.closed.Add(1); return nil }

// A countedFile is a body that seeks.
type countedFile struct {
	*countedBody
	io.Seeker
}

// settled waits until all that was opened is closed: net/http may close a request's
// body after RoundTrip has returned.
func (c *counts) settled(t *testing.T, what string) {
	t.Helper()
	for range 200 {
		if c.closed.Load() >= c.opened.Load() {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if opened, closed := c.opened.Load(), c.closed.Load(); opened != closed {
		t.Errorf("%s: %d opened, %d closed", what, opened, closed)
	}
}

// counting counts the bodies of the replies that base gives.
func (c *counts) counting(base http.RoundTripper) roundTripper {
	return func(r *http.Request) (*http.Response, error) {
		resp, err := base.RoundTrip(r)
		if resp != nil {
			resp.Body = c.body(struct {
				io.Reader
				io.Closer
			}{resp.Body, resp.Body})
			body := resp.Body
			resp.Body = struct {
				io.Reader
				io.Closer
			}{body, closers{body, body.(*countedBody).Reader.(io.Closer)}}
		}
		return resp, err
	}
}

type closers []io.Closer

func (c closers) Close() error {
	for _, closer := range c {
		closer.Close()
	}
	return nil
}

// Whatever becomes of a request, it is not changed, its body is closed once, what
// GetBody gave is closed too, and the replies that were not returned.
func TestTransportContract(t *testing.T) {
	const content = "hello, here is a body"
	bodies := map[string]func(*http.Request, *counts, *counts){
		"none":   func(r *http.Request, _, _ *counts) {},
		"NoBody": func(r *http.Request, _, _ *counts) { r.Body = http.NoBody },
		"GetBody": func(r *http.Request, own, copies *counts) {
			r.Body, r.ContentLength = own.body(strings.NewReader(content)), int64(len(content))
			r.GetBody = func() (io.ReadCloser, error) { return copies.body(strings.NewReader(content)), nil }
		},
		"file": func(r *http.Request, own, _ *counts) {
			f := strings.NewReader("before" + content)
			f.Seek(6, io.SeekStart)
			r.Body = countedFile{own.body(f), f}
		},
		"empty file": func(r *http.Request, own, _ *counts) {
			f := strings.NewReader("")
			r.Body = countedFile{own.body(f), f}
		},
		"pipe": func(r *http.Request, own, _ *counts) {
			r.Body = countedFile{own.body(strings.NewReader(content)), pipe{}}
		},
		"read once": func(r *http.Request, own, _ *counts) { r.Body = own.body(strings.NewReader(content)) },
		"read once, empty": func(r *http.Request, own, _ *counts) {
			r.Body = own.body(strings.NewReader(""))
		},
	}
	outcomes := map[string]struct {
		replies  []int // of the server; 0: the connection is cut
		method   string
		edit     func(*Transport, *http.Request) *http.Request
		status   int
		err      string
		arrivals int
	}{
		"success":       {replies: []int{200}, status: 200, arrivals: 1},
		"error reply":   {replies: []int{404}, status: 404, arrivals: 1},
		"retried":       {replies: []int{503, 500, 200}, status: 200, arrivals: 3},
		"given up":      {replies: []int{503, 503, 503}, status: 503, arrivals: 3},
		"cut, retried":  {replies: []int{0, 200}, status: 200, arrivals: 2},
		"cut":           {replies: []int{0, 0, 0}, err: "E", arrivals: 3}, // EOF, or INTERNAL_ERROR of an HTTP/2 stream
		"redirect":      {replies: []int{307}, status: 307, arrivals: 1},
		"not retried":   {replies: []int{500}, method: "POST", status: 500, arrivals: 1},
		"region":        {replies: []int{400, 200}, status: 200, arrivals: 2},
		"can't sign":    {edit: func(tr *Transport, r *http.Request) *http.Request { tr.Signer.Service = "a/b"; return r }, err: "credential scope"},
		"no keys":       {edit: func(tr *Transport, r *http.Request) *http.Request { tr.Signer.Credentials = Chain{}; return r }, err: "no credentials"},
		"no URL":        {edit: func(_ *Transport, r *http.Request) *http.Request { r.URL = nil; return r }, err: "no URL"},
		"base fails":    {edit: func(_ *Transport, r *http.Request) *http.Request { r.URL.Scheme = "gopher"; return r }, err: "gopher"},
		"ended before":  {edit: func(_ *Transport, r *http.Request) *http.Request { return r.WithContext(ended()) }, err: "canceled"},
		"ended between": {replies: []int{-1}, err: "canceled", arrivals: 1},
	}
	noLeak(t)
	for _, http2 := range []bool{false, true} {
		var serve http.HandlerFunc
		base := internet(t, http2, func(w http.ResponseWriter, r *http.Request) { serve(w, r) })
		for kind, setBody := range bodies {
			for name, o := range outcomes {
				if testing.Short() && name == "cut" {
					continue // it has two pauses
				}
				t.Run(fmt.Sprint(kind, "/", name, "/", http2), func(t *testing.T) {
					arrivals := 0
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					serve = func(w http.ResponseWriter, r *http.Request) {
						got, err := io.ReadAll(r.Body)
						if err == nil && r.ContentLength > 0 && !strings.HasPrefix(content, string(got)) {
							t.Errorf("arrived: %q", got)
						}
						reply := o.replies[arrivals]
						arrivals++
						switch reply {
						case 0:
							panic(http.ErrAbortHandler)
						case -1:
							w.WriteHeader(503)
							time.AfterFunc(20*time.Millisecond, cancel)
						case 400:
							w.WriteHeader(400)
							io.WriteString(w, "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>")
						default:
							w.Header().Set("Location", "https://elsewhere.example/")
							w.Header().Set("Retry-After", "0")
							w.WriteHeader(reply)
							io.WriteString(w, "a reply")
						}
					}
					if o.replies != nil && o.replies[0] != -1 {
						ctx = t.Context()
					}
					t.Setenv("AWS_REGION", "us-east-1")
					var own, copies, replies counts
					tr := &Transport{Signer: &Signer{Service: "s3", Credentials: temporaryKeys}, Base: replies.counting(base)}
					req, err := http.NewRequestWithContext(ctx, cmp.Or(o.method, "PUT"), "https://h.example/a(b)?c=d+e", nil)
					if err != nil {
						t.Fatal(err)
					}
					req.Header.Set("X-Amz-Meta-A", "b")
					setBody(req, &own, &copies)
					if o.edit != nil {
						req = o.edit(tr, req)
					}
					before, header := *req, req.Header.Clone()
					var u url.URL
					if req.URL != nil {
						u = *req.URL
					}

					resp, err := tr.RoundTrip(req)
					switch {
					case o.err != "":
						if err == nil || !strings.Contains(err.Error(), o.err) {
							t.Errorf("error %v, want one with %q", err, o.err)
						}
					case err != nil:
						t.Error(err)
					default:
						if resp.StatusCode != o.status {
							t.Errorf("status %d, want %d", resp.StatusCode, o.status)
						}
						io.Copy(io.Discard, resp.Body)
						resp.Body.Close()
					}
					own.settled(t, "body")
					copies.settled(t, "copies of the body")
					replies.settled(t, "replies")
					if arrivals != o.arrivals {
						t.Errorf("%d requests arrived, want %d", arrivals, o.arrivals)
					}

					if req.URL != before.URL || req.URL != nil && *req.URL != u || !maps.EqualFunc(req.Header, header, slices.Equal) ||
						req.Body != before.Body || (req.GetBody == nil) != (before.GetBody == nil) ||
						req.ContentLength != before.ContentLength || req.Host != before.Host {
						t.Error("the request was changed")
					}
				})
			}
		}
	}
}

type pipe struct{}

func (pipe) Seek(int64, int) (int64, error) { return 0, syscall.ESPIPE }

// closing gives r a Close, without which http.NewRequest would hide its Seek.
func closing(r io.ReadSeeker) io.Reader {
	return struct {
		io.ReadSeeker
		io.Closer
	}{r, io.NopCloser(nil)}
}

func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// Every attempt is verified: it has the whole body, and a date and keys of its own.
func TestTransportSignsEachAttempt(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		var dates, ids []string
		verifier := &reference.Verifier{Service: "s3", Region: "eu-west-1", Secret: func(string) (string, string, bool) { return testSecret, "", true }}
		base := internet(t, http2, func(w http.ResponseWriter, r *http.Request) {
			res, err := verifier.Verify(r)
			if body, _ := io.ReadAll(r.Body); err != nil || string(body) != "hello" || r.ContentLength != 5 || (r.ProtoMajor == 2) != http2 {
				t.Error(err, string(body), r.ContentLength, r.Proto)
			}
			dates, ids = append(dates, r.Header.Get("X-Amz-Date")), append(ids, res.AccessKeyID)
			w.Header().Set("Retry-After", "0")
			if len(dates) < 4 {
				w.WriteHeader(503)
			}
		})
		bodies := map[string]func() io.Reader{
			"GetBody":   func() io.Reader { return strings.NewReader("hello") },
			"seeks":     func() io.Reader { return closing(strings.NewReader("hello")) },
			"read once": func() io.Reader { return readOnceBody("hello") },
		}
		for name, body := range bodies {
			dates, ids = nil, nil
			signed, fetches := 0, 0
			tr := &Transport{Base: base, Attempts: 4, Signer: &Signer{
				Service: "s3", Region: "eu-west-1",
				Credentials: ProviderFunc(func(context.Context) (Credentials, error) {
					fetches++
					return Credentials{AccessKeyID: fmt.Sprint("KEY", fetches), SecretAccessKey: testSecret}, nil
				}),
				Now: func() time.Time { signed++; return time.Now().Add(time.Duration(signed) * time.Second) },
			}}
			req, _ := http.NewRequest("PUT", "https://h.example/k", body())
			resp, err := tr.RoundTrip(req)
			if err != nil || resp.StatusCode != 200 {
				t.Fatal(name, resp, err)
			}
			if slices.Sort(dates); len(slices.Compact(dates)) != 4 || !slices.Equal(ids, []string{"KEY1", "KEY2", "KEY3", "KEY4"}) {
				t.Error(name, dates, ids)
			}
			if resp.Request.Header.Get("Authorization") == "" {
				t.Error("Response.Request is not the one that was sent")
			}
		}
	}
}

// A file is streamed from where it stands, at every attempt.
func TestTransportStreams(t *testing.T) {
	const before = "before "
	for _, payload := range streamPayloads {
		for _, size := range []int{0, 5, chunkSize + 1} {
			text, tries := strings.Repeat("x", size), 0
			verifier := &Verifier{Lookup: func(context.Context, string) (Credentials, error) {
				return Credentials{AccessKeyID: "KEY", SecretAccessKey: testSecret}, nil
			}}
			base := internet(t, false, func(w http.ResponseWriter, r *http.Request) {
				tries++
				_, err := verifier.Verify(r)
				if body, _ := io.ReadAll(r.Body); err != nil || string(body) != text || r.ContentLength != int64(size) {
					t.Error(payload, size, err, len(body), r.ContentLength)
				}
				w.Header().Set("Retry-After", "0")
				if tries == 1 {
					w.WriteHeader(503)
				}
			})
			file := strings.NewReader(before + text)
			file.Seek(int64(len(before)), io.SeekStart)
			tr := &Transport{Base: base, Signer: &Signer{
				Service: "s3", Region: "eu-west-1", Payload: payload,
				Credentials: Credentials{AccessKeyID: "KEY", SecretAccessKey: testSecret},
			}}
			req, _ := http.NewRequest("PUT", "https://h.example/k", closing(file))
			resp, err := tr.RoundTrip(req)
			if err != nil || resp.StatusCode != 200 || tries != 2 {
				t.Fatal(payload, size, resp, err, tries)
			}
		}
	}
}

// What the caller writes to Trailer while the body is read is sent.
func TestTransportTrailer(t *testing.T) {
	base := internet(t, true, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if got := r.Trailer.Get("X-Sum"); got != "42" {
			t.Errorf("trailer %q", got)
		}
	})
	req, _ := http.NewRequest("PUT", "https://h.example/k", nil)
	req.Trailer = http.Header{"X-Sum": nil}
	read := false
	req.Body = io.NopCloser(readerFunc(func(b []byte) (int, error) {
		if read {
			req.Trailer.Set("X-Sum", "42")
			return 0, io.EOF
		}
		read = true
		return copy(b, "hello"), nil
	}))
	tr := &Transport{Base: base, Signer: &Signer{Service: "s3", Region: "eu-west-1", Credentials: testKeys, Payload: UnsignedPayload}}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}

func TestTransportDefaults(t *testing.T) {
	tr := &Transport{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
		if got := fmt.Sprintf(verb, &Transport{Signer: &Signer{Credentials: temporaryKeys}}); strings.Contains(got, testSecret) || strings.Contains(got, testToken) {
			t.Errorf("%s prints %s", verb, got)
		}
	}
	if tr.signer() != &standard || tr.base() != http.DefaultTransport {
		t.Error("the zero Transport does not have the defaults")
	}
	tr.Base = roundTripper(nil)
	tr.CloseIdleConnections() // nothing to call
	closed := idleCloser{new(bool)}
	tr.Base = closed
	(&http.Client{Transport: tr}).CloseIdleConnections()
	if !*closed.closed {
		t.Error("CloseIdleConnections did not reach Base")
	}
}

type idleCloser struct{ closed *bool }

func (idleCloser) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.ErrUnsupported }
func (c idleCloser) CloseIdleConnections()                         { *c.closed = true }

// Every field of a Signer is in one made of it, and what it keeps is shared.
func TestSignerLike(t *testing.T) {
	s := &Signer{Credentials: testKeys, Service: "s", Region: "r", Payload: UnsignedPayload,
		SkipHeader: func(string) bool { return false }, Now: time.Now}
	l := s.like("", time.Hour)
	was, is := reflect.ValueOf(s).Elem(), reflect.ValueOf(l).Elem()
	for i := range was.NumField() {
		f := was.Type().Field(i)
		switch {
		case !f.IsExported():
		case was.Field(i).IsZero():
			t.Errorf("this test sets no %s", f.Name)
		case is.Field(i).IsZero():
			t.Errorf("%s is lost", f.Name)
		}
	}
	if d := time.Until(l.now()); d < 59*time.Minute || d > time.Hour || l.Region != "r" || s.like("eu", 0).Region != "eu" || l.state() != s.state() {
		t.Error(d, l.Region)
	}
}

// A presigned URL goes out as it came.
func TestTransportPresigned(t *testing.T) {
	tr := &Transport{Signer: &Signer{Credentials: testKeys}, Base: roundTripper(func(r *http.Request) (*http.Response, error) {
		if len(r.Header) != 1 || r.URL.Path != "/a(b)" {
			t.Error(r.Header, r.URL)
		}
		return &http.Response{StatusCode: 200}, nil
	})}
	for _, query := range []string{"X-Amz-Signature=0", "a=b&X-Amz-Signature=0&c", "X%2DAmz-Signature=0"} {
		req, _ := http.NewRequest("GET", "https://examplebucket.s3.amazonaws.com/a(b)?"+query, nil)
		req.Header.Set("X-Amz-Acl", "private")
		resp, err := tr.RoundTrip(req)
		if err != nil || resp.Request.URL.RawQuery != query || resp.Body == nil {
			t.Error(err, resp)
		}
	}
	if u := mustParse(t, "https://h.example/?X-Amz-Signatur=0&x-amz-signature=0&a=X-Amz-Signature"); presigned(u) {
		t.Error(u)
	}
}

func TestTransportRetries(t *testing.T) {
	reply := func(status int, body string) func(*http.Request) (*http.Response, error) {
		return func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}, nil
		}
	}
	fail := func(err error) func(*http.Request) (*http.Response, error) {
		return func(*http.Request) (*http.Response, error) { return nil, err }
	}
	json := func(code string) string {
		return `{"message":"no \"__type\":\"Throttling\"", "__type" : "com.amazon.coral.service#` + code + `"}`
	}
	errorType := func(code string) func(*http.Request) (*http.Response, error) {
		return func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 400, Header: http.Header{"X-Amzn-Errortype": {code}}}, nil
		}
	}
	dial := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	for name, c := range map[string]struct {
		outcome   func(*http.Request) (*http.Response, error)
		get, post int // attempts
	}{
		"200":                {reply(200, ""), 1, 1},
		"429":                {reply(429, ""), 3, 3},
		"503":                {reply(503, ""), 3, 3},
		"500":                {reply(500, ""), 3, 1},
		"502":                {reply(502, ""), 3, 1},
		"504":                {reply(504, ""), 3, 1},
		"501":                {reply(501, ""), 1, 1},
		"404":                {reply(404, ""), 1, 1},
		"400":                {reply(400, ""), 1, 1},
		"XML":                {reply(400, "<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>"), 3, 3},
		"XML, other":         {reply(400, "<Error><Code>NoSuchKey</Code></Error>"), 1, 1},
		"XML, cut":           {reply(400, "<Error><Code>Throttling"), 1, 1},
		"JSON":               {reply(400, json("ThrottlingException")), 3, 3},
		"JSON, other":        {reply(400, json("ValidationException")), 1, 1},
		"JSON, short":        {reply(400, `{"__type":"ProvisionedThroughputExceededException"}`), 3, 3},
		"header":             {errorType("TooManyRequestsException:http://internal.amazon.com/coral/"), 3, 3},
		"header, other":      {errorType("AccessDeniedException"), 1, 1},
		"throttled by 403":   {reply(403, "<Error><Code>RequestThrottled</Code></Error>"), 3, 3},
		"body too late":      {reply(400, "<Error><Code>RequestTimeout</Code></Error>"), 3, 1},
		"reset":              {fail(&net.OpError{Op: "read", Err: syscall.ECONNRESET}), 3, 1},
		"EOF":                {fail(io.EOF), 3, 1},
		"unexpected EOF":     {fail(fmt.Errorf("broken: %w", io.ErrUnexpectedEOF)), 3, 1},
		"timeout":            {fail(os.ErrDeadlineExceeded), 3, 1},
		"refused":            {fail(dial), 3, 3},
		"name not found":     {fail(&net.OpError{Op: "dial", Err: &net.DNSError{IsNotFound: true}}), 1, 1},
		"certificate":        {fail(&tls.CertificateVerificationError{}), 1, 1},
		"TLS alert":          {fail(&net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}), 1, 1},
		"other error":        {fail(errors.New("what?")), 1, 1},
		"waits too long":     {withHeader(reply(503, ""), "Retry-After", "21"), 1, 1},
		"waits":              {withHeader(reply(503, ""), "Retry-After", "20"), 3, 3},
		"waits until":        {withHeader(reply(503, ""), "Retry-After", "Sat, 01 Jan 2000 00:00:09 GMT"), 3, 3},
		"waits too long for": {withHeader(reply(503, ""), "Retry-After", "Sat, 01 Jan 2000 00:01:00 GMT"), 1, 1},
		"waits oddly":        {withHeader(reply(503, ""), "Retry-After", "soon"), 3, 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for method, want := range map[string]int{"GET": c.get, "PUT": c.get, "DELETE": c.get, "POST": c.post, "PATCH": c.post} {
					for attempts, most := range map[int]int{0: 3, 1: 1, 2: 2, 3: 3} {
						sent := 0
						tr := &Transport{Attempts: attempts, Signer: &Signer{Service: "s3", Region: "eu-west-1", Credentials: testKeys},
							Base: roundTripper(func(r *http.Request) (*http.Response, error) {
								sent++
								body, _ := io.ReadAll(r.Body)
								if r.Body.Close(); string(body) != "hello" {
									t.Errorf("%s: body %q", method, body)
								}
								return c.outcome(r)
							})}
						req, _ := http.NewRequest(method, "https://h.example/k", strings.NewReader("hello"))
						tr.RoundTrip(req)
						if sent != min(want, most) {
							t.Errorf("%s, Attempts %d: sent %d times, want %d", method, attempts, sent, min(want, most))
						}
					}
				}
			})
		})
	}
}

func withHeader(outcome func(*http.Request) (*http.Response, error), name, value string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		resp, err := outcome(r)
		resp.Header.Set(name, value)
		return resp, err
	}
}

func TestTransportPauses(t *testing.T) {
	var at []time.Duration
	var start time.Time
	retryAfter := ""
	tr := &Transport{Attempts: 12, Signer: &Signer{Service: "s3", Region: "eu-west-1", Credentials: testKeys},
		Base: roundTripper(func(r *http.Request) (*http.Response, error) {
			at = append(at, time.Since(start))
			return &http.Response{StatusCode: 503, Header: http.Header{"Retry-After": {retryAfter}}}, r.Context().Err()
		})}
	run := func(ctx context.Context, edit func(*http.Request)) (*http.Response, error) {
		at, start = nil, time.Now()
		req, _ := http.NewRequestWithContext(ctx, "POST", "https://h.example/k", nil)
		if edit != nil {
			edit(req)
		}
		return tr.RoundTrip(req)
	}
	synctest.Test(t, func(t *testing.T) {
		run(t.Context(), nil)
		for i := 1; i < len(at); i++ {
			most := min(20*time.Second, 100*time.Millisecond<<(i-1))
			if pause := at[i] - at[i-1]; pause < most/2 || pause > most {
				t.Errorf("pause %d: %v, of at most %v", i, pause, most)
			}
		}
		if len(at) != 12 {
			t.Errorf("%d attempts", len(at))
		}

		retryAfter = "7"
		if run(t.Context(), nil); at[1] != 7*time.Second {
			t.Error(at)
		}

		// A pause that the context would not last is not begun.
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		resp, err := run(ctx, nil)
		if err != nil || resp.StatusCode != 503 || time.Since(start) != 0 {
			t.Error(resp, err, time.Since(start))
		}
		cancel()

		// One that is cancelled during a pause ends it, with its cause.
		cause := errors.New("no more")
		ctx, end := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { end(cause) })
		if _, err := run(ctx, nil); !errors.Is(err, cause) || time.Since(start) != time.Second {
			t.Error(err, time.Since(start))
		}

		// A body that can't be had again: the reply at hand is the answer.
		for name, get := range map[string]func() (io.ReadCloser, error){
			"fails": func() (io.ReadCloser, error) { return nil, errors.New("gone") },
			"none":  func() (io.ReadCloser, error) { return nil, nil },
			"":      nil,
		} {
			resp, err := run(t.Context(), func(r *http.Request) {
				r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
				r.Body, r.GetBody, r.ContentLength = io.NopCloser(readOnceBody("x")), get, 1
			})
			if err != nil || resp.StatusCode != 503 || len(at) != 1 {
				t.Error(name, resp, err, at)
			}
		}
	})
}

// A connection that could not be made because the context ended is not tried again.
func TestTransportContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	failed := &net.OpError{Op: "dial", Err: errors.New("operation was canceled")}
	tr := &Transport{Signer: &Signer{Service: "s3", Region: "eu-west-1", Credentials: testKeys},
		Base: roundTripper(func(*http.Request) (*http.Response, error) { cancel(); return nil, failed })}
	req, _ := http.NewRequestWithContext(ctx, "GET", "https://h.example/k", nil)
	if _, err := tr.RoundTrip(req); err != failed {
		t.Error(err)
	}
}

// What is not signed is not corrected.
func TestTransportLeavesUnsignedAlone(t *testing.T) {
	for name, c := range map[string]struct {
		url   string
		creds Provider
		reply http.Response
	}{
		"presigned, to another region": {"https://b.s3.amazonaws.com/?X-Amz-Signature=0", testKeys,
			http.Response{StatusCode: 301, Header: http.Header{"X-Amz-Bucket-Region": {"eu-west-1"}}}},
		"presigned, wrong time": {"https://b.s3.amazonaws.com/?X-Amz-Signature=0", testKeys,
			http.Response{StatusCode: 403, Header: http.Header{"Date": {"Sat, 01 Jan 2000 00:00:09 GMT"}}}},
		"anonymous, wrong time": {"https://b.s3.amazonaws.com/", Anonymous{},
			http.Response{StatusCode: 403, Header: http.Header{"Date": {"Sat, 01 Jan 2000 00:00:09 GMT"}}}},
	} {
		sent := 0
		tr := &Transport{Signer: &Signer{Credentials: c.creds}, Base: roundTripper(func(*http.Request) (*http.Response, error) {
			sent++
			return &c.reply, nil
		})}
		req, _ := http.NewRequest("GET", c.url, nil)
		if resp, err := tr.RoundTrip(req); err != nil || resp.StatusCode != c.reply.StatusCode || sent != 1 {
			t.Errorf("%s: sent %d times, %v", name, sent, err)
		}
	}
}

// A POST with a key that makes it idempotent is repeated as a GET is.
func TestTransportIdempotencyKey(t *testing.T) {
	for _, name := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
		sent := 0
		tr := &Transport{Signer: &Signer{Service: "s3", Region: "eu-west-1", Credentials: testKeys},
			Base: roundTripper(func(*http.Request) (*http.Response, error) {
				sent++
				return &http.Response{StatusCode: 500, Header: http.Header{"Retry-After": {"0"}}}, nil
			})}
		req, _ := http.NewRequest("POST", "https://h.example/k", nil)
		req.Header.Set(name, "1")
		if tr.RoundTrip(req); sent != 3 {
			t.Errorf("%s: sent %d times", name, sent)
		}
	}
}

// The caller reads the whole body of an error that was looked into, also one that
// is longer, or broken.
func TestTransportErrorBody(t *testing.T) {
	broken := errors.New("broken")
	for _, n := range []int{0, 1, 16<<10 - 1, 16 << 10, 16<<10 + 1, 100 << 10} {
		for _, end := range []error{io.EOF, broken} {
			want := strings.Repeat("x", n)
			rest := strings.NewReader(want)
			var closed int
			tr := &Transport{Signer: &Signer{Service: "s3", Region: "eu-west-1", Credentials: testKeys},
				Base: roundTripper(func(*http.Request) (*http.Response, error) {
					return &http.Response{StatusCode: 403, Header: http.Header{}, Body: closer{readerFunc(func(b []byte) (int, error) {
						if n, _ := rest.Read(b); n > 0 {
							return n, nil
						}
						return 0, end
					}), &closed}}, nil
				})}
			req, _ := http.NewRequest("GET", "https://h.example/k", nil)
			resp, err := tr.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(resp.Body)
			if resp.Body.Close(); string(got) != want || (end == broken) != (err == broken) || closed != 1 {
				t.Errorf("%d bytes, ending in %v: got %d, %v, closed %d times", n, end, len(got), err, closed)
			}
		}
	}
}

// Two attempts may read a file at once, where net/http is not done with the first;
// each gets all of it. It is closed when both are done.
func TestSharedBody(t *testing.T) {
	content := make([]byte, 1<<20)
	for i := range content {
		content[i] = byte(rand.Uint32())
	}
	var own counts
	f := bytes.NewReader(content)
	f.Seek(100, io.SeekStart)
	req, _ := http.NewRequest("PUT", "https://h.example/k", nil)
	req.Body = countedFile{own.body(f), f}
	shared := share(req)
	seeks := shared.reader()
	io.CopyN(io.Discard, seeks, 5) // so that it is the one whose place the body is at
	for _, seek := range []struct {
		offset int64
		whence int
		want   int64
	}{{-1, io.SeekCurrent, 4}, {0, io.SeekEnd, int64(len(content)) - 100}, {7, io.SeekStart, 7}} {
		if at, err := seeks.Seek(seek.offset, seek.whence); at != seek.want || err != nil {
			t.Error(seek, at, err)
		}
	}
	if got, err := io.ReadAll(seeks); err != nil || !bytes.Equal(got, content[107:]) {
		t.Error(err, len(got))
	}
	seeks.Close()
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			r := shared.reader()
			got, err := io.ReadAll(readerFunc(func(b []byte) (int, error) { return r.Read(b[:min(len(b), 1000)]) }))
			if err != nil || !bytes.Equal(got, content[100:]) {
				t.Error(err, len(got))
			}
			if own.closed.Load() != 0 {
				t.Error("closed too early")
			}
			r.Close()
			if r.Close(); own.closed.Load() != 0 {
				t.Error("closed too early")
			}
			if _, err := r.Read(make([]byte, 1)); err != http.ErrBodyReadAfterClose {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if shared.release(); own.closed.Load() != 1 {
		t.Errorf("closed %d times", own.closed.Load())
	}
}

// A blockedFile is a body whose Read ends when it is closed.
type blockedFile struct{ *io.PipeReader }

func (f blockedFile) Seek(int64, int) (int64, error) { return 0, nil }

// Over HTTP/2 a request ends with its context, whether its body can be read or not.
func TestSharedBodyBlocked(t *testing.T) {
	noLeak(t)
	base := internet(t, true, func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) })
	tr := &Transport{Base: base, Signer: &Signer{Service: "s3", Region: "eu-west-1", Credentials: temporaryKeys, Payload: UnsignedPayload}}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	r, _ := io.Pipe()
	f := blockedFile{r}
	req, _ := http.NewRequestWithContext(ctx, "PUT", "https://h.example/", nil)
	req.Body, req.ContentLength = f, 10
	done := make(chan error, 1)
	go func() {
		_, err := tr.RoundTrip(req)
		done <- err
	}()
	select {
	case err := <-done:
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("it goes on after its context has ended")
		f.Close()
	}
}

func TestPlaces(t *testing.T) {
	var p places[int]
	p.drop(place{})
	for i := range 3 * maxPlaces {
		at := place{host: fmt.Sprint(i)}
		p.put(at, i)
		p.put(at, i)
		if v, ok := p.get(at); !ok || v != i || len(p.m) > maxPlaces {
			t.Fatal(i, v, ok, len(p.m))
		}
	}
	if len(p.m) != maxPlaces {
		t.Error(len(p.m))
	}
}

// Ten thousand requests from a hundred goroutines, with keys that expire and a
// server that is often too busy: each is accepted with its own signature and body,
// and nothing is left behind.
func TestTransportManyAtOnce(t *testing.T) {
	noLeak(t)
	const goroutines = 100
	each := 100
	if testing.Short() {
		each = 5
	}
	const life = time.Second
	var issued, accepted, busy atomic.Int64
	keys := func(n int64) Credentials {
		return Credentials{AccessKeyID: fmt.Sprint("KEY", n), SecretAccessKey: fmt.Sprint("secret", n), SessionToken: fmt.Sprint("token", n)}
	}
	verifier := &reference.Verifier{Service: "s3", Region: "eu-west-1", Secret: func(id string) (string, string, bool) {
		var n int64
		fmt.Sscanf(id, "KEY%d", &n)
		k := keys(n)
		return k.SecretAccessKey, k.SessionToken, n > 0 && n <= issued.Load()
	}}
	base := internet(t, true, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		if rand.N(5) == 0 {
			busy.Add(1)
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(503)
			return
		}
		res, err := verifier.Verify(r)
		if err != nil || string(body) != r.Header.Get("X-Body") {
			t.Errorf("%v: %q\n%s", err, body, res.CanonicalRequest)
			w.WriteHeader(403)
			return
		}
		accepted.Add(1)
		io.WriteString(w, r.Header.Get("X-Body"))
	})
	base.MaxIdleConnsPerHost = goroutines
	tr := &Transport{Base: base, Attempts: 20, Signer: &Signer{Service: "s3", Region: "eu-west-1", Credentials: Cache(ProviderFunc(
		func(context.Context) (Credentials, error) {
			c := keys(issued.Add(1))
			c.Expires = time.Now().Add(life)
			return c, nil
		}))}}
	client := &http.Client{Transport: tr}
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			scheme := []string{"http", "https"}[g%2]
			for i := range each {
				text := fmt.Sprint(g, "/", i)
				var body io.Reader
				switch i % 3 {
				case 0:
					body = strings.NewReader(text)
				case 1:
					body = closing(strings.NewReader(text))
				case 2:
					body = readOnceBody(text)
				}
				req, err := http.NewRequestWithContext(t.Context(), "PUT", fmt.Sprintf("%s://h.example/%d/(%d)", scheme, g, i), body)
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("X-Body", text)
				resp, err := client.Do(req)
				if err != nil {
					t.Error(err)
					continue
				}
				got, err := io.ReadAll(resp.Body)
				if resp.Body.Close(); err != nil || resp.StatusCode != 200 || string(got) != text {
					t.Error(resp.Status, err, string(got))
				}
			}
		})
	}
	wg.Wait()
	if n := accepted.Load(); n != int64(goroutines*each) || busy.Load() == 0 || issued.Load() < 2 {
		t.Errorf("%d accepted of %d, %d keys", n, goroutines*each, issued.Load())
	}
	t.Logf("%d accepted, %d answered 503, %d keys issued", accepted.Load(), busy.Load(), issued.Load())
}

// A file is hashed and sent from the disk, a part at a time.
func TestTransportLargeFile(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 2 GiB, several times")
	}
	const size = 2 << 30
	name := filepath.Join(t.TempDir(), "sparse")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, size); err != nil {
		t.Skip("no sparse file:", err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	base := internet(t, false, func(w http.ResponseWriter, r *http.Request) {
		hash := sha256.New()
		n, err := io.Copy(hash, r.Body)
		if sum := hex.EncodeToString(hash.Sum(nil)); err != nil || n != size || r.ContentLength != size || sum != r.Header.Get("X-Amz-Content-Sha256") {
			t.Errorf("%d bytes of %d, sum %s: %v", n, r.ContentLength, sum, err)
		}
	})
	req, _ := http.NewRequest("PUT", "http://h.example/large", f)
	tr := &Transport{Base: base, Signer: &Signer{Service: "s3", Region: "eu-west-1", Credentials: testKeys}}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	resp, err := tr.RoundTrip(req)
	runtime.ReadMemStats(&after)
	if err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}
	resp.Body.Close()
	// All of it, on both sides, whether it was freed in between or not.
	if got := after.TotalAlloc - before.TotalAlloc; got > 8<<20 {
		t.Errorf("%d bytes were allocated", got)
	} else {
		t.Logf("%d bytes were allocated", got)
	}
	if _, err := f.Stat(); !errors.Is(err, os.ErrClosed) {
		t.Error("the file was left open")
	}
}

// A server whose clock is off is met by one more request, the first time; and so is
// one, or a client, whose clock has been set right.
func TestClockSkew(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		for _, method := range []string{"GET", "HEAD", "PUT"} {
			for _, skew := range []time.Duration{20 * time.Minute, -20 * time.Minute, 50 * 365 * 24 * time.Hour} {
				noLeak(t)
				arrived, age := 0, ""
				server := func() time.Time { return time.Now().Add(skew) }
				verifier := testVerifier("s3", testToken)
				verifier.Now = func() time.Time { return server() }
				base := internet(t, http2, func(w http.ResponseWriter, r *http.Request) {
					arrived++
					_, err := verifier.Verify(r)
					w.Header().Set("Date", server().UTC().Format(http.TimeFormat))
					if age != "" {
						w.Header().Set("Age", age)
					}
					if err != nil {
						w.WriteHeader(403)
						code, _, _ := strings.Cut(err.Error(), ":")
						fmt.Fprintf(w, "<Error><Code>%s</Code></Error>", code)
					}
				})
				tr := &Transport{Base: base, Signer: &Signer{Service: "s3", Region: "eu-west-1", Credentials: temporaryKeys}}
				send := func(what string, want, status int) {
					t.Helper()
					arrived = 0
					var body io.Reader
					if method == "PUT" {
						body = strings.NewReader("hello")
					}
					req, _ := http.NewRequest(method, "https://h.example/k", body)
					resp, err := tr.RoundTrip(req)
					if err != nil {
						t.Fatal(err)
					}
					io.Copy(io.Discard, resp.Body)
					if resp.Body.Close(); arrived != want || resp.StatusCode != status {
						t.Errorf("%s, %s, %v: %d requests, status %d", what, method, skew, arrived, resp.StatusCode)
					}
				}
				tr.NoSkewCorrection = true
				send("off", 1, 403)
				tr.NoSkewCorrection = false
				age = "0"
				send("from a cache", 1, 403)
				age = ""
				send("first", 2, 200)
				send("second", 1, 200)
				age = "1200"
				send("known, from a cache", 1, 200)
				age = ""
				tr.NoSkewCorrection = true
				send("known, but off", 1, 403)
				tr.NoSkewCorrection = false
				server = time.Now
				send("healed", 2, 200)
				send("healthy", 1, 200)
				if len(tr.skews.m) != 0 {
					t.Error("a skew is kept of a server that has none")
				}
				if testing.Short() && skew > 0 {
					break
				}
			}
		}
	}
}

// A skewed server that answers as it is told, and what it was sent.
type skewedServer struct {
	clock   time.Duration // of its Date, before ours
	refuse  string        // the error code; "-": none, and no code
	status  int           // of a refusal
	edit    func(*http.Response)
	signed  []time.Duration // the times of the requests, before ours
	always  bool            // refuses whatever the time
	servers []string
}

func (s *skewedServer) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		r.Body.Close()
	}
	signed, _ := time.Parse(dateFormat, r.Header.Get("X-Amz-Date"))
	s.signed = append(s.signed, time.Until(signed).Round(time.Minute))
	s.servers = append(s.servers, r.URL.Scheme+" "+r.URL.Host)
	resp := &http.Response{StatusCode: 200, Header: http.Header{"Date": {time.Now().Add(s.clock).UTC().Format(http.TimeFormat)}}}
	if s.always || s.refuse != "" && (time.Until(signed)-s.clock).Abs() > time.Minute {
		resp.StatusCode = cmp.Or(s.status, 403)
		resp.Body = io.NopCloser(strings.NewReader("<Error><Code>" + s.refuse + "</Code></Error>"))
	}
	if s.edit != nil {
		s.edit(resp)
	}
	return resp, nil
}

func TestClockSkewRules(t *testing.T) {
	const m = time.Minute
	header := func(name, value string) func(*http.Response) {
		return func(r *http.Response) { r.Header.Set(name, value) }
	}
	errorType := func(code string) func(*http.Response) {
		return func(r *http.Response) {
			if r.StatusCode != 200 {
				r.Body = io.NopCloser(strings.NewReader(`{"message":"no"}`))
				r.Header.Set("X-Amzn-Errortype", code+":http://internal.amazon.com/")
			}
		}
	}
	for _, test := range []struct {
		name   string
		server skewedServer
		tr     *Transport // nil: the zero value
		env    string
		once   bool            // the body can't be sent again
		want   []time.Duration // the times of the first request, and of the second
		next   []time.Duration
	}{
		{name: "RequestTimeTooSkewed", server: skewedServer{clock: 20 * m, refuse: "RequestTimeTooSkewed"}, want: []time.Duration{0, 20 * m}, next: []time.Duration{20 * m}},
		{name: "RequestExpired", server: skewedServer{clock: 5 * m, refuse: "RequestExpired", status: 400}, want: []time.Duration{0, 5 * m}, next: []time.Duration{5 * m}},
		{name: "RequestInTheFuture", server: skewedServer{clock: -5 * m, refuse: "RequestInTheFuture"}, want: []time.Duration{0, -5 * m}, next: []time.Duration{-5 * m}},
		{name: "InvalidSignatureException", server: skewedServer{clock: 20 * m, refuse: "-", edit: errorType("InvalidSignatureException")}, want: []time.Duration{0, 20 * m}, next: []time.Duration{20 * m}},
		{name: "SignatureDoesNotMatch", server: skewedServer{clock: 20 * m, refuse: "SignatureDoesNotMatch"}, want: []time.Duration{0, 20 * m}, next: []time.Duration{20 * m}},
		{name: "AuthFailure", server: skewedServer{clock: 20 * m, refuse: "AuthFailure", status: 401}, want: []time.Duration{0, 20 * m}, next: []time.Duration{20 * m}},
		{name: "AccessDeniedException", server: skewedServer{clock: 20 * m, refuse: "AccessDeniedException", status: 400}, want: []time.Duration{0, 20 * m}, next: []time.Duration{20 * m}},
		{name: "no code", server: skewedServer{clock: 20 * m, refuse: " "}, want: []time.Duration{0, 20 * m}, next: []time.Duration{20 * m}},
		{name: "no code, 400", server: skewedServer{clock: 20 * m, refuse: " ", status: 400}, want: []time.Duration{0}},
		{name: "another code", server: skewedServer{clock: 20 * m, refuse: "AccessDenied"}, want: []time.Duration{0}, next: []time.Duration{0}},
		{name: "another status", server: skewedServer{clock: 20 * m, refuse: "RequestTimeTooSkewed", status: 404}, want: []time.Duration{0}},
		{name: "not refused", server: skewedServer{clock: 20 * m}, want: []time.Duration{0}, next: []time.Duration{0}},
		{name: "three minutes", server: skewedServer{clock: 3 * m, refuse: "RequestTimeTooSkewed"}, want: []time.Duration{0}},
		{name: "Age", server: skewedServer{clock: 20 * m, refuse: "RequestTimeTooSkewed", edit: header("Age", "0")}, want: []time.Duration{0}, next: []time.Duration{0}},
		{name: "no Date", server: skewedServer{clock: 20 * m, refuse: "RequestTimeTooSkewed", edit: header("Date", "")}, want: []time.Duration{0}},
		{name: "bad Date", server: skewedServer{clock: 20 * m, refuse: "RequestTimeTooSkewed", edit: header("Date", "2026-01-01")}, want: []time.Duration{0}},
		{name: "off", server: skewedServer{clock: 20 * m, refuse: "RequestTimeTooSkewed"}, tr: &Transport{NoSkewCorrection: true}, want: []time.Duration{0}},
		{name: "off by the environment", server: skewedServer{clock: 20 * m, refuse: "RequestTimeTooSkewed"}, env: "True", want: []time.Duration{0}},
		{name: "not off by the environment", server: skewedServer{clock: 20 * m, refuse: "RequestTimeTooSkewed"}, env: "false", want: []time.Duration{0, 20 * m}},
		{name: "Attempts is 1", server: skewedServer{clock: 20 * m, refuse: "RequestTimeTooSkewed"}, tr: &Transport{Attempts: 1}, want: []time.Duration{0, 20 * m}},
		{name: "Date of a proxy", server: skewedServer{clock: 20 * m, refuse: "SignatureDoesNotMatch", always: true}, want: []time.Duration{0, 20 * m}, next: []time.Duration{0, 20 * m}},
		{name: "refused for good", server: skewedServer{clock: 20 * m, refuse: "RequestTimeTooSkewed", always: true}, want: []time.Duration{0, 20 * m}, next: []time.Duration{0, 20 * m}},
		{name: "not again, certain", server: skewedServer{clock: 20 * m, refuse: "RequestTimeTooSkewed"}, once: true, want: []time.Duration{0}, next: []time.Duration{20 * m}},
		{name: "not again, uncertain", server: skewedServer{clock: 20 * m, refuse: "SignatureDoesNotMatch"}, once: true, want: []time.Duration{0}, next: []time.Duration{0}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("AWS_DISABLE_CLOCK_SKEW_CORRECTION", test.env)
			synctest.Test(t, func(t *testing.T) {
				tr := test.tr
				if tr == nil {
					tr = new(Transport)
				}
				tr.Base, tr.Signer = &test.server, &Signer{Service: "s3", Region: "eu-west-1", Credentials: testKeys}
				send := func(want []time.Duration) {
					test.server.signed = nil
					req, _ := http.NewRequest("PUT", "https://h.example/k", strings.NewReader("x"))
					if test.once {
						req.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
						req.Body, req.GetBody = io.NopCloser(readOnceBody("x")), nil
					}
					resp, err := tr.RoundTrip(req)
					if err != nil || !slices.Equal(test.server.signed, want) {
						t.Errorf("signed at %v, want %v: %v, %v", test.server.signed, want, resp, err)
					}
				}
				send(test.want)
				if test.next != nil {
					send(test.next)
				}
			})
		})
	}
}

// What one server says of the time counts for that server alone, and plain http
// does not speak for https.
func TestClockSkewIsPerServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &skewedServer{clock: 20 * time.Minute, refuse: "RequestTimeTooSkewed"}
		tr := &Transport{Base: s, Signer: &Signer{Service: "s3", Region: "eu-west-1", Credentials: testKeys}}
		for _, u := range []string{"http://rogue.example/", "http://rogue.example/again"} {
			req, _ := http.NewRequest("GET", u, nil)
			if _, err := tr.RoundTrip(req); err != nil {
				t.Fatal(err)
			}
		}
		s.refuse, s.signed = "", nil
		for _, u := range []string{"http://rogue.example/", "https://rogue.example/", "http://rogue.example:81/", "https://other.example/"} {
			req, _ := http.NewRequest("GET", u, nil)
			if _, err := tr.RoundTrip(req); err != nil {
				t.Fatal(err)
			}
		}
		if want := []time.Duration{20 * time.Minute, 0, 0, 0}; !slices.Equal(s.signed, want) {
			t.Errorf("signed at %v, want %v", s.signed, want)
		}
	})
}

// A known skew is corrected by every reply that tells the time.
func TestClockSkewHeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const m = time.Minute
		s := &skewedServer{clock: 20 * m, refuse: "RequestTimeTooSkewed"}
		tr := &Transport{Base: s, Signer: &Signer{Service: "s3", Region: "eu-west-1", Credentials: testKeys}}
		send := func(want ...time.Duration) {
			t.Helper()
			s.signed = nil
			req, _ := http.NewRequest("GET", "https://h.example/", nil)
			if _, err := tr.RoundTrip(req); err != nil || !slices.Equal(s.signed, want) {
				t.Errorf("signed at %v, want %v: %v", s.signed, want, err)
			}
		}
		send(0, 20*m)
		s.refuse = ""
		s.clock = 19*m + 30*time.Second
		send(20 * m) // a drift that is left alone
		send(20 * m)
		s.clock = 10 * m
		s.edit = func(r *http.Response) { r.Header.Set("Age", "600") }
		send(20 * m)
		send(20 * m)
		s.edit = func(r *http.Response) { r.StatusCode = 404 }
		send(20 * m)
		s.edit = nil
		send(10 * m)
		s.clock = 2 * m
		send(10 * m)
		send(0)
		if len(tr.skews.m) != 0 {
			t.Error("a skew is kept of a server that has none")
		}

		// A reply that proves nothing: the server was not asked.
		s.clock, s.refuse = 20*m, "RequestTimeTooSkewed"
		busy := 0
		s.edit = func(r *http.Response) {
			if r.StatusCode == 200 {
				r.StatusCode = 503
				if busy++; busy == 2 {
					s.always = true // and then refuses
				}
			}
		}
		send(0, 20*m, 20*m, 20*m)
		if len(tr.skews.m) != 0 {
			t.Error("learnt from a 503")
		}
	})
}

// A reply that took long may have been dated at any time in between.
func TestClockSkewOfSlowReplies(t *testing.T) {
	const m = time.Minute
	for _, test := range []struct {
		before, after time.Duration // of the reply's date, in its way
		want          time.Duration
		ok            bool
	}{
		{0, 0, 0, true},
		{10 * m, 0, 0, true}, // dated as it began
		{0, 10 * m, 0, true},
		{5 * m, 5 * m, 0, true},
		{0, 15 * m, 0, true},
		{0, 15*m + 1, 0, false},
		{15 * m, m, 0, false},
		{10 * m, -30 * m, 0, false}, // it was before it began: the clock was set
		{-20 * m, 20 * m, -20 * m, true},
		{-20 * m, 30 * m, -20 * m, true},
		{30 * m, -20 * m, 20 * m, true},
		{20 * m, -10 * m, 10 * m, true},
	} {
		date := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		e := exchange{s: &Signer{Now: func() time.Time { return date.Add(test.after) }}, began: date.Add(-test.before)}
		got, ok := e.measure(&http.Response{Header: http.Header{"Date": {date.Format(http.TimeFormat)}}})
		if ok != test.ok || got != test.want {
			t.Errorf("%v before, %v after: %v, %v", test.before, test.after, got, ok)
		}
	}
}

// The expiry of credentials is judged by the server's clock, as the server does.
func TestClockSkewAndExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const m = time.Minute
		creds := testKeys
		for _, c := range []struct {
			clock, life time.Duration
			ok          bool
		}{{-20 * m, -10 * m, true}, {-20 * m, -30 * m, false}, {20 * m, 10 * m, false}, {20 * m, 30 * m, true}} {
			s := &skewedServer{clock: c.clock, refuse: "RequestTimeTooSkewed"}
			tr := &Transport{Base: s, Signer: &Signer{Service: "s3", Region: "eu-west-1", Credentials: ProviderFunc(func(context.Context) (Credentials, error) { return creds, nil })}}
			send := func() error {
				req, _ := http.NewRequest("GET", "https://h.example/", nil)
				_, err := tr.RoundTrip(req)
				return err
			}
			creds.Expires = time.Time{}
			if err := send(); err != nil {
				t.Fatal(err)
			}
			creds.Expires = time.Now().Add(c.life)
			if err := send(); (err == nil) != c.ok {
				t.Errorf("clock %v, life %v: %v", c.clock, c.life, err)
			}
		}
	})
}

// What was learnt of a clock does not outlast the error of that clock, where by it
// the credentials seem to have expired.
func TestClockSkewHealsBeyondExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &skewedServer{clock: 3 * time.Hour, refuse: "RequestTimeTooSkewed"}
		creds := testKeys
		tr := &Transport{Base: s, Signer: &Signer{Service: "s3", Region: "eu-west-1", Credentials: ProviderFunc(func(context.Context) (Credentials, error) { return creds, nil })}}
		for _, life := range []time.Duration{6 * time.Hour, time.Hour, time.Hour} {
			creds.Expires = time.Now().Add(life)
			req, _ := http.NewRequest("GET", "https://h.example/", nil)
			if _, err := tr.RoundTrip(req); err != nil {
				t.Errorf("keys for %v: %v", life, err)
			}
			s.clock = 0
		}
	})
}
