package awsauth

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// A Verifier checks the signatures of requests as a server received them: those of
// AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256 (SigV4A), in the Authorization header
// or in the query of a presigned URL, with bodies that are hashed, unsigned or
// aws-chunked.
//
// It is safe for many goroutines; its fields must not change after the first use.
// It keeps the keys that it derived, up to 2,048 of them, so one Verifier for many
// requests is faster than many.
//
// What it leaves to its user:
//
//   - Replays. It does not remember signatures: whoever sees a request can send it
//     again until MaxSkew has passed, or the URL has expired. Who remembers them
//     should know that one of SigV4A can be written in several ways.
//   - What is not signed: headers that Verified.SignedHeaders does not name, trailers of
//     HTTP, and a body whose Verified.Payload is UnsignedPayload or
//     StreamingUnsignedPayloadTrailer, with the trailers and checksums of the latter.
//   - What signatures do not tell apart: the order of query parameters that have one
//     name; a header in several lines and one with commas; how much white space a
//     header has; for S3, a slash in the path and %2F, which http.ServeMux does.
//   - The path, for services other than those of S3: their signatures go over it
//     without dot segments and repeated slashes, so that /a/../b passes as /b. Decide by
//     the path without them, as http.ServeMux does. For S3 they are part of the key.
//   - Content-MD5 and checksum headers, which are not held against the body (trailers of
//     an aws-chunked body are), browser forms with a POST policy, and event streams.
type Verifier struct {
	// Lookup returns the credentials that an access key ID stands for. Only the
	// secret, the token and Expires of them count. An error that is
	// [ErrNoCredentials], or credentials without a secret: there are none
	// (InvalidAccessKeyId). Any other error: the request can't be judged
	// (InternalError, which wraps it). Where there is a SessionToken, requests
	// have to bring it; where there is none, they must not bring any.
	//
	// It gets the request's context, and is asked once for each request whose
	// form, scope and time are right. nil: an InternalError for each.
	Lookup func(ctx context.Context, accessKeyID string) (Credentials, error)

	// Service and Region are what requests must be signed for. "": any. The region
	// set of a SigV4A signature has to cover Region.
	Service, Region string

	// MaxSkew is how far the time of a signature may be from now, and how far in
	// the future for a presigned URL. 0: 15 minutes, as AWS has it.
	MaxSkew time.Duration

	// Now tells the time. nil: time.Now.
	Now func() time.Time

	lazy atomic.Pointer[keyCache] // a pointer, which prints without the secrets in it
}

// Format prints the service and the region, and nothing else.
func (v *Verifier) Format(f fmt.State, verb rune) {
	fmt.Fprintf(f, "awsauth.Verifier{%q, %q}", v.Service, v.Region)
}

func (v *Verifier) keys() *keyCache {
	if v.lazy.Load() == nil {
		v.lazy.CompareAndSwap(nil, new(keyCache))
	}
	return v.lazy.Load()
}

// Verified is what a good signature says.
type Verified struct {
	AccessKeyID string
	Service     string
	Region      string // for SigV4A the region set
	Algorithm   string // AWS4-HMAC-SHA256 or AWS4-ECDSA-P256-SHA256
	Time        time.Time
	Presigned   bool
	Expires     time.Time // the end of a presigned URL; zero for others
	// SignedHeaders are the names, in lower case and sorted. All other headers
	// may have been added or changed by anybody.
	SignedHeaders []string
	// Payload is how the body is signed: the SHA-256 in hexadecimal, or a word
	// such as UnsignedPayload.
	Payload Payload
}

// A VerifyError is the refusal of a request, in AWS's words.
type VerifyError struct {
	Code    string // one of AWS's error codes, such as "SignatureDoesNotMatch"
	Message string // in AWS's words, fit for the client

	// What was computed here, as far as it came. S3 shows both to the client on
	// SignatureDoesNotMatch. They hold neither a secret nor a signature that the
	// client has not sent, but the session token that it has sent can be in them:
	// they are for the client alone, and not for logs.
	CanonicalRequest, StringToSign string

	cause error
}

// Error returns the code and the message, and the cause if there is one.
func (e *VerifyError) Error() string {
	s := "awsauth: " + e.Code + ": " + e.Message
	if e.cause != nil {
		s += " (" + e.cause.Error() + ")"
	}
	return s
}

// Unwrap returns what Lookup or the body returned, where that is the reason.
func (e *VerifyError) Unwrap() error { return e.cause }

// Format prints what Error returns, whatever the verb: a session token can be in
// the fields.
func (e *VerifyError) Format(f fmt.State, verb rune) { io.WriteString(f, e.Error()) }

// StatusCode returns the HTTP status that AWS answers with.
func (e *VerifyError) StatusCode() int {
	switch e.Code {
	case codeAccessDenied, codeUnknownKey, codeSignature, codeSkewed, codeChunkSize:
		return http.StatusForbidden
	case codeMissingLength:
		return http.StatusLengthRequired
	case codeInternal:
		return http.StatusInternalServerError
	case codeNotImplemented:
		return http.StatusNotImplemented
	}
	return http.StatusBadRequest
}

// AWS's error codes.
// See https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
const (
	codeAccessDenied    = "AccessDenied"
	codeHeaderMalformed = "AuthorizationHeaderMalformed"
	codeQueryMalformed  = "AuthorizationQueryParametersError"
	codeBadDigest       = "BadDigest"
	codeTooLarge        = "EntityTooLarge"
	codeExpiredToken    = "ExpiredToken"
	codeIncompleteBody  = "IncompleteBody"
	codeInternal        = "InternalError"
	codeUnknownKey      = "InvalidAccessKeyId"
	codeArgument        = "InvalidArgument"
	codeChunkSize       = "InvalidChunkSizeError"
	codeRequest         = "InvalidRequest"
	codeToken           = "InvalidToken"
	codeURI             = "InvalidURI"
	codeTrailer         = "MalformedTrailerError"
	codeMissingLength   = "MissingContentLength"
	codeNotImplemented  = "NotImplemented"
	codeSkewed          = "RequestTimeTooSkewed"
	codeSignature       = "SignatureDoesNotMatch"
	codePayload         = "XAmzContentSHA256Mismatch"
)

func refuse(code, format string, args ...any) *VerifyError {
	return &VerifyError{Code: code, Message: fmt.Sprintf(format, args...)}
}

const (
	defaultSkew = 15 * time.Minute

	// What is read of a request is bounded, whatever the server's own limits are.
	maxURI           = 64 << 10
	maxVerifyParams  = 1000
	maxSignedHeaders = 1000
	maxCredential    = 1 << 10
)

// Verify checks req as it arrived at an [http.Handler]. It goes by RequestURI, so
// that what a mux, [http.StripPrefix] or the like does to the URL is no matter; a
// request without one is taken by its URL. Anything that changes the host or signed
// headers on the way, such as a proxy, breaks the signature.
//
// An error is a *[VerifyError], and the request is then as it was. On success
// req.Body checks what was signed as it is read:
//
//   - With a digest in X-Amz-Content-Sha256, Read returns a *VerifyError in place of
//     io.EOF where the body is not the signed one. An empty body is checked at once.
//   - Of an aws-chunked body (STREAMING-… in X-Amz-Content-Sha256) the data is read,
//     each signed chunk checked before a byte of it is handed out, and the trailer's
//     signature and checksums (CRC32, CRC32C, CRC64NVME, SHA-1, SHA-256) before
//     io.EOF; Trailer then has these trailers alone. ContentLength, TransferEncoding and the
//     headers Content-Length and Content-Encoding say what is decoded. A signed
//     chunk takes up to 16 MiB, and is kept in memory; longer ones are refused.
//   - Without X-Amz-Content-Sha256, which S3 alone demands, the body is read into
//     memory before Verify returns, up to 32 MiB, for whoever names a key ID that
//     Lookup knows: set a limit of your own with [http.MaxBytesReader]. A longer one is
//     an EntityTooLarge.
//
// So act on a body only after it was read to io.EOF. What stops at the end of a value,
// such as a json.Decoder, a multipart.Reader or a gzip.Reader, does not get there: give
// it what io.ReadAll returned. Where the length is known, the last bytes are held back
// until all is checked, so that reading just so many, or passing them on, is as good.
// A presigned URL of S3 leaves its body unsigned, unless X-Amz-Content-Sha256 is sent.
//
// Signed must be Host and every X-Amz-* header that came. The limits of the request
// are those of the server; besides, a URI is taken up to 64 KiB, and up to 1,000
// query parameters and signed headers.
//
// See https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
func (v *Verifier) Verify(req *http.Request) (*Verified, error) {
	c := &verification{req: req}
	if refusal := c.verify(v); refusal != nil {
		refusal.CanonicalRequest = string(c.buf[:c.canonical])
		refusal.StringToSign = string(c.buf[c.canonical:])
		return nil, refusal
	}
	c.assign()
	return &c.Verified, nil
}

// A verification is one request on its way through Verify. The request itself stays
// as it is until assign.
type verification struct {
	Verified
	req       *http.Request
	path      string // as it came
	params    []arrivedParam
	date      string // of the signature, as it is signed
	day       string // of the credential scope
	signature string
	key       verifyKey

	hashed bool          // the body was read for Payload
	body   io.ReadCloser // in place of req.Body; nil: that stays
	chunks *chunkDecoder // of an aws-chunked body

	buf       []byte // the canonical request, and from canonical on the string to sign
	canonical int
}

// verify goes from what costs nothing to what does: no key is looked up for a
// request that is refused anyway, and no body is read for a key that nobody has.
func (c *verification) verify(v *Verifier) *VerifyError {
	now := time.Now()
	if v.Now != nil {
		now = v.Now()
	}
	if err := c.readURI(); err != nil {
		return err
	}
	if err := c.readClaim(); err != nil {
		return err
	}
	if err := c.checkScope(v); err != nil {
		return err
	}
	if err := c.checkTime(now, cmp.Or(v.MaxSkew, defaultSkew)); err != nil {
		return err
	}
	if err := c.checkSignedHeaders(); err != nil {
		return err
	}
	if err := c.readPayload(); err != nil {
		return err
	}
	return c.checkKey(v, now)
}

// readURI takes the path and the query apart.
func (c *verification) readURI() *VerifyError {
	var uri string
	switch req := c.req; {
	case req.RequestURI != "":
		uri = req.RequestURI
	case req.URL != nil:
		uri = req.URL.RequestURI()
	}
	if len(uri) > maxURI {
		return refuse(codeURI, "The URI is longer than %d bytes.", maxURI)
	}
	path, query, _ := strings.Cut(uri, "?")
	if strings.Contains(query, ";") {
		// net/url leaves out a parameter with a bare one, and signatures are the
		// same for %3B: whoever has a presigned URL could hide parameters.
		return refuseURI()
	}
	if !strings.HasPrefix(path, "/") {
		// In absolute form the authority goes before the path. To net/url that of
		// x:y://host/path is no path.
		scheme, rest, ok := strings.Cut(path, "://")
		if !ok || !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
			return refuseURI()
		}
		_, path, _ = strings.Cut(rest, "/")
		path = "/" + path
	}
	c.path = path

	buf := make([]byte, 0, 3*len(query)) // enough: the parts stay where they are
	for part := range strings.SplitSeq(query, "&") {
		if part == "" {
			continue
		}
		if len(c.params) == maxVerifyParams {
			return refuse(codeURI, "The URI has more than %d query parameters.", maxVerifyParams)
		}
		name, value, _ := strings.Cut(part, "=")
		var err error
		start := len(buf)
		if buf, err = appendReescaped(buf, name); err != nil {
			return refuseURI()
		}
		middle := len(buf)
		if buf, err = appendReescaped(buf, value); err != nil {
			return refuseURI()
		}
		c.params = append(c.params, arrivedParam{buf[start:middle], buf[middle:]})
	}
	return nil
}

// An arrivedParam is a parameter of the query, encoded.
type arrivedParam struct{ name, value []byte }

func refuseURI() *VerifyError { return refuse(codeURI, "Couldn't parse the specified URI.") }

// values returns the decoded values of the query parameters called name.
func (c *verification) values(name string) []string {
	var values []string
	for _, p := range c.params {
		if string(p.name) == name {
			value, _ := unescape(string(p.value)) // escaped here
			values = append(values, value)
		}
	}
	return values
}

// unescape decodes every %XY, and nothing else.
func unescape(s string) (string, bool) {
	if strings.IndexByte(s, '%') < 0 {
		return s, true
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '%' {
			if i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
				return "", false
			}
			c = unhex(s[i+1])<<4 | unhex(s[i+2])
			i += 2
		}
		b = append(b, c)
	}
	return string(b), true
}

// readClaim reads what the request says of its signature, in the header or in the
// query, but not in both: a server behind this one might take the other.
func (c *verification) readClaim() *VerifyError {
	inHeader := len(c.req.Header["Authorization"]) > 0
	for _, p := range c.params {
		switch string(p.name) {
		case "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature":
			c.Presigned = true
		}
	}
	switch {
	case inHeader && c.Presigned:
		return refuse(codeArgument, "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified")
	case inHeader:
		return c.readAuthorization()
	case c.Presigned:
		return c.readPresigned()
	}
	return refuse(codeAccessDenied, "Access Denied: the request is not signed")
}

// malformed refuses what can't be read, or is not as it must be, in the
// Authorization header or in the query parameter that stands for that part of it.
func (c *verification) malformed(param, format string, args ...any) *VerifyError {
	if c.Presigned {
		return refuse(codeQueryMalformed, "Error parsing the "+param+" parameter; "+format, args...)
	}
	return refuse(codeHeaderMalformed, "The authorization header is malformed; "+format, args...)
}

// readAuthorization reads a signature of the form
//
//	AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…
func (c *verification) readAuthorization() *VerifyError {
	values := c.req.Header["Authorization"]
	if len(values) > 1 {
		return c.malformed("", "there is more than one.")
	}
	algorithm, rest, _ := strings.Cut(values[0], " ")
	if algorithm != algorithm4 && algorithm != algorithm4A {
		return refuse(codeRequest, "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.")
	}
	c.Algorithm = algorithm
	var credential, signedHeaders, signature string
	parts := 0
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.Trim(part, " \t"), "=")
		var to *string
		switch name {
		case "Credential":
			to = &credential
		case "SignedHeaders":
			to = &signedHeaders
		case "Signature":
			to = &signature
		}
		if to == nil || *to != "" || value == "" {
			parts = 0
			break
		}
		*to = value
		parts++
	}
	if parts != 3 {
		return c.malformed("", "the authorization header requires three components: Credential, SignedHeaders, and Signature.")
	}

	dates := c.req.Header["X-Amz-Date"]
	if len(dates) == 0 {
		dates = c.req.Header["Date"]
	}
	if len(dates) != 1 {
		return refuse(codeAccessDenied, "AWS authentication requires a valid Date or x-amz-date header")
	}
	date := strings.Trim(dates[0], " \t")
	if t, err := http.ParseTime(date); err == nil && c.req.Header["X-Amz-Date"] == nil {
		date = t.UTC().Format(dateFormat)
	}
	if algorithm == algorithm4A {
		sets := c.req.Header["X-Amz-Region-Set"]
		if len(sets) != 1 {
			return c.malformed("", "%s requires one x-amz-region-set header.", algorithm)
		}
		c.Region = strings.Trim(sets[0], " \t")
	}
	return c.readParts(credential, signedHeaders, signature, date)
}

// readPresigned reads a signature in the query.
func (c *verification) readPresigned() *VerifyError {
	one := func(name string) string {
		if values := c.values(name); len(values) == 1 {
			return values[0]
		}
		return ""
	}
	c.Algorithm = one("X-Amz-Algorithm")
	credential, signedHeaders, signature := one("X-Amz-Credential"), one("X-Amz-SignedHeaders"), one("X-Amz-Signature")
	date, expires := one("X-Amz-Date"), one("X-Amz-Expires")
	switch {
	case c.Algorithm == "" || credential == "" || signedHeaders == "" || signature == "" || date == "" || expires == "":
		return refuse(codeQueryMalformed, "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters, each of them once.")
	case c.Algorithm == algorithm4A:
		if c.Region = one("X-Amz-Region-Set"); c.Region == "" {
			return refuse(codeQueryMalformed, "%s requires one X-Amz-Region-Set parameter.", algorithm4A)
		}
	case c.Algorithm != algorithm4:
		return refuse(codeQueryMalformed, "X-Amz-Algorithm only supports %q and %q", algorithm4, algorithm4A)
	}
	if err := c.readParts(credential, signedHeaders, signature, date); err != nil {
		return err
	}
	seconds, err := strconv.ParseUint(expires, 10, 32)
	switch {
	case err != nil:
		return refuse(codeQueryMalformed, "X-Amz-Expires should be a number")
	case seconds < 1 || seconds > uint64(maxExpires/time.Second):
		return refuse(codeQueryMalformed, "X-Amz-Expires must be from 1 second to a week (in seconds); that is, 604800 seconds")
	}
	c.Expires = c.Time.Add(time.Duration(seconds) * time.Second)
	return nil
}

// readParts reads what both kinds of signature have.
func (c *verification) readParts(credential, signedHeaders, signature, date string) *VerifyError {
	// An access key ID can have slashes: the scope goes from the end.
	parts := 4
	form := "REGION/"
	if c.Algorithm == algorithm4A {
		parts, form = 3, ""
	}
	var scope []string
	if len(credential) <= maxCredential {
		scope = strings.Split(credential, "/")
	}
	id := len(scope) - parts
	if id < 1 || slices.Contains(scope, "") || scope[len(scope)-1] != "aws4_request" {
		return c.malformed("X-Amz-Credential", "the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/%sSERVICE/aws4_request\".", form)
	}
	c.AccessKeyID, c.day, c.Service = strings.Join(scope[:id], "/"), scope[id], scope[len(scope)-2]
	if c.Algorithm == algorithm4 {
		c.Region = scope[id+1]
	} else if c.Region == "" || len(c.Region) > maxCredential {
		return c.malformed("X-Amz-Region-Set", "the region set is mal-formed.")
	}

	t, err := time.Parse(dateFormat, date)
	if err != nil || len(date) != len(dateFormat) {
		return c.malformed("X-Amz-Date", "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
	}
	c.Time, c.date = t, date
	if c.day != date[:8] {
		return c.malformed("X-Amz-Credential", "Invalid credential date %q. This date is not the same as X-Amz-Date: %q.", c.day, date)
	}

	if strings.Count(signedHeaders, ";") >= maxSignedHeaders {
		return c.malformed("X-Amz-SignedHeaders", "there are more than %d signed headers.", maxSignedHeaders)
	}
	c.SignedHeaders = strings.Split(signedHeaders, ";")
	for i, name := range c.SignedHeaders {
		if name == "" || strings.ToLower(name) != name || i > 0 && name <= c.SignedHeaders[i-1] {
			return c.malformed("X-Amz-SignedHeaders", "SignedHeaders must be names in lower case, sorted, each of them once, with semicolons between them.")
		}
	}
	c.signature = signature
	return nil
}

func (c *verification) checkScope(v *Verifier) *VerifyError {
	switch {
	case v.Service != "" && c.Service != v.Service:
		return c.malformed("X-Amz-Credential", "incorrect service %q. This endpoint belongs to %q.", c.Service, v.Service)
	case v.Region == "" || c.Region == v.Region:
		return nil
	case c.Algorithm == algorithm4:
		return c.malformed("X-Amz-Credential", "the region '%s' is wrong; expecting '%s'", c.Region, v.Region)
	}
	for region := range strings.SplitSeq(c.Region, ",") {
		region = strings.Trim(region, " \t")
		if start, ok := strings.CutSuffix(region, "*"); region == v.Region || ok && strings.HasPrefix(v.Region, start) {
			return nil
		}
	}
	return c.malformed("X-Amz-Region-Set", "the region set '%s' is wrong; expecting '%s'", c.Region, v.Region)
}

func (c *verification) checkTime(now time.Time, skew time.Duration) *VerifyError {
	switch age := now.Sub(c.Time); {
	case c.Presigned && now.After(c.Expires):
		return refuse(codeAccessDenied, "Request has expired")
	case c.Presigned && age < -skew:
		return refuse(codeAccessDenied, "Request is not valid yet")
	case !c.Presigned && age.Abs() > skew:
		return refuse(codeSkewed, "The difference between the request time and the current time is too large.")
	}
	return nil
}

// checkSignedHeaders wants Host and every X-Amz-* header to be signed.
func (c *verification) checkSignedHeaders() *VerifyError {
	signed := func(name string) bool {
		_, ok := slices.BinarySearch(c.SignedHeaders, name)
		return ok
	}
	var unsigned []string
	if !signed("host") {
		unsigned = append(unsigned, "host")
	}
	for key := range c.req.Header {
		if len(key) < 6 || !strings.EqualFold(key[:6], "x-amz-") {
			continue
		}
		if key != http.CanonicalHeaderKey(key) { // as no server makes it
			return refuse(codeArgument, "The header %s is not in canonical form.", key)
		}
		if name := strings.ToLower(key); !signed(name) {
			unsigned = append(unsigned, name)
		}
	}
	if unsigned != nil {
		slices.Sort(unsigned)
		return refuse(codeAccessDenied, "There were headers present in the request which were not signed: %s", strings.Join(unsigned, ", "))
	}
	return nil
}

// checkKey does what takes the key's secret.
func (c *verification) checkKey(v *Verifier, now time.Time) *VerifyError {
	if v.Lookup == nil {
		return refuseInternal(errors.New("awsauth: set Verifier.Lookup"))
	}
	keys, err := v.Lookup(c.req.Context(), c.AccessKeyID)
	switch {
	case errors.Is(err, ErrNoCredentials), err == nil && keys.SecretAccessKey == "":
		return refuse(codeUnknownKey, "The AWS Access Key Id you provided does not exist in our records.")
	case err != nil:
		return refuseInternal(err)
	case !c.hasToken(keys.SessionToken):
		return refuse(codeToken, "The provided token is malformed or otherwise invalid.")
	}
	if err := c.hashBody(); err != nil {
		return err
	}

	id, derive := keyID{secret: keys.SecretAccessKey, accessKeyID: c.AccessKeyID}, deriveKey4A
	if c.Algorithm == algorithm4 {
		id.day, id.region, id.service, derive = c.day, c.Region, c.Service, deriveKey
	}
	c.key = verifyKey{c.Algorithm, v.keys().key(id, derive)}
	complete, refusal := c.appendCanonical()
	if refusal != nil {
		return refusal
	}
	if c.appendToSign(); !c.key.made(c.signature, c.buf[c.canonical:]) || !complete {
		return refuseSignature()
	}
	if keys.expired(now) { // which only who has the secret learns
		return refuse(codeExpiredToken, "The provided token has expired.")
	}
	return c.wrapBody()
}

func refuseInternal(cause error) *VerifyError {
	return &VerifyError{Code: codeInternal, Message: "We encountered an internal error. Please try again.", cause: cause}
}

func refuseSignature() *VerifyError {
	return refuse(codeSignature, "The request signature we calculated does not match the signature you provided. Check your key and signing method.")
}

// hasToken reports whether the session token came as it should: once, or not at all.
func (c *verification) hasToken(want string) bool {
	sent := slices.Clone(c.req.Header["X-Amz-Security-Token"])
	if c.Presigned {
		sent = append(sent, c.values("X-Amz-Security-Token")...)
	}
	if c.Service == "s3express" { // whose CreateSession still takes the usual token
		sent = append(sent, c.req.Header["X-Amz-S3session-Token"]...)
		if c.Presigned {
			sent = append(sent, c.values("X-Amz-S3session-Token")...)
		}
	}
	if want == "" {
		return len(sent) == 0
	}
	return len(sent) == 1 && subtle.ConstantTimeCompare([]byte(strings.Trim(sent[0], " \t")), []byte(want)) == 1
}

// appendCanonical makes the canonical request of what came. It is not complete
// where a signed header is missing.
func (c *verification) appendCanonical() (complete bool, refusal *VerifyError) {
	b := append(c.buf[:0], cmp.Or(c.req.Method, http.MethodGet)...)
	b = append(b, '\n')
	if s3Family(c.Service) {
		path, ok := unescape(c.path)
		if !ok {
			return false, refuseURI()
		}
		b = appendEscaped(b, path, '/')
	} else {
		b = appendCleanPath(b, c.path)
	}
	b = append(b, '\n')

	slices.SortFunc(c.params, func(p, q arrivedParam) int {
		return cmp.Or(bytes.Compare(p.name, q.name), bytes.Compare(p.value, q.value))
	})
	separator := ""
	for _, p := range c.params {
		if c.Presigned {
			switch string(p.name) {
			case "X-Amz-Signature":
				continue
			case "X-Amz-Security-Token":
				if c.Service == "iotdevicegateway" { // added to a signed URL
					continue
				}
			}
		}
		b = append(b, separator...)
		b = append(b, p.name...)
		b = append(b, '=')
		b = append(b, p.value...)
		separator = "&"
	}
	b = append(b, '\n')

	complete = true
	for _, name := range c.SignedHeaders {
		b = append(b, name...)
		b = append(b, ':')
		values := c.header(name)
		complete = complete && len(values) > 0
		for i, value := range values {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendFolded(b, value)
		}
		b = append(b, '\n')
	}
	b = append(b, '\n')
	for i, name := range c.SignedHeaders {
		if i > 0 {
			b = append(b, ';')
		}
		b = append(b, name...)
	}
	b = append(b, '\n')
	c.buf = append(b, c.Payload...)
	c.canonical = len(c.buf)
	return complete, nil
}

// header returns the values of a header as they came. net/http keeps some apart.
func (c *verification) header(name string) []string {
	values := c.req.Header[http.CanonicalHeaderKey(name)]
	switch {
	case name == "host":
		return []string{c.req.Host}
	case name == "content-length" && len(values) == 0 && c.req.ContentLength >= 0:
		return []string{strconv.FormatInt(c.req.ContentLength, 10)}
	case name == "transfer-encoding":
		return c.req.TransferEncoding
	}
	return values
}

func (c *verification) appendToSign() {
	sum := sha256.Sum256(c.buf)
	b := append(c.buf, c.Algorithm...)
	b = append(b, '\n')
	b = append(b, c.date...)
	b = append(b, '\n')
	b = append(b, c.scope()...)
	b = append(b, '\n')
	c.buf = hex.AppendEncode(b, sum[:])
}

// scope returns the credential scope. That of SigV4A has no region.
func (c *verification) scope() string {
	if c.Algorithm == algorithm4A {
		return c.day + "/" + c.Service + "/aws4_request"
	}
	return c.day + "/" + c.Region + "/" + c.Service + "/aws4_request"
}

// A verifyKey checks what was signed with a key.
type verifyKey struct {
	algorithm string
	*signingKey
}

// made reports whether a signature is that of toSign.
func (k verifyKey) made(signature string, toSign []byte) bool {
	if k.algorithm == algorithm4A {
		der, err := hex.DecodeString(signature)
		sum := sha256.Sum256(toSign)
		return err == nil && ecdsa.VerifyASN1(k.public, sum[:], der)
	}
	return subtle.ConstantTimeCompare(k.sign(nil, toSign), []byte(signature)) == 1
}
