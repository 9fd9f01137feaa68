package awsauth

import (
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"hash"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	algorithm4 = "AWS4-HMAC-SHA256"
	dateFormat = "20060102T150405Z"
)

// Sign4 signs req with Signature Version 4 (AWS4-HMAC-SHA256): it sets the
// headers X-Amz-Date, Authorization and, where they apply, X-Amz-Security-Token
// (to S3 Express X-Amz-S3session-Token) and X-Amz-Content-Sha256. Call it last before
// the request is sent.
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
	return s.signHeaders(req, creds, algorithm4, nil)
}

// signHeaders signs with one algorithm, or with "" for the one that the region wants.
// derive4A is deriveKey4A, or nil where SigV4A is out of the question.
func (s *Signer) signHeaders(req *http.Request, creds []Provider, algorithm string, derive4A deriveFunc) error {
	st := s.state()
	m := st.message()
	err := m.signHeaders(s, req, creds, algorithm, derive4A)
	if err == nil {
		m.assignHeaders()
	}
	st.free(m)
	return err
}

// signHeaders goes through all that can fail, and leaves in m what to assign.
func (m *message) signHeaders(s *Signer, req *http.Request, creds []Provider, algorithm string, derive4A deriveFunc) error {
	if err := m.read(s, req, false); err != nil {
		return err
	}
	if err := m.choose(algorithm, derive4A); err != nil {
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
func (m *message) choose(algorithm string, derive4A deriveFunc) error {
	if m.regionSet && algorithm == algorithm4 {
		return fmt.Errorf("awsauth: %q is a region set, and Signature Version 4 signs for one region: use Sign or Sign4A, for a URL Presign4A, or set Signer.Region to one region", m.region)
	}
	m.algorithm, m.derive = algorithm4, deriveKey
	if m.regionSet || algorithm == algorithm4A {
		m.algorithm, m.derive = algorithm4A, derive4A
	}
	return nil
}

// signHeadersAt signs what m holds, as of now.
func (m *message) signHeadersAt(st *state, now time.Time) {
	m.date = st.date(now)
	m.setKey(st)
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
	m.listSigned()
	m.sign()

	const signature = ", Signature="
	var b strings.Builder
	b.Grow(len(m.authorizes) + len(m.signed) + len(signature) + len(m.signature))
	b.WriteString(m.authorizes) // most of it comes with the key
	b.Write(m.signed)
	b.WriteString(signature)
	b.Write(m.signature)
	m.authorization = b.String()
}

// sign takes m through its stages: canonical request, string to sign, signature. The
// signed headers are listed.
func (m *message) sign() {
	b := m.appendCanonical(m.buf[:0])
	m.canonical = len(b)
	sum := sha256.Sum256(b)

	b = append(b, m.algorithm...)
	b = append(b, '\n')
	b = append(b, m.date...)
	b = append(b, '\n')
	b = append(b, m.scope()...)
	b = append(b, '\n')
	b = appendHex(b, &sum)
	m.toSign = len(b)
	m.buf = b

	m.signature = m.key.sign(m.signature[:0], b[m.canonical:])
}

// setKey sets the signing key and the credential. The scope of SigV4A has no region.
func (m *message) setKey(st *state) {
	if m.algorithm == algorithm4A {
		m.key = st.key(keyID{secret: m.creds.SecretAccessKey, accessKeyID: m.creds.AccessKeyID}, m.derive)
		m.credential = m.creds.AccessKeyID + "/" + m.date[:8] + "/" + m.service + "/aws4_request"
		m.authorizes = authorizes(m.algorithm, m.credential)
		return
	}
	if day := m.date[:8]; !m.sameKeys || !m.sameScope || m.key.id.day != day {
		m.key = st.key(keyID{m.creds.SecretAccessKey, m.creds.AccessKeyID, day, m.region, m.service}, m.derive)
	}
	m.credential, m.authorizes = m.key.credential, m.key.authorizes
}

// authorizes returns the Authorization header up to the signed headers.
func authorizes(algorithm, credential string) string {
	return algorithm + " Credential=" + credential + ", SignedHeaders="
}

// scope returns the credential scope.
func (m *message) scope() string { return m.credential[len(m.creds.AccessKeyID)+1:] }

// A keyID is all that a signing key depends on. The secret is part of it: an
// access key ID whose secret was changed must not meet the old key.
type keyID struct {
	secret, accessKeyID  string
	day, region, service string // AWS4-HMAC-SHA256 alone
}

// A signingKey is a derived key, ready for use.
type signingKey struct {
	id keyID

	// For AWS4-HMAC-SHA256: the access key ID and the scope, as they are and encoded
	// for a query, and what begins the Authorization header.
	credential, escaped, authorizes string

	// sign appends the signature of a string to sign, in hex. The key itself is in
	// there: a program without SigV4A is linked without ECDSA.
	sign func(b, toSign []byte) []byte

	public *ecdsa.PublicKey // for AWS4-ECDSA-P256-SHA256
}

// A deriveFunc derives a key.
type deriveFunc func(keyID) *signingKey

// An hmacKey is a key for HMAC-SHA256.
type hmacKey struct {
	key  []byte
	macs sync.Pool // of hash.Hash, used before
}

// sign appends the MAC of a string to sign, in hex.
func (k *hmacKey) sign(b, toSign []byte) []byte {
	mac, ok := k.macs.Get().(hash.Hash)
	if ok {
		mac.Reset()
	} else {
		mac = hmac.New(sha256.New, k.key)
	}
	mac.Write(toSign)
	b = slices.Grow(b, 3*sha256.Size)
	sum := mac.Sum(b[:len(b)+2*sha256.Size])
	k.macs.Put(mac)
	return appendHex(b, (*[sha256.Size]byte)(sum[len(sum)-sha256.Size:]))
}

// maxKeys bounds each of the two generations of a key cache.
const maxKeys = 1024

// A keyCache keeps derived signing keys. When the young generation is full it
// becomes the old one, and what is not asked for again is gone at the next turn.
type keyCache struct {
	mu         sync.RWMutex // guards the maps
	young, old map[keyID]*signingKey
}

func (c *keyCache) key(id keyID, derive deriveFunc) *signingKey {
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
		all := id.secret + id.day + id.region + id.service + id.accessKeyID
		for _, s := range []*string{&id.secret, &id.day, &id.region, &id.service, &id.accessKeyID} {
			*s, all = all[:len(*s)], all[len(*s):]
		}
		key = derive(id)
	}
	if c.young == nil || len(c.young) >= maxKeys {
		c.young, c.old = make(map[keyID]*signingKey), c.young
	}
	c.young[id] = key
	return key
}

func deriveKey(id keyID) *signingKey {
	key := append(append(make([]byte, 0, 64), "AWS4"...), id.secret...)
	for _, part := range [...]string{id.day, id.region, id.service, "aws4_request"} {
		mac := hmac.New(sha256.New, key)
		key = append(key[:0], part...)
		mac.Write(key)
		key = mac.Sum(key[:0])
	}
	credential := id.accessKeyID + "/" + id.day + "/" + id.region + "/" + id.service + "/aws4_request"
	return &signingKey{
		id:         id,
		credential: credential,
		escaped:    string(appendEscaped(make([]byte, 0, 128), credential, 0)),
		authorizes: authorizes(algorithm4, credential),
		sign:       (&hmacKey{key: key}).sign,
	}
}

func hmacSHA256(key, data []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(data)
	return mac.Sum(nil)
}
