package awsauth

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/go-awsauth/awsauth/internal/reference"
)

// verifierLike returns a Verifier that expects what the reference does.
func verifierLike(v *reference.Verifier) *Verifier {
	return &Verifier{Service: v.Service, Region: v.Region, Now: v.Now, Lookup: func(_ context.Context, id string) (Credentials, error) {
		secret, token, ok := v.Secret(id)
		if !ok {
			return Credentials{}, fmt.Errorf("%w: not here", ErrNoCredentials)
		}
		return Credentials{AccessKeyID: id, SecretAccessKey: secret, SessionToken: token}, nil
	}}
}

// agree reports where an accepted request was not read as the reference reads it.
func agree(got *Verified, want reference.Result) error {
	if got == nil {
		return nil
	}
	if got.AccessKeyID != want.AccessKeyID || got.Service != want.Service || got.Region != want.Region || got.Presigned != want.Presigned ||
		string(got.Payload) != want.PayloadHash || !slices.Equal(got.SignedHeaders, want.SignedHeaders) {
		return fmt.Errorf("%+v, and the reference says %+v", got, want)
	}
	return nil
}

// keysFor is a Lookup that knows the keys given.
func keysFor(keys ...Credentials) func(context.Context, string) (Credentials, error) {
	return func(_ context.Context, id string) (Credentials, error) {
		for _, k := range keys {
			if k.AccessKeyID == id {
				return k, nil
			}
		}
		return Credentials{}, ErrNoCredentials
	}
}

func codeOf(err error) string {
	var refusal *VerifyError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &refusal):
		return refusal.Code
	}
	return "not a VerifyError: " + err.Error()
}

// receive makes of bytes the request that a server would, with a body that comes in
// pieces.
func receive(wire []byte) (*http.Request, error) {
	return http.ReadRequest(bufio.NewReader(iotest.HalfReader(bytes.NewReader(wire))))
}

func mustReceive(t testing.TB, wire string) *http.Request {
	t.Helper()
	r, err := receive([]byte(wire))
	if err != nil {
		t.Fatalf("%v\n%s", err, wire)
	}
	return r
}

// verifyAll verifies a request and reads its body.
func verifyAll(v *Verifier, r *http.Request) (*Verified, string, error) {
	got, err := v.Verify(r)
	if err != nil {
		return nil, "", err
	}
	body, err := io.ReadAll(r.Body)
	return got, string(body), err
}

// received returns the request of a suite's case as a server gets it.
func (c *suiteCase) received(t *testing.T) *http.Request {
	t.Helper()
	host, path, query := c.split()
	r := httptest.NewRequest(c.Request.Method, "/", strings.NewReader(c.Request.Body))
	r.Host, r.RequestURI = host, path
	if query != "" {
		r.RequestURI += "?" + query
	}
	for _, h := range c.Request.Headers {
		r.Header.Add(h[0], h[1])
	}
	if c.Kind == "presign" {
		if c.Want.URL != "" {
			_, query, _ = strings.Cut(c.Want.URL, "?")
		} else {
			scope := c.AccessKeyScope()
			query = strings.TrimPrefix(query+"&", "&") + "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" + url.QueryEscape(scope) + "&X-Amz-Date=" + c.Time.Format(dateFormat) +
				fmt.Sprintf("&X-Amz-Expires=%d", c.ExpiresSeconds) + "&X-Amz-SignedHeaders=host&X-Amz-Signature=" + c.Want.Signature
		}
		r.RequestURI = path + "?" + query
		return r
	}
	r.Header.Set("X-Amz-Date", c.Time.Format(dateFormat))
	if c.Credentials.SessionToken != "" {
		r.Header.Set("X-Amz-Security-Token", c.Credentials.SessionToken)
	}
	if c.Service == "s3" && r.Header.Get("X-Amz-Content-Sha256") == "" {
		sum := sha256.Sum256([]byte(c.Request.Body))
		r.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(sum[:]))
	}
	authorization := c.Want.Authorization
	if authorization == "" {
		names := []string{"host"}
		for name := range r.Header {
			names = append(names, strings.ToLower(name))
		}
		slices.Sort(names)
		authorization = "AWS4-HMAC-SHA256 Credential=" + c.AccessKeyScope() + ",SignedHeaders=" + strings.Join(names, ";") + ",Signature=" + c.Want.Signature
	}
	r.Header.Set("Authorization", authorization)
	return r
}

func (c *suiteCase) AccessKeyScope() string {
	return c.Credentials.AccessKeyID + "/" + c.Time.Format("20060102") + "/" + c.Region + "/" + c.Service + "/aws4_request"
}

// clone copies a request and gives it a body.
func cloneReceived(r *http.Request, body string) *http.Request {
	c := r.Clone(r.Context())
	c.Body = io.NopCloser(strings.NewReader(body))
	return c
}

// The vectors of aws4_testsuite, as requests that arrive: each is accepted, and
// refused with any one byte of it changed.
func TestVerifySuite(t *testing.T) {
	accepted, refused, flips := 0, 0, 0
	for _, name := range []string{"published.json", "independent.json", "documentation.json"} {
		data, err := os.ReadFile(filepath.Join("aws4_testsuite", name))
		if err != nil {
			t.Fatal(err)
		}
		var cases []suiteCase
		if err := json.Unmarshal(data, &cases); err != nil {
			t.Fatal(err)
		}
		for _, c := range cases {
			t.Run(name+"/"+c.Kind+"/"+c.Name, func(t *testing.T) {
				v := &Verifier{Service: c.Service, Region: c.Region, Now: func() time.Time { return c.Time },
					Lookup: keysFor(Credentials{AccessKeyID: c.Credentials.AccessKeyID, SecretAccessKey: c.Credentials.SecretAccessKey, SessionToken: c.Credentials.SessionToken})}
				r := c.received(t)
				got, body, err := verifyAll(v, cloneReceived(r, c.Request.Body))
				if c.NormalizePath != nil && !*c.NormalizePath && !strings.HasPrefix(c.Name, "get-space") {
					// Signed as S3 has it, for a service that is not S3.
					if codeOf(err) != codeSignature {
						t.Errorf("got %v, want SignatureDoesNotMatch", err)
					}
					refused++
					return
				}
				if err != nil {
					var refusal *VerifyError
					errors.As(err, &refusal)
					t.Fatalf("%v\n%s\nwant\n%s", err, refusal.CanonicalRequest, c.Want.CanonicalRequest)
				}
				accepted++
				if body != c.Request.Body {
					t.Errorf("body: %q", body)
				}
				if got.AccessKeyID != c.Credentials.AccessKeyID || got.Service != c.Service || got.Region != c.Region || !got.Time.Equal(c.Time) ||
					got.Algorithm != algorithm4 || got.Presigned != (c.Kind == "presign") || got.Presigned != got.Expires.Equal(c.Time.Add(c.expires())) {
					t.Errorf("%+v", got)
				}
				flips += c.flip(t, v, r, got)
			})
		}
	}
	t.Logf("%d accepted, %d refused; %d changed bytes refused", accepted, refused, flips)
	if accepted != 137 || refused != 12 || flips < 45000 {
		t.Errorf("%d accepted, %d refused, %d flips", accepted, refused, flips)
	}
}

// flip changes each byte of a request in turn, and wants it refused. It returns how
// many it changed.
func (c *suiteCase) flip(t *testing.T, v *Verifier, r *http.Request, signed *Verified) int {
	n := 0
	try := func(what string, old string, at int, set func(r *http.Request, s string)) {
		changed := cloneReceived(r, c.Request.Body)
		s := old[:at] + string(old[at]^1) + old[at+1:]
		set(changed, s)
		n++
		if got, _, err := verifyAll(v, changed); err == nil {
			t.Errorf("accepted with the %s %q in place of %q: %+v", what, s, old, got)
		} else if strings.HasPrefix(codeOf(err), "not a") {
			t.Errorf("%s %q: %v", what, s, err)
		}
	}
	for i := range r.Method {
		try("method", r.Method, i, func(r *http.Request, s string) { r.Method = s })
	}
	for i := range r.Host {
		try("host", r.Host, i, func(r *http.Request, s string) { r.Host = s })
	}
	path, _, _ := strings.Cut(r.RequestURI, "?")
	clean := string(appendCleanPath(nil, path))
	for i := range []byte(r.RequestURI) {
		if i < len(path) && string(appendCleanPath(nil, path[:i]+string(path[i]^1)+path[i+1:])) == clean {
			continue // cut out by a dot segment, say
		}
		try("URI", r.RequestURI, i, func(r *http.Request, s string) { r.RequestURI = s })
	}
	for key, values := range r.Header {
		if _, ok := slices.BinarySearch(signed.SignedHeaders, strings.ToLower(key)); !ok && key != "Authorization" {
			continue
		}
		for j, value := range values {
			for i := range []byte(value) {
				if s := value[:i] + string(value[i]^1) + value[i+1:]; string(appendFolded(nil, s)) == string(appendFolded(nil, value)) {
					continue
				}
				try(key, value, i, func(r *http.Request, s string) { r.Header[key][j] = s })
			}
		}
	}
	if signed.Payload != UnsignedPayload {
		for i := range []byte(c.Request.Body) {
			try("body", c.Request.Body, i, func(r *http.Request, s string) { r.Body = io.NopCloser(strings.NewReader(s)) })
		}
	}
	return n
}

// The examples of the S3 documentation, as they come over the wire.
const (
	docsGet = `GET /test.txt HTTP/1.1
Host: examplebucket.s3.amazonaws.com
Range: bytes=0-9
x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
x-amz-date: 20130524T000000Z
Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41

`
	docsPut = `PUT /test$file.text HTTP/1.1
Host: examplebucket.s3.amazonaws.com
Date: Fri, 24 May 2013 00:00:00 GMT
Content-Length: 21
x-amz-date: 20130524T000000Z
x-amz-storage-class: REDUCED_REDUNDANCY
x-amz-content-sha256: 44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072
Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd

Welcome to Amazon S3.`
	docsPresigned = `GET /test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404 HTTP/1.1
Host: examplebucket.s3.amazonaws.com

`
	// A request to a service that is not S3, whose signature resign makes.
	sqsPost = `POST /queue/ HTTP/1.1
Host: sqs.example
Content-Length: 5
X-Amz-Date: 20130524T000000Z
Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/sqs/aws4_request, SignedHeaders=host;x-amz-date, Signature=0000000000000000000000000000000000000000000000000000000000000000

hello`
)

var docsTime = time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)

func docsKeys() Credentials {
	return Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
}

func docsVerifier() *Verifier {
	return &Verifier{Lookup: keysFor(docsKeys()), Region: "us-east-1", Now: func() time.Time { return docsTime }}
}

// wireOf writes a request as above in the bytes of the wire.
func wireOf(text string) []byte {
	head, body, _ := strings.Cut(text, "\n\n")
	return []byte(strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n" + body)
}

// resign puts the right signature into a request, made from the string to sign that
// the refusal tells.
func resign(t *testing.T, v *Verifier, secret, text string) string {
	t.Helper()
	_, err := v.Verify(mustReceive(t, string(wireOf(text))))
	var refusal *VerifyError
	if !errors.As(err, &refusal) || refusal.Code != codeSignature {
		t.Fatalf("got %v, want SignatureDoesNotMatch", err)
	}
	scope := strings.Split(strings.Split(refusal.StringToSign, "\n")[2], "/")
	key := []byte("AWS4" + secret)
	for _, part := range scope {
		key = hmacSHA256(key, []byte(part))
	}
	signature := hex.EncodeToString(hmacSHA256(key, []byte(refusal.StringToSign)))
	i := strings.Index(text, "Signature=") + len("Signature=")
	return text[:i] + signature + text[i+64:]
}

func TestVerifyRefusals(t *testing.T) {
	at := func(d time.Duration) func(*Verifier) {
		return func(v *Verifier) { v.Now = func() time.Time { return docsTime.Add(d) } }
	}
	keys := func(set func(*Credentials)) func(*Verifier) {
		return func(v *Verifier) {
			k := docsKeys()
			set(&k)
			v.Lookup = keysFor(k)
		}
	}
	token := keys(func(k *Credentials) { k.SessionToken = "a+b" })
	const signature = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
	const authorization = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature="
	for _, test := range []struct {
		name     string
		wire     string
		old, new string // a replacement in wire
		resign   bool
		change   func(*Verifier)
		code     string // "": accepted
		message  string // a part of it
	}{
		{name: "get", wire: docsGet},
		{name: "put", wire: docsPut},
		{name: "presigned", wire: docsPresigned},
		{name: "sqs", wire: sqsPost, resign: true},
		{name: "absolute form", wire: docsGet, old: "GET /", new: "GET https://examplebucket.s3.amazonaws.com/"},
		{name: "absolute form without a path", wire: sqsPost, old: "POST /queue/", new: "POST http://sqs.example", resign: true},
		{name: "HTTP/1.0", wire: docsGet, old: "HTTP/1.1", new: "HTTP/1.0"},
		{name: "parts with white space", wire: docsGet, old: authorization, new: strings.ReplaceAll(authorization, ",", " ,\t ")},
		{name: "signature before the rest", wire: docsGet, old: authorization + signature,
			new: "AWS4-HMAC-SHA256 Signature=" + signature + ", SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"},

		{name: "unsigned", wire: "GET /?Signature=x HTTP/1.1\nHost: h\n\n", code: codeAccessDenied, message: "not signed"},
		{name: "asterisk form", wire: docsGet, old: "GET /test.txt", new: "OPTIONS *", code: codeURI},
		{name: "authority form", wire: docsGet, old: "GET /test.txt", new: "CONNECT example.com:443", code: codeURI},
		{name: "undecodable path of S3", wire: docsGet, old: "/test.txt", new: "/t%2", code: "400"}, // by net/http
		{name: "undecodable query name", wire: docsGet, old: "/test.txt", new: "/test.txt?a%zz=1", code: codeURI},
		{name: "undecodable query value", wire: docsGet, old: "/test.txt", new: "/test.txt?a=%f", code: codeURI},
		{name: "long URI", wire: docsGet, old: "/test.txt", new: "/" + strings.Repeat("a", maxURI), code: codeURI},
		{name: "many parameters", wire: docsGet, old: "/test.txt", new: "/?" + strings.Repeat("a&", maxVerifyParams+1), code: codeURI},
		{name: "as many as may be", wire: docsGet, old: "/test.txt", new: "/?" + strings.Repeat("a&&", maxVerifyParams), resign: true},

		{name: "altered method", wire: docsGet, old: "GET", new: "HEAD", code: codeSignature},
		{name: "altered path", wire: docsGet, old: "/test.txt", new: "/tesT.txt", code: codeSignature},
		{name: "added slash", wire: docsGet, old: "/test.txt", new: "//test.txt", code: codeSignature},
		{name: "added parameter", wire: docsGet, old: "/test.txt", new: "/test.txt?acl", code: codeSignature},
		{name: "altered host", wire: docsGet, old: "Host: e", new: "Host: E", code: codeSignature},
		{name: "altered header", wire: docsGet, old: "0-9", new: "0-8", code: codeSignature},
		{name: "repeated header", wire: docsGet, old: "Range:", new: "Range: bytes=0-9\nRange:", code: codeSignature},
		{name: "signed header absent", wire: docsGet, old: "Range: bytes=0-9\n", new: "", code: codeSignature},
		{name: "signed header absent, and signed as empty", wire: docsGet, old: "Range: bytes=0-9\n", new: "", resign: true, code: codeSignature},
		{name: "altered body", wire: docsPut, old: "Welcome", new: "welcome", code: codePayload},
		{name: "altered body without a digest", wire: sqsPost, code: codeSignature},
		{name: "empty body of a GET", wire: docsGet, old: "Range", new: "Content-Length: 0\nRange"},
		{name: "body gone", wire: docsPut, old: "Content-Length: 21", new: "Content-Length: 0", code: codePayload},
		{name: "short signature", wire: docsGet, old: signature, new: signature[:62], code: codeSignature},
		{name: "long signature", wire: docsGet, old: signature, new: signature + "00", code: codeSignature},
		{name: "upper-case signature", wire: docsGet, old: signature, new: strings.ToUpper(signature), code: codeSignature},
		{name: "wrong secret", wire: docsGet, change: keys(func(k *Credentials) { k.SecretAccessKey += "x" }), code: codeSignature},

		{name: "unknown key", wire: docsGet, change: func(v *Verifier) { v.Lookup = keysFor() }, code: codeUnknownKey},
		{name: "wrapped ErrNoCredentials", wire: docsGet, change: func(v *Verifier) {
			v.Lookup = func(context.Context, string) (Credentials, error) {
				return Credentials{}, fmt.Errorf("%w: no such row", ErrNoCredentials)
			}
		}, code: codeUnknownKey},
		{name: "no secret", wire: docsGet, change: func(v *Verifier) {
			v.Lookup = func(context.Context, string) (Credentials, error) { return Credentials{}, nil }
		}, code: codeUnknownKey},
		{name: "no Lookup", wire: docsGet, change: func(v *Verifier) { v.Lookup = nil }, code: codeInternal},
		{name: "failed Lookup", wire: docsGet, change: func(v *Verifier) {
			v.Lookup = func(context.Context, string) (Credentials, error) { return docsKeys(), io.ErrClosedPipe }
		}, code: codeInternal},
		{name: "expired key", wire: docsGet, change: keys(func(k *Credentials) { k.Expires = docsTime }), code: codeExpiredToken},
		{name: "expired key, wrong signature", wire: docsGet, old: "=f0e8", new: "=0f8e", change: keys(func(k *Credentials) { k.Expires = docsTime }), code: codeSignature},
		{name: "key that will expire", wire: docsGet, change: keys(func(k *Credentials) { k.Expires = docsTime.Add(1) })},
		{name: "token missing", wire: docsGet, change: token, code: codeToken},
		{name: "token signed and not sent", wire: sqsPost, old: "/aws4_request, SignedHeaders=host;x-amz-date,", new: "/aws4_request, SignedHeaders=host;x-amz-date;x-amz-security-token,", change: token, code: codeToken},
		{name: "token", wire: strings.Replace(sqsPost, "date,", "date;x-amz-security-token,", 1), old: "X-Amz-Date", new: "X-Amz-Security-Token:  a+b \nX-Amz-Date", change: token, resign: true},
		{name: "another token", wire: strings.Replace(sqsPost, "date,", "date;x-amz-security-token,", 1), old: "X-Amz-Date", new: "X-Amz-Security-Token: a+c\nX-Amz-Date", change: token, code: codeToken},
		{name: "token twice", wire: strings.Replace(sqsPost, "date,", "date;x-amz-security-token,", 1), old: "X-Amz-Date", new: "X-Amz-Security-Token: a+b\nX-Amz-Security-Token: a+b\nX-Amz-Date", change: token, code: codeToken},
		{name: "token not asked for, signed", wire: strings.Replace(sqsPost, "date,", "date;x-amz-security-token,", 1), old: "X-Amz-Date", new: "X-Amz-Security-Token: a+b\nX-Amz-Date", code: codeToken},
		{name: "token not asked for, presigned", wire: docsPresigned, old: "&X-Amz-Signature", new: "&X-Amz-Security-Token=t&X-Amz-Signature", code: codeToken},
		{name: "token, presigned", wire: docsPresigned, old: "&X-Amz-Signature", new: "&X-Amz-Security-Token=a%2Bb&X-Amz-Signature", change: token, resign: true},
		{name: "token twice, presigned", wire: docsPresigned, old: "&X-Amz-Signature", new: "&X-Amz-Security-Token=a%2Bb&X-Amz-Security-Token=a%2Bb&X-Amz-Signature", change: token, code: codeToken},
		{name: "another token, presigned", wire: docsPresigned, old: "&X-Amz-Signature", new: "&X-Amz-Security-Token=a+b&X-Amz-Signature", change: token, code: codeToken},

		{name: "header and query", wire: docsPresigned, old: "Host:", new: "Authorization: " + authorization + signature + "\nHost:", code: codeArgument},
		{name: "header and a part of the query", wire: docsGet, old: "/test.txt", new: "/test.txt?X-Amz%2DSignature=0", code: codeArgument},
		{name: "two headers", wire: docsGet, old: "Range:", new: "Authorization: " + authorization + signature + "\nRange:", code: codeHeaderMalformed},
		{name: "Basic", wire: docsGet, old: authorization, new: "Basic ", code: codeRequest},
		{name: "version 2", wire: docsGet, old: authorization + signature, new: "AWS AKIAIOSFODNN7EXAMPLE:frJIUN8DYpKDtOLCwo//yllqDzg=", code: codeRequest},
		{name: "another algorithm", wire: docsGet, old: "HMAC-SHA256", new: "HMAC-SHA512", code: codeRequest},
		{name: "a part missing", wire: docsGet, old: "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,", new: "", code: codeHeaderMalformed},
		{name: "an empty part", wire: docsGet, old: signature, new: "", code: codeHeaderMalformed},
		{name: "a repeated part", wire: docsGet, old: ",Signature", new: ",Signature=0,Signature", code: codeHeaderMalformed},
		{name: "a repeated part, another missing", wire: docsGet, old: ",Signature=" + signature, new: ",SignedHeaders=host", code: codeHeaderMalformed},
		{name: "another part", wire: docsGet, old: ",Signature", new: ",X=1,Signature", code: codeHeaderMalformed},
		{name: "a comma too many", wire: docsGet, old: signature, new: signature + ",", code: codeHeaderMalformed},
		{name: "short credential", wire: docsGet, old: "/s3/", new: "/", code: codeHeaderMalformed, message: "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request"},
		{name: "long credential", wire: docsGet, old: "/s3/", new: "/" + strings.Repeat("s", maxCredential) + "/", code: codeHeaderMalformed},
		{name: "empty region", wire: docsGet, old: "/us-east-1/", new: "//", code: codeHeaderMalformed},
		{name: "empty region, any region", wire: docsGet, old: "/us-east-1/", new: "//", change: func(v *Verifier) { v.Region = "" }, code: codeHeaderMalformed},
		{name: "another terminal", wire: docsGet, old: "/aws4_request", new: "/aws4_reques", code: codeHeaderMalformed},
		{name: "unsorted headers", wire: docsGet, old: "host;range", new: "range;host", code: codeHeaderMalformed},
		{name: "upper-case header", wire: docsGet, old: "host;range", new: "Host;range", code: codeHeaderMalformed},
		{name: "repeated signed header", wire: docsGet, old: "host;range", new: "host;host;range", code: codeHeaderMalformed},
		{name: "empty header name", wire: docsGet, old: "=host;range", new: "=;host;range", code: codeHeaderMalformed},
		{name: "many signed headers", wire: docsGet, old: ";x-amz-date,", new: ";x-amz-date" + manyNames(maxSignedHeaders-3) + ",", code: codeHeaderMalformed},
		{name: "host unsigned", wire: docsGet, old: "=host;range", new: "=range", code: codeAccessDenied, message: ": host"},
		{name: "X-Amz header unsigned", wire: docsGet, old: "Range:", new: "X-AMZ-Acl: public-read\nRange:", code: codeAccessDenied, message: "not signed: x-amz-acl"},
		{name: "X-Amz header unsigned, presigned", wire: docsPresigned, old: "Host:", new: "X-Amz-Date: 20130524T000000Z\nx-amz-a:\nHost:", code: codeAccessDenied, message: "not signed: x-amz-a, x-amz-date"},
		{name: "other headers unsigned", wire: docsGet, old: "Range:", new: "X-Amzn-Trace-Id: Root=1\nContent-Type: a/b\nRange:"},

		{name: "no date", wire: docsGet, old: "x-amz-date: 20130524T000000Z\n", new: "", code: codeAccessDenied, message: "Date"},
		{name: "two dates", wire: docsGet, old: "Range:", new: "X-Amz-Date: 20130524T000000Z\nRange:", code: codeAccessDenied},
		{name: "short date", wire: docsGet, old: "date: 20130524", new: "date: 130524", code: codeHeaderMalformed},
		{name: "date with a fraction", wire: docsGet, old: "000000Z", new: "000000.5Z", code: codeHeaderMalformed},
		{name: "an HTTP date as X-Amz-Date", wire: docsGet, old: "20130524T000000Z", new: "Fri, 24 May 2013 00:00:00 GMT", code: codeHeaderMalformed},
		{name: "Date in place of X-Amz-Date", wire: sqsPost, old: "X-Amz-Date", new: "Date", resign: true, code: codeSignature}, // a signed header is absent
		{name: "scope of another day", wire: docsGet, old: "/20130524/", new: "/20130525/", code: codeHeaderMalformed, message: `"20130525"`},
		{name: "wrong region", wire: docsGet, change: func(v *Verifier) { v.Region = "eu-west-1" }, code: codeHeaderMalformed, message: "the region 'us-east-1' is wrong; expecting 'eu-west-1'"},
		{name: "wrong service", wire: docsGet, change: func(v *Verifier) { v.Service = "sqs" }, code: codeHeaderMalformed, message: `incorrect service "s3". This endpoint belongs to "sqs".`},
		{name: "any region", wire: docsGet, change: func(v *Verifier) { v.Region = "" }},
		{name: "right service", wire: docsGet, change: func(v *Verifier) { v.Service = "s3" }},
		{name: "wrong region, presigned", wire: docsPresigned, change: func(v *Verifier) { v.Region = "eu-west-1" }, code: codeQueryMalformed, message: "Error parsing the X-Amz-Credential parameter; the region 'us-east-1' is wrong; expecting 'eu-west-1'"},

		{name: "15 minutes old", wire: docsGet, change: at(15 * time.Minute)},
		{name: "15 minutes early", wire: docsGet, change: at(-15 * time.Minute)},
		{name: "too old", wire: docsGet, change: at(15*time.Minute + 1), code: codeSkewed},
		{name: "too early", wire: docsGet, change: at(-15*time.Minute - 1), code: codeSkewed},
		{name: "too old for MaxSkew", wire: docsGet, change: func(v *Verifier) { at(time.Minute + 1)(v); v.MaxSkew = time.Minute }, code: codeSkewed},
		{name: "not too old for MaxSkew", wire: docsGet, change: func(v *Verifier) { at(time.Hour)(v); v.MaxSkew = time.Hour }},
		{name: "presigned, last second", wire: docsPresigned, change: at(24 * time.Hour)},
		{name: "presigned, expired", wire: docsPresigned, change: at(24*time.Hour + 1), code: codeAccessDenied, message: "Request has expired"},
		{name: "presigned, early", wire: docsPresigned, change: at(-15 * time.Minute)},
		{name: "presigned, not valid yet", wire: docsPresigned, change: at(-15*time.Minute - 1), code: codeAccessDenied, message: "not valid yet"},
		{name: "presigned, not valid yet by MaxSkew", wire: docsPresigned, change: func(v *Verifier) { at(-2 * time.Second)(v); v.MaxSkew = time.Second }, code: codeAccessDenied},
		{name: "presigned for a week", wire: docsPresigned, old: "=86400", new: "=604800", resign: true},
		{name: "presigned for more", wire: docsPresigned, old: "=86400", new: "=604801", code: codeQueryMalformed},
		{name: "presigned for nothing", wire: docsPresigned, old: "=86400", new: "=0", code: codeQueryMalformed},
		{name: "presigned for less", wire: docsPresigned, old: "=86400", new: "=-1", code: codeQueryMalformed},
		{name: "presigned for a word", wire: docsPresigned, old: "=86400", new: "=1h", code: codeQueryMalformed},
		{name: "presigned for eternity", wire: docsPresigned, old: "=86400", new: "=18446744073709551616", code: codeQueryMalformed},
		{name: "presigned without a signature", wire: docsPresigned, old: "&X-Amz-Signature=", new: "&Sig=", code: codeQueryMalformed},
		{name: "presigned without an end", wire: docsPresigned, old: "&X-Amz-Expires=86400", new: "", code: codeQueryMalformed},
		{name: "presigned with another algorithm", wire: docsPresigned, old: "HMAC-SHA256", new: "HMAC-SHA1", code: codeQueryMalformed},
		{name: "repeated signature", wire: docsPresigned, old: "&X-Amz-Signature=", new: "&X-Amz-Signature=0&X-Amz-Signature=", code: codeQueryMalformed},
		{name: "repeated expiry, escaped", wire: docsPresigned, old: "&X-Amz-Date", new: "&X%2DAmz-Expires=86400&X-Amz-Date", code: codeQueryMalformed},
		{name: "presigned with a bad date", wire: docsPresigned, old: "Date=2013", new: "Date=13", code: codeQueryMalformed},
		{name: "presigned with escapes", wire: docsPresigned, old: "X-Amz-Expires=86400", new: "X%2dAmz-Expires=%386400"},

		{name: "no payload header for S3", wire: docsGet, old: "x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n", new: "", code: codeRequest},
		{name: "two payload headers", wire: docsGet, old: "Range:", new: "X-Amz-Content-Sha256: UNSIGNED-PAYLOAD\nRange:", code: codeArgument},
		{name: "another payload word", wire: docsGet, old: emptyHash, new: "UNSIGNED", code: codeArgument},
		{name: "short payload hash", wire: docsGet, old: emptyHash, new: emptyHash[:62], code: codeArgument},
		{name: "unsigned payload", wire: docsPut, old: "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072", new: "UNSIGNED-PAYLOAD", resign: true},
		{name: "payload in upper case", wire: docsPut, old: "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072", new: "44CE7DD67C959E0D3524FFAC1771DFBBA87D2B6B4B4E99E42034A8B803F8B072", resign: true},
		{name: "presigned with a hash", wire: docsPresigned, old: "&X-Amz-Date", new: "&X-Amz-Content-Sha256=" + emptyHash + "&X-Amz-Date", resign: true},
		{name: "presigned with another hash", wire: docsPresigned, old: "&X-Amz-Date", new: "&X-Amz-Content-Sha256=" + strings.Repeat("0", 64) + "&X-Amz-Date", resign: true, code: codePayload},
		{name: "a payload parameter without a presigned URL", wire: docsGet, old: "/test.txt", new: "/test.txt?X-Amz-Content-Sha256=UNSIGNED-PAYLOAD", resign: true},
		{name: "event stream", wire: docsGet, old: emptyHash, new: "STREAMING-AWS4-HMAC-SHA256-EVENTS", code: codeNotImplemented},
		{name: "chunks of another algorithm", wire: docsGet, old: emptyHash, new: "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", code: codeArgument},
		{name: "chunks of no length", wire: docsGet, old: emptyHash, new: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", code: codeMissingLength},
		{name: "long body without a digest", wire: sqsPost, old: "Length: 5", new: "Length: 33554433", code: codeTooLarge},
		{name: "short body", wire: docsPut, old: "Length: 21", new: "Length: 22", code: "not a VerifyError: unexpected EOF"},
		{name: "short body without a digest", wire: sqsPost, old: "Length: 5", new: "Length: 6", code: codeIncompleteBody},
	} {
		t.Run(test.name, func(t *testing.T) {
			if !strings.Contains(test.wire, test.old) {
				t.Fatalf("nothing to replace: %q", test.old)
			}
			v := docsVerifier()
			if test.change != nil {
				test.change(v)
			}
			text := strings.Replace(test.wire, test.old, test.new, 1)
			if test.resign {
				text = resign(t, v, docsKeys().SecretAccessKey, text)
			}
			r, err := receive(wireOf(text))
			if err != nil {
				if test.code != "400" {
					t.Fatal(err)
				}
				return
			}
			got, body, err := verifyAll(v, r)
			if code := codeOf(err); code != test.code {
				t.Fatalf("got %v %+v, want %s", err, got, test.code)
			}
			if err == nil {
				if _, want, _ := strings.Cut(text, "\n\n"); body != want {
					t.Errorf("body %q, want %q", body, want)
				}
				return
			}
			var refusal *VerifyError
			if !errors.As(err, &refusal) {
				return
			}
			if !strings.Contains(refusal.Message, test.message) {
				t.Errorf("message %q, want %q", refusal.Message, test.message)
			}
			for _, s := range []string{err.Error(), fmt.Sprintf("%v %+v %#v %s %q %d", err, err, err, err, err, err), refusal.Message, refusal.CanonicalRequest, refusal.StringToSign} {
				if strings.Contains(s, docsKeys().SecretAccessKey) || strings.Contains(s, signature) || !strings.Contains(s, "awsauth: "+test.code) && strings.Contains(s, "awsauth") {
					t.Errorf("it says %q", s)
				}
			}
			if status := refusal.StatusCode(); status < 400 || http.StatusText(status) == "" {
				t.Errorf("status %d", status)
			}
			if hasSigned := refusal.Code == codeSignature; (refusal.CanonicalRequest != "") != hasSigned && refusal.Code != codeExpiredToken && refusal.Code != codePayload {
				t.Errorf("canonical request %q", refusal.CanonicalRequest)
			}
		})
	}
}

func manyNames(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ";y%06d", i)
	}
	return b.String()
}

// Signer to Verifier over real connections: both algorithms, in the header and in
// the query.
func TestVerifyRoundTrip(t *testing.T) {
	token := Credentials{AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: "secret", SessionToken: testToken}
	v := &Verifier{Region: "us-west-2", Lookup: keysFor(testKeys, token)}
	type result struct {
		got  *Verified
		body string
		err  error
	}
	results := make(chan result, 1)
	handler := http.StripPrefix("/stripped", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var res result
		if res.got, res.err = v.Verify(r); res.err == nil {
			var data []byte
			data, res.err = io.ReadAll(r.Body)
			res.body = string(data)
		}
		results <- res
	}))
	n := 0
	for _, protocol := range []string{"http1", "tls", "http2"} {
		srv := httptest.NewUnstartedServer(handler)
		srv.EnableHTTP2 = protocol == "http2"
		if protocol == "http1" {
			srv.Start()
		} else {
			srv.StartTLS()
		}
		defer srv.Close()
		for _, service := range []string{"s3", "execute-api", "iotdevicegateway", "s3express"} {
			for _, keys := range []Credentials{testKeys, token} {
				for _, region := range []string{"us-west-2", "*", "eu-west-1,us-west-*"} {
					for kind, sign := range map[string]func(*Signer, *http.Request) error{
						"Sign":      func(s *Signer, r *http.Request) error { return s.Sign(r) },
						"Sign4A":    func(s *Signer, r *http.Request) error { return s.Sign4A(r) },
						"Presign":   signQuery,
						"Presign4A": func(s *Signer, r *http.Request) error { return s.Presign4A(r, time.Hour) },
					} {
						if kind == "Presign" && region != "us-west-2" {
							continue
						}
						name := strings.Join([]string{protocol, service, region, kind}, " ")
						s := &Signer{Service: service, Region: region, Credentials: keys}
						req, err := http.NewRequest("PUT", srv.URL+"/stripped/a(b)//%20c/?x=1&b=+&b=", strings.NewReader("hello"))
						if err != nil {
							t.Fatal(err)
						}
						req.Header["X-Amz-Meta-A"] = []string{" a  b", "c"}
						if err := sign(s, req); err != nil {
							t.Fatal(err)
						}
						resp, err := srv.Client().Do(req)
						if err != nil {
							t.Fatal(err)
						}
						resp.Body.Close()
						res := <-results
						n++
						if res.err != nil || res.body != "hello" {
							t.Errorf("%s: %q %v", name, res.body, res.err)
							continue
						}
						algorithm := algorithm4
						if strings.HasSuffix(kind, "4A") || region != "us-west-2" {
							algorithm = algorithm4A
						}
						if g := res.got; g.AccessKeyID != keys.AccessKeyID || g.Algorithm != algorithm || g.Region != region || g.Service != service || g.Presigned != strings.HasPrefix(kind, "Presign") ||
							time.Since(g.Time).Abs() > time.Minute || g.Presigned && !g.Expires.Equal(g.Time.Add(time.Hour)) || !g.Presigned && !g.Expires.IsZero() {
							t.Errorf("%s: %+v", name, g)
						}
					}
				}
			}
		}
	}
	t.Logf("%d requests", n)
}

// The region set of SigV4A has to cover the region, and must be signed.
func TestVerify4A(t *testing.T) {
	at := time.Date(2026, 2, 28, 23, 59, 58, 0, time.UTC)
	for set, covered := range map[string]bool{
		"*": true, "us-west-2": true, "us-west-*": true, "us-west-2*": true, "eu-west-1,us-west-2": true, "eu-*,us-*": true,
		"us-west-1": false, "us-west-": false, "eu-*": false, "us-west-1,eu-west-1": false, "us-west-22": false, "*-west-2": false,
	} {
		for kind, sign := range map[string]func(*Signer, *http.Request) error{
			"header":  func(s *Signer, r *http.Request) error { return s.Sign4A(r) },
			"presign": func(s *Signer, r *http.Request) error { return s.Presign4A(r, time.Hour) },
		} {
			v := &Verifier{Region: "us-west-2", Lookup: keysFor(testKeys), Now: func() time.Time { return at }}
			req, _ := http.NewRequest("GET", "https://b.example/k?a=b", nil)
			if err := sign(&Signer{Service: "s3", Region: set, Credentials: testKeys, Now: v.Now}, req); err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequest("GET", req.URL.String(), nil)
			r.Header = req.Header
			_, err := v.Verify(r)
			if want := map[bool]string{true: "", false: map[string]string{"header": codeHeaderMalformed, "presign": codeQueryMalformed}[kind]}[covered]; codeOf(err) != want {
				t.Errorf("%s %q: %v, want %q", kind, set, err, want)
			}
			if !covered {
				continue
			}
			v.Region = ""
			if _, err := v.Verify(r); err != nil {
				t.Errorf("%s %q for any region: %v", kind, set, err)
			}
			v.Lookup = keysFor(Credentials{AccessKeyID: testID, SecretAccessKey: testSecret + "x"})
			if _, err := v.Verify(r); codeOf(err) != codeSignature {
				t.Errorf("%s %q with another secret: %v", kind, set, err)
			}
			v.Lookup = keysFor(testKeys)
			for what, change := range map[string]struct {
				do   func(r *http.Request)
				code string
			}{
				"set widened":           {func(r *http.Request) { r.Header["X-Amz-Region-Set"] = []string{"*,a"} }, codeSignature},
				"set gone":              {func(r *http.Request) { delete(r.Header, "X-Amz-Region-Set") }, codeHeaderMalformed},
				"set empty":             {func(r *http.Request) { r.Header["X-Amz-Region-Set"] = []string{" "} }, codeHeaderMalformed},
				"set long":              {func(r *http.Request) { r.Header["X-Amz-Region-Set"] = []string{strings.Repeat("*,", maxCredential)} }, codeHeaderMalformed},
				"two sets":              {func(r *http.Request) { r.Header["X-Amz-Region-Set"] = []string{"*", "*"} }, codeHeaderMalformed},
				"set unsigned":          {func(r *http.Request) { replaceHeader(r, ";x-amz-region-set", "") }, codeAccessDenied},
				"a region in the scope": {func(r *http.Request) { replaceHeader(r, "/s3/", "/us-west-2/s3/") }, codeHeaderMalformed},
				"other DER":             {func(r *http.Request) { replaceHeader(r, "Signature=30", "Signature=31") }, codeSignature},
				"no hex":                {func(r *http.Request) { replaceHeader(r, "Signature=30", "Signature=3g") }, codeSignature},
				"more":                  {func(r *http.Request) { replaceHeader(r, "Signature=30", "Signature=0030") }, codeSignature},
			} {
				if kind == "presign" {
					break
				}
				c := r.Clone(r.Context())
				change.do(c)
				if _, err := v.Verify(c); codeOf(err) != change.code {
					t.Errorf("%q, %s: %v, want %s", set, what, err, change.code)
				}
			}
			if kind == "presign" {
				c := r.Clone(r.Context())
				c.RequestURI = strings.Replace(c.RequestURI, "X-Amz-Region-Set", "X-Amz-Region-Sat", 1)
				if _, err := v.Verify(c); codeOf(err) != codeQueryMalformed {
					t.Errorf("%q without its parameter: %v", set, err)
				}
			}
		}
	}
}

// Other signers may write a set with white space, which Signer refuses.
func TestVerifyRegionSetWithSpace(t *testing.T) {
	c := verification{Verified: Verified{Algorithm: algorithm4A, Region: "eu-west-1 ,\tus-west-2"}}
	if err := c.checkScope(&Verifier{Region: "us-west-2"}); err != nil {
		t.Error(err)
	}
	if err := c.checkScope(&Verifier{Region: "us-west-1"}); err == nil {
		t.Error("covered")
	}
}

func replaceHeader(r *http.Request, old, new string) {
	r.Header["Authorization"] = []string{strings.Replace(r.Header.Get("Authorization"), old, new, 1)}
}

// An old key of the cache does not outlive its secret.
func TestVerifyChangedSecret(t *testing.T) {
	v := docsVerifier()
	for range 2 {
		if _, err := v.Verify(mustReceive(t, string(wireOf(docsGet)))); err != nil {
			t.Fatal(err)
		}
	}
	changed := docsKeys()
	changed.SecretAccessKey = "another"
	v.Lookup = keysFor(changed)
	if _, err := v.Verify(mustReceive(t, string(wireOf(docsGet)))); codeOf(err) != codeSignature {
		t.Error(err)
	}
}

// Neither a Verifier nor a refusal prints a secret, inside of other values either.
func TestVerifierPrints(t *testing.T) {
	v := docsVerifier()
	if _, err := v.Verify(mustReceive(t, string(wireOf(docsGet)))); err != nil {
		t.Fatal(err)
	}
	// As a part of another struct, where fmt can't call methods of the pointer.
	var app struct {
		V    Verifier
		Name string
	}
	app.V.Lookup, app.V.Now = v.Lookup, v.Now
	if _, err := app.V.Verify(mustReceive(t, string(wireOf(docsGet)))); err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		for _, value := range []any{v, []*Verifier{v}, struct{ V *Verifier }{v}, struct{ V any }{v}, &app} {
			if s := fmt.Sprintf(verb, value); strings.Contains(s, docsKeys().SecretAccessKey) || strings.Contains(s, fmt.Sprintf("%x", docsKeys().SecretAccessKey)) {
				t.Errorf("%s: %s", verb, s)
			}
		}
	}
}

// S3 Express has a token of its own; its CreateSession still takes the usual one.
func TestVerifyS3Express(t *testing.T) {
	keys := docsKeys()
	keys.SessionToken = "session"
	v := docsVerifier()
	v.Lookup = keysFor(keys)
	for _, test := range []struct {
		header, query, code string
	}{
		{header: "X-Amz-S3session-Token: session"},
		{header: "X-Amz-Security-Token: session"},
		{header: "X-Amz-S3session-Token: session\nX-Amz-Security-Token: session", code: codeToken},
		{header: "X-Amz-S3session-Token: other", code: codeToken},
		{query: "X-Amz-S3session-Token=session"},
		{query: "X-Amz-S3session-Token=other", code: codeToken},
	} {
		text := docsPresigned
		if test.header != "" {
			text = strings.Replace(docsGet, "Range: bytes=0-9", test.header, 1)
			names := "host;x-amz-content-sha256;x-amz-date"
			for line := range strings.SplitSeq(test.header, "\n") {
				name, _, _ := strings.Cut(line, ":")
				names += ";" + strings.ToLower(name)
			}
			text = strings.Replace(text, "host;range;x-amz-content-sha256;x-amz-date", names, 1)
		} else {
			text = strings.Replace(text, "&X-Amz-Signature", "&"+test.query+"&X-Amz-Signature", 1)
		}
		text = strings.NewReplacer("/s3/", "/s3express/", "%2Fs3%2F", "%2Fs3express%2F").Replace(text)
		if test.code == "" {
			text = resign(t, v, keys.SecretAccessKey, text)
		}
		if _, err := v.Verify(mustReceive(t, string(wireOf(text)))); codeOf(err) != test.code {
			t.Errorf("%s%s: %v, want %q", test.header, test.query, err, test.code)
		}
	}
}

// A Date header, in either form, where there is no X-Amz-Date.
func TestVerifyDate(t *testing.T) {
	for _, date := range []string{"20130524T000000Z", "Fri, 24 May 2013 00:00:00 GMT"} {
		text := strings.Replace(strings.Replace(sqsPost, "X-Amz-Date: 20130524T000000Z", "Date: "+date, 1), "host;x-amz-date", "date;host", 1)
		v := docsVerifier()
		text = resign(t, v, docsKeys().SecretAccessKey, text)
		if got, err := v.Verify(mustReceive(t, string(wireOf(text)))); err != nil || !got.Time.Equal(docsTime) {
			t.Errorf("%s: %v %v", date, got, err)
		}
		if _, err := v.Verify(mustReceive(t, string(wireOf(strings.Replace(text, "Date: "+date, "Date: Friday", 1))))); codeOf(err) != codeHeaderMalformed {
			t.Error(err)
		}
	}
}

// Requests that no server makes.
func TestVerifyOddRequests(t *testing.T) {
	v := docsVerifier()
	for name, test := range map[string]struct {
		r    *http.Request
		code string
	}{
		"empty":            {&http.Request{}, codeURI},
		"opaque":           {&http.Request{URL: &url.URL{Scheme: "mailto", Opaque: "a@b"}}, codeURI},
		"relative":         {&http.Request{URL: &url.URL{Path: "a"}}, codeURI},
		"no headers":       {&http.Request{URL: &url.URL{Path: "/"}}, codeAccessDenied},
		"nil body":         {&http.Request{RequestURI: "/", Header: http.Header{"Authorization": nil}}, codeAccessDenied},
		"empty value":      {&http.Request{RequestURI: "/", Header: http.Header{"Authorization": {""}}}, codeRequest},
		"lower-case names": {&http.Request{RequestURI: "/", Header: http.Header{"authorization": {"x"}}}, codeAccessDenied},
	} {
		if _, err := v.Verify(test.r); codeOf(err) != test.code {
			t.Errorf("%s: %v, want %s", name, err, test.code)
		}
	}
	r := mustReceive(t, string(wireOf(docsGet)))
	r.Header["x-amz-date"] = r.Header["X-Amz-Date"]
	if _, err := v.Verify(r); codeOf(err) != codeArgument {
		t.Errorf("a header under two spellings: %v", err)
	}
	// By the URL, where there is no RequestURI.
	r = mustReceive(t, string(wireOf(docsGet)))
	r.RequestURI = ""
	if _, err := v.Verify(r); err != nil {
		t.Error(err)
	}
}

// Headers that net/http keeps apart, as other signers sign them.
func TestVerifySignedConnectionHeaders(t *testing.T) {
	text := strings.Replace(sqsPost, "Content-Length: 5\n", "Transfer-Encoding: chunked\nUser-Agent: x\nExpect: 100-continue\n", 1)
	text = strings.Replace(text, "hello", "5\r\nhello\r\n0\r\n\r\n", 1)
	text = strings.Replace(text, "=host;", "=expect;host;transfer-encoding;user-agent;", 1)
	v := docsVerifier()
	text = resign(t, v, docsKeys().SecretAccessKey, text)
	if _, body, err := verifyAll(v, mustReceive(t, string(wireOf(text)))); err != nil || body != "hello" {
		t.Errorf("%q %v", body, err)
	}
	text = resign(t, v, docsKeys().SecretAccessKey, strings.Replace(sqsPost, "=host;", "=content-length;host;", 1))
	r := mustReceive(t, string(wireOf(text)))
	if _, _, err := verifyAll(v, r); err != nil {
		t.Error(err)
	}
	// As over HTTP/2 without the header.
	r = mustReceive(t, string(wireOf(text)))
	delete(r.Header, "Content-Length")
	if _, _, err := verifyAll(v, r); err != nil {
		t.Error(err)
	}
	r.ContentLength = 4
	r.Body = io.NopCloser(strings.NewReader("hello"))
	if _, err := v.Verify(r); codeOf(err) != codeSignature {
		t.Error(err)
	}
}

// In the query the payload counts for presigned URLs alone.
func TestVerifyPayloadParameter(t *testing.T) {
	v := docsVerifier()
	text := strings.Replace(sqsPost, "/queue/", "/queue/?X-Amz-Content-Sha256=UNSIGNED-PAYLOAD", 1)
	got, err := v.Verify(mustReceive(t, string(wireOf(resign(t, v, docsKeys().SecretAccessKey, text)))))
	if err != nil || string(got.Payload) != hexSum("hello") {
		t.Errorf("%+v %v", got, err)
	}
}

func TestVerifyStatus(t *testing.T) {
	for code, status := range map[string]int{
		"AccessDenied": 403, "InvalidAccessKeyId": 403, "SignatureDoesNotMatch": 403, "RequestTimeTooSkewed": 403, "InvalidChunkSizeError": 403,
		"AuthorizationHeaderMalformed": 400, "AuthorizationQueryParametersError": 400, "InvalidToken": 400, "ExpiredToken": 400,
		"XAmzContentSHA256Mismatch": 400, "InvalidArgument": 400, "InvalidRequest": 400, "InvalidURI": 400, "IncompleteBody": 400,
		"EntityTooLarge": 400, "BadDigest": 400, "MalformedTrailerError": 400,
		"MissingContentLength": 411, "InternalError": 500, "NotImplemented": 501,
	} {
		if got := (&VerifyError{Code: code}).StatusCode(); got != status {
			t.Errorf("%s: %d, want %d", code, got, status)
		}
	}
}

// What a handler sees is what was signed, however the request line is spelled: of
// requests with one canonical form that net/http reads in two ways, the odd one is
// refused.
func TestVerifySeesWhatHandlersSee(t *testing.T) {
	req, _ := http.NewRequest("GET", "http://b.example/k?response-content-disposition="+url.QueryEscape("attachment; filename=x"), nil)
	if err := (&Signer{Service: "s3", Region: "us-east-1", Credentials: docsKeys(), Now: func() time.Time { return docsTime }}).Presign(req, time.Hour); err != nil {
		t.Fatal(err)
	}
	uri := req.URL.RequestURI()
	for _, c := range []struct {
		uri string
		ok  bool
	}{
		{uri, true},
		{strings.Replace(uri, "%3B", "%3b", 1), true},
		{"http://b.example" + uri, true},
		{"HTTPS://b.example" + uri, true},
		{strings.Replace(uri, "%3B", ";", 1), false},
		{"x:y://b.example" + uri, false},
		{"http:x://b.example" + uri, false},
		{"ftp://b.example" + uri, false},
	} {
		r := mustReceive(t, "GET "+c.uri+" HTTP/1.1\r\nHost: b.example\r\n\r\n")
		_, err := docsVerifier().Verify(r)
		if c.ok && err != nil || !c.ok && codeOf(err) != codeURI {
			t.Errorf("%s: %v", c.uri, err)
		}
		if got := r.FormValue("response-content-disposition"); err == nil && (r.URL.Path != "/k" || got != "attachment; filename=x") {
			t.Errorf("%s: a handler sees %q and %q", c.uri, r.URL.Path, got)
		}
	}
}
