package awsauth

import (
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	algorithm4 = "AWS4-HMAC-SHA256"
	dateFormat = "20060102T150405Z"
)

// Sign4 signs req with Signature Version 4 (AWS4-HMAC-SHA256): it sets the
// headers X-Amz-Date, Authorization and, where they apply, X-Amz-Security-Token
// and X-Amz-Content-Sha256. Call it last before the request is sent.
//
// A body that can be read only once is read into memory, up to 32 MiB, and Body
// and GetBody are set from there; ContentLength is set to what was read, where the
// request has no trailers. Host and
// URL are set where net/http would otherwise send what servers read differently
// from each other; the URL that was given is not written to.
//
// A request that was signed before is signed as a new one. The digest in
// X-Amz-Content-Sha256 that S3 signing left is then made again where the body
// can be read again; one that the caller set can't be told from it.
//
// Credentials given here are used in place of s.Credentials: one Provider, or
// several that are asked in order as a [Chain] does. An error leaves the
// request as it was.
//
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
func (s *Signer) Sign4(req *http.Request, creds ...Provider) error {
	return s.signHeaders(req, creds, algorithm4)
}

// signHeaders signs with one algorithm, or with "" for the one that the region wants.
func (s *Signer) signHeaders(req *http.Request, creds []Provider, algorithm string) error {
	st := s.state()
	m := st.message()
	defer st.free(m)
	if err := m.signHeaders(s, req, creds, algorithm); err != nil {
		return err
	}
	m.assignHeaders()
	return nil
}

// signHeaders goes through all that can fail, and leaves in m what to assign.
func (m *message) signHeaders(s *Signer, req *http.Request, creds []Provider, algorithm string) error {
	if err := m.read(s, req, false); err != nil {
		return err
	}
	if err := m.choose(algorithm); err != nil {
		return err
	}
	if err := m.retrieve(s, req, creds); err != nil || m.creds.anonymous() {
		return err
	}
	if err := m.hashPayload(s.Payload, false); err != nil {
		return err
	}
	m.signHeadersAt(s.state(), s.now())
	return nil
}

// choose settles the algorithm: the one given, or the one that the region wants.
func (m *message) choose(algorithm string) error {
	set := strings.ContainsAny(m.region, "*,")
	switch {
	case set && algorithm == algorithm4:
		return fmt.Errorf("awsauth: %q is a region set, and Signature Version 4 signs for one region: use Sign or Sign4A, or set Signer.Region to one region", m.region)
	case algorithm != "":
		m.algorithm = algorithm
	case set:
		m.algorithm = algorithm4A
	default:
		m.algorithm = algorithm4
	}
	return nil
}

// signHeadersAt signs what m holds, as of now.
func (m *message) signHeadersAt(st *state, now time.Time) {
	m.date = st.date(now)
	m.addField("Host", m.host)
	m.addField("X-Amz-Date", m.date)
	if m.algorithm == algorithm4A {
		m.addField("X-Amz-Region-Set", m.region)
	}
	if m.creds.SessionToken != "" {
		m.addField(m.tokenName(), m.creds.SessionToken)
	}
	if m.sendPayload {
		m.addField("X-Amz-Content-Sha256", m.payload)
	}
	m.sign(st)

	// One string holds all that becomes header values.
	start := len(m.buf)
	m.buf = append(m.buf, m.algorithm...)
	m.buf = append(m.buf, " Credential="...)
	m.buf = append(m.buf, m.creds.AccessKeyID...)
	m.buf = append(m.buf, '/')
	m.buf = m.appendScope(m.buf)
	m.buf = append(m.buf, ", SignedHeaders="...)
	m.buf = append(m.buf, m.signed...)
	m.buf = append(m.buf, ", Signature="...)
	m.buf = append(m.buf, m.signature...)
	m.authorization = string(m.buf[start:])
}

// sign takes m through its stages: canonical request, string to sign, signature.
func (m *message) sign(st *state) {
	m.buf = m.appendCanonical(m.buf[:0])
	m.canonical = len(m.buf)
	sum := sha256.Sum256(m.buf)

	m.buf = append(m.buf, m.algorithm...)
	m.buf = append(m.buf, '\n')
	m.buf = append(m.buf, m.date...)
	m.buf = append(m.buf, '\n')
	m.buf = m.appendScope(m.buf)
	m.buf = append(m.buf, '\n')
	m.buf = hex.AppendEncode(m.buf, sum[:])
	m.toSign = len(m.buf)

	if m.algorithm == algorithm4A {
		m.sign4A(st)
		return
	}
	key := st.key(keyID{secret: m.creds.SecretAccessKey, day: m.date[:8], region: m.region, service: m.service})
	m.key = key
	mac := key.macs.Get().(hash.Hash)
	mac.Write(m.buf[m.canonical:])
	mac.Sum(m.sum[:0])
	mac.Reset()
	key.macs.Put(mac)
	m.signature = hex.AppendEncode(m.signature[:0], m.sum[:])
}

// appendScope appends the credential scope. That of SigV4A has no region.
func (m *message) appendScope(b []byte) []byte {
	b = append(b, m.date[:8]...)
	b = append(b, '/')
	if m.algorithm == algorithm4 {
		b = append(b, m.region...)
		b = append(b, '/')
	}
	b = append(b, m.service...)
	return append(b, "/aws4_request"...)
}

// A keyID is all that a signing key depends on. The secret is part of it: an
// access key ID whose secret was changed must not meet the old key.
type keyID struct {
	secret               string
	day, region, service string // AWS4-HMAC-SHA256 alone
	accessKeyID          string // AWS4-ECDSA-P256-SHA256 alone
}

// A signingKey is a derived key, ready for use.
type signingKey struct {
	id    keyID
	macs  sync.Pool         // of hash.Hash, for AWS4-HMAC-SHA256
	ecdsa *ecdsa.PrivateKey // for AWS4-ECDSA-P256-SHA256
}

// maxKeys bounds each of the two generations of a key cache.
const maxKeys = 1024

// A keyCache keeps derived signing keys. When the young generation is full it
// becomes the old one, and what is not asked for again is gone at the next turn.
type keyCache struct {
	last atomic.Pointer[signingKey] // the last that was used

	mu         sync.RWMutex // guards the maps
	young, old map[keyID]*signingKey
}

func (c *keyCache) key(id keyID) *signingKey {
	if key := c.last.Load(); key != nil && key.id == id {
		return key
	}
	key := c.find(id)
	c.last.Store(key)
	return key
}

func (c *keyCache) find(id keyID) *signingKey {
	c.mu.RLock()
	key := c.young[id]
	c.mu.RUnlock()
	if key != nil {
		return key
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	if key = c.young[id]; key != nil {
		return key
	}
	if key = c.old[id]; key == nil {
		// The strings may be parts of larger ones.
		id = keyID{strings.Clone(id.secret), strings.Clone(id.day), strings.Clone(id.region), strings.Clone(id.service), strings.Clone(id.accessKeyID)}
		if id.accessKeyID == "" {
			key = deriveKey(id)
		} else {
			key = deriveKey4A(id)
		}
	}
	if c.young == nil || len(c.young) >= maxKeys {
		c.young, c.old = make(map[keyID]*signingKey), c.young
	}
	c.young[id] = key
	return key
}

func deriveKey(id keyID) *signingKey {
	key := hmacSHA256([]byte("AWS4"+id.secret), []byte(id.day))
	key = hmacSHA256(key, []byte(id.region))
	key = hmacSHA256(key, []byte(id.service))
	key = hmacSHA256(key, []byte("aws4_request"))
	return &signingKey{id: id, macs: sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}}
}

func hmacSHA256(key, data []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(data)
	return mac.Sum(nil)
}
