// Package awsauth signs plain HTTP requests for AWS, and for everything else
// that verifies AWS signatures, with nothing but the standard library:
//
//	req, err := http.NewRequest("GET", "https://examplebucket.s3.eu-west-1.amazonaws.com/photo.jpg", nil)
//	…
//	err = awsauth.Sign4(req)
//	…
//	resp, err := http.DefaultClient.Do(req)
//
// Keys come from the environment (keys, or the web identity or the container role
// that it points at), else from the role of the EC2 instance; or from a [Provider]
// given to the call or set in a [Signer]. The service and the region come from the
// host name, by lookup in a table of AWS's own endpoints; for a host that is not
// there, set them in a Signer.
//
// [Signer.Presign] makes URLs and [Signer.PresignPost] forms that need no key at
// hand; [StreamingPayload] and its like sign a body while it is sent, and
// [Signer.Events] each message of an event stream. A [Transport] signs all requests
// of a client, again where they are repeated or redirected. On the other side, a
// [Verifier] checks what a server received, and [Diagnose] says why a server refused
// a request.
//
// A signature holds when the server reads from the wire what was signed. Signing
// therefore goes by what net/http will send, over HTTP/1.1 and HTTP/2 alike, and
// where servers would read the URL differently from each other it writes the URL
// in the one form that all of them read the same.
//
// A request belongs to one goroutine while it is signed. Everything else here is
// safe for many.
package awsauth

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// standard serves the package functions. It holds the default chain, which
// every Signer without Credentials uses.
var standard = Signer{Credentials: Chain{Env{}, &EC2Role{}}}

// Sign signs req with the algorithm that its endpoint wants, as [Signer.Sign] does.
// Service and region come from the host; credentials from creds, asked in order,
// or from what the environment has or points at ([Env]) and then the EC2 instance
// role.
func Sign(req *http.Request, creds ...Provider) error { return standard.Sign(req, creds...) }

// Sign4 signs req with Signature Version 4, as [Signer.Sign4] does, with the
// service, region and credentials that [Sign] would take.
func Sign4(req *http.Request, creds ...Provider) error { return standard.Sign4(req, creds...) }

// Sign4A signs req with SigV4A, as [Signer.Sign4A] does, with the service, region
// and credentials that [Sign] would take.
func Sign4A(req *http.Request, creds ...Provider) error { return standard.Sign4A(req, creds...) }

// Presign makes req.URL a presigned URL, as [Signer.Presign] does, with the
// service, region and credentials that [Sign] would take.
func Presign(req *http.Request, expires time.Duration, creds ...Provider) error {
	return standard.Presign(req, expires, creds...)
}

// Presign4A makes req.URL a URL presigned with SigV4A, as [Signer.Presign4A] does, with
// the service, region and credentials that [Sign] would take.
func Presign4A(req *http.Request, expires time.Duration, creds ...Provider) error {
	return standard.Presign4A(req, expires, creds...)
}

// A Signer signs requests. The zero value signs as the package functions do.
//
// It is safe for many goroutines; its fields must not change after the first
// use. It keeps the signing keys that it derived, up to 2,048 of them, so one
// Signer for many requests is faster than many.
type Signer struct {
	// Credentials is asked for keys at every signature.
	// nil: the default chain: Env{}, then an EC2Role that all share.
	Credentials Provider

	// Service is the signing name of the service, such as "s3" or
	// "execute-api". "": from the host.
	Service string

	// Region is the region to sign for. "": from the host; for a host that
	// is not AWS's, where Service is set, AWS_REGION and then
	// AWS_DEFAULT_REGION. For SigV4A it may be a set of regions, such as "*"
	// or "us-east-1,us-west-*".
	Region string

	// Payload is how the body is signed. "": by its SHA-256.
	// An X-Amz-Content-Sha256 header that the caller has set goes before it, but
	// for the word of a stream where Payload is a stream too.
	Payload Payload

	// SkipHeader reports whether to leave a further header unsigned, by its
	// name in canonical form, such as "X-Request-Id". Content-Type, Content-Md5
	// and what begins with X-Amz- are signed whatever it says. nil: none.
	SkipHeader func(name string) bool

	// Now tells the time. nil: time.Now.
	Now func() time.Time

	lazy atomic.Pointer[state]
}

// state is what a Signer keeps between requests.
type state struct {
	keyCache
	messages sync.Pool              // of *message
	second   atomic.Pointer[second] // the last that was signed in
}

// A second is a time, to the second, as X-Amz-Date has it.
type second struct {
	unix int64
	text string
}

// date returns t as X-Amz-Date has it.
func (st *state) date(t time.Time) string {
	last := st.second.Load()
	if last == nil || last.unix != t.Unix() {
		last = &second{t.Unix(), t.UTC().Format(dateFormat)}
		st.second.Store(last)
	}
	return last.text
}

// Sign signs req with the algorithm that its region wants: with SigV4A where the
// region is a set, as the hosts of S3 multi-region access points and of EventBridge
// global endpoints stand for one, and with Signature Version 4 elsewhere. All else
// is as [Signer.Sign4] says.
func (s *Signer) Sign(req *http.Request, creds ...Provider) error {
	return s.signHeaders(req, creds, "", deriveKey4A)
}

func (s *Signer) state() *state {
	st := s.lazy.Load()
	if st == nil {
		st = &state{messages: sync.Pool{New: newMessage}}
		if !s.lazy.CompareAndSwap(nil, st) {
			st = s.lazy.Load()
		}
	}
	return st
}

// Format prints the service and the region, and nothing else. Under a verb that is
// not for pointers fmt would print the Credentials past their own Format.
func (s *Signer) Format(f fmt.State, verb rune) {
	fmt.Fprintf(f, "awsauth.Signer{%q, %q}", s.Service, s.Region)
}

func (s *Signer) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

// A message is one request on its way to a signature: what net/http will send
// of it, and what signing will change in it. The request itself stays as it is
// until an assign method, after the last error.
type message struct {
	job

	// Memory that serves one message after the other. What the request before had in
	// fields, plainHost and key need not be checked again where this one has it too.
	path       []byte  // the canonical URI
	query      []byte  // the query that will be sent
	params     []param // its parts
	paramOrder []int   // where in params they are, by name and value
	fields     []field // the signed headers: the caller's, then those that signing sets
	order      []int   // where in fields they are, by name
	signed     []byte  // their names
	known      int     // how many of fields are the caller's
	plainHost  []byte  // a host that is sent as it stands
	key        *signingKey
	buf        []byte // the stages: buf[:canonical], then buf[canonical:toSign]
	signature  []byte // in hex
	sum        [32]byte
	digest     []byte // of the body, in hex
	hash       bodyHash
}

// A job is what a message holds of its request.
type job struct {
	req    *http.Request
	url    *url.URL // what will be sent: req.URL, or a changed copy
	host   string   // the Host header or :authority
	s3     bool     // the rules of the S3 family hold
	listed bool     // order and signed are of fields

	replaces bool // a header that signing sets is there already
	oddNames bool // and under another spelling

	// What the request before had too: the names of fields, and of key the scope and
	// the key pair.
	sameNames, sameScope, sameKeys bool

	service, region string
	regionSet       bool // region stands for several
	algorithm       string
	derive          deriveFunc // by algorithm
	creds           Credentials

	callerPayload string // an X-Amz-Content-Sha256 of the caller's own
	payload       string // the last line of the canonical request; "": digest is
	sendPayload   bool   // a header says it too
	sized         bool   // size is the length of the body
	size          int64
	buffered      []byte // the body, where it could be read only once
	stream        *stream
	streamHeaders []field // to set, or where they have no value to remove

	date              string // the time, as X-Amz-Date has it
	credential        string // the access key ID and the scope
	authorizes        string // the Authorization header up to the signed headers
	canonical, toSign int    // where these end in buf
	authorization     string
}

// A param is a part of a query, where it is in there. Without a value, equals is end.
type param struct{ start, equals, end int }

// A field is a header, its name in canonical form.
type field struct {
	name, value string
	more        []string // values
	plain       bool     // value is signed as it stands
}

// newMessage returns a message with memory for a request as most are.
func newMessage() any {
	all := new(struct {
		m      message
		fields [12]field
		order  [12]int
		bytes  [1792]byte
	})
	m, b := &all.m, all.bytes[:]
	m.fields, m.order = all.fields[:0], all.order[:0]
	m.buf, m.path, m.signed = b[:0:1280], b[1280:1280:1408], b[1408:1408:1536]
	m.signature, m.plainHost = b[1536:1536:1664], b[1664:1664]
	return m
}

func (st *state) message() *message { return st.messages.Get().(*message) }

// free keeps the message's memory for the next, and of the request no more than a copy
// of the names of its headers: the next mostly has the same, which are then read
// and sorted already.
func (st *state) free(m *message) {
	const most = 64 << 10
	if max(cap(m.buf), cap(m.query), cap(m.path), cap(m.plainHost)) > most || cap(m.params)+cap(m.fields) > most/64 {
		return
	}
	if m.listed && m.streamHeaders == nil && len(m.signed) < 1<<10 {
		if !m.sameNames {
			m.copyNames()
		}
		for i := range m.fields {
			m.fields[i].value, m.fields[i].more = "", nil
		}
	} else {
		clear(m.fields[:cap(m.fields)])
		m.known = 0
	}
	m.job = job{}
	m.path, m.query, m.params, m.fields = m.path[:0], m.query[:0], m.params[:0], m.fields[:0]
	m.digest, m.hash.ctx = m.digest[:0], nil
	st.messages.Put(m)
}

// copyNames makes the caller's names of fields the message's own: the caller may write
// over them, as servers do that reuse their buffers.
func (m *message) copyNames() {
	all := make([]byte, 0, 256)
	for _, f := range m.fields[:m.known] {
		all = append(all, f.name...)
	}
	names := string(all)
	for i := range m.fields[:m.known] {
		n := len(m.fields[i].name)
		m.fields[i].name, names = names[:n], names[n:]
	}
}

// read takes from the request all that is known without credentials and body.
func (m *message) read(s *Signer, req *http.Request, presign bool) error {
	if req == nil || req.URL == nil {
		return errors.New("awsauth: the request has no URL: set Request.URL")
	}
	m.req, m.url = req, req.URL
	if err := m.readURL(); err != nil {
		return err
	}
	if err := m.readScope(s); err != nil {
		return err
	}
	if err := m.readPath(); err != nil {
		return err
	}
	if err := m.readQuery(presign); err != nil {
		return err
	}
	return m.readHeaders(s.SkipHeader, presign)
}

// edit returns the URL to be sent, for a change to it. The caller's own may be
// shared with other requests.
func (m *message) edit() *url.URL {
	if m.url == m.req.URL {
		u := *m.req.URL
		m.url = &u
	}
	return m.url
}

// readScope settles the service and the region.
func (m *message) readScope(s *Signer) error {
	m.service, m.region = s.Service, s.Region
	if m.service == "" || m.region == "" {
		service, region, err := lookup(m.host, m.url.Path)
		if m.service == "" {
			m.service = service
		}
		if m.region == "" {
			m.region = region
		}
		if m.region == "" && m.service != "" && err != nil && !err.AWS {
			m.region = Env{}.trimmed("AWS_REGION", "AWS_DEFAULT_REGION")
		}
		if m.service == "" || m.region == "" {
			return err
		}
	}
	m.s3 = s3Family(m.service)
	if k := m.key; k != nil && k.id.region == m.region && k.id.service == m.service {
		m.sameScope = true
		return nil
	}
	_, ok := scopePart(m.service)
	set, regionOK := scopePart(m.region)
	if m.regionSet = set; !ok || !regionOK || strings.IndexByte(m.service, ',') >= 0 {
		return fmt.Errorf("awsauth: %q and %q can't stand in a credential scope: correct Signer.Service, Signer.Region or AWS_REGION", m.service, m.region)
	}
	return nil
}

// scopePart reports whether s can stand in a credential scope, and whether it would
// be a set there, as a region may be.
func scopePart(s string) (set, ok bool) {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '*' || c == ',':
			set = true
		case c == '/' || c <= ' ' || c >= 0x7f:
			return false, false
		}
	}
	return set, true
}

// s3Family reports whether a service encodes the path once and wants the
// payload hash in a header.
func s3Family(service string) bool {
	switch service {
	case "s3", "s3express", "s3-outposts", "s3-object-lambda":
		return true
	}
	return false
}

// retrieve gets the credentials, and refuses those that can't sign.
func (m *message) retrieve(s *Signer, req *http.Request, given []Provider) (err error) {
	p := s.Credentials
	switch {
	case len(given) == 1 && given[0] != nil:
		p = given[0]
	case len(given) > 0:
		p = Chain(given)
	case p == nil:
		p = standard.Credentials
	}
	if c, explicit := p.(Credentials); explicit {
		m.creds = c
	} else if m.creds, err = p.Retrieve(req.Context()); err != nil {
		return err
	}
	k := m.key
	m.sameKeys = k != nil && k.id.secret == m.creds.SecretAccessKey && k.id.accessKeyID == m.creds.AccessKeyID
	if !m.sameKeys || !printable(m.creds.SessionToken) {
		err = m.creds.check()
	}
	if err == nil && !m.creds.Expires.IsZero() && m.creds.expired(s.now()) {
		err = fmt.Errorf("awsauth: the credentials expired at %s: get new ones", m.creds.Expires.UTC().Format(time.RFC3339))
	}
	return err
}

// assignHeaders puts a header signature into the request.
func (m *message) assignHeaders() {
	h := m.assignCommon()
	if m.creds.anonymous() {
		return
	}
	// One array for all values; each slice ends at its value, so that a later
	// Header.Add does not write into the next.
	all := make([]string, 0, len(m.fields)-m.known)
	set := func(key, value string) {
		all = append(all, value)
		h[key] = all[len(all)-1 : len(all) : len(all)]
	}
	set("Authorization", m.authorization)
	set("X-Amz-Date", m.date)
	if m.algorithm == algorithm4A {
		set("X-Amz-Region-Set", m.region)
	}
	if m.creds.SessionToken != "" {
		set(m.tokenName(), m.creds.SessionToken)
	}
	if m.sendPayload {
		set("X-Amz-Content-Sha256", m.payload)
	}
}

// assignCommon puts into the request what both kinds of signature change, and
// removes what an earlier one left.
func (m *message) assignCommon() http.Header {
	req := m.req
	req.URL = m.url
	if cmp.Or(req.Host, m.url.Host) != m.host {
		req.Host = m.host
	}
	m.assignBody()
	if req.Header == nil {
		req.Header = make(http.Header, 4)
	}
	h := req.Header
	if m.oddNames {
		for key := range h {
			switch http.CanonicalHeaderKey(key) {
			case "Authorization", "X-Amz-Date", "X-Amz-Region-Set", "X-Amz-Security-Token", "X-Amz-S3session-Token", "X-Amz-Content-Sha256":
				delete(h, key)
			}
		}
	}
	if m.replaces {
		delete(h, "Authorization")
		delete(h, "X-Amz-Date")
		delete(h, "X-Amz-Region-Set")
		delete(h, "X-Amz-Security-Token")
		delete(h, "X-Amz-S3session-Token")
		delete(h, "X-Amz-Content-Sha256")
	}
	m.assignStream(h)
	return h
}
