package reference

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// The keys and the time of the examples in the Amazon S3 API Reference.
const (
	exampleKey    = "AKIAIOSFODNN7EXAMPLE"
	exampleSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	emptyHash     = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

var exampleTime = time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)

func exampleVerifier() *Verifier {
	return &Verifier{
		Secret: func(id string) (string, string, bool) {
			return exampleSecret, "", id == exampleKey
		},
		Service: "s3",
		Region:  "us-east-1",
		Now:     func() time.Time { return exampleTime },
	}
}

// arrive returns the request that a server makes of the bytes on the wire.
func arrive(t *testing.T, wire string) *http.Request {
	t.Helper()
	head, body, _ := strings.Cut(wire, "\n\n")
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(
		strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n" + body)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The requests of "Examples: Signature Calculations in AWS Signature Version 4",
// of "Using Query Parameters", and the seed of "Transferring Payload in Multiple
// Chunks".
const (
	getObject = `GET /test.txt HTTP/1.1
Host: examplebucket.s3.amazonaws.com
Range: bytes=0-9
x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
x-amz-date: 20130524T000000Z
Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41

`
	putObject = `PUT /test$file.text HTTP/1.1
Host: examplebucket.s3.amazonaws.com
Date: Fri, 24 May 2013 00:00:00 GMT
Content-Length: 21
x-amz-date: 20130524T000000Z
x-amz-storage-class: REDUCED_REDUNDANCY
x-amz-content-sha256: 44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072
Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd

Welcome to Amazon S3.`
	getLifecycle = `GET /?lifecycle HTTP/1.1
Host: examplebucket.s3.amazonaws.com
x-amz-date: 20130524T000000Z
x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543

`
	listObjects = `GET /?max-keys=2&prefix=J HTTP/1.1
Host: examplebucket.s3.amazonaws.com
x-amz-date: 20130524T000000Z
x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7

`
	presigned = `GET /test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404 HTTP/1.1
Host: examplebucket.s3.amazonaws.com

`
	chunkedSeed = `PUT /examplebucket/chunkObject.txt HTTP/1.1
Host: s3.amazonaws.com
x-amz-date: 20130524T000000Z
x-amz-storage-class: REDUCED_REDUNDANCY
Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class,Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9
x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD
Content-Encoding: aws-chunked
x-amz-decoded-content-length: 66560
Content-Length: 66824

`
)

func TestPublishedExamples(t *testing.T) {
	tests := []struct {
		name, wire, signature, payload string
	}{
		{"get object", getObject, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41", emptyHash},
		{"put object", putObject, "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"},
		{"get lifecycle", getLifecycle, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543", emptyHash},
		{"list objects", listObjects, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7", emptyHash},
		{"presigned", presigned, "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404", "UNSIGNED-PAYLOAD"},
		{"chunked seed", chunkedSeed + strings.Repeat("a", 66824), "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := arrive(t, test.wire)
			res, err := exampleVerifier().Verify(r)
			if err != nil {
				t.Errorf("refused: %v\n%s", err, res.CanonicalRequest)
			}
			if res.Signature != test.signature {
				t.Errorf("signature %s, want %s\n%s", res.Signature, test.signature, res.CanonicalRequest)
			}
			if res.PayloadHash != test.payload {
				t.Errorf("payload hash %s, want %s", res.PayloadHash, test.payload)
			}
			if res.AccessKeyID != exampleKey || res.Service != "s3" || res.Region != "us-east-1" || res.Presigned != (test.name == "presigned") {
				t.Errorf("result %+v", res)
			}
			_, want, _ := strings.Cut(test.wire, "\n\n")
			if body, err := io.ReadAll(r.Body); err != nil || string(body) != want {
				t.Errorf("the body was not put back: %d bytes, %v", len(body), err)
			}
		})
	}
}

// The stages that the documentation prints for its first example.
func TestPublishedStages(t *testing.T) {
	res, err := exampleVerifier().Verify(arrive(t, getObject))
	if err != nil {
		t.Fatal(err)
	}
	const canonical = `GET
/test.txt

host:examplebucket.s3.amazonaws.com
range:bytes=0-9
x-amz-content-sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
x-amz-date:20130524T000000Z

host;range;x-amz-content-sha256;x-amz-date
e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855`
	if res.CanonicalRequest != canonical {
		t.Errorf("canonical request\n%s\nwant\n%s", res.CanonicalRequest, canonical)
	}
	const toSign = `AWS4-HMAC-SHA256
20130524T000000Z
20130524/us-east-1/s3/aws4_request
7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972`
	if res.StringToSign != toSign {
		t.Errorf("string to sign\n%s\nwant\n%s", res.StringToSign, toSign)
	}
}

// The signature test suite's get-vanilla: a service that is not S3.
func TestVanilla(t *testing.T) {
	v := &Verifier{
		Secret: func(string) (string, string, bool) {
			return "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "", true
		},
		Now: func() time.Time { return time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC) },
	}
	res, err := v.Verify(arrive(t, `GET / HTTP/1.1
Host: example.amazonaws.com
X-Amz-Date: 20150830T123600Z
Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31

`))
	if err != nil {
		t.Errorf("refused: %v\n%s", err, res.CanonicalRequest)
	}
}

func TestRefusals(t *testing.T) {
	at := func(d time.Duration) func(*Verifier) {
		return func(v *Verifier) { v.Now = func() time.Time { return exampleTime.Add(d) } }
	}
	tests := []struct {
		name     string
		wire     string
		old, new string // a replacement in wire
		change   func(*Verifier)
		code     string // "": accepted
	}{
		{name: "no signature", wire: "GET / HTTP/1.1\nHost: h\n\n", code: "AccessDenied"},
		{name: "unknown key", wire: getObject, old: exampleKey, new: "AKIAANOTHER", code: "InvalidAccessKeyId"},
		{name: "wrong secret", wire: getObject, code: "SignatureDoesNotMatch", change: func(v *Verifier) {
			v.Secret = func(string) (string, string, bool) { return "wrong", "", true }
		}},
		{name: "altered path", wire: getObject, old: "/test.txt", new: "/Test.txt", code: "SignatureDoesNotMatch"},
		{name: "altered query", wire: listObjects, old: "max-keys=2", new: "max-keys=3", code: "SignatureDoesNotMatch"},
		{name: "altered method", wire: getObject, old: "GET", new: "PUT", code: "SignatureDoesNotMatch"},
		{name: "altered host", wire: getObject, old: "examplebucket", new: "other", code: "SignatureDoesNotMatch"},
		{name: "altered header", wire: getObject, old: "bytes=0-9", new: "bytes=0-99", code: "SignatureDoesNotMatch"},
		{name: "altered body", wire: putObject, old: "Welcome", new: "Farewel", code: "XAmzContentSHA256Mismatch"},
		{name: "signed header absent", wire: getObject, old: "Range: bytes=0-9\n", new: "", code: "SignatureDoesNotMatch"},
		{name: "short signature", wire: getObject, old: "6bdb41", new: "6bdb4", code: "SignatureDoesNotMatch"},
		{name: "upper-case signature", wire: getObject, old: "6bdb41", new: "6BDB41", code: "SignatureDoesNotMatch"},
		{name: "unsigned X-Amz header", wire: getObject, old: "Range:", new: "X-Amz-Acl: public-read\nRange:", code: "AccessDenied"},
		{name: "unsigned X-Amz header, presigned", wire: presigned, old: "Host:", new: "X-Amz-Acl: public-read\nHost:", code: "AccessDenied"},
		{name: "unsigned trace id", wire: getObject, old: "Range:", new: "X-Amzn-Trace-Id: Root=1\nRange:"},
		{name: "unsigned other header", wire: getObject, old: "Range:", new: "User-Agent: x\nRange:"},
		{name: "unsigned host", wire: getObject, old: "=host;", new: "=", code: "AuthorizationHeaderMalformed"},
		{name: "wrong region", wire: getObject, change: func(v *Verifier) { v.Region = "eu-west-1" }, code: "AuthorizationHeaderMalformed"},
		{name: "wrong service", wire: getObject, change: func(v *Verifier) { v.Service = "sqs" }, code: "AuthorizationHeaderMalformed"},
		{name: "wrong region, presigned", wire: presigned, change: func(v *Verifier) { v.Region = "eu-west-1" }, code: "AuthorizationQueryParametersError"},
		{name: "another algorithm", wire: getObject, old: "AWS4-HMAC-SHA256", new: "AWS4-HMAC-SHA512", code: "AuthorizationHeaderMalformed"},
		{name: "no signed headers", wire: getObject, old: "SignedHeaders", new: "X", code: "AuthorizationHeaderMalformed"},
		{name: "repeated field", wire: getObject, old: ",Signature", new: ",Signature=0,Signature", code: "AuthorizationHeaderMalformed"},
		{name: "unsorted signed headers", wire: getObject, old: "host;range", new: "range;host", code: "AuthorizationHeaderMalformed"},
		{name: "short credential", wire: getObject, old: "/s3/", new: "/", code: "AuthorizationHeaderMalformed"},
		{name: "scope of another day", wire: getObject, old: "/20130524/", new: "/20130525/", code: "AuthorizationHeaderMalformed"},
		{name: "bad date", wire: getObject, old: "date: 2013", new: "date: 13", code: "AuthorizationHeaderMalformed"},
		{name: "no date", wire: getObject, old: "x-amz-date: 20130524T000000Z\n", new: "", code: "AccessDenied"},
		{name: "header and query", wire: presigned, old: "Host:", new: "Authorization: AWS4-HMAC-SHA256 Credential=x\nHost:", code: "InvalidArgument"},
		{name: "bad payload word", wire: getObject, old: emptyHash, new: "UNSIGNED", code: "InvalidArgument"},
		{name: "token missing", wire: getObject, code: "InvalidToken", change: func(v *Verifier) {
			v.Secret = func(string) (string, string, bool) { return exampleSecret, "token", true }
		}},
		{name: "token not asked for", wire: getObject, old: "Range:", new: "X-Amz-Security-Token: t\nRange:", code: "InvalidToken"},
		{name: "token not asked for, presigned", wire: presigned, old: "&X-Amz-Signature", new: "&X-Amz-Security-Token=t&X-Amz-Signature", code: "InvalidToken"},

		{name: "15 minutes old", wire: getObject, change: at(15 * time.Minute)},
		{name: "15 minutes early", wire: getObject, change: at(-15 * time.Minute)},
		{name: "too old", wire: getObject, change: at(15*time.Minute + time.Second), code: "RequestTimeTooSkewed"},
		{name: "too early", wire: getObject, change: at(-15*time.Minute - time.Second), code: "RequestTimeTooSkewed"},
		{name: "presigned, last second", wire: presigned, change: at(86400 * time.Second)},
		{name: "presigned, expired", wire: presigned, change: at(86401 * time.Second), code: "AccessDenied"},
		{name: "presigned, not valid yet", wire: presigned, change: at(-16 * time.Minute), code: "AccessDenied"},
		{name: "presigned for longer", wire: presigned, old: "=86400", new: "=86401", code: "SignatureDoesNotMatch"},
		{name: "presigned for nothing", wire: presigned, old: "=86400", new: "=0", code: "AuthorizationQueryParametersError"},
		{name: "presigned for too long", wire: presigned, old: "=86400", new: "=604801", code: "AuthorizationQueryParametersError"},
		{name: "presigned for a word", wire: presigned, old: "=86400", new: "=1h", code: "AuthorizationQueryParametersError"},
		{name: "presigned without signature", wire: presigned, old: "&X-Amz-Signature=", new: "&Sig=", code: "AuthorizationQueryParametersError"},
		{name: "repeated signature", wire: presigned, old: "&X-Amz-Signature=", new: "&X-Amz-Signature=0&X-Amz-Signature=", code: "AuthorizationQueryParametersError"},
		{name: "repeated expiry, escaped", wire: presigned, old: "&X-Amz-Date", new: "&X%2DAmz-Expires=86400&X-Amz-Date", code: "AuthorizationQueryParametersError"},
		{name: "another algorithm in the query", wire: presigned, old: "=AWS4-HMAC-SHA256", new: "=AWS4", code: "AuthorizationQueryParametersError"},
		{name: "undecodable query", wire: listObjects, old: "prefix=J", new: "prefix=%J", code: "InvalidURI"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.old != "" && !strings.Contains(test.wire, test.old) {
				t.Fatalf("nothing to replace: %q", test.old)
			}
			v := exampleVerifier()
			if test.change != nil {
				test.change(v)
			}
			_, err := v.Verify(arrive(t, strings.Replace(test.wire, test.old, test.new, 1)))
			var refusal *Error
			errors.As(err, &refusal)
			switch {
			case test.code == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.code != "" && (refusal == nil || refusal.Code != test.code):
				t.Errorf("got %v, want %s", err, test.code)
			}
		})
	}
}

// resign gives r, whose Authorization must end in a wrong signature, the right one.
func resign(t *testing.T, v *Verifier, r *http.Request, wrong string) Result {
	t.Helper()
	res, err := v.Verify(r)
	var refusal *Error
	if !errors.As(err, &refusal) || refusal.Code != "SignatureDoesNotMatch" {
		t.Fatalf("got %v, want SignatureDoesNotMatch", err)
	}
	if a := r.Header.Get("Authorization"); a != "" {
		r.Header.Set("Authorization", strings.Replace(a, wrong, res.Signature, 1))
	} else {
		r.RequestURI = strings.Replace(r.RequestURI, wrong, res.Signature, 1)
	}
	if _, err := v.Verify(r); err != nil {
		t.Fatalf("refused with the signature computed: %v", err)
	}
	return res
}

func TestCanonicalForm(t *testing.T) {
	tests := []struct {
		service, target string
		path, query     string
	}{
		{"s3", "/", "/", ""},
		{"s3", "/?", "/", ""},
		{"s3", "http://h", "/", ""},
		{"s3", "http://h/a?b", "/a", "b="},
		{"s3", "/a//b/./../c/", "/a//b/./../c/", ""},
		{"s3", "/a+b%20(1)*%7e%2f.jpg", "/a%2Bb%20%281%29%2A~/.jpg", ""},
		{"s3express", "/%c3%a9", "/%C3%A9", ""},
		{"s3-outposts", "/a%2fb", "/a/b", ""},
		{"s3-object-lambda", "/a=b", "/a%3Db", ""},
		{"sqs", "/a//b/./../c/", "/a/c/", ""},
		{"sqs", "/a/b/..", "/a", ""},
		{"sqs", "/../..", "/", ""},
		{"sqs", "/a/../", "/", ""},
		{"sqs", "//", "/", ""},
		{"sqs", "/a%20b/%2E%2E/(c)", "/a%2520b/%252E%252E/%28c%29", ""},
		{"sqs", "/?b=1&a=2&a=10&a=", "/", "a=&a=10&a=2&b=1"},
		{"sqs", "/?p1=x&p%5B10%5D=x&p%5b1%5d=x", "/", "p%5B1%5D=x&p%5B10%5D=x&p1=x"},
		{"sqs", "/?k=a-b&k=a/b&k=a=b", "/", "k=a%2Fb&k=a%3Db&k=a-b"},
		{"sqs", "/?a=b+c%2B;d=e?f", "/", "a=b%20c%2B%3Bd%3De%3Ff"},
		{"sqs", "/?a&&=b&%C3%A9", "/", "=b&%C3%A9=&a="},
	}
	for _, test := range tests {
		t.Run(test.service+test.target, func(t *testing.T) {
			v := exampleVerifier()
			v.Service = test.service
			r := httptest.NewRequest("GET", "http://h/", nil)
			r.RequestURI = test.target
			r.Host = "h"
			r.Header.Set("X-Amz-Date", "20130524T000000Z")
			r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+exampleKey+"/20130524/us-east-1/"+test.service+"/aws4_request, SignedHeaders=host;x-amz-date, Signature=wrong")
			res := resign(t, v, r, "wrong")
			want := "GET\n" + test.path + "\n" + test.query + "\nhost:h\nx-amz-date:20130524T000000Z\n\nhost;x-amz-date\n" + emptyHash
			if res.CanonicalRequest != want {
				t.Errorf("canonical request\n%s\nwant\n%s", res.CanonicalRequest, want)
			}
		})
	}
}

func TestCanonicalHeaders(t *testing.T) {
	v := exampleVerifier()
	r := arrive(t, "POST / HTTP/1.1\nHost: h:8080\nContent-Length: 2\nX-Amz-Date: 20130524T000000Z\n"+
		"X-Amz-Meta-A:  one \t two  \nX-Amz-Meta-B: 2\nX-Amz-Meta-B:  1\nX-Amz-Meta-C:\n"+
		"Authorization: AWS4-HMAC-SHA256 Credential="+exampleKey+"/20130524/us-east-1/s3/aws4_request, "+
		"SignedHeaders=content-length;host;x-amz-date;x-amz-meta-a;x-amz-meta-b;x-amz-meta-c, Signature=wrong\n\nhi")
	res := resign(t, v, r, "wrong")
	want := "POST\n/\n\ncontent-length:2\nhost:h:8080\nx-amz-date:20130524T000000Z\n" +
		"x-amz-meta-a:one two\nx-amz-meta-b:2,1\nx-amz-meta-c:\n\n" +
		"content-length;host;x-amz-date;x-amz-meta-a;x-amz-meta-b;x-amz-meta-c\n" +
		"8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4"
	if res.CanonicalRequest != want {
		t.Errorf("canonical request\n%s\nwant\n%s", res.CanonicalRequest, want)
	}
}

func TestSessionToken(t *testing.T) {
	v := exampleVerifier()
	v.Service = ""
	v.Secret = func(string) (string, string, bool) { return exampleSecret, "to/ken=", true }
	query := func(service string) string {
		return "/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" + exampleKey + "%2F20130524%2Fus-east-1%2F" + service +
			"%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=60&X-Amz-Security-Token=to%2Fken%3D&X-Amz-SignedHeaders=host&X-Amz-Signature=wrong"
	}
	for _, service := range []string{"s3", "sts", "iotdevicegateway"} {
		r := httptest.NewRequest("GET", query(service), nil)
		res := resign(t, v, r, "wrong")
		if signed := strings.Contains(res.CanonicalRequest, "to%2Fken%3D"); signed != (service != "iotdevicegateway") {
			t.Errorf("%s: token in the canonical request: %v", service, signed)
		}
		if want := map[bool]string{true: unsignedPayload, false: emptyHash}[service == "s3"]; res.PayloadHash != want {
			t.Errorf("%s: payload hash %s, want %s", service, res.PayloadHash, want)
		}
		r.RequestURI = strings.Replace(r.RequestURI, "to%2F", "tok%2F", 1)
		if _, err := v.Verify(r); err == nil || !strings.HasPrefix(err.Error(), "InvalidToken: ") {
			t.Errorf("%s: another token: %v", service, err)
		}
	}

	for service, name := range map[string]string{"s3": "X-Amz-Security-Token", "s3express": "X-Amz-S3session-Token"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("X-Amz-Date", "20130524T000000Z")
		r.Header.Set(name, "to/ken=")
		signed := []string{"host", "x-amz-date", strings.ToLower(name)}
		slices.Sort(signed)
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+exampleKey+"/20130524/us-east-1/"+service+
			"/aws4_request, SignedHeaders="+strings.Join(signed, ";")+", Signature=wrong")
		res := resign(t, v, r, "wrong")
		if !slices.Equal(res.SignedHeaders, signed) {
			t.Errorf("%s: signed headers %q, want %q", service, res.SignedHeaders, signed)
		}
	}
}

func TestUnsignedPayload(t *testing.T) {
	r := httptest.NewRequest("PUT", "/k", strings.NewReader("anything"))
	r.Header.Set("X-Amz-Date", "20130524T000000Z")
	r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+exampleKey+"/20130524/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=wrong")
	if res := resign(t, exampleVerifier(), r, "wrong"); res.PayloadHash != unsignedPayload {
		t.Errorf("payload hash %s", res.PayloadHash)
	}
}
