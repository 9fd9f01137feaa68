package awsauth

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const maxExpires = 7 * 24 * time.Hour

// Presign signs req in the query, with Signature Version 4, for one region:
// [Signer.Presign4A] is for a set of them, as the hosts of S3 multi-region access
// points stand for. req.URL becomes a URL that is good for the time given, one
// second to seven days, in whole seconds, without any key at hand. It never outlives the credentials: where they expire sooner, so does
// the URL.
//
// The headers that are set on req are signed and stay on it, and whoever uses the
// URL has to send them as they are; that holds for a Host other than the URL's
// too. The body of a request to S3 is left unsigned, unless X-Amz-Content-Sha256
// is among the headers; for other services, the body that req has is signed, or
// what s.Payload says, in a header to be sent likewise. The parameters of a
// signature that the query has are replaced, and a userinfo in the URL is
// dropped. An error leaves the request as it was.
//
// See https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
func (s *Signer) Presign(req *http.Request, expires time.Duration, creds ...Provider) error {
	return s.signQuery(req, expires, creds, algorithm4, nil)
}

// signQuery signs with one algorithm. derive4A is deriveKey4A, or nil where that is
// not SigV4A.
func (s *Signer) signQuery(req *http.Request, expires time.Duration, creds []Provider, algorithm string, derive4A deriveFunc) error {
	st := s.state()
	m := st.message()
	err := m.presign(s, req, expires, creds, algorithm, derive4A)
	if err == nil {
		m.assignQuery()
	}
	st.free(m)
	return err
}

// presign goes through all that can fail, and leaves in m what to assign.
func (m *message) presign(s *Signer, req *http.Request, expires time.Duration, creds []Provider, algorithm string, derive4A deriveFunc) error {
	if expires < time.Second || expires > maxExpires {
		return errors.New("awsauth: a presigned URL is good for one second to seven days: correct expires, which is " + expires.String())
	}
	if err := m.read(s, req, true); err != nil {
		return err
	}
	if err := m.choose(algorithm, derive4A); err != nil {
		return err
	}
	if err := m.retrieve(s, req, creds); err != nil {
		return err
	}
	if m.creds.anonymous() {
		return errors.New("awsauth: Anonymous can't presign a URL: use the URL as it is, or credentials")
	}
	now := s.now()
	if end := m.creds.Expires; !end.IsZero() {
		if expires = min(expires, end.Sub(now.Round(0))); expires < time.Second {
			return errors.New("awsauth: the credentials expire within a second: get new ones")
		}
	}
	if err := m.hashPayload(s.Payload, true); err != nil {
		return err
	}
	m.presignAt(s.state(), expires, now)
	return nil
}

// presignAt signs what m holds, as of now.
func (m *message) presignAt(st *state, expires time.Duration, now time.Time) {
	m.date = st.date(now)
	m.setKey(st)
	m.addField("Host", m.host)
	if m.sendPayload {
		m.addField("X-Amz-Content-Sha256", m.payload)
	}
	// IoT checks the token apart from the signature.
	tokenLast := m.service == "iotdevicegateway"

	m.addParam("X-Amz-Algorithm", m.algorithm)
	if m.key.escaped != "" {
		m.addParam("X-Amz-Credential", m.key.escaped)
	} else {
		m.addEscaped("X-Amz-Credential", m.credential)
	}
	m.addParam("X-Amz-Date", m.date)
	m.addParam("X-Amz-Expires", string(strconv.AppendInt(m.buf[:0], int64(expires/time.Second), 10)))
	if m.algorithm == algorithm4A {
		m.addEscaped("X-Amz-Region-Set", m.region)
	}
	if m.creds.SessionToken != "" && !tokenLast {
		m.addEscaped(m.tokenName(), m.creds.SessionToken)
	}
	m.listSigned()
	m.addEscaped("X-Amz-SignedHeaders", string(m.signed))

	m.sign()

	m.query = append(m.query, "&X-Amz-Signature="...)
	m.query = append(m.query, m.signature...)
	if m.creds.SessionToken != "" && tokenLast {
		m.addEscaped(m.tokenName(), m.creds.SessionToken)
	}
}

// addParam adds a parameter to the query, with a value that needs no escapes. It is
// not inlined for the reason that addField is not.
//
//go:noinline
func (m *message) addParam(name, value string) {
	q := m.query
	if len(q) > 0 {
		q = append(q, '&')
	}
	p := param{start: len(q)}
	q = append(q, name...)
	p.equals = len(q)
	q = append(q, '=')
	q = append(q, value...)
	p.end = len(q)
	m.params = append(m.params, p)
	m.query = q
}

// addEscaped adds a parameter to the query, with a value that may need escapes.
func (m *message) addEscaped(name, value string) {
	m.addParam(name, "")
	m.query = appendEscaped(m.query, value, 0)
	m.params[len(m.params)-1].end = len(m.query)
}

// isSignatureParam reports whether a parameter belongs to a query signature.
func isSignatureParam(name []byte) bool {
	switch string(name) {
	case "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires",
		"X-Amz-Region-Set", "X-Amz-Security-Token", "X-Amz-S3session-Token", "X-Amz-SignedHeaders", "X-Amz-Signature":
		return true
	}
	return false
}

// assignQuery puts a query signature into the request.
func (m *message) assignQuery() {
	u := m.edit()
	u.RawQuery = string(m.query)
	// The URL is used apart from the request, so it has to lead to the host that
	// was signed; and net/http makes an Authorization header of a userinfo.
	u.User = nil
	if host, err := m.wireHost(u, ""); err == nil && host == m.host && !strings.Contains(u.Host, "%") {
		u.Host = host
	}
	h := m.assignCommon()
	if m.sendPayload {
		h["X-Amz-Content-Sha256"] = []string{m.payload}
	}
}
