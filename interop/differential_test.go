package interop

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	smithycredentials "github.com/aws/smithy-go/aws-http-auth/credentials"
	"github.com/aws/smithy-go/aws-http-auth/sigv4"
	smithyv4 "github.com/aws/smithy-go/aws-http-auth/v4"

	"github.com/go-awsauth/awsauth"
	"github.com/go-awsauth/awsauth/internal/reference"
)

// A sample is what all signers sign.
type sample struct {
	method, url, host string
	header            http.Header
	body              string
	service, region   string
	presign           bool
	keys              awsauth.Credentials
	now               time.Time
}

func (s *sample) String() string {
	return fmt.Sprintf("%s %s %s for %s, %s, presigned: %v, headers %q, body %q", s.method, s.url, s.host, s.service, s.region, s.presign, s.header, s.body)
}

// request makes the request anew. Its body is for awsauth alone: the others are told
// the hash, and one of them would sign a Content-Length, which awsauth leaves to
// net/http.
func (s *sample) request(t *testing.T, body string) *http.Request {
	t.Helper()
	req := newRequest(t, s.method, s.url, body)
	req.Method = s.method
	req.Header = s.header.Clone()
	if s.host != "" {
		req.Host = s.host
	}
	return req
}

const expires = 15 * time.Minute

// payload is the hash that the others are told.
func (s *sample) payload() string {
	if s.presign && s.service == "s3" {
		return "UNSIGNED-PAYLOAD"
	}
	return hexSHA256(s.body)
}

// Each signs a request in place, or returns the presigned URL in it.
var signers = []struct {
	name string
	sign func(*sample, *http.Request) error
}{{"awsauth", byAWSAuth}, {"aws-sdk-go-v2", bySDK}, {"smithy-go", bySmithy}}

func byAWSAuth(s *sample, req *http.Request) error {
	signer := &awsauth.Signer{Service: s.service, Region: s.region, Credentials: s.keys, Now: func() time.Time { return s.now }}
	if s.presign {
		return signer.Presign(req, expires)
	}
	return signer.Sign4(req)
}

func bySDK(s *sample, req *http.Request) error {
	signer := v4.NewSigner(func(o *v4.SignerOptions) {
		o.DisableURIPathEscaping = s.service == "s3"
		o.DisableHeaderHoisting = true // awsauth leaves headers where they are
	})
	keys := aws.Credentials{AccessKeyID: s.keys.AccessKeyID, SecretAccessKey: s.keys.SecretAccessKey, SessionToken: s.keys.SessionToken}
	if !s.presign {
		if s.service == "s3" {
			req.Header.Set("X-Amz-Content-Sha256", s.payload())
		}
		return signer.SignHTTP(req.Context(), keys, req, s.payload(), s.service, s.region, s.now)
	}
	addExpires(req)
	link, signed, err := signer.PresignHTTP(req.Context(), keys, req, s.payload(), s.service, s.region, s.now)
	if err == nil {
		req.Host = signed.Get("Host") // as it was signed, without the scheme's port
		req.URL, err = url.Parse(link)
	}
	return err
}

// addExpires adds a parameter that both others want from their caller.
func addExpires(req *http.Request) {
	req.URL.RawQuery = strings.TrimPrefix(req.URL.RawQuery+"&X-Amz-Expires="+strconv.Itoa(int(expires/time.Second)), "&")
}

// allHeaders is for smithy-go, which by itself signs Host and X-Amz- alone.
type allHeaders struct{}

func (allHeaders) IsSigned(name string) bool { return name != "authorization" && name != "user-agent" }

func smithyOptions(service string, presign bool) func(*smithyv4.SignerOptions) {
	return func(o *smithyv4.SignerOptions) {
		o.HeaderRules = allHeaders{}
		o.DisableDoublePathEscape = service == "s3"
		o.AddPayloadHashHeader = service == "s3" && !presign
	}
}

func bySmithy(s *sample, req *http.Request) error {
	in := &sigv4.SignRequestInput{
		Request: req, Service: s.service, Region: s.region, Time: s.now, PayloadHash: smithyPayload(s.payload()),
		Credentials: smithycredentials.Credentials{AccessKeyID: s.keys.AccessKeyID, SecretAccessKey: s.keys.SecretAccessKey, SessionToken: s.keys.SessionToken},
	}
	if s.presign {
		addExpires(req)
		in.SignatureType = smithyv4.SignatureTypeQueryString
	}
	err := sigv4.New(smithyOptions(s.service, s.presign)).SignRequest(in)
	req.Header.Del("Host") // net/http sends its own
	return err
}

func smithyPayload(payload string) []byte {
	if sum, err := hex.DecodeString(payload); err == nil {
		return sum
	}
	return []byte(payload)
}

// A dice makes random requests of the common ground, on which all three have to
// agree. What it leaves out is in TestFaults.
type dice struct{ *rand.Rand }

func (d dice) pick(from ...string) string { return from[d.IntN(len(from))] }

// text has up to n of the parts.
func (d dice) text(n int, parts ...string) string {
	var b strings.Builder
	for range d.IntN(n + 1) {
		b.WriteString(d.pick(parts...))
	}
	return b.String()
}

func (d dice) name() string {
	return d.pick("a", "b", "k", "Key", "x", "list", "prefix") + d.text(3, "0", "1", "z", "A")
}

const hexDigits = "0123456789ABCDEF"

func (d dice) sample() *sample {
	s := &sample{
		method:  d.pick("GET", "GET", "PUT", "POST", "DELETE", "HEAD", "PATCH", "OPTIONS"),
		service: d.pick("s3", "s3", "dynamodb", "sqs", "iam", "execute-api", "sts"),
		region:  d.pick("us-east-1", "eu-west-1", "us-gov-west-1", "cn-north-1", "auto"),
		presign: d.IntN(2) == 0,
		header:  http.Header{},
		now:     time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(d.Int64N(30 * 365 * 24 * int64(time.Hour)))),
		keys:    awsauth.Credentials{AccessKeyID: "AKIA" + d.text(16, "A", "Z", "7"), SecretAccessKey: "s" + d.text(40, "a", "/", "+", "=", "Z", "9")},
	}
	if d.IntN(3) == 0 {
		s.keys.SessionToken = "t" + d.text(300, "a", "/", "+", "=", "Z", "9")
	}

	var path strings.Builder
	for range d.IntN(5) {
		path.WriteByte('/')
		// Every segment begins with a letter: no empty ones and no dots.
		path.WriteString(d.pick("a", "Z", "9", "~", "_"))
		for range d.IntN(8) {
			if c := byte(d.IntN(256)); d.IntN(2) == 0 && c != '/' {
				path.WriteString("%" + string(hexDigits[c>>4]) + string(hexDigits[c&15]))
			} else {
				path.WriteString(d.pick("a", "-", ".", "_", "~", "Q", "0"))
			}
		}
	}
	// A reserved character is as good as its escape but for S3, and an unreserved
	// one that is escaped is good for nobody else.
	encoded := path.String()
	if s.service == "s3" {
		encoded, _ = url.PathUnescape(encoded)
		encoded = strictEncode(encoded, true)
	}
	if d.IntN(4) == 0 {
		encoded += "/"
	}

	names := map[string]bool{}
	var query []string
	for range d.IntN(6) {
		name := d.name()
		switch {
		case d.IntN(4) == 0: // repeated: sorted by value, before as after encoding
			query = append(query, "repeated="+d.text(5, "a", "b", "0", "-", ".", "~"))
		case names[name]:
		case d.IntN(6) == 0:
			query = append(query, name)
		default:
			value := ""
			for range d.IntN(10) {
				c := byte(d.IntN(256))
				value += d.pick("a", "-", "~", "+", "%2B", "*", "/", ":", "'", "(", "%"+string(hexDigits[c>>4])+strings.ToLower(string(hexDigits[c&15])))
			}
			query = append(query, name+"="+value)
		}
		names[name] = true
	}
	s.url = d.pick("https://", "http://") + d.pick("example.amazonaws.com", "bucket.example.com", "127.0.0.1:9000", "localhost:8080", "[::1]:9000", "host") + encoded
	if len(query) > 0 {
		s.url += "?" + strings.Join(query, "&")
	}
	if d.IntN(4) == 0 {
		s.host = d.pick("other.example.com", "other:8443")
	}

	for range d.IntN(5) {
		name := d.pick("Content-Type", "X-Amz-Target", "X-Amz-Meta-A", "X-Amz-Meta-Bb", "Range", "If-Match", "X-Custom", "Content-Md5", "Date", "X-Amz-Acl", "Accept")
		for range 1 + d.IntN(2) {
			// One space at a time within, and any number around.
			value := d.text(2, " ") + strings.Join(strings.Fields(d.text(20, "a", "B", "0", " ", ",", ";", "=", "\"", "é", "/", ":", "%20")), " ") + d.text(2, " ", "\t")
			s.header.Add(name, value)
		}
	}
	if d.IntN(2) == 0 && s.method != "GET" && s.method != "HEAD" {
		s.body = d.text(200, "a", "\n", "\x00", "ü")
	}
	return s
}

// strictEncode percent-encodes all but unreserved characters.
func strictEncode(s string, keepSlash bool) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~", c) >= 0, keepSlash && c == '/':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// The three agree on every header and every presigned URL of the common ground, to
// the byte.
func TestSameAsSDKs(t *testing.T) {
	n := 20_000
	if testing.Short() {
		n = 2_000
	}
	d := dice{rand.New(rand.NewPCG(1, 2))}
	same := map[string]int{}
	for range n {
		s := d.sample()
		var want *http.Request
		for i, by := range signers {
			body := s.body
			if i > 0 {
				body = ""
			}
			req := s.request(t, body)
			if err := by.sign(s, req); err != nil {
				t.Fatalf("%s: %v: %v", by.name, err, s)
			}
			if i == 0 {
				want = req
				continue
			}
			kind := by.name + ", header"
			if s.presign {
				kind = by.name + ", presigned"
				// The order of parameters is each one's own.
				if got, want := query(t, req), query(t, want); !maps.EqualFunc(got, want, slices.Equal) {
					t.Fatalf("%v\n%s:\n%q\nawsauth:\n%q", s, by.name, got, want)
				}
			}
			for _, name := range []string{"Authorization", "X-Amz-Date", "X-Amz-Security-Token", "X-Amz-Content-Sha256"} {
				if got, want := req.Header[name], want.Header[name]; !slices.Equal(got, want) {
					t.Fatalf("%v\n%s has the %s\n%s\nawsauth\n%s", s, by.name, name, got, want)
				}
			}
			same[kind]++
		}
	}
	t.Logf("the same signatures: %v", same)
}

func query(t *testing.T, req *http.Request) url.Values {
	t.Helper()
	q, err := url.ParseQuery(req.URL.RawQuery)
	if err != nil {
		t.Fatal(err)
	}
	for _, values := range q {
		slices.Sort(values)
	}
	return q
}

// A judge verifies what comes over the wire.
type judge struct {
	url, service string
	keys         awsauth.Credentials
	server       *server                                // where the requests are to be counted
	ask          func(*testing.T, *http.Request) string // returns the error code, or "" where it accepts
}

// versitygw is a judge for S3 that is not ours.
func versitygw(t *testing.T) *judge {
	t.Helper()
	all, err := servers[0]()
	if err != nil {
		t.Fatal(err)
	}
	s := all[0]
	return &judge{url: s.bucket(t), service: "s3", keys: s.Keys, server: s, ask: func(t *testing.T, req *http.Request) string { return s.send(t, req).Code }}
}

// byTheBook is a judge for all services, over HTTP/1.1 and HTTP/2: it is written from
// AWS's documentation alone, because no server at hand verifies these as AWS does.
func byTheBook(t *testing.T, http2 bool) *judge {
	t.Helper()
	keys := awsauth.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"}
	v := &reference.Verifier{Service: "execute-api", Region: serverRegion, Secret: func(id string) (string, string, bool) { return keys.SecretAccessKey, "", id == keys.AccessKeyID }}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if http2 != r.ProtoAtLeast(2, 0) {
			http.Error(w, r.Proto, http.StatusHTTPVersionNotSupported)
		} else if _, err := v.Verify(r); err != nil {
			http.Error(w, err.(*reference.Error).Code, http.StatusForbidden)
		}
	}))
	server.EnableHTTP2 = http2
	if http2 {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	client := server.Client()
	transport := client.Transport.(*http.Transport)
	// Any host name leads there.
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
	}
	if http2 {
		transport.TLSClientConfig.ServerName = "example.com" // as the certificate has it
	}
	return &judge{url: server.URL, service: "execute-api", keys: keys, ask: func(t *testing.T, req *http.Request) string {
		t.Helper()
		resp, err := client.Do(req)
		if err != nil {
			return err.Error()
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(text))
	}}
}

// Where the others differ, a judge sides with awsauth: each fault says of whom it is,
// and all the others' requests are accepted.
func TestFaults(t *testing.T) {
	const sdk, smithy = "aws-sdk-go-v2", "smithy-go"
	both := []string{sdk, smithy}
	book, book2 := byTheBook(t, false), byTheBook(t, true)
	judges := map[string]func() *judge{
		"versitygw":        func() *judge { return versitygw(t) },
		"the book":         func() *judge { return book },
		"the book, HTTP/2": func() *judge { return book2 },
	}
	set := func(name string, values ...string) func(*http.Request) {
		return func(req *http.Request) { req.Header[name] = values }
	}
	for _, c := range []struct {
		name   string
		judge  string
		of     []string // whose requests are refused
		path   string   // after the judge's URL, as the caller spells it
		key    string   // for S3: the object meant
		change func(*http.Request)
		why    string
	}{
		{"nothing odd", "versitygw", nil, "/a%20b", "a b", nil, ""},
		{"nothing odd", "the book", nil, "/a/b?c=d", "", nil, ""},
		{"nothing odd", "the book, HTTP/2", nil, "/a/b?c=d", "", nil, ""},

		{"raw : @ , $ & ; = +", "versitygw", both, "/a:b@c,d$e&f;g=h+i", "a:b@c,d$e&f;g=h+i", nil,
			"they sign what net/url leaves raw; servers sign the encoded form"},
		{"raw ! ' ( ) *", "versitygw", both, "/a!b'c(d)e*f", "a!b'c(d)e*f", nil, "the same"},
		{"lower-case escapes", "versitygw", both, "/%c3%bc%2b", "ü+", nil, "they sign the caller's spelling"},
		{"needless escapes", "versitygw", both, "/%61%7Eb", "a~b", nil, "the same"},
		{"%2F", "versitygw", both, "/a%2Fb", "a/b", nil, "the same: S3 decodes the path before it encodes it"},
		{"two spaces in a value", "versitygw", []string{smithy}, "/a", "a", set("X-Amz-Meta-A", "a  b   c"),
			"it trims values and does not fold them"},
		{"tabs in a value", "the book", both, "/a", "", set("X-Amz-Meta-A", "a\t\tb"),
			"they fold spaces at most; AWS's Python and C runtimes fold all white space"},
		{"no method", "versitygw", both, "/a", "a", func(req *http.Request) { req.Method = "" }, "they sign an empty method, and net/http sends GET"},
		{"no Host beside URL.Host", "versitygw", []string{smithy}, "/a", "a", func(req *http.Request) { req.Host = "" }, "it signs an empty host"},

		{"// and dot segments", "the book", both, "/a//b/../c/./d", "", nil, "services other than S3 normalize the path; they do not"},
		{"only slashes", "the book", both, "//", "", nil, "the same"},
		{"values that sort otherwise encoded", "the book", both, "/?k=a-b&k=a/b", "", nil, "they sort before they encode, AWS's documentation says after"},
		{"names that sort otherwise encoded", "the book", both, "/?p[1]=x&p1=y", "", nil, "the same"},
		{"a name beyond ASCII", "the book", both, "/", "", func(req *http.Request) { req.URL.Host, req.Host = "bücher.example", "bücher.example" },
			"they sign it as it stands, and net/http sends Punycode"},
		{"a zone in an address", "the book", both, "/", "", func(req *http.Request) { req.URL.Host, req.Host = "[fe80::1%25eth0]", "" },
			"they sign it, and net/http leaves it out"},
		{"port 80 of http", "the book", []string{smithy}, "/", "", func(req *http.Request) { req.URL.Host, req.Host = "example.com:80", "" }, "it signs an empty host"},
		{"an opaque URL", "the book", []string{smithy}, "/", "", func(req *http.Request) { req.URL.Opaque = "//" + req.URL.Host + "/a%20b" }, "it signs another path"},
		{"Connection and Keep-Alive", "the book, HTTP/2", both, "/", "", func(req *http.Request) {
			req.Header.Set("Connection", "keep-alive")
			req.Header.Set("Keep-Alive", "timeout=5")
		}, "they sign what HTTP/2 does not send"},
		{"Accept-Encoding", "the book", nil, "/", "", set("Accept-Encoding", "identity"), ""},
	} {
		j := judges[c.judge]()
		for _, presign := range []bool{false, true} {
			if c.key != "" {
				put := newRequest(t, "PUT", j.url, "data")
				put.URL.Path, put.URL.RawPath = put.URL.Path+"/"+c.key, ""
				if err := (&awsauth.Signer{Service: "s3", Region: serverRegion}).Sign4(put, j.keys); err != nil {
					t.Fatal(err)
				}
				if code := j.ask(t, put); code != "" {
					t.Fatalf("%s: put: %s", c.name, code)
				}
			}
			for _, by := range signers {
				s := &sample{method: "GET", url: j.url + c.path, service: j.service, region: serverRegion, keys: j.keys, now: time.Now(), presign: presign, header: http.Header{}}
				req := s.request(t, "")
				if c.change != nil {
					c.change(req)
				}
				code := ""
				if err := by.sign(s, req); err != nil {
					code = err.Error()
				} else {
					req.RequestURI = ""
					code = j.ask(t, req)
				}
				refused := code != ""
				if j.server != nil {
					kind, outcome := "signed by "+by.name, asAccepted
					if refused {
						outcome = asRefused
					}
					if refused != slices.Contains(c.of, by.name) {
						outcome = asWrong
					}
					count(j.server, kind, outcome)
				}
				switch {
				case refused != slices.Contains(c.of, by.name):
					t.Errorf("%s: %s, presigned %v: %s says %q: %s", c.name, by.name, presign, c.judge, code, req.URL)
				case refused && !presign:
					t.Logf("%s: %s: %s says %s: %s", c.name, by.name, c.judge, code, c.why)
				}
			}
		}
	}
}

// Faults that no server sees: a request that is sent and is not what the caller
// meant.
func TestSilentFaults(t *testing.T) {
	s := &sample{method: "GET", url: "https://example.com/a?b=1", service: "s3", region: serverRegion, now: time.Now(), header: http.Header{},
		keys: awsauth.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"}}
	signed := func(sign func(*sample, *http.Request) error, s *sample, change func(*http.Request)) (*http.Request, error) {
		req := s.request(t, s.body)
		if change != nil {
			change(req)
		}
		return req, sign(s, req)
	}

	// The SDK leaves a parameter out of the URL; awsauth sends it or says why not.
	for raw, want := range map[string]string{"a=1;b=2": "a=1%3Bb%3D2", "a=%zz": ""} {
		change := func(req *http.Request) { req.URL.RawQuery = raw + "&c=3" }
		if req, err := signed(bySDK, s, change); err != nil || req.URL.RawQuery != "c=3" {
			t.Errorf("aws-sdk-go-v2: %q: %q, %v", raw, req.URL.RawQuery, err)
		}
		req, err := signed(byAWSAuth, s, change)
		if want == "" && (err == nil || req.URL.RawQuery != raw+"&c=3") || want != "" && (err != nil || req.URL.RawQuery != want+"&c=3") {
			t.Errorf("awsauth: %q: %q, %v", raw, req.URL.RawQuery, err)
		}
	}

	// Two spellings of a header: the others sign the values in any order, awsauth
	// refuses.
	orders := map[string]bool{}
	spellings := func(req *http.Request) {
		req.Header["X-Amz-Meta-A"], req.Header["x-amz-meta-a"] = []string{"1"}, []string{"2"}
	}
	for range 100 {
		req, err := signed(bySDK, s, spellings)
		if err != nil {
			t.Fatal(err)
		}
		orders[req.Header.Get("Authorization")] = true
	}
	if len(orders) != 2 {
		t.Errorf("aws-sdk-go-v2 signed two spellings in %d ways", len(orders))
	}
	if _, err := signed(byAWSAuth, s, spellings); err == nil {
		t.Error("awsauth signed two spellings")
	}

	// Without keys the others sign all the same.
	for _, by := range signers {
		none := *s
		none.keys = awsauth.Credentials{}
		if _, err := signed(by.sign, &none, nil); (err == nil) != (by.name != "awsauth") {
			t.Errorf("%s: empty keys: %v", by.name, err)
		}
	}

	// A body as http.NewRequest makes it: smithy-go leaves it unsigned without a word.
	req := newRequest(t, "PUT", s.url, "data")
	if err := sigv4.New(smithyOptions("s3", false)).SignRequest(&sigv4.SignRequestInput{Request: req, Service: "s3", Region: s.region,
		Credentials: smithycredentials.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"}}); err != nil || req.Header.Get("X-Amz-Content-Sha256") != "UNSIGNED-PAYLOAD" {
		t.Errorf("smithy-go: %v: %v", err, req.Header)
	}
	req = newRequest(t, "PUT", s.url, "data")
	if err := byAWSAuth(s, req); err != nil || req.Header.Get("X-Amz-Content-Sha256") != hexSHA256("data") {
		t.Errorf("awsauth: %v: %v", err, req.Header)
	}
}

// The SDK's signer keeps a signing key by the access key ID alone, so that it goes on
// with the old secret after a change. A real server refuses it, and accepts ours.
func TestChangedSecret(t *testing.T) {
	j := versitygw(t)
	sdk := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	ours := &awsauth.Signer{Service: "s3", Region: serverRegion}
	codes := map[string][]string{}
	for _, secret := range []string{"the old one", j.keys.SecretAccessKey} {
		req := newRequest(t, "HEAD", j.url, "")
		req.Header.Set("X-Amz-Content-Sha256", hexSHA256(""))
		if err := sdk.SignHTTP(t.Context(), aws.Credentials{AccessKeyID: j.keys.AccessKeyID, SecretAccessKey: secret}, req, hexSHA256(""), "s3", serverRegion, time.Now()); err != nil {
			t.Fatal(err)
		}
		codes["aws-sdk-go-v2"] = append(codes["aws-sdk-go-v2"], cmp.Or(j.ask(t, req), "accepted"))

		req = newRequest(t, "HEAD", j.url, "")
		if err := ours.Sign4(req, awsauth.Credentials{AccessKeyID: j.keys.AccessKeyID, SecretAccessKey: secret}); err != nil {
			t.Fatal(err)
		}
		codes["awsauth"] = append(codes["awsauth"], cmp.Or(j.ask(t, req), "accepted"))
	}
	want := map[string][]string{"aws-sdk-go-v2": {"HTTP 403", "HTTP 403"}, "awsauth": {"HTTP 403", "accepted"}}
	if !maps.EqualFunc(codes, want, slices.Equal) {
		t.Errorf("got %q, want %q", codes, want)
	}
}
