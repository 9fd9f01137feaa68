package awsauth

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"
)

// The published example of an upload in chunks: "Signature calculations for the
// Authorization header: transferring payload in multiple chunks".
func docsChunked() string {
	return `PUT /examplebucket/chunkObject.txt HTTP/1.1
Host: s3.amazonaws.com
x-amz-date: 20130524T000000Z
x-amz-storage-class: REDUCED_REDUNDANCY
Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class,Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9
x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD
Content-Encoding: aws-chunked
x-amz-decoded-content-length: 66560
Content-Length: 66824

` +
		"10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n" + strings.Repeat("a", 65536) + "\r\n" +
		"400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n" + strings.Repeat("a", 1024) + "\r\n" +
		"0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n"
}

// The published example of "Signature calculations for trailing headers".
func docsTrailer() string {
	return `PUT /examplebucket/chunkObject.txt HTTP/1.1
Host: s3.amazonaws.com
x-amz-date: 20130524T000000Z
x-amz-storage-class: REDUCED_REDUNDANCY
Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer,Signature=106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e
x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER
Content-Encoding: aws-chunked
x-amz-decoded-content-length: 66560
x-amz-trailer: x-amz-checksum-crc32c
Content-Length: 66946

` +
		"10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n" + strings.Repeat("a", 65536) + "\r\n" +
		"400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n" + strings.Repeat("a", 1024) + "\r\n" +
		"0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n" +
		"x-amz-checksum-crc32c:sOO8/Q==\r\n" +
		"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n"
}

func TestVerifyPublishedChunks(t *testing.T) {
	for name, text := range map[string]string{"chunks": docsChunked(), "trailer": docsTrailer()} {
		t.Run(name, func(t *testing.T) {
			r := mustReceive(t, string(wireOf(text)))
			got, body, err := verifyAll(docsVerifier(), r)
			if err != nil || body != strings.Repeat("a", 66560) {
				t.Fatalf("%v, %d bytes", err, len(body))
			}
			if r.ContentLength != 66560 || r.Header.Get("Content-Length") != "66560" || r.Header["Content-Encoding"] != nil || r.TransferEncoding != nil {
				t.Errorf("%d %v", r.ContentLength, r.Header)
			}
			if name == "trailer" != (r.Trailer.Get("X-Amz-Checksum-Crc32c") == "sOO8/Q==") || !strings.HasPrefix(string(got.Payload), "STREAMING-") {
				t.Errorf("%+v, trailer %v", got, r.Trailer)
			}
			if err := r.Body.Close(); err != nil {
				t.Error(err)
			}
			// With a byte of data changed, the data before it comes, and no more.
			head, data, _ := strings.Cut(text, "\n\n")
			data = strings.Replace(data, "a\r\n0;", "b\r\n0;", 1)
			_, body, err = verifyAll(docsVerifier(), mustReceive(t, string(wireOf(head+"\n\n"+data))))
			var refusal *VerifyError
			if !errors.As(err, &refusal) || refusal.Code != codeSignature || body != strings.Repeat("a", 65536) || !strings.HasPrefix(refusal.StringToSign, "AWS4-HMAC-SHA256-PAYLOAD\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n") {
				t.Errorf("%v, %d bytes", err, len(body))
			}
		})
	}
}

// A chunker writes aws-chunked bodies as the documentation says, on its own.
type chunker struct {
	algorithm      string
	key            []byte // AWS4-HMAC-SHA256
	signing        ecdsaKey
	scope, prev    string
	signed, legacy bool // legacy: as minio-go ends a trailer
}

func (c *chunker) sign(kind, what string) string {
	toSign := c.algorithm + "-" + kind + "\n20130524T000000Z\n" + c.scope + "\n" + c.prev + "\n" + what
	if c.algorithm == algorithm4A {
		sum := sha256.Sum256([]byte(toSign))
		der, _ := c.signing.Sign(nil, sum[:], crypto.SHA256)
		c.prev = hex.EncodeToString(der)
		return c.prev + strings.Repeat("*", 144-len(c.prev))
	}
	c.prev = hex.EncodeToString(hmacSHA256(c.key, []byte(toSign)))
	return c.prev
}

func hexSum(data string) string {
	sum := sha256.Sum256([]byte(data))
	return hex.EncodeToString(sum[:])
}

func (c *chunker) encode(trailers map[string]string, chunks ...string) string {
	var b strings.Builder
	for _, data := range append(chunks, "") {
		fmt.Fprintf(&b, "%x", len(data))
		if c.signed {
			b.WriteString(";chunk-signature=" + c.sign("PAYLOAD", hexSum("")+"\n"+hexSum(data)))
		}
		b.WriteString("\r\n" + data)
		if data != "" {
			b.WriteString("\r\n")
		}
	}
	lines, end := "", "\r\n"
	if c.legacy {
		end = "\n\r\n"
	}
	for _, name := range slices.Sorted(maps.Keys(trailers)) {
		lines += name + ":" + trailers[name] + "\n"
		b.WriteString(name + ":" + trailers[name] + end)
	}
	if c.signed && trailers != nil {
		b.WriteString("x-amz-trailer-signature:" + c.sign("TRAILER", hexSum(lines)) + "\r\n")
	}
	b.WriteString("\r\n")
	return b.String()
}

// chunkedRequest makes a signed request and what encodes its body.
func chunkedRequest(t testing.TB, payload, length, trailer string, encoding ...string) (*http.Request, *chunker) {
	t.Helper()
	r := mustReceive(t, "PUT /k HTTP/1.1\r\nHost: b.example\r\nContent-Length: 0\r\n\r\n")
	c := &chunker{algorithm: algorithm4, scope: "20130524/us-east-1/s3/aws4_request", signed: !strings.Contains(payload, "UNSIGNED")}
	if strings.Contains(payload, "ECDSA") {
		c.algorithm, c.scope = algorithm4A, "20130524/s3/aws4_request"
		c.signing = deriveECDSA(keyID{secret: docsKeys().SecretAccessKey, accessKeyID: docsKeys().AccessKeyID})
		r.Header.Set("X-Amz-Region-Set", "us-*")
	}
	c.key = []byte("AWS4" + docsKeys().SecretAccessKey)
	for part := range strings.SplitSeq(c.scope, "/") {
		c.key = hmacSHA256(c.key, []byte(part))
	}
	r.Header.Set("X-Amz-Date", "20130524T000000Z")
	r.Header.Set("X-Amz-Content-Sha256", payload)
	r.Header["Content-Encoding"] = append(encoding, "aws-chunked")[:1]
	if length != "" {
		r.Header.Set("X-Amz-Decoded-Content-Length", length)
	}
	if trailer != "" {
		r.Header.Set("X-Amz-Trailer", trailer)
	}
	names, lines := []string{"host"}, ""
	for name := range r.Header {
		if name != "Content-Length" {
			names = append(names, strings.ToLower(name))
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if name == "host" {
			lines += "host:b.example\n"
		} else {
			lines += name + ":" + strings.Trim(r.Header.Get(name), " \t") + "\n"
		}
	}
	toSign := c.algorithm + "\n20130524T000000Z\n" + c.scope + "\n" + hexSum("PUT\n/k\n\n"+lines+"\n"+strings.Join(names, ";")+"\n"+payload)
	if c.algorithm == algorithm4A {
		sum := sha256.Sum256([]byte(toSign))
		der, _ := c.signing.Sign(nil, sum[:], crypto.SHA256)
		c.prev = hex.EncodeToString(der)
	} else {
		c.prev = hex.EncodeToString(hmacSHA256(c.key, []byte(toSign)))
	}
	r.Header.Set("Authorization", c.algorithm+" Credential=AKIAIOSFODNN7EXAMPLE/"+c.scope+", SignedHeaders="+strings.Join(names, ";")+", Signature="+c.prev)
	return r, c
}

func b64(sum ...byte) string { return base64.StdEncoding.EncodeToString(sum) }

// checksums of "hello world", computed elsewhere but for those of the standard library.
func checksumsOf(data string) map[string]string {
	s1, s256 := sha1.Sum([]byte(data)), sha256.Sum256([]byte(data))
	return map[string]string{
		"x-amz-checksum-crc32":  b64(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(data)))...),
		"x-amz-checksum-crc32c": b64(binary.BigEndian.AppendUint32(nil, crc32.Checksum([]byte(data), crc32.MakeTable(crc32.Castagnoli)))...),
		"x-amz-checksum-sha1":   b64(s1[:]...),
		"x-amz-checksum-sha256": b64(s256[:]...),
	}
}

// The checksum of the check string, as catalogues of CRCs have it.
func TestCRC64NVME(t *testing.T) {
	h := newChecksum("x-amz-checksum-crc64nvme")
	io.WriteString(h, "123456789")
	if got := hex.EncodeToString(h.Sum(nil)); got != "ae8b14860a799888" {
		t.Errorf("got %s", got)
	}
}

func withBody(r *http.Request, body string) *http.Request {
	c := r.Clone(r.Context())
	c.Body = io.NopCloser(iotest.HalfReader(strings.NewReader(body)))
	c.ContentLength = int64(len(body))
	return c
}

var chunkedPayloads = []string{
	"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
	"STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER",
}

func TestVerifyChunks(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 200<<10/16)
	for _, payload := range chunkedPayloads {
		for _, chunks := range [][]string{nil, {"x"}, {"hello ", "world"}, {long, long[:1], long}} {
			data := strings.Join(chunks, "")
			all := checksumsOf(data)
			for _, names := range [][]string{nil, {"x-amz-checksum-crc32"}, slices.Sorted(maps.Keys(all))} {
				var trailers map[string]string
				if strings.HasSuffix(payload, "-TRAILER") {
					trailers = make(map[string]string)
					for _, name := range names {
						trailers[name] = all[name]
					}
				} else if names != nil {
					continue
				}
				for _, legacy := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s/%d bytes/%d trailers/%v", payload, len(data), len(names), legacy), func(t *testing.T) {
						r, c := chunkedRequest(t, payload, fmt.Sprint(len(data)), strings.ToUpper(strings.Join(names, " , ")))
						c.legacy = legacy
						r = withBody(r, c.encode(trailers, chunks...))
						r.TransferEncoding = []string{"chunked"}
						_, body, err := verifyAll(docsVerifier(), r)
						if err != nil || body != data {
							t.Fatalf("%v, %d bytes", err, len(body))
						}
						if r.ContentLength != int64(len(data)) || r.TransferEncoding != nil || r.Header["Content-Encoding"] != nil {
							t.Errorf("%d %v %v", r.ContentLength, r.TransferEncoding, r.Header)
						}
						for _, name := range names {
							if r.Trailer.Get(name) != all[name] {
								t.Errorf("%s: %q", name, r.Trailer.Get(name))
							}
						}
						if n, err := r.Body.Read(make([]byte, 1)); n != 0 || err != io.EOF {
							t.Errorf("after the end: %d %v", n, err)
						}
					})
				}
			}
		}
	}
}

// Each byte changed, and each end cut off: the body is refused, or is read as it was.
func TestVerifyChunksChanged(t *testing.T) {
	n, harmless := 0, 0
	for _, payload := range chunkedPayloads {
		r, c := chunkedRequest(t, payload, "11", "x-amz-checksum-crc32")
		var trailers map[string]string
		if strings.HasSuffix(payload, "-TRAILER") {
			trailers = map[string]string{"x-amz-checksum-crc32": checksumsOf("hello world")["x-amz-checksum-crc32"]}
		}
		body := c.encode(trailers, "hello ", "world")
		v := docsVerifier()
		check := func(what, changed string, mayPass bool) {
			t.Helper()
			n++
			r := withBody(r, changed)
			_, got, err := verifyAll(v, r)
			switch {
			case err == nil && (!mayPass || got != "hello world" || trailers != nil && r.Trailer.Get("X-Amz-Checksum-Crc32") != trailers["x-amz-checksum-crc32"]):
				t.Errorf("%s %s: accepted %q as %q", payload, what, changed, got)
			case err == nil:
				harmless++
			case strings.HasPrefix(codeOf(err), "not a"):
				t.Errorf("%s %s: %v", payload, what, err)
			case !strings.HasPrefix("hello world", got) && c.signed:
				t.Errorf("%s %s: %q was handed out before %v", payload, what, got, err)
			}
		}
		check("unchanged", body, true)
		for i := range len(body) {
			check("cut off", body[:i], false)
			bits := []byte{1, 2, 0x20, 0x80}
			if testing.Short() || c.algorithm == algorithm4A { // which is slower
				bits = bits[:1]
			}
			for _, bit := range bits {
				// Names, hexadecimal sizes and SigV4A's signatures are the same in upper case.
				check("changed", body[:i]+string(body[i]^bit)+body[i+1:], bit == 0x20 || bit == 1 && body[i] == '\r')
			}
			check("longer", body[:i]+"a"+body[i:], false)
		}
		check("more", body+"x", false)
		check("more", body+"\r\n\r\n", false)
		check("a chunk more", strings.NewReplacer("\n0;", "\n5;", "\n0\r", "\n5\r").Replace(body), false)
	}
	t.Logf("%d changed, %d of them to the same effect", n, harmless)
}

func TestVerifyChunksRefused(t *testing.T) {
	const signed, trailer, unsigned = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	hello := checksumsOf("hello")
	crc := map[string]string{"x-amz-checksum-crc32": hello["x-amz-checksum-crc32"]}
	wrong := map[string]string{"x-amz-checksum-crc32": "AAAAAA=="}
	for _, test := range []struct {
		name                   string
		payload, length, names string
		trailers               map[string]string
		edit                   func(body string) string
		code                   string
		early                  bool   // refused before the body is read
		message                string // a part of it
	}{
		{name: "signed", payload: signed, length: "5"},
		{name: "no decoded length", payload: signed, code: codeMissingLength},
		{name: "negative decoded length", payload: signed, length: "-5", code: codeArgument},
		{name: "huge decoded length", payload: signed, length: "9223372036854775808", code: codeArgument},
		{name: "decoded length too small", payload: signed, length: "4", code: codeIncompleteBody},
		{name: "decoded length too large", payload: signed, length: "6", code: codeIncompleteBody},
		{name: "decoded length too small, unsigned", payload: unsigned, length: "4", code: codeIncompleteBody},
		{name: "decoded length too large, unsigned", payload: unsigned, length: "6", code: codeIncompleteBody},
		{name: "no chunks", payload: signed, length: "5", edit: func(string) string { return "hello" }, code: codeIncompleteBody},
		{name: "empty body", payload: signed, length: "5", edit: func(string) string { return "" }, code: codeIncompleteBody},
		{name: "last chunk missing", payload: signed, length: "5", edit: func(b string) string { return b[:strings.Index(b, "0;")] }, code: codeIncompleteBody},
		{name: "last chunk missing, unsigned", payload: unsigned, length: "5", edit: func(b string) string { return b[:strings.Index(b, "0\r\n")] }, code: codeIncompleteBody},
		{name: "unsigned chunks", payload: signed, length: "5", edit: func(b string) string { return "5\r\nhello\r\n0\r\n\r\n" }, code: codeIncompleteBody},
		{name: "signed chunks", payload: unsigned, length: "5", edit: func(b string) string {
			return "5;chunk-signature=00\r\nhello\r\n0;chunk-signature=00\r\n\r\n"
		}, code: codeIncompleteBody},
		{name: "another extension", payload: unsigned, length: "5", edit: func(b string) string { return "5;x=y" + b[1:] }, code: codeIncompleteBody},
		{name: "negative size", payload: unsigned, length: "5", edit: func(b string) string { return "-" + b }, code: codeIncompleteBody},
		{name: "huge size", payload: unsigned, length: "5", edit: func(b string) string { return strings.Repeat("f", 15) + b }, code: codeIncompleteBody},
		{name: "chunk too long", payload: signed, length: "16777217", edit: func(b string) string { return "1000001" + b[1:] }, code: codeChunkSize},
		{name: "chunk as long as may be, missing", payload: signed, length: "16777216", edit: func(b string) string { return "1000000" + b[1:] }, code: codeIncompleteBody},
		{name: "a chunk with nothing after it", payload: signed, length: "5", edit: func(b string) string { return b[:strings.Index(b, "hello")+5] + "xx" + b }, code: codeIncompleteBody},

		{name: "trailer", payload: trailer, length: "5", names: "x-amz-checksum-crc32", trailers: crc},
		{name: "wrong checksum", payload: trailer, length: "5", names: "x-amz-checksum-crc32", trailers: wrong, code: codeBadDigest},
		{name: "wrong checksum, unsigned", payload: unsigned, length: "5", names: "x-amz-checksum-crc32", trailers: wrong, code: codeBadDigest},
		{name: "wrong checksum of nothing", payload: unsigned, length: "5", names: "x-amz-checksum-crc32", trailers: map[string]string{"x-amz-checksum-crc32": ""}, code: codeBadDigest},
		{name: "no trailer promised", payload: trailer, length: "5", trailers: crc, code: codeTrailer},
		{name: "no trailer sent", payload: trailer, length: "5", names: "x-amz-checksum-crc32", trailers: map[string]string{}, code: codeTrailer},
		{name: "no trailer sent, unsigned", payload: unsigned, length: "5", names: "x-amz-checksum-crc32", code: codeTrailer},
		{name: "another trailer", payload: unsigned, length: "5", names: "x-amz-checksum-sha1", trailers: crc, code: codeTrailer},
		{name: "a trailer where none can be", payload: signed, length: "5", names: "x-amz-checksum-crc32", trailers: crc, code: codeTrailer},
		{name: "a trailer twice", payload: unsigned, length: "5", names: "x-amz-checksum-crc32", trailers: crc, edit: func(b string) string {
			return strings.Replace(b, "x-amz", "X-Amz-Checksum-Crc32:AAAAAA==\r\nx-amz", 1)
		}, code: codeTrailer},
		{name: "a line without a colon", payload: unsigned, length: "5", names: "x-amz-checksum-crc32", trailers: crc, edit: func(b string) string { return strings.Replace(b, "32:", "32 ", 1) }, code: codeTrailer},
		{name: "a trailer after its signature", payload: trailer, length: "5", names: "x-amz-checksum-crc32,x-a", trailers: crc, edit: func(b string) string { return strings.TrimSuffix(b, "\r\n") + "x-a:\r\n\r\n" }, code: codeTrailer},
		{name: "two trailer signatures", payload: trailer, length: "5", names: "x-amz-checksum-crc32", trailers: crc, edit: func(b string) string {
			return strings.TrimSuffix(b, "\r\n") + b[strings.Index(b, "x-amz-trailer"):]
		}, code: codeTrailer},
		{name: "trailer signature missing", payload: trailer, length: "5", names: "x-amz-checksum-crc32", trailers: crc, edit: func(b string) string { return b[:strings.Index(b, "x-amz-trailer")] + "\r\n" }, code: codeSignature},
		{name: "trailer signature missing for no trailers", payload: trailer, length: "5", edit: func(b string) string { return b }},
		{name: "a trailer signature where nothing is signed", payload: unsigned, length: "5", names: "x-amz-checksum-crc32", trailers: crc, edit: func(b string) string {
			return strings.TrimSuffix(b, "\r\n") + "x-amz-trailer-signature:00\r\n\r\n"
		}, code: codeTrailer},
		{name: "trailers without end", payload: unsigned, length: "5", names: "x-a", edit: func(b string) string { return b[:len(b)-2] + "x-a:" + strings.Repeat("a", 1<<20) }, code: codeIncompleteBody},
		{name: "a line end in a trailer", payload: unsigned, length: "5", names: "x-a", trailers: map[string]string{"x-a": "b\nc"}, code: codeTrailer},
		{name: "line ends without end", payload: unsigned, length: "5", edit: func(b string) string { return b[:len(b)-2] + strings.Repeat("\n", 1<<20) }, code: codeIncompleteBody, message: "not well-formed"},
		{name: "a size without end", payload: unsigned, length: "5", edit: func(b string) string { return strings.Repeat("0", 1<<20) + b }, code: codeIncompleteBody, message: "not well-formed"},
		{name: "an end after the end", payload: unsigned, length: "5", edit: func(b string) string { return b + "x0\r\n\r\n" }, code: codeIncompleteBody},
		{name: "wrong signature of no trailers", payload: trailer, length: "5", trailers: map[string]string{}, edit: func(b string) string { return strings.Replace(b, "signature:", "signature:0", 1) }, code: codeSignature},
		{name: "right signature of no trailers", payload: trailer, length: "5", trailers: map[string]string{}},
		{name: "a promised trailer twice", payload: unsigned, length: "5", names: "x-a,X-A", code: codeTrailer, early: true},
		{name: "a promised signature", payload: unsigned, length: "5", names: "x-amz-trailer-signature", code: codeTrailer, early: true},
		{name: "a promised name that is none", payload: unsigned, length: "5", names: "x a", trailers: map[string]string{"x a": ""}, code: codeTrailer, early: true},
		{name: "many promised trailers", payload: unsigned, length: "5", names: strings.Trim(strings.ReplaceAll(manyNames(maxTrailers+1), ";", ","), ","), code: codeTrailer, early: true},
		{name: "trailers with white space", payload: unsigned, length: "5", names: " ,x-amz-checksum-crc32,, X-A ", trailers: crc, edit: func(b string) string {
			return strings.Replace(b, "x-amz-checksum-crc32:", "X-a:\r\nX-AMZ-checksum-crc32: \t", 1)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, c := chunkedRequest(t, test.payload, test.length, test.names)
			body := c.encode(test.trailers, "hello")
			if test.edit != nil {
				body = test.edit(body)
			}
			r = withBody(r, body)
			verified, got, err := verifyAll(docsVerifier(), r)
			if code := codeOf(err); code != test.code {
				t.Errorf("got %v, want %s; read %q", err, test.code, got)
			}
			if err != nil && !strings.Contains(err.Error(), test.message) {
				t.Errorf("got %v, want %s", err, test.message)
			}
			if test.early && verified != nil {
				t.Error("refused late")
			}
			if err == nil {
				return
			}
			if n, again := r.Body.Read(make([]byte, 10)); (n != 0 || again != err) && r.Body != nil && got != "" {
				t.Errorf("read again: %d %v", n, again)
			}
			if len(r.Trailer) > 0 {
				t.Errorf("trailers of a refused body: %v", r.Trailer)
			}
		})
	}
}

// What other codings there are stays.
func TestVerifyChunksContentEncoding(t *testing.T) {
	for coding, want := range map[string]string{"aws-chunked": "", "AWS-chunked,gzip": "gzip", "zstd , aws-chunked,": "zstd", "gzip,br": "gzip,br"} {
		shared := []string{coding}
		r, c := chunkedRequest(t, "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "5", "", coding)
		r.Header["Content-Encoding"] = shared
		r.Body = io.NopCloser(strings.NewReader(c.encode(nil, "hello")))
		if _, body, err := verifyAll(docsVerifier(), r); err != nil || body != "hello" {
			t.Fatalf("%s: %v", coding, err)
		}
		if got := r.Header.Get("Content-Encoding"); got != want || shared[0] != coding {
			t.Errorf("%s became %q, want %q", shared, got, want)
		}
	}
}

// The memory of a chunk grows with what came, not with what its header promises.
func TestVerifyChunkMemory(t *testing.T) {
	r, c := chunkedRequest(t, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "1073741824", "")
	body := c.encode(nil, "hello")
	r = withBody(r, "1000000"+body[1:])
	v := docsVerifier()
	if _, err := v.Verify(r); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := io.Copy(io.Discard, r.Body); codeOf(err) != codeIncompleteBody {
		t.Error(err)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 256<<10 {
		t.Errorf("%d bytes for a chunk that never came", used)
	}
}

// A long body of many chunks takes the memory of one.
func TestVerifyChunkStream(t *testing.T) {
	const chunk, count = 1 << 20, 64
	r, c := chunkedRequest(t, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", fmt.Sprint(chunk*count), "")
	data := strings.Repeat("x", chunk)
	pr, pw := io.Pipe()
	go func() {
		w := &bytes.Buffer{}
		for range count {
			fmt.Fprintf(w, "%x;chunk-signature=%s\r\n", chunk, c.sign("PAYLOAD", hexSum("")+"\n"+hexSum(data)))
			w.WriteString(data + "\r\n")
			pw.Write(w.Bytes())
			w.Reset()
		}
		fmt.Fprintf(pw, "0;chunk-signature=%s\r\n\r\n", c.sign("PAYLOAD", hexSum("")+"\n"+hexSum("")))
		pw.Close()
	}()
	r.Body = pr
	if _, err := docsVerifier().Verify(r); err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, r.Body)
	if n != chunk*count || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	if d := r.Body.(bodyReader).Reader.(*chunkDecoder); cap(d.buf) > 2*chunk {
		t.Errorf("a buffer of %d bytes for chunks of %d", cap(d.buf), chunk)
	}
}

// What net/http says of a broken body, and a limit of the handler's own.
func TestVerifyBodyErrors(t *testing.T) {
	broken := errors.New("connection reset")
	for name, body := range map[string]struct {
		r    io.Reader
		code string
		is   error
	}{
		"unexpected EOF": {iotest.ErrReader(io.ErrUnexpectedEOF), codeIncompleteBody, io.ErrUnexpectedEOF},
		"reset":          {iotest.ErrReader(broken), codeIncompleteBody, broken},
	} {
		r := mustReceive(t, string(wireOf(sqsPost)))
		r.Body = io.NopCloser(io.MultiReader(strings.NewReader("hel"), body.r))
		_, err := docsVerifier().Verify(r)
		if codeOf(err) != body.code || !errors.Is(err, body.is) {
			t.Errorf("%s without a digest: %v", name, err)
		}
		// It reads as before.
		if data, err := io.ReadAll(r.Body); string(data) != "hel" || !errors.Is(err, body.is) {
			t.Errorf("%s: then %q %v", name, data, err)
		}
		r = mustReceive(t, string(wireOf(docsPut)))
		r.Body = io.NopCloser(io.MultiReader(strings.NewReader("Wel"), body.r))
		if _, data, err := verifyAll(docsVerifier(), r); data != "Wel" || err != body.is {
			t.Errorf("%s with a digest: %q %v", name, data, err)
		}
		cr, c := chunkedRequest(t, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "11", "")
		cr.Body = io.NopCloser(io.MultiReader(strings.NewReader(c.encode(nil, "hello ", "world")[:120]), body.r))
		if _, data, err := verifyAll(docsVerifier(), cr); data != "hello " || !errors.Is(err, body.is) {
			t.Errorf("%s in chunks: %q %v", name, data, err)
		}
	}
	r := mustReceive(t, string(wireOf(sqsPost)))
	r.Body = http.MaxBytesReader(nil, r.Body, 4)
	if _, err := docsVerifier().Verify(r); codeOf(err) != codeTooLarge {
		t.Error(err)
	}
	r = mustReceive(t, string(wireOf(sqsPost)))
	r.ContentLength = -1
	r.Body = io.NopCloser(io.LimitReader(zeros{}, maxBuffer+1))
	if _, err := docsVerifier().Verify(r); codeOf(err) != codeTooLarge {
		t.Error(err)
	}
	if n, err := io.Copy(io.Discard, r.Body); n != maxBuffer+1 || err != nil {
		t.Errorf("then %d bytes, %v", n, err)
	}
}

// No body is read and nobody asked for a key where the request is refused anyway.
func TestVerifyCheapFirst(t *testing.T) {
	for name, text := range map[string]string{
		"old":       strings.ReplaceAll(sqsPost, "20130524", "20130523"),
		"unsigned":  strings.Replace(sqsPost, "X-Amz-Date", "X-Amz-Acl: x\nX-Amz-Date", 1),
		"region":    strings.Replace(sqsPost, "us-east-1", "eu-west-1", 1),
		"payload":   strings.Replace(strings.Replace(sqsPost, "X-Amz-Date", "X-Amz-Content-Sha256: x\nX-Amz-Date", 1), "host;", "host;x-amz-content-sha256;", 1),
		"malformed": strings.Replace(sqsPost, "/sqs/", "/", 1),
	} {
		v := docsVerifier()
		v.Lookup = func(context.Context, string) (Credentials, error) {
			t.Errorf("%s: looked up", name)
			return docsKeys(), nil
		}
		r := mustReceive(t, string(wireOf(text)))
		r.Body = io.NopCloser(iotest.ErrReader(errors.New("read")))
		if _, err := v.Verify(r); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	v := docsVerifier()
	type key struct{}
	v.Lookup = func(ctx context.Context, id string) (Credentials, error) {
		if ctx.Value(key{}) != 1 || id != docsKeys().AccessKeyID {
			t.Errorf("asked for %q with %v", id, ctx)
		}
		return Credentials{}, context.Canceled
	}
	r := mustReceive(t, string(wireOf(sqsPost))).WithContext(context.WithValue(context.Background(), key{}, 1))
	r.Body = io.NopCloser(iotest.ErrReader(errors.New("read")))
	_, err := v.Verify(r)
	if codeOf(err) != codeInternal || !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "canceled") {
		t.Error(err)
	}
	if r.Body == nil || time.Since(docsTime) < 0 {
		t.Error("no body")
	}
}

// Whoever takes as many bytes as were announced, and never sees the end, gets no body
// that is not the one signed: neither a handler nor the server behind a proxy.
func TestVerifyHoldsBackTheEnd(t *testing.T) {
	var whole atomic.Int32
	behind := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			whole.Add(1)
		}
	}))
	target, _ := url.Parse(behind.URL)
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ErrorLog = quiet
	v := &Verifier{Lookup: keysFor(docsKeys())}
	server := func(http2 bool) *httptest.Server {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, err := v.Verify(r)
			switch {
			case err != nil:
			case r.URL.Path == "/proxy":
				proxy.ServeHTTP(w, r)
				return
			case r.URL.Path == "/full":
				_, err = io.ReadFull(r.Body, make([]byte, r.ContentLength))
			case r.URL.Path == "/copy":
				_, err = io.CopyN(io.Discard, r.Body, r.ContentLength)
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
			}
		}))
		s.EnableHTTP2 = http2
		s.StartTLS()
		t.Cleanup(s.Close)
		return s
	}
	for _, s := range []*httptest.Server{server(false), server(true)} {
		for _, path := range []string{"/full", "/copy", "/proxy"} {
			for _, size := range []int{1, 20, 100 << 10} {
				for _, changed := range []bool{false, true} {
					name := fmt.Sprint(path, size, changed)
					body := strings.Repeat("a", size)
					req, _ := http.NewRequest("PUT", s.URL+path, strings.NewReader(body))
					if err := (&Signer{Service: "s3", Region: "us-east-1", Credentials: docsKeys()}).Sign4(req); err != nil {
						t.Fatal(err)
					}
					if changed {
						req.Body, req.GetBody = io.NopCloser(strings.NewReader("b"+body[1:])), nil
					}
					resp, err := s.Client().Do(req)
					if err != nil {
						t.Fatal(name, err)
					}
					resp.Body.Close()
					if (resp.StatusCode == 200) == changed {
						t.Errorf("%s %s: status %d", resp.Proto, name, resp.StatusCode)
					}
				}
			}
		}
	}
	behind.Close() // waits for what it still reads
	if n := whole.Load(); n != 6 {
		t.Errorf("%d whole bodies arrived behind the proxy, want the 6 that are right", n)
	}
}

// A body that breaks off at its end, or goes on behind it, does not pass either.
func TestVerifyHoldsBackOddEnds(t *testing.T) {
	for name, end := range map[string]io.Reader{"reset": iotest.ErrReader(errors.New("reset")), "longer": strings.NewReader("!")} {
		r := mustReceive(t, string(wireOf(docsPut)))
		n := r.ContentLength
		r.Body = io.NopCloser(io.MultiReader(r.Body, end))
		if _, err := docsVerifier().Verify(r); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(r.Body, make([]byte, n)); err == nil {
			t.Errorf("%s: the end was handed out", name)
		}
	}
	for _, payload := range []string{"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"} {
		for _, sum := range []string{checksumsOf("hello world")["x-amz-checksum-crc32"], "AAAAAA=="} {
			r, c := chunkedRequest(t, payload, "11", "x-amz-checksum-crc32")
			r = withBody(r, c.encode(map[string]string{"x-amz-checksum-crc32": sum}, "hello ", "world"))
			if _, err := docsVerifier().Verify(r); err != nil {
				t.Fatal(err)
			}
			_, err := io.ReadFull(r.Body, make([]byte, r.ContentLength))
			if (err == nil) != (sum != "AAAAAA==") {
				t.Errorf("%s, %s: %v", payload, sum, err)
			}
		}
	}
}

// Trailers of HTTP, which nobody signed, are not among those of an aws-chunked body.
func TestVerifyTrailersOfHTTP(t *testing.T) {
	sum := checksumsOf("hello")["x-amz-checksum-crc32"]
	r, c := chunkedRequest(t, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", "5", "x-amz-checksum-crc32")
	body := c.encode(map[string]string{"x-amz-checksum-crc32": sum}, "hello")
	var wire bytes.Buffer
	r.Header.Del("Content-Length")
	wire.WriteString("PUT /k HTTP/1.1\r\nHost: b.example\r\nTransfer-Encoding: chunked\r\nTrailer: X-Amz-Meta-Announced\r\n")
	r.Header.Write(&wire)
	fmt.Fprintf(&wire, "\r\n%x\r\n%s\r\n0\r\nX-Amz-Meta-Announced: 1\r\nX-Amz-Meta-A: 1\r\nX-Amz-Checksum-Crc32: x\r\n\r\n", len(body), body)
	r = mustReceive(t, wire.String())
	if _, data, err := verifyAll(docsVerifier(), r); err != nil || data != "hello" {
		t.Fatalf("%q %v", data, err)
	}
	if len(r.Trailer) != 1 || r.Trailer.Get("X-Amz-Checksum-Crc32") != sum {
		t.Errorf("got %v", r.Trailer)
	}
}
