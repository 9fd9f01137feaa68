package awsauthtest

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-awsauth/awsauth"
)

// signed makes a request to f of a target such as /bucket/key?a=b, signed for S3
// with its keys, with the headers named, a value after each name.
func signed(t *testing.T, f *Server, method, target, body string, header ...string) *http.Request {
	t.Helper()
	if strings.HasPrefix(target, "/") {
		target = f.URL + target
	}
	req, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	signer := &awsauth.Signer{Service: "s3", Region: "eu-west-1", Credentials: f.Credentials}
	if err := signer.Sign4(req); err != nil {
		t.Fatal(err)
	}
	return req
}

// do sends a request to f, and returns the answer with its body.
func do(t *testing.T, f *Server, req *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := f.Transport().RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func etag(data string) string { return fmt.Sprintf(`"%x"`, md5.Sum([]byte(data))) }

func TestServerObjects(t *testing.T) {
	f := NewServer()
	defer f.Close()
	now := time.Now().Truncate(time.Second)
	f.Now = func() time.Time { return now.Add(time.Nanosecond) }
	const odd = "/bucket//a/../%2e/%C3%A9%20%2B*'()"
	for _, c := range []struct {
		method, target, body string
		header               []string
		status               int
		reply                string   // "<Code>" of an error, else all of it
		want                 []string // headers, a value after each name
	}{
		{"GET", "/bucket/a", "", nil, 404, "<Code>NoSuchKey</Code>", nil},
		{"PUT", "/bucket/a", "content", []string{"Content-Type", "text/plain", "X-Amz-Meta-A", "b", "Cache-Control", "no-cache", "X-Other", "x"}, 200, "", []string{"Etag", etag("content")}},
		{"GET", "/bucket/a", "", nil, 200, "content", []string{"Etag", etag("content"), "Content-Type", "text/plain", "X-Amz-Meta-A", "b", "Cache-Control", "no-cache",
			"X-Other", "", "Last-Modified", now.UTC().Format(http.TimeFormat), "Content-Length", "7", "Accept-Ranges", "bytes", "Date", now.UTC().Format(http.TimeFormat)}},
		{"HEAD", "/bucket/a", "", nil, 200, "", []string{"Etag", etag("content"), "Content-Length", "7", "X-Amz-Meta-A", "b"}},
		{"GET", "/bucket/a", "", []string{"Range", "bytes=1-3"}, 206, "ont", []string{"Content-Range", "bytes 1-3/7"}},
		{"GET", "/bucket/a", "", []string{"Range", "bytes=9-"}, 416, "invalid range: failed to overlap\n", nil},
		{"GET", "/bucket/a", "", []string{"If-None-Match", etag("content")}, 304, "", nil},
		{"GET", "/bucket/a", "", []string{"If-Match", `"other"`}, 412, "", nil},
		{"GET", "/bucket/a", "", []string{"If-Modified-Since", now.UTC().Format(http.TimeFormat)}, 304, "", nil},
		{"GET", "/bucket/a?response-content-type=a%2Fb&x=y", "", nil, 200, "content", []string{"Content-Type", "a/b"}},
		{"PUT", "/bucket/a", "other", []string{"If-None-Match", "*"}, 412, "<Code>PreconditionFailed</Code>", nil},
		{"PUT", "/bucket/a", "other", []string{"If-Match", etag("no")}, 412, "<Code>PreconditionFailed</Code>", nil},
		{"PUT", "/bucket/none", "other", []string{"If-Match", etag("no")}, 412, "<Code>PreconditionFailed</Code>", nil},
		{"GET", "/bucket/a", "", nil, 200, "content", nil},
		{"PUT", "/bucket/a", "other", []string{"If-Match", etag("content")}, 200, "", nil},
		{"PUT", "/bucket/b", "", []string{"If-None-Match", "*"}, 200, "", []string{"Etag", etag("")}},
		{"GET", "/bucket/a", "", nil, 200, "other", []string{"Content-Type", "binary/octet-stream", "X-Amz-Meta-A", ""}},
		{"PUT", odd, "odd", nil, 200, "", nil},
		{"GET", odd, "", nil, 200, "odd", nil},
		{"GET", "/bucket/a/../%2e/%C3%A9%20%2B*'()", "", nil, 404, "<Code>NoSuchKey</Code>", nil},
		{"POST", "/bucket/a", "", nil, 405, "<Code>MethodNotAllowed</Code>", nil},
		{"POST", "/bucket/a?uploads=", "", nil, 501, "<Code>NotImplemented</Code>", nil},
		{"PUT", "/bucket/a?tagging=", "", nil, 501, "<Code>NotImplemented</Code>", nil},
		{"PUT", "/bucket/c", "", []string{"X-Amz-Copy-Source", "/bucket/a"}, 501, "<Code>NotImplemented</Code>", nil},
		{"DELETE", "/bucket/a", "", nil, 204, "", nil},
		{"DELETE", "/bucket/a", "", nil, 204, "", nil},
		{"DELETE", "/no/a", "", nil, 204, "", nil},
		{"GET", "/bucket/a", "", nil, 404, "<Code>NoSuchKey</Code>", nil},
		{"HEAD", "/bucket/a", "", nil, 404, "", nil},
		{"DELETE", "/bucket", "", nil, 409, "<Code>BucketNotEmpty</Code>", nil},
		{"PUT", "/made", "", nil, 200, "", []string{"Location", "/made"}},
		{"HEAD", "/made", "", nil, 200, "", []string{"X-Amz-Bucket-Region", "eu-west-1"}},
		{"GET", "/", "", nil, 200, "<Buckets><Bucket><Name>bucket</Name></Bucket><Bucket><Name>made</Name></Bucket></Buckets>", nil},
		{"DELETE", "/made", "", nil, 204, "", nil},
		{"GET", "/", "", nil, 200, "<Buckets><Bucket><Name>bucket</Name></Bucket></Buckets>", nil},
		{"POST", "/made", "", nil, 405, "<Code>MethodNotAllowed</Code>", nil},
		{"PUT", "//key", "", nil, 400, "<Code>InvalidBucketName</Code>", nil},
		{"GET", "/bucket?location=", "", nil, 501, "<Code>NotImplemented</Code>", nil},
		{"GET", "/bucket", "", nil, 501, "<Code>NotImplemented</Code>", nil},
	} {
		resp, reply := do(t, f, signed(t, f, c.method, c.target, c.body, c.header...))
		good := reply == c.reply
		if strings.HasPrefix(c.reply, "<") {
			good = strings.Contains(reply, c.reply)
		}
		for i := 0; i < len(c.want); i += 2 {
			if got := resp.Header.Get(c.want[i]); got != c.want[i+1] {
				t.Errorf("%s %s: %s is %q, want %q", c.method, c.target, c.want[i], got, c.want[i+1])
			}
		}
		if resp.StatusCode != c.status || !good {
			t.Errorf("%s %s: %s %q, want %d %q", c.method, c.target, resp.Status, reply, c.status, c.reply)
		}
	}
}

func TestServerList(t *testing.T) {
	f := NewServer()
	defer f.Close()
	for _, key := range []string{"a", "b/", "b/1", "b/2", "b/c/3", "b0", "c d+e", "d/1", "é"} {
		if resp, body := do(t, f, signed(t, f, "PUT", "/bucket/"+(&url.URL{Path: key}).EscapedPath(), key)); resp.StatusCode != 200 {
			t.Fatal(body)
		}
	}
	page := func(query string) (listing, int) {
		resp, body := do(t, f, signed(t, f, "GET", "/bucket?list-type=2&"+query, ""))
		var l listing
		if err := xml.Unmarshal([]byte(body), &l); err != nil && resp.StatusCode == 200 {
			t.Fatalf("%s: %v\n%s", query, err, body)
		}
		return l, resp.StatusCode
	}
	names := func(l listing) string {
		var all []string
		for _, o := range l.Contents {
			all = append(all, o.Key)
		}
		for _, p := range l.CommonPrefixes {
			all = append(all, "["+p.Prefix+"]")
		}
		return strings.Join(all, " ")
	}
	for _, c := range []struct{ query, want string }{
		{"", "a b/ b/1 b/2 b/c/3 b0 c d+e d/1 é"},
		{"prefix=b", "b/ b/1 b/2 b/c/3 b0"},
		{"prefix=b%2F&delimiter=%2F", "b/ b/1 b/2 [b/c/]"},
		{"delimiter=%2F", "a b0 c d+e é [b/] [d/]"},
		{"delimiter=%2F&start-after=b%2F", "b0 c d+e é [b/] [d/]"},
		{"start-after=b%2F2", "b/c/3 b0 c d+e d/1 é"},
		{"prefix=c&encoding-type=url", "c+d%2Be"},
		{"prefix=%C3&encoding-type=url", "%C3%A9"},
		{"prefix=none", ""},
		{"max-keys=0", ""},
		{"max-keys=2", "a b/"},
	} {
		l, status := page(c.query)
		if got := names(l); status != 200 || got != c.want || l.KeyCount != len(l.Contents)+len(l.CommonPrefixes) || l.Name != "bucket" {
			t.Errorf("%s: %d %q, want %q: %+v", c.query, status, got, c.want, l)
		}
		if l.IsTruncated != (c.query == "max-keys=2") || l.IsTruncated != (l.NextContinuationToken != "") {
			t.Errorf("%s: truncated %v, token %q", c.query, l.IsTruncated, l.NextContinuationToken)
		}
	}

	// In pages of any size the keys are the same.
	for _, delimiter := range []string{"", "%2F"} {
		for size := 1; size < 11; size++ {
			var all []string
			token := ""
			for range 20 {
				l, _ := page(fmt.Sprintf("max-keys=%d&delimiter=%s&continuation-token=%s", size, delimiter, url.QueryEscape(token)))
				if l.KeyCount > size || l.MaxKeys != size || l.ContinuationToken != token {
					t.Errorf("%+v", l)
				}
				all = append(all, strings.Fields(strings.ReplaceAll(names(l), "c d", "c_d"))...)
				if token = l.NextContinuationToken; token == "" {
					break
				}
			}
			want := strings.Fields("a b/ b/1 b/2 b/c/3 b0 c_d+e d/1 é")
			if delimiter != "" {
				want = strings.Fields("[b/] [d/] a b0 c_d+e é")
			}
			slices.Sort(all)
			slices.Sort(want)
			if !slices.Equal(all, want) {
				t.Errorf("pages of %d: %q", size, all)
			}
		}
	}
	l, _ := page("prefix=b0")
	if o := l.Contents[0]; o.Size != 2 || o.ETag != etag("b0") || o.StorageClass != "STANDARD" || !strings.HasSuffix(o.LastModified, ".000Z") {
		t.Errorf("got %+v", o)
	}
	for _, query := range []string{"max-keys=-1", "max-keys=x", "continuation-token=%21", "continuation-token=" + base64.URLEncoding.EncodeToString(nil) + "%3D"} {
		if _, status := page(query); status != 400 {
			t.Errorf("%s: %d", query, status)
		}
	}
}

// Each refusal, in the form of S3 and in that of others.
func TestServerRefusals(t *testing.T) {
	s3, api := NewServer(), NewServer()
	defer s3.Close()
	defer api.Close()
	api.Service = "execute-api"
	api.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	now := time.Date(2026, 2, 28, 23, 59, 58, 0, time.UTC)
	for _, f := range []*Server{s3, api} {
		f.Region = "eu-west-1"
		f.Now = func() time.Time { return now }
	}
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	keys := func(change func(*awsauth.Credentials)) func(*awsauth.Signer) {
		return func(s *awsauth.Signer) {
			c := s.Credentials.(awsauth.Credentials)
			change(&c)
			s.Credentials = c
		}
	}
	at := func(ahead time.Duration) func(*awsauth.Signer) {
		return func(s *awsauth.Signer) { s.Now = func() time.Time { return now.Add(ahead) } }
	}
	const api403 = 403
	for _, c := range []struct {
		name    string
		signer  func(*awsauth.Signer)
		change  func(*http.Request)
		server  func(*Server)
		presign bool
		status  int
		xml     []string // what S3's document has
		code    string   // of the other form
		message string   // a part of it
	}{
		{name: "wrong secret", signer: keys(func(c *awsauth.Credentials) { c.SecretAccessKey = "x" }), status: 403,
			xml: []string{"Code", "SignatureDoesNotMatch", "AWSAccessKeyId", "ASIASERVEREXAMPLE", "StringToSign", "AWS4-HMAC-SHA256\n20260228T235958Z\n20260228/eu-west-1/s3/aws4_request\n",
				"StringToSignBytes", "41 57 53 34 2d", "CanonicalRequest", "PUT\n/bucket/key\n\nhost:", "CanonicalRequestBytes", "50 55 54 0a 2f", "SignatureProvided", ""},
			code: "InvalidSignatureException", message: "details.\n\nThe Canonical String for this request should have been\n'PUT\n/bucket/key\n\nhost:"},
		{name: "unknown key", signer: keys(func(c *awsauth.Credentials) { c.AccessKeyID = "AKIAX" }), status: 403, xml: []string{"Code", "InvalidAccessKeyId", "AWSAccessKeyId", "AKIAX"},
			code: "UnrecognizedClientException", message: "The security token included in the request is invalid."},
		{name: "no token", signer: keys(func(c *awsauth.Credentials) { c.SessionToken = "" }), status: 403, xml: []string{"Code", "InvalidAccessKeyId"}, code: "UnrecognizedClientException"},
		{name: "another token", signer: keys(func(c *awsauth.Credentials) { c.SessionToken = "x" }), status: 400, xml: []string{"Code", "InvalidToken"}, code: "UnrecognizedClientException"},
		{name: "expired keys", server: func(f *Server) { f.Credentials.Expires = now.Add(-time.Second) }, status: 400, xml: []string{"Code", "ExpiredToken"}, code: "ExpiredTokenException"},
		{name: "late", signer: at(-16 * time.Minute), status: 403, xml: []string{"Code", "RequestTimeTooSkewed", "RequestTime", "20260228T234358Z", "ServerTime", "2026-02-28T23:59:58Z", "MaxAllowedSkewMilliseconds", "900000"},
			code: "InvalidSignatureException", message: "Signature expired: 20260228T234358Z is now earlier than 20260228T234458Z (20260228T235958Z - 15 min.)"},
		{name: "early", signer: at(16 * time.Minute), status: 403, xml: []string{"Code", "RequestTimeTooSkewed"},
			code: "InvalidSignatureException", message: "Signature not yet current: 20260301T001558Z is still later than 20260301T001458Z (20260228T235958Z + 15 min.)"},
		{name: "expired", presign: true, signer: at(-time.Hour), status: 403, xml: []string{"Code", "AccessDenied", "Message", "Request has expired", "X-Amz-Expires", "900", "Expires", "2026-02-28T23:14:58Z", "ServerTime", "2026-02-28T23:59:58Z"},
			code: "InvalidSignatureException", message: "Signature expired: "},
		{name: "region", signer: func(s *awsauth.Signer) { s.Region = "us-east-1" }, status: 400, xml: []string{"Code", "AuthorizationHeaderMalformed", "Region", "eu-west-1", "Message", "the region 'us-east-1' is wrong; expecting 'eu-west-1'"},
			code: "InvalidSignatureException", message: "Credential should be scoped to a valid region, not 'us-east-1'."},
		{name: "service", signer: func(s *awsauth.Signer) { s.Service = "lambda" }, status: 400, xml: []string{"Code", "AuthorizationHeaderMalformed", "Message", `incorrect service "lambda"`},
			code: "InvalidSignatureException", message: "Credential should be scoped to correct service: 'execute-api'."},
		{name: "malformed", change: header("Authorization", "AWS4-HMAC-SHA256 Credential=x"), status: 400, xml: []string{"Code", "AuthorizationHeaderMalformed"}, code: "IncompleteSignatureException"},
		{name: "not signed", change: func(r *http.Request) { r.Header.Del("Authorization") }, status: 403, xml: []string{"Code", "AccessDenied", "Message", "Access Denied"}, code: "MissingAuthenticationTokenException", message: "Missing Authentication Token"},
		{name: "a header not signed", change: header("X-Amz-Acl", "x"), status: 403, xml: []string{"Code", "AccessDenied", "Message", "There were headers present in the request which were not signed", "HeadersNotSigned", "x-amz-acl"},
			code: "InvalidSignatureException", message: "'x-amz-acl' must be a 'SignedHeader'"},
		{name: "the body", change: func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("CONTENT")) }, status: 400,
			xml:  []string{"Code", "XAmzContentSHA256Mismatch", "ClientComputedContentSHA256", "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73", "S3ComputedContentSHA256", "65f23e22a9bfedda96929b3cfcb8b6d2fdd34a2e877ddb81f45d79ab05710e12"},
			code: "InvalidSignatureException", message: "The Canonical String for this request should have been\n'PUT"},
	} {
		for _, f := range []*Server{s3, api} {
			t.Run(c.name+"/"+f.Service, func(t *testing.T) {
				before := f.Credentials
				if c.server != nil {
					f.Change(func() { c.server(f) })
					defer f.Change(func() { f.Credentials = before })
				}
				signer := &awsauth.Signer{Service: f.Service, Region: "eu-west-1", Credentials: before, Now: f.Now}
				if c.signer != nil {
					c.signer(signer)
				}
				req, err := http.NewRequest("PUT", f.URL+"/bucket/key", strings.NewReader("content"))
				if err != nil {
					t.Fatal(err)
				}
				if c.presign {
					err = signer.Presign(req, 15*time.Minute)
				} else {
					err = signer.Sign4(req)
				}
				if err != nil {
					t.Fatal(err)
				}
				if c.change != nil {
					c.change(req)
				}
				resp, body := do(t, f, req)
				if strings.Contains(body, before.SecretAccessKey) {
					t.Error("it tells the secret")
				}
				if resp.Header.Get("X-Amz-Request-Id") == "" || resp.Header.Get("Date") != now.Format(http.TimeFormat) {
					t.Errorf("got %v", resp.Header)
				}
				if f == api {
					var said map[string]string
					if err := json.Unmarshal([]byte(body), &said); err != nil {
						t.Fatalf("%v: %s", err, body)
					}
					if resp.StatusCode != api403 || resp.Header.Get("X-Amzn-Errortype") != c.code || said["__type"] != c.code || !strings.Contains(said["message"], c.message) {
						t.Errorf("got %s %v\nwant %s %s", resp.Status, said, c.code, c.message)
					}
					return
				}
				if resp.StatusCode != c.status {
					t.Errorf("%s, want %d", resp.Status, c.status)
				}
				for i := 0; i < len(c.xml); i += 2 {
					text := element(body, c.xml[i])
					if text == "" || !strings.Contains(text, c.xml[i+1]) {
						t.Errorf("%s is %q, want %q\n%s", c.xml[i], text, c.xml[i+1], body)
					}
				}
				if got := resp.Header.Get("X-Amz-Bucket-Region"); (got == "eu-west-1") != (c.name == "region") {
					t.Errorf("X-Amz-Bucket-Region: %q", got)
				}
			})
		}
	}

	req := signed(t, s3, "HEAD", "/bucket/key", "")
	req.Header.Set("X-Amz-Date", now.Format(amzDate)[:15])
	if resp, body := do(t, s3, req); resp.StatusCode != 400 || body != "" {
		t.Errorf("a HEAD: %s %q", resp.Status, body)
	}

	// What is too long is refused before it is looked at.
	rec := httptest.NewRecorder()
	api.begin(httptest.NewRequest("PUT", "/a", nil)).refuse(rec, tooLarge())
	if rec.Code != 413 || !strings.Contains(rec.Body.String(), "RequestEntityTooLargeException") {
		t.Errorf("too long: %d %s", rec.Code, rec.Body)
	}
	// Where nothing tells the service, it is S3.
	s3.Change(func() { s3.Service = "" })
	req = signed(t, s3, "GET", "/bucket/key", "")
	req.Header.Del("Authorization")
	if resp, body := do(t, s3, req); resp.StatusCode != 403 || element(body, "Code") != "AccessDenied" {
		t.Errorf("unsigned: %s %s", resp.Status, body)
	}
}

// element returns the text of an element of a document.
func element(document, name string) string {
	d := xml.NewDecoder(strings.NewReader(document))
	for {
		t, err := d.Token()
		if err != nil {
			return ""
		}
		if start, ok := t.(xml.StartElement); ok && start.Name.Local == name {
			var text string
			d.DecodeElement(&text, &start)
			return text
		}
	}
}

// Code that dials AWS's own hosts gets to the server, with the bucket in the name
// or in the path, and has to sign for the host's region.
func TestServerHosts(t *testing.T) {
	for name, start := range map[string]func() *Server{"http": NewServer, "https": NewTLSServer} {
		t.Run(name, func(t *testing.T) {
			f := start()
			defer f.Close()
			if !strings.HasPrefix(f.URL, name+"://127.0.0.1:") {
				t.Error(f.URL)
			}
			client := &http.Client{Transport: f.Transport()}
			get := func(method, target string) (*http.Response, string) {
				req, err := http.NewRequest(method, target, nil)
				if err != nil {
					t.Fatal(err)
				}
				if err := awsauth.Sign4(req, f.Credentials); err != nil {
					t.Fatal(err)
				}
				resp, err := client.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				if resp.Request != req {
					t.Errorf("resp.Request is for %s", resp.Request.URL)
				}
				body, _ := io.ReadAll(resp.Body)
				return resp, string(body)
			}
			for _, c := range []struct{ target, bucket, key string }{
				{"https://photos.s3.eu-west-1.amazonaws.com/a/b", "photos", "a/b"},
				{"https://my.s3-bucket.s3.dualstack.eu-west-1.amazonaws.com/a", "my.s3-bucket", "a"},
				{"https://s3.eu-west-1.amazonaws.com/paths/a", "paths", "a"},
				{"https://old.s3.amazonaws.com/a", "old", "a"},
				{"https://china.s3.cn-north-1.amazonaws.com.cn/a", "china", "a"},
				{"https://x--use1-az4--x-s3.s3express-use1-az4.us-east-1.amazonaws.com/a", "x--use1-az4--x-s3", "a"},
			} {
				if strings.Contains(c.target, "s3express") {
					f.Change(func() { f.Service = "" })
				}
				resp, body := get("PUT", c.target)
				if resp.StatusCode != 200 {
					t.Errorf("%s: %s %s", c.target, resp.Status, body)
				}
				if want := map[string]int{"http": 1, "https": 2}[name]; resp.ProtoMajor != want {
					t.Errorf("%s", resp.Proto)
				}
				if _, ok := f.store.get(c.bucket, c.key); !ok {
					t.Errorf("%s: no %s in %s: %v", c.target, c.key, c.bucket, f.store.list())
				}
			}
			if resp, body := get("GET", "https://photos.s3.eu-west-1.amazonaws.com/?list-type=2"); resp.StatusCode != 200 || !strings.Contains(body, "<Key>a/b</Key>") {
				t.Errorf("%s %s", resp.Status, body)
			}

			wrong := &awsauth.Signer{Service: "s3", Region: "us-east-1", Credentials: f.Credentials}
			req, _ := http.NewRequest("GET", "https://photos.s3.eu-west-1.amazonaws.com/a", nil)
			if err := wrong.Sign4(req); err != nil {
				t.Fatal(err)
			}
			if resp, body := do(t, f, req); resp.StatusCode != 400 || element(body, "Region") != "eu-west-1" {
				t.Errorf("another region: %s %s", resp.Status, body)
			}
		})
	}
}

// A Handler gets what was signed, and nothing else.
func TestServerHandler(t *testing.T) {
	f := NewServer()
	defer f.Close()
	f.Service = ""
	var mu sync.Mutex
	var got []string
	f.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		got = append(got, fmt.Sprintf("%s %s %q %v %d %q, %d requests", r.Method, r.URL.Path, body, err, r.ContentLength, r.Header.Get("Content-Encoding"), len(f.Requests())))
		w.WriteHeader(201)
	})
	signer := &awsauth.Signer{Service: "execute-api", Region: "eu-west-1", Credentials: f.Credentials}
	send := func(change func(*http.Request), want int) {
		t.Helper()
		req, err := http.NewRequest("POST", f.URL+"/a//b", strings.NewReader("x=1"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if err := signer.Sign4(req); err != nil {
			t.Fatal(err)
		}
		change(req)
		if resp, body := do(t, f, req); resp.StatusCode != want {
			t.Errorf("%s %s", resp.Status, body)
		}
	}
	send(func(*http.Request) {}, 201)
	send(func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("x=2")) }, 403)

	// An aws-chunked body arrives decoded, and does not where a trailer is wrong.
	sum := crc32.ChecksumIEEE([]byte("content"))
	for _, c := range []struct {
		sum    uint32
		status int
	}{{sum, 201}, {sum + 1, 400}} {
		checksum := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, c.sum))
		req := signed(t, f, "PUT", "/c", "7\r\ncontent\r\n0\r\nx-amz-checksum-crc32:"+checksum+"\r\n\r\n", "X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
			"Content-Encoding", "aws-chunked", "X-Amz-Decoded-Content-Length", "7", "X-Amz-Trailer", "x-amz-checksum-crc32")
		if resp, body := do(t, f, req); resp.StatusCode != c.status {
			t.Errorf("%s %s", resp.Status, body)
		}
	}
	want := []string{`POST /a//b "x=1" <nil> 3 "", 1 requests`, `PUT /c "content" <nil> 7 "", 3 requests`}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// Faults, limits, and what is kept.
func TestServerFaults(t *testing.T) {
	f := NewServer()
	defer f.Close()
	f.Fault = Times(1, Status(503))
	for _, want := range []int{503, 200} {
		if resp, _ := do(t, f, signed(t, f, "PUT", "/bucket/a", "content")); resp.StatusCode != want {
			t.Errorf("%s, want %d", resp.Status, want)
		}
	}
	requests := f.Requests()
	if len(requests) != 2 || requests[1].URL.Path != "/bucket/a" {
		t.Fatalf("got %v", requests)
	}
	if body, _ := io.ReadAll(requests[1].Body); string(body) != "content" {
		t.Errorf("kept %q", body)
	}
	for _, size := range []int{maxRequest, maxRequest + 1} {
		do(t, f, signed(t, f, "PUT", "/bucket/large", strings.Repeat("x", size)))
		requests := f.Requests()
		if body := requests[len(requests)-1].Body; (body == http.NoBody) != (size > maxRequest) {
			t.Errorf("of %d bytes it keeps %v", size, body)
		}
	}
	f.Change(func() { f.Credentials.SecretAccessKey = "rotated" })
	if resp, _ := do(t, f, signed(t, f, "GET", "/bucket/a", "")); resp.StatusCode != 200 {
		t.Error(resp.Status)
	}

	if testing.Short() {
		return
	}
	// The longest object, and one byte more.
	data := strings.Repeat("x", maxObject+2<<20)
	for size, want := range map[int]int{maxObject: 200, maxObject + 1: 400, len(data): 400} {
		resp, body := do(t, f, signed(t, f, "PUT", "/bucket/large", data[:size], "X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"))
		if resp.StatusCode != want || want == 400 && element(body, "Code") != "EntityTooLarge" {
			t.Errorf("%d bytes: %s %.200s", size, resp.Status, body)
		}
	}
}

func TestServerConcurrently(t *testing.T) {
	f := NewServer()
	defer f.Close()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 10 {
				target := fmt.Sprintf("/bucket/%d/%d", i, j)
				if resp, body := do(t, f, signed(t, f, "PUT", target, target)); resp.StatusCode != 200 {
					t.Errorf("%s %s", resp.Status, body)
				}
				if _, body := do(t, f, signed(t, f, "GET", target, "")); body != target {
					t.Errorf("%s: %q", target, body)
				}
				do(t, f, signed(t, f, "GET", "/bucket?list-type=2", ""))
				f.Change(func() { f.Region = "eu-west-1" })
			}
		})
	}
	wg.Wait()
	if n := len(f.store.buckets["bucket"]); n != 80 {
		t.Errorf("%d objects", n)
	}
}

// A request that the client gives up is no harm.
func TestServerCanceled(t *testing.T) {
	f := NewServer()
	defer f.Close()
	f.Fault = Hang
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	req := signed(t, f, "PUT", "/bucket/a", "content").WithContext(ctx)
	if _, err := f.Transport().RoundTrip(req); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
