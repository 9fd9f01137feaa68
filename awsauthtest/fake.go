// Package awsauthtest stands for AWS in tests, with servers on loopback: [Server]
// takes signed requests, as S3 or in front of a handler; [EC2Metadata], [Container]
// and [STS] are what credentials are asked of. Each answers as the real thing does
// and refuses what it refuses; each begins with good keys, and its fields and a
// [Fault] make it worse.
//
//	fake := awsauthtest.NewServer()
//	defer fake.Close()
//	client := &http.Client{Transport: fake.Transport()} // for requests to AWS's own hosts
//	err := awsauth.Sign4(req, fake.Credentials)
//
// A fake is safe for many goroutines. Its fields may be set freely before the
// first request; after that, in a call of [Fake.Change].
package awsauthtest

import (
	"bytes"
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-awsauth/awsauth"
)

// A Fake is what the fakes have in common.
type Fake struct {
	// URL is the server's address, of the form http://127.0.0.1:port; https for one
	// made with NewTLSServer.
	URL string

	// Fault may answer a request in place of the fake. nil: none.
	Fault Fault

	// Now tells the time: what has expired, and whether a signature is of today.
	// nil: time.Now.
	Now func() time.Time

	mu       sync.Mutex // guards the fields of the fake, too
	requests []*http.Request
	http     *httptest.Server
}

// maxRequest is more than any request to a fake has, but to Server.
const maxRequest = 1 << 20

// start serves answer. It is called with f.mu held, so that it may read and
// write the fake's fields.
func (f *Fake) start(answer http.HandlerFunc) {
	tooLarge := func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "the request can't be read", http.StatusBadRequest)
	}
	f.listen(maxRequest, tooLarge, func(w http.ResponseWriter, r *http.Request) {
		// What is written to rec can't block, whatever the client does.
		rec := httptest.NewRecorder()
		f.mu.Lock()
		answer(rec, r)
		f.mu.Unlock()
		for name, values := range rec.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(rec.Code)
		w.Write(rec.Body.Bytes())
	})
	f.http.Start()
	f.URL = f.http.URL
}

// listen makes a server of answer, which is called without f.mu, and of tooLarge
// for requests with longer bodies than most.
func (f *Fake) listen(most int64, tooLarge, answer http.HandlerFunc) {
	f.http = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, most+1))
		if err != nil || int64(len(body)) > most {
			io.Copy(io.Discard, r.Body) // a client that is still sending may not read the answer
			tooLarge(w, r)
			return
		}
		again := func() io.ReadCloser { return io.NopCloser(bytes.NewReader(body)) }
		// A form is parsed for the fake and for the test that asks for requests.
		// A form that can't be parsed lacks a part, and is refused for that.
		r.Body = again()
		r.ParseForm()
		r.Body = again()

		f.mu.Lock()
		kept := r.Clone(context.Background())
		if kept.Body = again(); len(body) > maxRequest {
			kept.Body = http.NoBody
		}
		f.requests = append(f.requests, kept)
		fault := f.Fault
		f.mu.Unlock()
		if fault != nil && fault(w, r) { // a fault may take its time
			return
		}
		answer(w, r)
	}))
	f.http.Config.ErrorLog = log.New(io.Discard, "", 0) // faults are no news
}

// Close ends the server and the requests that are under way.
func (f *Fake) Close() {
	f.http.CloseClientConnections()
	f.http.Close()
}

// Change calls change, which may set fields of the fake, while no request reads
// them.
func (f *Fake) Change(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// Requests returns the requests that came so far, those that a Fault answered
// included. Their Form is parsed and their Body, as it was sent, can be read once;
// one of more than 1 MiB is not kept.
func (f *Fake) Requests() []*http.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.requests)
}

// Transport returns a transport that takes every request to this server, whatever
// host its URL names: for a source that asks an address of AWS's own. The Host
// header stays as it is, and so does a signature.
func (f *Fake) Transport() http.RoundTripper { return transport{f} }

type transport struct{ fake *Fake }

func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	u, err := url.Parse(t.fake.URL)
	if err != nil {
		return nil, err
	}
	sent := req.Clone(req.Context())
	if sent.Host == "" {
		sent.Host = req.URL.Host
	}
	sent.URL.Scheme, sent.URL.Host = u.Scheme, u.Host
	resp, err := t.fake.http.Client().Transport.RoundTrip(sent)
	if err == nil {
		resp.Request = req
	}
	return resp, err
}

func (f *Fake) now() time.Time {
	if f.Now != nil {
		return f.Now()
	}
	return time.Now()
}

// expiration is how the services write the end of keys, to the second. Keys
// without one end after life.
func (f *Fake) expiration(c awsauth.Credentials, life time.Duration) string {
	end := c.Expires
	if end.IsZero() {
		end = f.now().Add(life)
	}
	return end.UTC().Format(time.RFC3339)
}

// A Fault may answer a request in place of a fake, and reports whether it did.
// It must be safe for many goroutines.
type Fault func(w http.ResponseWriter, r *http.Request) bool

// Status is the [Fault] that answers with a status and a few words of text.
func Status(code int) Fault {
	return func(w http.ResponseWriter, r *http.Request) bool {
		http.Error(w, "FAULT: "+http.StatusText(code), code)
		return true
	}
}

// Reply is the [Fault] that answers with status 200 and a body of your own.
func Reply(body string) Fault {
	return func(w http.ResponseWriter, r *http.Request) bool {
		io.WriteString(w, body)
		return true
	}
}

// Redirect is the [Fault] that sends the client to another URL, with status 307.
func Redirect(to string) Fault {
	return func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, to, http.StatusTemporaryRedirect)
		return true
	}
}

// Times makes a fault that answers the first n requests only. The others reach
// the fake.
func Times(n int, fault Fault) Fault {
	var mu sync.Mutex
	return func(w http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		n--
		mine := n >= 0
		mu.Unlock()
		return mine && fault(w, r)
	}
}

// On makes a fault that answers requests for one path only.
func On(path string, fault Fault) Fault {
	return func(w http.ResponseWriter, r *http.Request) bool { return r.URL.Path == path && fault(w, r) }
}

// Hang is the [Fault] that never answers, until the client gives up or the fake
// is closed.
func Hang(_ http.ResponseWriter, r *http.Request) bool {
	<-r.Context().Done()
	return true
}

// Reset is the [Fault] that breaks the connection.
func Reset(w http.ResponseWriter, _ *http.Request) bool {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(interface{ SetLinger(int) error }); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
	return true
}

// Truncate is the [Fault] that breaks the connection within a reply.
func Truncate(w http.ResponseWriter, _ *http.Request) bool {
	w.Header().Set("Content-Length", "1000")
	io.WriteString(w, `{"Code":"Success","FAULT`)
	return true
}

// Huge is the [Fault] that answers with 16 MiB.
func Huge(w http.ResponseWriter, _ *http.Request) bool {
	part := strings.Repeat("FAULT ", 1<<20/6)
	for range 16 {
		if _, err := io.WriteString(w, part); err != nil {
			break
		}
	}
	return true
}

// testKeys returns the keys that a fake begins with.
func testKeys(name string) awsauth.Credentials {
	return awsauth.Credentials{
		AccessKeyID:     "ASIA" + name + "EXAMPLE",
		SecretAccessKey: "secret-of-" + name,
		SessionToken:    "token-of-" + name,
	}
}
