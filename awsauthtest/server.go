package awsauthtest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-awsauth/awsauth"
)

// A Server takes requests that are signed for AWS, and refuses others as AWS does.
// Make it with [NewServer] or [NewTLSServer]. It verifies signatures in the header
// and in the query, of both algorithms, with hashed, unsigned and aws-chunked bodies,
// as [awsauth.Verifier] says.
//
// What is signed well gets to the Handler, or else to an object store that speaks
// S3: PUT, GET, HEAD and DELETE of objects, with Range, conditions, metadata and
// response-… parameters; PUT, GET (ListObjectsV2), HEAD and DELETE of buckets; and
// the list of buckets. A bucket need not be made before it is used. The rest of S3,
// such as multipart uploads, is answered with 501, NotImplemented. Objects are
// kept in memory, until Close; a body has 64 MiB at most.
//
// A request is refused in the form of S3, with CanonicalRequest and StringToSign
// in its XML, or where another service is signed for, in that of the JSON protocols
// and of API Gateway, which have both in their message.
//
//	fake := awsauthtest.NewServer()
//	defer fake.Close()
//	signer := &awsauth.Signer{Service: "s3", Region: "us-east-1", Credentials: fake.Credentials}
//	req, err := http.NewRequest("PUT", fake.URL+"/bucket/key", strings.NewReader("content"))
//	err = signer.Sign4(req)
//
// Code that dials AWS's own hosts, buckets in the host name included, reaches it
// through [Fake.Transport].
type Server struct {
	Fake

	// Credentials are the keys that sign.
	Credentials awsauth.Credentials

	// Service is what requests have to be signed for. "": any.
	Service string

	// Region is what requests have to be signed for. "": where the Host is one
	// of AWS's, its region; any for another, such as the loopback address.
	Region string

	// Handler answers in place of the object store. It gets what was signed: the
	// body was read and checked, and an aws-chunked one is decoded. Where it
	// answers for a service other than S3, set Service. nil: the object store.
	Handler http.Handler

	store store
}

// NewServer starts a Server for S3, in any region. Close it at the end.
func NewServer() *Server {
	s := newServer()
	s.http.Start()
	s.URL = s.http.URL
	return s
}

// NewTLSServer starts a Server as NewServer does, over https and with HTTP/2. Its
// certificate is a test's own, which the client of [Fake.Transport] trusts.
func NewTLSServer() *Server {
	s := newServer()
	s.http.EnableHTTP2 = true
	s.http.StartTLS()
	s.URL = s.http.URL
	return s
}

func newServer() *Server {
	s := &Server{Credentials: testKeys("SERVER"), Service: "s3"}
	refuse := func(w http.ResponseWriter, r *http.Request) { s.begin(r).refuse(w, tooLarge()) }
	const framing = 1 << 20 // of aws-chunked bodies
	s.listen(maxObject+framing, refuse, func(w http.ResponseWriter, r *http.Request) { s.begin(r).serve(w) })
	return s
}

// An exchange is a request and what it is judged by, as of its beginning.
type exchange struct {
	server          *Server
	r               *http.Request
	keys            awsauth.Credentials
	service, region string // to be signed for; "": any
	now             time.Time
	handler         http.Handler
}

func (s *Server) begin(r *http.Request) *exchange {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := &exchange{server: s, r: r, keys: s.Credentials, service: s.Service, region: s.Region, now: s.now(), handler: s.Handler}
	if x.region == "" {
		if _, region, err := awsauth.Scope(&url.URL{Host: r.Host, Path: r.URL.Path}); err == nil && region != "*" {
			x.region = region
		}
	}
	if x.handler == nil {
		x.handler = http.HandlerFunc(x.serveObjects)
	}
	return x
}

func (x *exchange) serve(w http.ResponseWriter) {
	w.Header().Set("Date", x.now.UTC().Format(http.TimeFormat))
	w.Header().Set("X-Amz-Request-Id", requestID)
	raw, _ := io.ReadAll(x.r.Body) // from memory
	x.r.Body = io.NopCloser(bytes.NewReader(raw))
	verifier := awsauth.Verifier{
		Service: x.service, Region: x.region, Now: func() time.Time { return x.now },
		Lookup: func(_ context.Context, id string) (awsauth.Credentials, error) {
			if id != x.keys.AccessKeyID {
				return awsauth.Credentials{}, awsauth.ErrNoCredentials
			}
			return x.keys, nil
		},
	}
	var body []byte
	_, err := verifier.Verify(x.r)
	if err == nil {
		// A body that is not the one signed is found out at its end.
		body, err = io.ReadAll(x.r.Body)
	}
	if len(body) > maxObject {
		err = tooLarge()
	}
	if refusal := (*awsauth.VerifyError)(nil); errors.As(err, &refusal) {
		x.r.Body = io.NopCloser(bytes.NewReader(raw))
		x.refuse(w, refusal)
		return
	}
	x.r.Body = io.NopCloser(bytes.NewReader(body))
	x.handler.ServeHTTP(w, x.r)
}

func tooLarge() *awsauth.VerifyError {
	return &awsauth.VerifyError{Code: "EntityTooLarge", Message: "Your proposed upload exceeds the maximum allowed size"}
}

const requestID = "0123456789ABCDEF"

// A claim is what a request says of its signature.
type claim struct {
	keyID, region, service          string
	date, signature, expires, token string
}

func readClaim(r *http.Request) claim {
	query := r.URL.Query()
	c := claim{
		date: query.Get("X-Amz-Date"), signature: query.Get("X-Amz-Signature"), expires: query.Get("X-Amz-Expires"),
		token: cmp.Or(query.Get("X-Amz-Security-Token"), r.Header.Get("X-Amz-Security-Token")),
	}
	credential := query.Get("X-Amz-Credential")
	if auth := r.Header.Get("Authorization"); auth != "" {
		c.date = r.Header.Get("X-Amz-Date")
		_, rest, _ := strings.Cut(auth, " ")
		for part := range strings.SplitSeq(rest, ",") {
			switch name, value, _ := strings.Cut(strings.TrimSpace(part), "="); name {
			case "Credential":
				credential = value
			case "Signature":
				c.signature = value
			}
		}
	}
	parts := strings.Split(credential, "/")
	c.keyID = parts[0]
	if n := len(parts); n >= 4 { // that of SigV4A has no region
		c.service = parts[n-2]
		if n >= 5 {
			c.region = parts[n-3]
		}
	}
	return c
}

// refuse answers as the service does that was, or had to be, signed for.
func (x *exchange) refuse(w http.ResponseWriter, e *awsauth.VerifyError) {
	c := readClaim(x.r)
	service := x.service
	if service == "" {
		service = c.service
	}
	switch service {
	case "", "s3", "s3express", "s3-outposts", "s3-object-lambda":
		x.refuseS3(w, e, c)
	default:
		x.refuseJSON(w, e, c)
	}
}

// An s3Error is the answer of S3 that refuses something.
// See https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
type s3Error struct {
	XMLName                     xml.Name `xml:"Error"`
	Code, Message               string
	AWSAccessKeyID              string `xml:"AWSAccessKeyId,omitempty"`
	StringToSign                string `xml:",omitempty"`
	SignatureProvided           string `xml:",omitempty"`
	StringToSignBytes           string `xml:",omitempty"`
	CanonicalRequest            string `xml:",omitempty"`
	CanonicalRequestBytes       string `xml:",omitempty"`
	Region                      string `xml:",omitempty"`
	HeadersNotSigned            string `xml:",omitempty"`
	ClientComputedContentSHA256 string `xml:",omitempty"`
	S3ComputedContentSHA256     string `xml:",omitempty"`
	RequestTime                 string `xml:",omitempty"`
	XAmzExpires                 string `xml:"X-Amz-Expires,omitempty"`
	Expires                     string `xml:",omitempty"`
	ServerTime                  string `xml:",omitempty"`
	MaxAllowedSkewMilliseconds  int    `xml:",omitempty"`
	Resource                    string `xml:",omitempty"`
	RequestID                   string `xml:"RequestId"`
	HostID                      string `xml:"HostId"`
}

const maxSkew = 15 * time.Minute

func (x *exchange) refuseS3(w http.ResponseWriter, e *awsauth.VerifyError, c claim) {
	if e.Code == "InvalidToken" && c.token == "" {
		// S3 knows a temporary key together with its token alone.
		e = &awsauth.VerifyError{Code: "InvalidAccessKeyId", Message: "The AWS Access Key Id you provided does not exist in our records."}
	}
	answer := s3Error{Code: e.Code, Message: e.Message}
	serverTime := x.now.UTC().Format(time.RFC3339)
	at, timeErr := time.Parse(amzDate, c.date)
	switch e.Code {
	case "SignatureDoesNotMatch":
		answer.AWSAccessKeyID, answer.SignatureProvided = c.keyID, c.signature
		answer.StringToSign, answer.StringToSignBytes = e.StringToSign, hexBytes(e.StringToSign)
		answer.CanonicalRequest, answer.CanonicalRequestBytes = e.CanonicalRequest, hexBytes(e.CanonicalRequest)
	case "InvalidAccessKeyId":
		answer.AWSAccessKeyID = c.keyID
	case "RequestTimeTooSkewed":
		answer.RequestTime, answer.ServerTime = c.date, serverTime
		answer.MaxAllowedSkewMilliseconds = int(maxSkew / time.Millisecond)
	case "AuthorizationHeaderMalformed", "AuthorizationQueryParametersError":
		if x.region != "" && c.region != x.region && strings.Contains(e.Message, "expecting") {
			answer.Region = x.region
			w.Header().Set("X-Amz-Bucket-Region", x.region)
		}
	case "XAmzContentSHA256Mismatch":
		body, _ := io.ReadAll(x.r.Body)
		sum := sha256.Sum256(body)
		answer.ClientComputedContentSHA256 = x.r.Header.Get("X-Amz-Content-Sha256")
		answer.S3ComputedContentSHA256 = hex.EncodeToString(sum[:])
	case "AccessDenied":
		if c.signature == "" {
			answer.Message = "Access Denied"
		}
		if message, names, ok := strings.Cut(e.Message, " which were not signed: "); ok {
			answer.Message, answer.HeadersNotSigned = message+" which were not signed", names
		}
		if life, err := time.ParseDuration(c.expires + "s"); err == nil && timeErr == nil && strings.Contains(e.Message, "expired") {
			answer.XAmzExpires, answer.ServerTime = c.expires, serverTime
			answer.Expires = at.Add(life).Format(time.RFC3339)
		}
	}
	writeS3Error(w, x.r, e.StatusCode(), answer)
}

const amzDate = "20060102T150405Z"

// hexBytes writes text as S3 does in the …Bytes elements.
func hexBytes(text string) string {
	return fmt.Sprintf("% x", text)
}

func writeS3Error(w http.ResponseWriter, r *http.Request, status int, answer s3Error) {
	answer.Resource, answer.RequestID, answer.HostID = r.URL.Path, requestID, "awsauthtest"
	writeXML(w, r, status, answer)
}

// writeXML answers with a document, and to a HEAD with a status alone.
func writeXML(w http.ResponseWriter, r *http.Request, status int, document any) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		io.WriteString(w, xml.Header)
		xml.NewEncoder(w).Encode(document)
	}
}

// refuseJSON answers as API Gateway and the JSON protocols do.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
func (x *exchange) refuseJSON(w http.ResponseWriter, e *awsauth.VerifyError, c claim) {
	const mismatch = "InvalidSignatureException"
	code, message, status := mismatch, e.Message, http.StatusForbidden
	at, _ := time.Parse(amzDate, c.date)
	now := x.now.UTC()
	switch e.Code {
	case "SignatureDoesNotMatch":
		message = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details." +
			"\n\nThe Canonical String for this request should have been\n'" + e.CanonicalRequest + "'\n\nThe String-to-Sign should have been\n'" + e.StringToSign + "'\n"
	case "InvalidAccessKeyId", "InvalidToken":
		code, message = "UnrecognizedClientException", "The security token included in the request is invalid."
	case "ExpiredToken":
		code, message = "ExpiredTokenException", "The security token included in the request is expired"
	case "AuthorizationHeaderMalformed", "AuthorizationQueryParametersError":
		switch {
		case x.service != "" && c.service != "" && c.service != x.service:
			message = "Credential should be scoped to correct service: '" + x.service + "'. "
		case x.region != "" && c.region != "" && c.region != x.region:
			message = "Credential should be scoped to a valid region, not '" + c.region + "'. "
		default:
			code = "IncompleteSignatureException"
		}
	case "RequestTimeTooSkewed", "AccessDenied":
		names, unsigned := strings.CutPrefix(e.Message, "There were headers present in the request which were not signed: ")
		switch {
		case unsigned:
			message = "'" + names + "' must be a 'SignedHeader' in the AWS Authorization."
		case c.signature == "":
			code, message = "MissingAuthenticationTokenException", "Missing Authentication Token"
		case at.After(now):
			message = fmt.Sprintf("Signature not yet current: %s is still later than %s (%s + 15 min.)", c.date, now.Add(maxSkew).Format(amzDate), now.Format(amzDate))
		default:
			message = fmt.Sprintf("Signature expired: %s is now earlier than %s (%s - 15 min.)", c.date, now.Add(-maxSkew).Format(amzDate), now.Format(amzDate))
		}
	case "InternalError":
		code, status = "InternalFailure", http.StatusInternalServerError
	case "EntityTooLarge":
		code, status = "RequestEntityTooLargeException", http.StatusRequestEntityTooLarge
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-Errortype", code)
	w.WriteHeader(status)
	if x.r.Method != http.MethodHead {
		json.NewEncoder(w).Encode(map[string]string{"__type": code, "message": message})
	}
}
