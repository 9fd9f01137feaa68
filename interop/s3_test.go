package interop

import (
	"bytes"
	"cmp"
	"crypto/md5"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/go-awsauth/awsauth"
)

// object is the URL of an object, spelled as net/url does.
func object(t *testing.T, bucket, key string) string {
	t.Helper()
	u, err := url.Parse(bucket)
	if err != nil {
		t.Fatal(err)
	}
	u.Path += "/" + key
	return u.String()
}

// bothWays are how a request can be signed.
var bothWays = []struct {
	name string
	sign func(*testing.T, *awsauth.Signer, *http.Request)
}{{"header", sign}, {"presigned", presign}}

// oddKeys are keys that one signer or server or another gets wrong.
func oddKeys() []string {
	keys := []string{
		"a b", " a", "a ", "a  b", "a%20b", "%", "%41", "%2F", "%25", "%zz", "100%", "a+b c", "++",
		"ü", "\u00e9 e\u0301", "日本語/キー", "😀", "\u2028", "a\tb", "a\u00a0b",
		"a//b", "/a", "//", "a/b/c", "dir/", ".a", "a.", "...", ".", "..", "./a", "a/.", "a/./b", "a/..", "../up", "a/../b", "a/...b",
		"X-Amz-Signature=a&b", "?uploads", "a?X-Amz-Expires=1", "a#b", "http://a:80/@b", "~a~", "-_.~",
		strings.Repeat("n", 200), strings.Repeat("ü/", 100) + "z",
	}
	for c := byte('!'); c < 0x7f; c++ {
		if strings.IndexByte("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", c) >= 0 {
			keys = append(keys, "a"+string(c)+"b", string(c)+"a"+string(c))
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// Every key, spelled in whatever way, is one and the same object for all methods.
func TestOddKeys(t *testing.T) {
	eachServer(t, func(t *testing.T, s *server) {
	keys:
		for i, key := range oddKeys() {
			if s.Few && i%4 != 0 {
				continue
			}
			bucket := s.bucket(t)
			at := object(t, bucket, key)
			var upper, lower strings.Builder // every byte escaped
			for _, c := range []byte(key) {
				if c == '/' {
					upper.WriteByte(c)
					lower.WriteByte(c)
				} else {
					fmt.Fprintf(&upper, "%%%02X", c)
					fmt.Fprintf(&lower, "%%%02x", c)
				}
			}
			spellings := []string{at, bucket + "/" + upper.String(), bucket + "/" + lower.String()}

			content := "put " + key
			for i, step := range []struct {
				method string
				way    int
				url    string
			}{
				{"PUT", 0, at}, {"GET", 0, at}, {"HEAD", 0, at}, {"GET", 1, at}, {"HEAD", 1, at},
				{"GET", 0, spellings[1]}, {"GET", 1, spellings[2]},
				{"PUT", 1, spellings[2]}, {"GET", 0, at}, {"DELETE", 0, at},
				{"PUT", 1, at}, {"GET", 1, spellings[1]}, {"DELETE", 1, at},
			} {
				body := ""
				if step.method == "PUT" {
					content = fmt.Sprint(i, " put ", key)
					if strings.HasSuffix(key, "/") {
						content = "" // servers that keep folders have none
					}
					body = content
				}
				way := bothWays[step.way]
				req := newRequest(t, step.method, step.url, body)
				way.sign(t, s.signer(), req)
				a := s.accept(t, "odd key, "+step.method+", "+way.name, key, req)
				if a.StatusCode >= 300 {
					continue keys // the first of many
				}
				if step.method == "GET" && string(a.Body) != content {
					t.Errorf("%q: step %d: got %q, want %q", key, i, a.Body, content)
				}
				if step.method == "HEAD" && a.ContentLength != int64(len(content)) {
					t.Errorf("%q: step %d: length %d, want %d", key, i, a.ContentLength, len(content))
				}
				if step.method == "PUT" {
					got := list(t, s, bucket, url.Values{})
					if is, gap := slices.Contains(got.keys, key), s.gap("odd key, listed", key); is == (gap != nil) {
						t.Errorf("%q: step %d: the bucket has %q (%v)", key, i, got.keys, gap)
					}
				}
			}
			for _, way := range bothWays {
				req := newRequest(t, "GET", at, "")
				way.sign(t, s.signer(), req)
				s.refuse(t, "odd key, deleted", key, req, "NoSuchKey")
			}
		}
	})
}

// A listing is what ListObjectsV2 answered, with all pages in one.
type listing struct {
	keys, prefixes []string
	pages          int
}

func list(t *testing.T, s *server, bucket string, query url.Values) (l listing) {
	t.Helper()
	query.Set("list-type", "2")
	query.Set("encoding-type", "url")
	for {
		way := bothWays[l.pages%2]
		req := newRequest(t, "GET", bucket+"?"+query.Encode(), "")
		way.sign(t, s.signer(), req)
		a := s.accept(t, "list, "+way.name, query.Encode(), req)
		var reply struct {
			Contents              []struct{ Key string }
			CommonPrefixes        []struct{ Prefix string }
			IsTruncated           bool
			NextContinuationToken string
			EncodingType          string
		}
		if err := xml.Unmarshal(a.Body, &reply); err != nil {
			t.Fatalf("%s: %v: %q", s.Name, err, a.Body)
		}
		decode := func(name string) string {
			if reply.EncodingType != "url" {
				return name
			}
			name, err := url.QueryUnescape(name)
			if err != nil {
				t.Error(err)
			}
			return name
		}
		for _, c := range reply.Contents {
			l.keys = append(l.keys, decode(c.Key))
		}
		for _, c := range reply.CommonPrefixes {
			l.prefixes = append(l.prefixes, decode(c.Prefix))
		}
		if l.pages++; !reply.IsTruncated || l.pages > 100 {
			return l
		}
		query.Set("continuation-token", reply.NextContinuationToken)
	}
}

func TestList(t *testing.T) {
	keys := []string{"a b/1", "a b/2", "a+b/1", "a%20b", "a&b=c", "a;b", "a=b", "plain", "q?r", "z/ü/1", "z/ü/2", "z/日本", "~t", "x*y", "x'y(z)!", "x,y:z@$"}
	slices.Sort(keys)
	eachServer(t, func(t *testing.T, s *server) {
		bucket := s.bucket(t)
		for _, key := range keys {
			req := newRequest(t, "PUT", object(t, bucket, key), "data")
			sign(t, s.signer(), req)
			s.accept(t, "list, put", key, req)
		}
		for _, prefix := range []string{"", "a", "a ", "a b/", "a+", "a%", "a%20b", "a&", "a&b=", "a;", "a=", "q?", "z/ü", "z/ü/", "~", "x*", "x'y(z)!", "x,y:z@$", "none"} {
			for _, delimiter := range []string{"", "/"} {
				for _, max := range []string{"", "1", "3"} {
					query := url.Values{"prefix": {prefix}}
					if delimiter != "" {
						query.Set("delimiter", delimiter)
					}
					if max != "" {
						query.Set("max-keys", max)
					}
					var want listing
					for _, key := range keys {
						rest, ok := strings.CutPrefix(key, prefix)
						before, _, cut := strings.Cut(rest, "/")
						switch {
						case ok && cut && delimiter != "":
							want.prefixes = append(want.prefixes, prefix+before+"/")
						case ok:
							want.keys = append(want.keys, key)
						}
					}
					want.prefixes = slices.Compact(want.prefixes)
					got := list(t, s, bucket, query)
					if !slices.Equal(got.keys, want.keys) || !slices.Equal(got.prefixes, want.prefixes) {
						t.Errorf("%s: %v: got %q, %q, want %q, %q", s.Name, query, got.keys, got.prefixes, want.keys, want.prefixes)
					}
				}
			}
		}
		// Names and orders of parameters that servers read differently where they
		// are not written in one form.
		for _, query := range []string{
			"list-type=2&prefix=a+b", "list-type=2&prefix=a%20b", "prefix=a+b&list-type=2", "list-type=2&prefix=a%2bb",
			"list-type=2&prefix=a;b", "list-type=2&prefix=x*y", "list-type=2&prefix=x'y(z)!", "list-type=2&prefix=x,y:z@$", "list-type=2&prefix=a=b",
			"&list-type=2&&prefix=a%26b&", "list-type=2&prefix=z/%C3%BC", "list-type=2&prefix=z/%c3%bc", "list-type=2&prefix=%7et", "list-type=2&prefix=q?r",
		} {
			values, err := url.ParseQuery(strings.ReplaceAll(query, ";", "%3B"))
			if err != nil {
				t.Fatal(err)
			}
			for _, way := range bothWays {
				req := newRequest(t, "GET", bucket+"?"+query, "")
				way.sign(t, s.signer(), req)
				a := s.accept(t, "odd query, "+way.name, query, req)
				var reply struct{ Prefix string }
				if err := xml.Unmarshal(a.Body, &reply); err != nil || reply.Prefix != values.Get("prefix") {
					t.Errorf("%s: %s: %v: the server read the prefix %q", s.Name, query, err, reply.Prefix)
				}
			}
		}
	})
}

// onlyReader hides all other methods, as those of an *os.File.
type onlyReader struct{ io.Reader }

// Bodies of every kind arrive as they were, with what was said of them.
func TestPut(t *testing.T) {
	const text = "the body, which is ümläut and \x00\xff\r\n"
	another := strings.Repeat("x", len(text))
	sum := md5.Sum([]byte(text))
	file := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(file, []byte("before"+text), 0o600); err != nil {
		t.Fatal(err)
	}
	large := strings.Repeat("0123456789abcde\n", 1<<16) // 1 MiB
	unsigned := func(req *http.Request) { req.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD") }
	for _, c := range []struct {
		name   string
		body   func() io.Reader // nil: text
		want   string           // "": text
		change func(*http.Request)
		sent   func(*http.Request) // after signing
		codes  []string            // where it has to be refused
		unread bool                // a presigned URL lets anything pass
		header map[string]string
	}{
		{name: "bytes.Reader", body: func() io.Reader { return bytes.NewReader([]byte(text)) }},
		{name: "read once", body: func() io.Reader { return onlyReader{strings.NewReader(text)} }},
		{name: "file, from its middle", body: func() io.Reader {
			f, err := os.Open(file)
			if err == nil {
				_, err = f.Seek(int64(len("before")), io.SeekStart)
			}
			if err != nil {
				t.Fatal(err)
			}
			return f
		}},
		{name: "1 MiB", body: func() io.Reader { return strings.NewReader(large) }, want: large},
		{name: "1 MiB, read once", body: func() io.Reader { return onlyReader{strings.NewReader(large)} }, want: large},
		{name: "unsigned", change: unsigned},
		{name: "unsigned, 1 MiB, read once", body: func() io.Reader { return onlyReader{strings.NewReader(large)} }, want: large,
			change: func(req *http.Request) { unsigned(req); req.ContentLength = int64(len(large)) }},
		// S3 wants the length beforehand.
		{name: "unsigned, chunked", body: func() io.Reader { return onlyReader{strings.NewReader(text)} }, change: func(req *http.Request) {
			unsigned(req)
			req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }
		}, codes: []string{"MissingContentLength"}},
		{name: "own digest", change: func(req *http.Request) { req.Header.Set("X-Amz-Content-Sha256", hexSHA256(text)) }},
		{name: "digest of another body", change: func(req *http.Request) { req.Header.Set("X-Amz-Content-Sha256", hexSHA256("another")) }, codes: []string{"XAmzContentSHA256Mismatch"}},
		{name: "another body", sent: func(req *http.Request) { req.Body, req.GetBody = io.NopCloser(strings.NewReader(another)), nil }, want: another,
			codes: []string{"XAmzContentSHA256Mismatch"}, unread: true},
		{name: "Content-MD5", change: func(req *http.Request) {
			req.Header.Set("Content-MD5", base64.StdEncoding.EncodeToString(sum[:]))
		}},
		{name: "Content-MD5 of another body", change: func(req *http.Request) {
			req.Header.Set("Content-MD5", base64.StdEncoding.EncodeToString(make([]byte, 16)))
		}, codes: []string{"BadDigest"}},
		{name: "Content-Type", change: func(req *http.Request) { req.Header.Set("Content-Type", "text/plain;  charset=utf-8") },
			header: map[string]string{"Content-Type": "text/plain;  charset=utf-8"}},
		{name: "metadata", change: func(req *http.Request) {
			req.Header.Set("X-Amz-Meta-Spaces", "  a  b   c ")
			req.Header.Set("X-Amz-Meta-Empty", "")
			req.Header.Set("X-Amz-Meta-Punctuation", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
			req.Header["X-Amz-Meta-Mixed.case_Name"] = []string{"b;a=1,2"}
		}, header: map[string]string{"X-Amz-Meta-Punctuation": "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "X-Amz-Meta-Mixed.case_Name": "b;a=1,2"}},
		{name: "metadata, tabs", change: func(req *http.Request) { req.Header.Set("X-Amz-Meta-Tabs", "\ta\t\tb \t c") }},
		{name: "metadata, repeated", change: func(req *http.Request) { req.Header["X-Amz-Meta-Repeated"] = []string{"b", " a ", "b"} }},
		{name: "metadata, a comma", change: func(req *http.Request) { req.Header["X-Amz-Meta-Repeated"] = []string{"a, b ,c"} },
			header: map[string]string{"X-Amz-Meta-Repeated": "a, b ,c"}},
		{name: "odd case of names", change: func(req *http.Request) {
			req.Header["x-aMZ-meta-ODD"] = []string{"1"}
			req.Header["content-type"] = []string{"text/x-odd"}
		}, header: map[string]string{"X-Amz-Meta-Odd": "1", "Content-Type": "text/x-odd"}},
		{name: "unsigned headers", change: func(req *http.Request) {
			req.Header.Set("User-Agent", "interop/1")
			req.Header.Set("Accept-Encoding", "identity")
			req.Header.Set("X-Forwarded-For", "10.0.0.1")
			req.Header.Set("X-Amzn-Trace-Id", "Root=1")
			req.Header.Set("Cookie", "a=b")
		}},
		{name: "storage class, tags", change: func(req *http.Request) {
			req.Header.Set("X-Amz-Storage-Class", "STANDARD")
			req.Header.Set("X-Amz-Tagging", "a%20b=c%2Bd&e=f")
		}},
		{name: "Cache-Control and Content-Encoding", change: func(req *http.Request) {
			req.Header.Set("Cache-Control", "max-age=60")
			req.Header.Set("Content-Disposition", `attachment; filename="a  b.txt"`)
			req.Header.Set("Content-Encoding", "x-none")
		}, header: map[string]string{"Cache-Control": "max-age=60", "Content-Encoding": "x-none"}},
		{name: "Expect", change: func(req *http.Request) { req.Header.Set("Expect", "100-continue") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachServer(t, func(t *testing.T, s *server) {
				bucket := s.bucket(t)
				for _, way := range bothWays {
					var body io.Reader = strings.NewReader(text)
					if c.body != nil {
						body = c.body()
					}
					req, err := http.NewRequestWithContext(t.Context(), "PUT", bucket+"/"+way.name, body)
					if err != nil {
						t.Fatal(err)
					}
					if way.name == "presigned" && req.ContentLength == 0 && c.codes == nil {
						req.ContentLength = int64(len(cmp.Or(c.want, text))) // that of a file isn't known, and nothing reads it
					}
					if c.change != nil {
						c.change(req)
					}
					way.sign(t, s.signer(), req)
					if c.sent != nil {
						c.sent(req)
					}
					if c.codes != nil && !(c.unread && way.name == "presigned") {
						s.refuse(t, "put, "+way.name, c.name, req, c.codes...)
						continue
					}
					if a := s.accept(t, "put, "+way.name, c.name, req); a.StatusCode >= 300 {
						continue
					}
					req = newRequest(t, "GET", bucket+"/"+way.name, "")
					way.sign(t, s.signer(), req)
					a := s.accept(t, "get, "+way.name, c.name, req)
					if want := cmp.Or(c.want, text); !bytes.Equal(a.Body, []byte(want)) {
						t.Errorf("%s: got %d bytes, want %d", way.name, len(a.Body), len(want))
					}
					for name, want := range c.header {
						if got := a.Header.Get(name); got != want {
							t.Errorf("%s: %s: got %q, want %q", way.name, name, got, want)
						}
					}
				}
			})
		})
	}
}

func TestRanges(t *testing.T) {
	const text = "0123456789"
	eachServer(t, func(t *testing.T, s *server) {
		at := s.bucket(t) + "/object"
		req := newRequest(t, "PUT", at, text)
		sign(t, s.signer(), req)
		tag := s.accept(t, "range", "put", req).Header.Get("Etag")
		for _, c := range []struct {
			header, value, want string
			code                string
		}{
			{"Range", "bytes=2-5", "2345", ""},
			{"Range", "bytes=0-0", "0", ""},
			{"Range", "bytes=7-", "789", ""},
			{"Range", "bytes=-3", "789", ""},
			{"Range", "bytes=8-100", "89", ""},
			{"Range", "bytes=10-", "", "InvalidRange"},
			{"If-Match", tag, text, ""},
			{"If-Match", `"another"`, "", "PreconditionFailed"},
			{"If-Unmodified-Since", "Mon, 01 Jan 2001 00:00:00 GMT", "", "PreconditionFailed"},
		} {
			for _, way := range bothWays {
				req := newRequest(t, "GET", at, "")
				req.Header.Set(c.header, c.value)
				way.sign(t, s.signer(), req)
				if c.code != "" {
					s.refuse(t, "range, "+way.name, c.header+" "+c.value, req, c.code)
				} else if a := s.accept(t, "range, "+way.name, c.header+" "+c.value, req); string(a.Body) != c.want {
					t.Errorf("%s: %s: got %q, want %q", c.header, c.value, a.Body, c.want)
				}
			}
		}
		// Parameters that change the answer are signed like any.
		for _, way := range bothWays {
			req := newRequest(t, "GET", at+"?response-content-type=text/x-odd;%20a=b&response-cache-control=no+cache", "")
			way.sign(t, s.signer(), req)
			if a := s.accept(t, "range, "+way.name, "response-", req); a.Header.Get("Content-Type") != "text/x-odd; a=b" || a.Header.Get("Cache-Control") != "no cache" {
				t.Errorf("got %v", a.Header)
			}
		}
	})
}

func TestMultipart(t *testing.T) {
	parts := []string{strings.Repeat("0123456789abcdef", 5<<16), "the last part"}
	eachServer(t, func(t *testing.T, s *server) {
		for _, way := range bothWays {
			at := object(t, s.bucket(t), "ä + b/%2F")
			do := func(name, method, query, body string) *answer {
				t.Helper()
				req := newRequest(t, method, at+query, body)
				way.sign(t, s.signer(), req)
				return s.accept(t, "multipart, "+way.name, name, req)
			}
			create := func() string {
				t.Helper()
				var reply struct{ UploadId string }
				if a := do("create", "POST", "?uploads", ""); xml.Unmarshal(a.Body, &reply) != nil || reply.UploadId == "" {
					t.Fatalf("create: %s", a.Body)
				}
				return "uploadId=" + url.QueryEscape(reply.UploadId)
			}

			id := create()
			var complete strings.Builder
			complete.WriteString("<CompleteMultipartUpload>")
			for i, part := range parts {
				a := do("part", "PUT", fmt.Sprintf("?partNumber=%d&%s", i+1, id), part)
				fmt.Fprintf(&complete, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", i+1, a.Header.Get("Etag"))
			}
			complete.WriteString("</CompleteMultipartUpload>")
			if a := do("list parts", "GET", "?"+id, ""); bytes.Count(a.Body, []byte("<PartNumber>")) != 2 {
				t.Errorf("list parts: %s", a.Body)
			}
			do("complete", "POST", "?"+id, complete.String())
			if a := do("get", "GET", "", ""); string(a.Body) != strings.Join(parts, "") {
				t.Errorf("got %d bytes", len(a.Body))
			}

			id = create()
			do("abort", "DELETE", "?"+id, "")
			req := newRequest(t, "PUT", at+"?partNumber=1&"+id, "data")
			way.sign(t, s.signer(), req)
			s.refuse(t, "multipart, "+way.name, "part of an aborted one", req, "NoSuchUpload")
		}
	})
}

// Sub-resources, copies and the deletion of many.
func TestOtherOperations(t *testing.T) {
	eachServer(t, func(t *testing.T, s *server) {
		bucket := s.bucket(t)
		from := "a b/ü+%"
		put := newRequest(t, "PUT", object(t, bucket, from), "data")
		put.Header.Set("X-Amz-Tagging", "a%20b=c")
		sign(t, s.signer(), put)
		s.accept(t, "other", "put", put)
		for _, way := range bothWays {
			req := newRequest(t, "GET", object(t, bucket, from)+"?tagging", "")
			way.sign(t, s.signer(), req)
			if a := s.accept(t, "other, "+way.name, "tagging", req); !bytes.Contains(a.Body, []byte("<Key>a b</Key>")) {
				t.Errorf("tags: %s", a.Body)
			}

			req = newRequest(t, "PUT", bucket+"/copy", "")
			u := put.URL.EscapedPath()
			req.Header.Set("X-Amz-Copy-Source", u)
			way.sign(t, s.signer(), req)
			s.accept(t, "other, "+way.name, "copy", req)

			const many = `<Delete><Object><Key>copy</Key></Object><Object><Key>none</Key></Object></Delete>`
			sum := md5.Sum([]byte(many))
			req = newRequest(t, "POST", bucket+"?delete", many)
			req.Header.Set("Content-MD5", base64.StdEncoding.EncodeToString(sum[:]))
			way.sign(t, s.signer(), req)
			if a := s.accept(t, "other, "+way.name, "delete many", req); !bytes.Contains(a.Body, []byte("<Key>copy</Key>")) {
				t.Errorf("deleted: %s", a.Body)
			}

			for _, query := range []string{"?location", "?versioning", "?uploads", "?location="} {
				req = newRequest(t, "GET", bucket+query, "")
				way.sign(t, s.signer(), req)
				s.accept(t, "other, "+way.name, query, req)
			}
			req = newRequest(t, "GET", s.URL, "") // no path at all
			way.sign(t, s.signer(), req)
			s.accept(t, "other, "+way.name, "list buckets", req)
			req = newRequest(t, "HEAD", bucket, "")
			way.sign(t, s.signer(), req)
			if a := s.accept(t, "other, "+way.name, "head bucket", req); a.ProtoAtLeast(2, 0) != strings.HasSuffix(s.Name, "HTTP/2") {
				t.Errorf("%s speaks %s", s.Name, a.Proto)
			}
		}
	})
}

// What is not as it was signed, or not signed as it should be, is refused.
func TestRefused(t *testing.T) {
	const mismatch = "SignatureDoesNotMatch"
	query := func(change func(url.Values)) func(*http.Request) {
		return func(req *http.Request) {
			q := req.URL.Query()
			change(q)
			req.URL.RawQuery = q.Encode()
		}
	}
	after := func(d time.Duration) func(*awsauth.Signer) {
		return func(s *awsauth.Signer) { s.Now = func() time.Time { return time.Now().Add(d) } }
	}
	for _, c := range []struct {
		name   string
		signer func(*awsauth.Signer) // before signing
		sent   func(*http.Request)   // after it
		// The codes for header and presigned; nil: not a case of it.
		header, presigned []string
	}{
		{"nothing changed", nil, nil, []string{""}, []string{""}},
		{"wrong secret", func(s *awsauth.Signer) {
			k := s.Credentials.(awsauth.Credentials)
			k.SecretAccessKey += "x"
			s.Credentials = k
		}, nil, []string{mismatch}, []string{mismatch}},
		{"wrong access key", func(s *awsauth.Signer) {
			k := s.Credentials.(awsauth.Credentials)
			k.AccessKeyID = "AKIANOTHERE000000000"
			s.Credentials = k
		}, nil, []string{"InvalidAccessKeyId"}, []string{"InvalidAccessKeyId"}},
		{"wrong region", func(s *awsauth.Signer) { s.Region = "eu-west-1" }, nil, []string{"AuthorizationHeaderMalformed"}, []string{"AuthorizationQueryParametersError"}},
		{"wrong service", func(s *awsauth.Signer) { s.Service = "sqs" }, func(req *http.Request) {
			req.Header.Set("X-Amz-Content-Sha256", hexSHA256(""))
		}, []string{"AuthorizationHeaderMalformed", mismatch}, []string{"AuthorizationQueryParametersError"}},
		{"another path", nil, func(req *http.Request) { req.URL.Path += "2"; req.URL.RawPath = "" }, []string{mismatch}, []string{mismatch}},
		{"another method", nil, func(req *http.Request) { req.Method = "DELETE" }, []string{mismatch}, []string{mismatch}},
		{"HEAD for GET", nil, func(req *http.Request) { req.Method = "HEAD" }, []string{"HTTP 403"}, []string{"HTTP 403"}},
		{"another host", nil, func(req *http.Request) { req.Host = strings.Replace(req.URL.Host, "127.0.0.1", "localhost", 1) }, []string{mismatch}, []string{mismatch}},
		{"another parameter", nil, query(func(q url.Values) { q.Set("response-content-type", "text/b") }), []string{mismatch}, []string{mismatch}},
		{"one parameter more", nil, query(func(q url.Values) { q.Set("response-content-language", "en") }), []string{mismatch}, []string{mismatch}},
		{"one parameter less", nil, query(func(q url.Values) { q.Del("response-content-type") }), []string{mismatch}, []string{mismatch}},
		{"another header", nil, func(req *http.Request) { req.Header.Set("X-Amz-Meta-A", "2") }, []string{mismatch}, []string{mismatch}},
		{"a header with one space more", nil, func(req *http.Request) { req.Header.Set("X-Amz-Meta-A", "1, 2") }, []string{mismatch}, []string{mismatch}},
		{"one header less", nil, func(req *http.Request) { req.Header.Del("X-Amz-Meta-A") }, []string{mismatch, "AccessDenied"}, []string{mismatch, "AccessDenied"}},
		{"one x-amz header more", nil, func(req *http.Request) { req.Header.Set("X-Amz-Meta-B", "1") }, []string{"AccessDenied"}, []string{"AccessDenied"}},
		{"one other header more", nil, func(req *http.Request) { req.Header.Set("X-Other", "1") }, []string{""}, []string{""}},
		{"another time", nil, func(req *http.Request) {
			req.Header.Set("X-Amz-Date", time.Now().Add(time.Minute).UTC().Format("20060102T150405Z"))
		}, []string{mismatch}, nil},
		{"no time", nil, func(req *http.Request) { req.Header.Del("X-Amz-Date") }, []string{"AccessDenied"}, nil},
		{"no signature", nil, func(req *http.Request) { req.Header.Del("Authorization") }, []string{"AccessDenied"}, nil},
		{"another signature", nil, func(req *http.Request) {
			a := req.Header.Get("Authorization")
			req.Header.Set("Authorization", a[:len(a)-1]+string(a[len(a)-1]^1))
		}, []string{mismatch}, nil},
		{"no digest", nil, func(req *http.Request) { req.Header.Del("X-Amz-Content-Sha256") }, []string{"InvalidRequest", mismatch, "AccessDenied"}, nil},
		{"clock 14 minutes fast", after(14 * time.Minute), nil, []string{""}, []string{""}},
		{"clock 14 minutes slow", after(-14 * time.Minute), nil, []string{""}, []string{""}},
		{"clock 16 minutes fast", after(16 * time.Minute), nil, []string{"RequestTimeTooSkewed"}, []string{"AccessDenied"}},
		{"clock 16 minutes slow", after(-16 * time.Minute), nil, []string{"RequestTimeTooSkewed"}, []string{"AccessDenied"}}, // 15 of them
		{"clock a day slow", after(-24 * time.Hour), nil, []string{"RequestTimeTooSkewed"}, []string{"AccessDenied"}},

		{"presigned, longer", nil, query(func(q url.Values) { q.Set("X-Amz-Expires", "901") }), nil, []string{mismatch}},
		{"presigned, eight days", nil, query(func(q url.Values) { q.Set("X-Amz-Expires", "691200") }), nil, []string{"AuthorizationQueryParametersError"}},
		{"presigned, negative", nil, query(func(q url.Values) { q.Set("X-Amz-Expires", "-1") }), nil, []string{"AuthorizationQueryParametersError"}},
		{"presigned, no expiry", nil, query(func(q url.Values) { q.Del("X-Amz-Expires") }), nil, []string{"AuthorizationQueryParametersError"}},
		{"presigned, no signature", nil, query(func(q url.Values) { q.Del("X-Amz-Signature") }), nil, []string{"AuthorizationQueryParametersError", "AccessDenied"}},
		{"presigned, another time", nil, query(func(q url.Values) {
			q.Set("X-Amz-Date", time.Now().Add(-time.Minute).UTC().Format("20060102T150405Z"))
		}), nil, []string{mismatch}},
		{"presigned, another algorithm", nil, query(func(q url.Values) { q.Set("X-Amz-Algorithm", "AWS4-HMAC-SHA1") }), nil, []string{"AuthorizationQueryParametersError"}},
		{"presigned, fewer headers signed", nil, query(func(q url.Values) { q.Set("X-Amz-SignedHeaders", "x-amz-meta-a") }), nil, []string{mismatch, "AccessDenied"}},
		{"presigned, another scope", nil, query(func(q url.Values) {
			q.Set("X-Amz-Credential", strings.Replace(q.Get("X-Amz-Credential"), "/s3/", "/sts/", 1))
		}), nil, []string{"AuthorizationQueryParametersError"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachServer(t, func(t *testing.T, s *server) {
				at := s.bucket(t) + "/object"
				put := newRequest(t, "PUT", at, "data")
				sign(t, s.signer(), put)
				s.accept(t, "refused, put", "", put)
				for i, way := range bothWays {
					codes := [][]string{c.header, c.presigned}[i]
					if codes == nil {
						continue
					}
					by := s.signer()
					if c.signer != nil {
						c.signer(by)
					}
					req := newRequest(t, "GET", at+"?response-content-type=text/a", "")
					req.Header.Set("X-Amz-Meta-A", "1,2")
					if by.Service != "s3" {
						req.Header.Set("X-Amz-Content-Sha256", hexSHA256(""))
					}
					way.sign(t, by, req)
					if c.sent != nil {
						c.sent(req)
					}
					if codes[0] == "" {
						s.accept(t, "not refused, "+way.name, c.name, req)
					} else {
						s.refuse(t, "refused, "+way.name, c.name, req, codes...)
					}
				}
			})
		})
	}
}

// How long a presigned URL is good for, by the SDK too: it signs what we refuse to.
func TestExpiry(t *testing.T) {
	sdk := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	eachServer(t, func(t *testing.T, s *server) {
		at := s.bucket(t) + "/object"
		put := newRequest(t, "PUT", at, "data")
		sign(t, s.signer(), put)
		s.accept(t, "expiry", "put", put)
		for _, c := range []struct {
			name         string
			ago, expires time.Duration
			codes        []string // nil: accepted
		}{
			{"a second", -10 * time.Second, time.Second, nil}, // from then on
			{"just now", time.Minute, time.Minute + 30*time.Second, nil},
			{"seven days", 0, 7 * 24 * time.Hour, nil},
			{"seven days, six ago", 6 * 24 * time.Hour, 7 * 24 * time.Hour, nil},
			{"over", time.Minute, 50 * time.Second, []string{"AccessDenied"}},
			{"over, seven days", 7*24*time.Hour + time.Minute, 7 * 24 * time.Hour, []string{"AccessDenied"}},
			{"a second too long", 0, 7*24*time.Hour + time.Second, []string{"AuthorizationQueryParametersError"}},
			{"a year", 0, 365 * 24 * time.Hour, []string{"AuthorizationQueryParametersError"}},
		} {
			then := time.Now().Add(-c.ago)
			req := newRequest(t, "GET", at, "")
			signer := s.signer()
			signer.Now = func() time.Time { return then }
			if c.expires <= 7*24*time.Hour {
				if err := signer.Presign(req, c.expires); err != nil {
					t.Fatal(err)
				}
			} else {
				if err := signer.Presign(req, c.expires); err == nil {
					t.Errorf("%s: signed", c.name)
				}
				req.URL.RawQuery = fmt.Sprintf("X-Amz-Expires=%d", c.expires/time.Second)
				link, _, err := sdk.PresignHTTP(t.Context(), aws.Credentials{AccessKeyID: s.Keys.AccessKeyID, SecretAccessKey: s.Keys.SecretAccessKey}, req, "UNSIGNED-PAYLOAD", "s3", s.Region, then)
				if err != nil {
					t.Fatal(err)
				}
				req = newRequest(t, "GET", link, "")
			}
			if c.codes != nil {
				s.refuse(t, "expiry", c.name, req, c.codes...)
			} else {
				s.accept(t, "expiry", c.name, req)
			}
		}
	})
}
