package awsauth

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A sentSignature is what a request says of its own signature.
type sentSignature struct {
	presigned                            bool
	algorithm, keyID, scope, date, token string
	service, region                      string
	names                                []string // of the signed headers, in lower case
	signature                            string
	expires                              time.Duration // of a presigned URL
}

// readSignature returns the signature that req has, nil if there is none.
func readSignature(req *http.Request) *sentSignature {
	if auth := req.Header.Get("Authorization"); strings.HasPrefix(auth, "AWS4-") {
		s := &sentSignature{
			date:  req.Header.Get("X-Amz-Date"),
			token: cmp.Or(req.Header.Get("X-Amz-Security-Token"), req.Header.Get("X-Amz-S3session-Token")),
		}
		var rest string
		s.algorithm, rest, _ = strings.Cut(auth, " ")
		for part := range strings.SplitSeq(rest, ",") {
			switch name, value, _ := strings.Cut(strings.TrimSpace(part), "="); name {
			case "Credential":
				s.readCredential(value, req.Header.Get("X-Amz-Region-Set"))
			case "SignedHeaders":
				s.names = strings.Split(strings.ToLower(value), ";")
			case "Signature":
				s.signature = value
			}
		}
		return s
	}
	query := req.URL.Query()
	if !query.Has("X-Amz-Signature") {
		return nil
	}
	seconds, _ := strconv.ParseUint(query.Get("X-Amz-Expires"), 10, 32)
	s := &sentSignature{
		presigned: true,
		algorithm: query.Get("X-Amz-Algorithm"),
		date:      query.Get("X-Amz-Date"),
		token:     cmp.Or(query.Get("X-Amz-Security-Token"), query.Get("X-Amz-S3session-Token")),
		names:     strings.Split(strings.ToLower(query.Get("X-Amz-SignedHeaders")), ";"),
		signature: query.Get("X-Amz-Signature"),
		expires:   time.Duration(seconds) * time.Second,
	}
	s.readCredential(query.Get("X-Amz-Credential"), query.Get("X-Amz-Region-Set"))
	return s
}

// readCredential reads ID/day/region/service/aws4_request. That of SigV4A has no
// region.
func (s *sentSignature) readCredential(credential, regionSet string) {
	parts := strings.Split(credential, "/")
	at := len(parts) - 4
	if s.algorithm == algorithm4A {
		at++
	}
	if at < 1 {
		s.keyID = credential
		return
	}
	s.keyID, s.scope = strings.Join(parts[:at], "/"), strings.Join(parts[at:], "/")
	s.service, s.region = parts[len(parts)-2], regionSet
	if s.algorithm != algorithm4A {
		s.region = parts[at+1]
	}
}

// day is that of the credential scope.
func (s *sentSignature) day() string {
	day, _, _ := strings.Cut(s.scope, "/")
	return day
}

func (s *sentSignature) where() string {
	if s.presigned {
		return "the query"
	}
	return "the Authorization header"
}

// headerValues returns the values of a header of req.
func headerValues(req *http.Request, name string) []string {
	switch name {
	case "host", "content-length", "transfer-encoding": // which net/http writes
		return []string{""}
	}
	for key, values := range req.Header {
		if strings.EqualFold(key, name) {
			return values
		}
	}
	return nil
}

// stages makes the canonical request and the string to sign of req again, with
// the last line given where req doesn't tell it: what a [Verifier] would make of req
// as net/http sends it.
func (s *sentSignature) stages(req *http.Request, payload string) (canonical, toSign string, err error) {
	host, err := new(message).wireHost(req.URL, req.Host)
	if err != nil {
		return "", "", err
	}
	arrived := &http.Request{Method: req.Method, URL: req.URL, Host: host, Header: make(http.Header), ContentLength: req.ContentLength}
	for key, values := range req.Header {
		arrived.Header[http.CanonicalHeaderKey(key)] = values
	}
	c := &verification{req: arrived}
	c.Service, c.Presigned, c.SignedHeaders = s.service, s.presigned, s.names
	c.Payload = Payload(cmp.Or(s.payload(req), payload))
	refusal := c.readURI()
	if refusal == nil {
		_, refusal = c.appendCanonical()
	}
	if refusal != nil {
		return "", "", refusal
	}
	canonical = string(c.buf)
	sum := sha256.Sum256(c.buf)
	toSign = s.algorithm + "\n" + s.date + "\n" + s.scope + "\n" + hex.EncodeToString(sum[:])
	return s.hider().Replace(canonical), toSign, nil
}

// payload returns the last line of the canonical request, "" where it can't be
// known.
func (s *sentSignature) payload(req *http.Request) string {
	if values := headerValues(req, "x-amz-content-sha256"); len(values) > 0 {
		return strings.Trim(values[0], " \t")
	}
	if s.presigned && s3Family(s.service) {
		return string(UnsignedPayload)
	}
	return bodySum(req)
}

// isHash reports whether the last line of a canonical request is a SHA-256, and not
// a word.
func isHash(payload string) bool {
	_, err := hex.DecodeString(payload)
	return err == nil && len(payload) == len(emptyHash)
}

// bodySum returns the hash of the body, "" where it can't be read again, which
// holds for an io.Seeker too: nothing tells where it began.
func bodySum(req *http.Request) string {
	if req.Body == nil || req.Body == http.NoBody {
		return emptyHash
	}
	if req.GetBody == nil {
		return ""
	}
	body, err := req.GetBody()
	if err != nil || body == nil {
		return ""
	}
	defer body.Close()
	hash := sha256.New()
	n, err := io.Copy(hash, contextReader{req.Context(), io.LimitReader(body, maxBuffer+1)})
	if err != nil || n > maxBuffer {
		return ""
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// hider puts words in the place of the signature and of the session token.
func (s *sentSignature) hider() *strings.Replacer {
	var pairs []string
	add := func(secret, words string) {
		if len(secret) >= 8 { // what is shorter is a test's, and may be anywhere
			pairs = append(pairs, secret, words)
			if escaped := string(appendEscaped(nil, secret, 0)); escaped != secret {
				pairs = append(pairs, escaped, words)
			}
		}
	}
	add(s.signature, "(the signature, not shown)")
	add(s.token, fmt.Sprintf("(%d bytes, not shown)", len(s.token)))
	return strings.NewReplacer(pairs...)
}
