// Package reference verifies AWS Signature Version 4 on requests as they arrive
// at a server. It is slow and plain, written from the documentation alone and
// sharing no code with the signer, so that the two can be held against each
// other.
//
// The documentation is, in the IAM User Guide, "AWS Signature Version 4 for API
// requests" ("Elements of an AWS API request signature", "Create a signed AWS
// API request"), and in the Amazon S3 API Reference, "Authenticating Requests
// (AWS Signature Version 4)" with its sections "Using the Authorization Header",
// "Using Query Parameters" and "Examples: Signature Calculations". The error
// codes are those of "Error responses" in the same reference.
package reference

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

const (
	algorithm       = "AWS4-HMAC-SHA256"
	unsignedPayload = "UNSIGNED-PAYLOAD"
	timeFormat      = "20060102T150405Z"
	maxSkew         = 15 * time.Minute
	maxExpires      = 7 * 24 * 60 * 60 // seconds
)

// A Verifier holds what a server knows.
type Verifier struct {
	// Secret returns the secret and the session token that belong to an access
	// key. An empty sessionToken means that none must be sent.
	Secret func(accessKeyID string) (secret, sessionToken string, ok bool)

	// Service and Region are the expected scope. Where one is empty, what the
	// request says is taken.
	Service, Region string

	// Now is the server's clock; nil means time.Now.
	Now func() time.Time
}

// A Result holds every stage of a verification, so that a test can name the one
// that differs. It is filled as far as verification came, also on an error.
type Result struct {
	AccessKeyID      string
	Service, Region  string // as the request's credential scope has them
	CanonicalRequest string
	StringToSign     string
	Signature        string // as computed here, whatever the request carried
	PayloadHash      string // the last line of CanonicalRequest
	Presigned        bool
	SignedHeaders    []string
}

// An Error is a refusal.
type Error struct {
	Code    string // one of S3's error codes, such as "SignatureDoesNotMatch"
	Message string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

func refuse(code, format string, args ...any) error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Verify checks a request as it arrived at an http.Handler: it looks at r.Method,
// r.Host, r.RequestURI, r.Header, r.ContentLength and the body, which it reads in
// full and puts back. An error is an *Error.
//
// Of an aws-chunked body (a STREAMING- payload) only the seed signature in the
// headers is checked, not what follows in the body.
func (v *Verifier) Verify(r *http.Request) (Result, error) {
	var res Result

	if r.RequestURI == "" {
		return res, refuse("InvalidURI", "RequestURI is empty: this is not a request as a server gets it")
	}
	body, err := readBody(r)
	if err != nil {
		return res, refuse("IncompleteBody", "the body cannot be read: %v", err)
	}
	rawPath, rawQuery := splitRequestURI(r.RequestURI)
	query, err := parseQuery(rawQuery)
	if err != nil {
		return res, err
	}
	headers := lowerHeaders(r.Header)

	// What does the request claim?
	auth, err := findAuth(headers, query)
	if auth != nil {
		res.Presigned = auth.presigned
		res.AccessKeyID = auth.accessKeyID
		res.Service = auth.service
		res.Region = auth.region
		res.SignedHeaders = auth.signedHeaders
	}
	if err != nil {
		return res, err
	}

	// What should have been signed?
	res.PayloadHash, err = payloadHash(auth, headers, body)
	if err != nil {
		return res, err
	}
	path, err := canonicalPath(rawPath, auth.service)
	if err != nil {
		return res, err
	}
	method := r.Method
	if method == "" {
		method = "GET"
	}
	headerLines, absent := canonicalHeaders(r, headers, auth.signedHeaders)
	res.CanonicalRequest = strings.Join([]string{
		method,
		path,
		canonicalQuery(query, auth),
		headerLines, // ends in a newline, so that an empty line follows
		strings.Join(auth.signedHeaders, ";"),
		res.PayloadHash,
	}, "\n")
	res.StringToSign = strings.Join([]string{
		algorithm,
		auth.timestamp,
		auth.scope(),
		hexSHA256([]byte(res.CanonicalRequest)),
	}, "\n")

	// Is it meant for this server, and now?
	if err := v.checkScope(auth); err != nil {
		return res, err
	}
	if err := v.checkTime(auth); err != nil {
		return res, err
	}

	// Does the caller hold the secret?
	secret, token, ok := v.Secret(auth.accessKeyID)
	if !ok {
		return res, refuse("InvalidAccessKeyId", "the access key id %q does not exist", auth.accessKeyID)
	}
	res.Signature = hex.EncodeToString(hmacSHA256(signingKey(secret, auth), res.StringToSign))
	if err := checkToken(auth, headers, query, token); err != nil {
		return res, err
	}
	if err := checkSignedHeaders(auth, headers); err != nil {
		return res, err
	}
	if !hmac.Equal([]byte(res.Signature), []byte(auth.signature)) {
		return res, refuse("SignatureDoesNotMatch", "the signature calculated here does not match the one provided")
	}
	if len(absent) > 0 {
		return res, refuse("SignatureDoesNotMatch", "signed headers are absent: %s", strings.Join(absent, ", "))
	}

	// Is the body the one that was signed?
	if sum, err := hex.DecodeString(res.PayloadHash); err == nil {
		if got := sha256.Sum256(body); !bytes.Equal(sum, got[:]) {
			return res, refuse("XAmzContentSHA256Mismatch", "x-amz-content-sha256 does not match the body's hash %x", got)
		}
	}
	return res, nil
}

func readBody(r *http.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	body, err := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	return body, err
}

// splitRequestURI returns the path and the query as they came over the wire.
func splitRequestURI(uri string) (path, query string) {
	path, query, _ = strings.Cut(uri, "?")
	if i := strings.Index(path, "://"); i > 0 && !strings.HasPrefix(path, "/") {
		path = path[i+len("://"):] // absolute-form: the authority follows
		if i = strings.Index(path, "/"); i < 0 {
			i = len(path)
		}
		path = path[i:]
	}
	if path == "" {
		path = "/"
	}
	return path, query
}

// A param is one decoded query parameter.
type param struct{ name, value string }

// parseQuery decodes each parameter once. The empty parts in "a&&b" hold no
// parameter.
func parseQuery(raw string) ([]param, error) {
	var params []param
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name, err := unescape(strings.ReplaceAll(name, "+", " "))
		if err != nil {
			return nil, err
		}
		value, err = unescape(strings.ReplaceAll(value, "+", " "))
		if err != nil {
			return nil, err
		}
		params = append(params, param{name, value})
	}
	return params, nil
}

// values returns the values of all parameters called name.
func values(query []param, name string) []string {
	var vals []string
	for _, p := range query {
		if p.name == name {
			vals = append(vals, p.value)
		}
	}
	return vals
}

// lowerHeaders returns the headers by lower-case name.
func lowerHeaders(h http.Header) map[string][]string {
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	sort.Strings(names)
	lower := make(map[string][]string)
	for _, name := range names {
		key := strings.ToLower(name)
		lower[key] = append(lower[key], h[name]...)
	}
	return lower
}

// auth is what a request says about its signature.
type auth struct {
	presigned     bool
	accessKeyID   string
	date          string // of the credential scope
	region        string
	service       string
	signedHeaders []string
	signature     string
	timestamp     string // X-Amz-Date as sent
	time          time.Time
	expires       time.Duration // presigned only
}

func (a *auth) scope() string {
	return a.date + "/" + a.region + "/" + a.service + "/aws4_request"
}

// malformed is the refusal of authentication data that cannot be read.
func (a *auth) malformed(format string, args ...any) error {
	if a.presigned {
		return refuse("AuthorizationQueryParametersError", format, args...)
	}
	return refuse("AuthorizationHeaderMalformed", format, args...)
}

func findAuth(headers map[string][]string, query []param) (*auth, error) {
	_, inHeader := headers["authorization"]
	inQuery := false
	for _, name := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature"} {
		if len(values(query, name)) > 0 {
			inQuery = true
		}
	}
	switch {
	case inHeader && inQuery:
		return nil, refuse("InvalidArgument", "only one of the Authorization header and X-Amz-Algorithm in the query is allowed")
	case inHeader:
		return authFromHeader(headers)
	case inQuery:
		return authFromQuery(query)
	}
	return nil, refuse("AccessDenied", "the request is not signed")
}

// authFromHeader reads
//
//	AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…
func authFromHeader(headers map[string][]string) (*auth, error) {
	a := new(auth)
	if len(headers["authorization"]) != 1 {
		return a, a.malformed("more than one Authorization header")
	}
	scheme, rest, _ := strings.Cut(headers["authorization"][0], " ")
	if scheme != algorithm {
		return a, a.malformed("the authorization mechanism is not %s", algorithm)
	}
	fields := make(map[string]string)
	for field := range strings.SplitSeq(rest, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(field), "=")
		if _, dup := fields[name]; !ok || dup {
			return a, a.malformed("the Authorization header has an incomplete or repeated field %q", name)
		}
		fields[name] = value
	}
	for _, name := range []string{"Credential", "SignedHeaders", "Signature"} {
		if fields[name] == "" {
			return a, a.malformed("the Authorization header has no %s", name)
		}
	}
	if len(fields) != 3 {
		return a, a.malformed("the Authorization header has fields other than Credential, SignedHeaders and Signature")
	}
	dates := headers["x-amz-date"]
	if len(dates) != 1 {
		return a, refuse("AccessDenied", "exactly one X-Amz-Date header is required")
	}
	err := a.fill(fields["Credential"], fields["SignedHeaders"], fields["Signature"], strings.Trim(dates[0], " \t"))
	return a, err
}

func authFromQuery(query []param) (*auth, error) {
	a := &auth{presigned: true}
	fields := make(map[string]string)
	for _, name := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature"} {
		vals := values(query, name)
		if len(vals) != 1 || vals[0] == "" {
			return a, a.malformed("exactly one %s with a value is required", name)
		}
		fields[name] = vals[0]
	}
	if fields["X-Amz-Algorithm"] != algorithm {
		return a, a.malformed("X-Amz-Algorithm is not %s", algorithm)
	}
	seconds, err := strconv.ParseUint(fields["X-Amz-Expires"], 10, 32)
	if err != nil || seconds < 1 || seconds > maxExpires {
		return a, a.malformed("X-Amz-Expires must be a number of seconds from 1 to %d", maxExpires)
	}
	a.expires = time.Duration(seconds) * time.Second
	err = a.fill(fields["X-Amz-Credential"], fields["X-Amz-SignedHeaders"], fields["X-Amz-Signature"], fields["X-Amz-Date"])
	return a, err
}

// fill reads what the two forms have in common.
func (a *auth) fill(credential, signedHeaders, signature, timestamp string) error {
	parts := strings.Split(credential, "/")
	if len(parts) != 5 || slices.Contains(parts, "") || parts[4] != "aws4_request" {
		return a.malformed("the credential must be <access key id>/YYYYMMDD/<region>/<service>/aws4_request")
	}
	a.accessKeyID, a.date, a.region, a.service = parts[0], parts[1], parts[2], parts[3]

	a.signedHeaders = strings.Split(signedHeaders, ";")
	for i, name := range a.signedHeaders {
		if name == "" || name != strings.ToLower(name) {
			return a.malformed("the signed headers must be lower-case names separated by semicolons")
		}
		if i > 0 && name <= a.signedHeaders[i-1] {
			return a.malformed("the signed headers must be sorted and named once")
		}
	}
	a.signature = signature

	t, err := time.Parse(timeFormat, timestamp)
	if err != nil {
		return a.malformed("X-Amz-Date must look like %s", timeFormat)
	}
	if t.Format("20060102") != a.date {
		return a.malformed("the credential's date %q is not that of X-Amz-Date", a.date)
	}
	a.timestamp, a.time = timestamp, t
	return nil
}

func (v *Verifier) checkScope(a *auth) error {
	if v.Region != "" && a.region != v.Region {
		return a.malformed("the region %q is wrong; expecting %q", a.region, v.Region)
	}
	if v.Service != "" && a.service != v.Service {
		return a.malformed("the service %q is wrong; expecting %q", a.service, v.Service)
	}
	return nil
}

func (v *Verifier) checkTime(a *auth) error {
	now := time.Now()
	if v.Now != nil {
		now = v.Now()
	}
	switch {
	case a.presigned && now.After(a.time.Add(a.expires)):
		return refuse("AccessDenied", "request has expired")
	case a.presigned && a.time.Sub(now) > maxSkew:
		return refuse("AccessDenied", "request is not valid yet")
	case !a.presigned && now.Sub(a.time).Abs() > maxSkew:
		return refuse("RequestTimeTooSkewed", "the difference between the request time and the server's time is too large")
	}
	return nil
}

// checkToken wants the session token once, where the signature is, or nowhere.
func checkToken(a *auth, headers map[string][]string, query []param, want string) error {
	inHeader, inQuery := "x-amz-security-token", "X-Amz-Security-Token"
	if a.service == "s3express" {
		inHeader, inQuery = "x-amz-s3session-token", "X-Amz-S3session-Token"
	}
	sent := headers[inHeader]
	if a.presigned {
		sent = append(slices.Clone(sent), values(query, inQuery)...)
	}
	switch {
	case len(sent) == 0 && want == "":
		return nil
	case len(sent) == 1 && hmac.Equal([]byte(sent[0]), []byte(want)) && want != "":
		return nil
	}
	return refuse("InvalidToken", "the session token is missing, malformed or not the key's")
}

// checkSignedHeaders wants host and every X-Amz-* header among the signed ones,
// the session token with them.
func checkSignedHeaders(a *auth, headers map[string][]string) error {
	if !slices.Contains(a.signedHeaders, "host") {
		return a.malformed("host must be signed")
	}
	var unsigned []string
	for name := range headers {
		if strings.HasPrefix(name, "x-amz-") && !slices.Contains(a.signedHeaders, name) {
			unsigned = append(unsigned, name)
		}
	}
	if len(unsigned) > 0 {
		sort.Strings(unsigned)
		return refuse("AccessDenied", "there were headers present in the request which were not signed: %s", strings.Join(unsigned, ", "))
	}
	return nil
}

func s3Family(service string) bool {
	return slices.Contains([]string{"s3", "s3express", "s3-outposts", "s3-object-lambda"}, service)
}

// payloadHash returns the canonical request's last line.
func payloadHash(a *auth, headers map[string][]string, body []byte) (string, error) {
	sent, ok := headers["x-amz-content-sha256"]
	if !ok {
		if a.presigned && s3Family(a.service) {
			return unsignedPayload, nil
		}
		return hexSHA256(body), nil
	}
	if len(sent) != 1 {
		return "", refuse("InvalidArgument", "more than one x-amz-content-sha256 header")
	}
	hash := strings.Trim(sent[0], " \t")
	digest, err := hex.DecodeString(hash)
	isHash := err == nil && len(digest) == sha256.Size
	if !isHash && hash != unsignedPayload && !strings.HasPrefix(hash, "STREAMING-") {
		return "", refuse("InvalidArgument", "x-amz-content-sha256 must be %s, STREAMING-… or a SHA-256 in hexadecimal", unsignedPayload)
	}
	return hash, nil
}

// canonicalPath encodes the path once for S3, where it is an object's key and
// nothing in it may be tidied, and elsewhere tidies it and encodes what is
// already encoded once more.
func canonicalPath(raw, service string) (string, error) {
	if !strings.HasPrefix(raw, "/") {
		return "", refuse("InvalidURI", "the path %q does not begin with a slash", raw)
	}
	if s3Family(service) {
		key, err := unescape(raw)
		return uriEncode(key, true), err
	}
	return uriEncode(normalize(raw), true), nil
}

// normalize removes dot segments and empty segments.
func normalize(path string) string {
	var kept []string
	for segment := range strings.SplitSeq(path, "/") {
		switch segment {
		case "", ".":
		case "..":
			if len(kept) > 0 {
				kept = kept[:len(kept)-1]
			}
		default:
			kept = append(kept, segment)
		}
	}
	clean := "/" + strings.Join(kept, "/")
	if strings.HasSuffix(path, "/") && len(kept) > 0 {
		clean += "/"
	}
	return clean
}

func canonicalQuery(query []param, a *auth) string {
	var encoded []param
	for _, p := range query {
		if p.name == "X-Amz-Signature" {
			continue
		}
		// AWS IoT has the token added to a URL that is already signed.
		if a.presigned && a.service == "iotdevicegateway" && p.name == "X-Amz-Security-Token" {
			continue
		}
		encoded = append(encoded, param{uriEncode(p.name, false), uriEncode(p.value, false)})
	}
	sort.Slice(encoded, func(i, j int) bool {
		if encoded[i].name != encoded[j].name {
			return encoded[i].name < encoded[j].name
		}
		return encoded[i].value < encoded[j].value
	})
	var parts []string
	for _, p := range encoded {
		parts = append(parts, p.name+"="+p.value)
	}
	return strings.Join(parts, "&")
}

// canonicalHeaders returns a line for every signed header, and the names of
// those that the request does not have.
func canonicalHeaders(r *http.Request, headers map[string][]string, signed []string) (lines string, absent []string) {
	for _, name := range signed {
		vals := slices.Clone(headers[name])
		switch name {
		case "host": // net/http keeps it apart
			vals = []string{r.Host}
		case "content-length":
			vals = nil
			if r.ContentLength >= 0 {
				vals = []string{strconv.FormatInt(r.ContentLength, 10)}
			}
		}
		if len(vals) == 0 {
			absent = append(absent, name)
		}
		for i, value := range vals {
			vals[i] = fold(value)
		}
		lines += name + ":" + strings.Join(vals, ",") + "\n"
	}
	return lines, absent
}

// fold trims a header value and makes one space of each run of white space.
func fold(value string) string {
	return strings.Join(strings.FieldsFunc(value, func(c rune) bool { return c == ' ' || c == '\t' }), " ")
}

func signingKey(secret string, a *auth) []byte {
	key := hmacSHA256([]byte("AWS4"+secret), a.date)
	key = hmacSHA256(key, a.region)
	key = hmacSHA256(key, a.service)
	return hmacSHA256(key, "aws4_request")
}

func hmacSHA256(key []byte, data string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(data))
	return h.Sum(nil)
}

func hexSHA256(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// uriEncode is the documentation's UriEncode: every byte but the unreserved
// characters becomes %XY in upper case; a path keeps its slashes.
func uriEncode(s string, keepSlash bool) string {
	const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
	var b strings.Builder
	for _, c := range []byte(s) {
		if strings.IndexByte(unreserved, c) >= 0 || c == '/' && keepSlash {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// unescape decodes every %XY, and nothing else.
func unescape(s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		octet, err := hex.DecodeString(s[i+1 : min(i+3, len(s))])
		if err != nil || len(octet) != 1 {
			return "", refuse("InvalidURI", "%q has an escape that cannot be decoded", s)
		}
		b.Write(octet)
		i += 2
	}
	return b.String(), nil
}
