// Package awsauthtest has what AWS credentials are asked of, as servers for
// tests: [EC2Metadata], [Container] and [STS]. Each answers as the real thing does
// and refuses what it refuses; each begins with good keys, and its fields and a
// [Fault] make it worse.
//
//	fake := awsauthtest.NewEC2Metadata()
//	defer fake.Close()
//	role := &awsauth.EC2Role{Endpoint: fake.URL}
//	keys, err := role.Retrieve(ctx) // keys are fake.Credentials
//
// A fake is safe for many goroutines. Its fields may be set freely before the
// first request; after that, in a call of [Server.Change].
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

// A Server is what the fakes have in common.
type Server struct {
	// URL is the server's address, of the form http://127.0.0.1:port.
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

// maxRequest is more than any request to a fake has.
const maxRequest = 1 << 20

// start serves answer. It is called with s.mu held, so that it may read and
// write the fake's fields.
func (s *Server) start(answer http.HandlerFunc) {
	s.http = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
		if err != nil {
			http.Error(w, "the request can't be read", http.StatusBadRequest)
			return
		}
		again := func() io.ReadCloser { return io.NopCloser(bytes.NewReader(body)) }
		// A form is parsed for the fake and for the test that asks for requests.
		// A form that can't be parsed lacks a part, and is refused for that.
		r.Body = again()
		r.ParseForm()
		r.Body = again()

		s.mu.Lock()
		kept := r.Clone(context.Background())
		kept.Body = again()
		s.requests = append(s.requests, kept)
		fault := s.Fault
		s.mu.Unlock()
		if fault != nil && fault(w, r) { // a fault may take its time
			return
		}

		// What is written to rec can't block, whatever the client does.
		rec := httptest.NewRecorder()
		s.mu.Lock()
		answer(rec, r)
		s.mu.Unlock()
		for name, values := range rec.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(rec.Code)
		w.Write(rec.Body.Bytes())
	}))
	s.http.Config.ErrorLog = log.New(io.Discard, "", 0) // faults are no news
	s.http.Start()
	s.URL = s.http.URL
}

// Close ends the server and the requests that are under way.
func (s *Server) Close() {
	s.http.CloseClientConnections()
	s.http.Close()
}

// Change calls f, which may set fields of the fake, while no request reads them.
func (s *Server) Change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// Requests returns the requests that came so far, those that a Fault answered
// included. Their Form is parsed and their Body can be read, once.
func (s *Server) Requests() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Transport returns a transport that takes every request to this server, whatever
// host its URL names: for a source that asks an address of AWS's own. The Host
// header stays as it is, and so does a signature.
func (s *Server) Transport() http.RoundTripper { return transport{s} }

type transport struct{ server *Server }

func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	u, err := url.Parse(t.server.URL)
	if err != nil {
		return nil, err
	}
	sent := req.Clone(req.Context())
	if sent.Host == "" {
		sent.Host = req.URL.Host
	}
	sent.URL.Scheme, sent.URL.Host = u.Scheme, u.Host
	return t.server.http.Client().Transport.RoundTrip(sent)
}

func (s *Server) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

// expiration is how the services write the end of keys, to the second. Keys
// without one end after life.
func (s *Server) expiration(c awsauth.Credentials, life time.Duration) string {
	end := c.Expires
	if end.IsZero() {
		end = s.now().Add(life)
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
