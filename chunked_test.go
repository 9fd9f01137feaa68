package awsauth

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"
	"maps"
	"math/big"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"
)

// A decoded is a stream as a server reads it.
type decoded struct {
	data       []byte
	chunks     []int // their sizes, but for the last
	signatures []string
	trailer    string // the line
}

// decodeStream reads an aws-chunked body and checks all that is in it. It is written
// from AWS's documentation of chunked uploads and of trailing headers, with nothing
// from the package.
func decodeStream(h http.Header, host, body string) (d decoded, err error) {
	word := h.Get("X-Amz-Content-Sha256")
	signed, trailer := !strings.Contains(word, "UNSIGNED"), strings.HasSuffix(word, "-TRAILER")
	authorization := h.Get("Authorization")
	algorithm, rest, _ := strings.Cut(authorization, " Credential=")
	credential, rest, _ := strings.Cut(rest, ", SignedHeaders=")
	names, previous, _ := strings.Cut(rest, ", Signature=")
	if signed && word != "STREAMING-"+algorithm+"-PAYLOAD" && word != "STREAMING-"+algorithm+"-PAYLOAD-TRAILER" {
		return d, fmt.Errorf("%s beside a signature by %s", word, algorithm)
	}
	for _, name := range []string{"content-encoding", "x-amz-content-sha256", "x-amz-decoded-content-length"} {
		if !slices.Contains(strings.Split(names, ";"), name) {
			return d, fmt.Errorf("%s is not signed", name)
		}
	}
	if slices.Contains(strings.Split(names, ";"), "x-amz-trailer") != trailer {
		return d, fmt.Errorf("x-amz-trailer: %s", names)
	}
	if first, _, _ := strings.Cut(h.Get("Content-Encoding"), ","); first != "aws-chunked" || len(h["Content-Encoding"]) != 1 {
		return d, fmt.Errorf("Content-Encoding is %q", h["Content-Encoding"])
	}
	_, scope, _ := strings.Cut(credential, "/")
	date := h.Get("X-Amz-Date")

	check := func(kind, signature, what string) error {
		toSign := algorithm + kind + "\n" + date + "\n" + scope + "\n" + previous + "\n" + what
		d.signatures = append(d.signatures, signature)
		if algorithm == "AWS4-ECDSA-P256-SHA256" {
			if len(signature) != 144 {
				return fmt.Errorf("a signature of %d characters", len(signature))
			}
			previous = strings.TrimRight(signature, "*")
			der, err := hex.DecodeString(previous)
			x, _ := new(big.Int).SetString("b6618f6a65740a99e650b33b6b4b5bd0d43b176d721a3edfea7e7d2d56d936b1", 16)
			y, _ := new(big.Int).SetString("865ed22a7eadc9c5cb9d2cbaca1b3699139fedc5043dc6661864218330c8e518", 16)
			sum := sha256.Sum256([]byte(toSign))
			if err != nil || !ecdsa.VerifyASN1(&ecdsa.PublicKey{Curve: elliptic.P256(), X: x, Y: y}, sum[:], der) {
				return fmt.Errorf("wrong signature %s of %q", signature, toSign)
			}
			return nil
		}
		key := []byte("AWS4" + testSecret)
		for _, part := range append(strings.Split(scope, "/"), toSign) {
			mac := hmac.New(sha256.New, key)
			mac.Write([]byte(part))
			key = mac.Sum(nil)
		}
		if previous = hex.EncodeToString(key); signature != previous {
			return fmt.Errorf("wrong signature %s of %q, want %s", signature, toSign, previous)
		}
		return nil
	}
	hexSum := func(s string) string {
		sum := sha256.Sum256([]byte(s))
		return hex.EncodeToString(sum[:])
	}
	for {
		line, rest, ok := strings.Cut(body, "\r\n")
		if !ok {
			return d, errors.New("no line for a chunk")
		}
		digits, signature, has := strings.Cut(line, ";chunk-signature=")
		size, err := strconv.ParseUint(digits, 16, 31)
		if err != nil || has != signed || digits != strconv.FormatUint(size, 16) {
			return d, fmt.Errorf("wrong line %q for a chunk", line)
		}
		body = rest
		if len(body) < int(size) {
			return d, errors.New("a chunk is cut off")
		}
		data := body[:size]
		body = body[size:]
		d.data = append(d.data, data...)
		if signed {
			if err := check("-PAYLOAD", signature, hexSum("")+"\n"+hexSum(data)); err != nil {
				return d, err
			}
		}
		if size == 0 {
			break
		}
		d.chunks = append(d.chunks, int(size))
		if body, ok = strings.CutPrefix(body, "\r\n"); !ok {
			return d, errors.New("no line end behind a chunk")
		}
	}
	if trailer {
		line, rest, _ := strings.Cut(body, "\r\n")
		body, d.trailer = rest, line
		name, value, _ := strings.Cut(line, ":")
		if name != h.Get("X-Amz-Trailer") {
			return d, fmt.Errorf("the trailer %q, and X-Amz-Trailer is %q", line, h.Get("X-Amz-Trailer"))
		}
		sum := map[string]hash.Hash{
			"x-amz-checksum-crc32":     crc32.NewIEEE(),
			"x-amz-checksum-crc32c":    crc32.New(crc32.MakeTable(crc32.Castagnoli)),
			"x-amz-checksum-crc64nvme": crc64.New(crc64.MakeTable(0x9a6c9329ac4bc9b5)),
			"x-amz-checksum-sha1":      sha1.New(),
			"x-amz-checksum-sha256":    sha256.New(),
		}[name]
		sum.Write(d.data)
		if want := base64.StdEncoding.EncodeToString(sum.Sum(nil)); value != want {
			return d, fmt.Errorf("the trailer %q, want %s", line, want)
		}
		if signed {
			last, rest, _ := strings.Cut(body, "\r\n")
			signature, ok := strings.CutPrefix(last, "x-amz-trailer-signature:")
			if !ok {
				return d, fmt.Errorf("%q for the trailer's signature", last)
			}
			if err := check("-TRAILER", signature, hexSum(line+"\n")); err != nil {
				return d, err
			}
			body = rest
		}
	}
	if body != "\r\n" {
		return d, fmt.Errorf("%q at the end", body)
	}
	if got := h.Get("X-Amz-Decoded-Content-Length"); got != strconv.Itoa(len(d.data)) {
		return d, fmt.Errorf("X-Amz-Decoded-Content-Length is %s, want %d", got, len(d.data))
	}
	return d, nil
}

func streamRequest(t testing.TB, size int) (*http.Request, string) {
	t.Helper()
	data := strings.Repeat("0123456789abcde\n", size/16+1)[:size]
	req, err := http.NewRequest("PUT", "https://h.example/k", strings.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return req, data
}

func streamSigner(p Payload) *Signer {
	return &Signer{Service: "s3", Region: "eu-west-1", Credentials: testKeys, Payload: p, Now: func() time.Time { return time.Unix(1e9, 0) }}
}

func readStream(t testing.TB, req *http.Request) string {
	t.Helper()
	body, err := io.ReadAll(req.Body)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(body)) != req.ContentLength {
		t.Fatalf("the body has %d bytes, and ContentLength is %d", len(body), req.ContentLength)
	}
	return string(body)
}

func mustDecode(t testing.TB, req *http.Request, want string) decoded {
	t.Helper()
	d, err := decodeStream(req.Header, req.Host, readStream(t, req))
	if err != nil {
		t.Fatal(err)
	}
	if string(d.data) != want {
		t.Fatalf("the stream has other data: %d bytes, want %d", len(d.data), len(want))
	}
	return d
}

// The examples of AWS's documentation.
func TestPublishedStreams(t *testing.T) {
	keys := Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
	data := strings.Repeat("a", 66560)
	s := &Signer{Service: "s3", Region: "us-east-1", Now: func() time.Time { return time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC) }}
	request := func() *http.Request {
		req, _ := http.NewRequest("PUT", "https://s3.amazonaws.com/examplebucket/chunkObject.txt", strings.NewReader(data))
		req.Header.Set("X-Amz-Storage-Class", "REDUCED_REDUNDANCY")
		return req
	}

	// It has Content-Length among the signed headers, so the test starts from its
	// seed signature.
	s.Payload = StreamingPayload
	req := request()
	if err := s.Sign4(req, keys); err != nil {
		t.Fatal(err)
	}
	req.Body.(*chunkedBody).signature = []byte("4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9")
	want := "10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n" + data[:65536] + "\r\n" +
		"400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n" + data[65536:] + "\r\n" +
		"0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n"
	if got := readStream(t, req); got != want || len(got) != 66824 {
		t.Errorf("got a stream of %d bytes: %s", len(got), strings.ReplaceAll(got, "aaaa", ""))
	}

	s.Payload = StreamingPayloadTrailer
	req = request()
	req.Header.Set("X-Amz-Trailer", "x-amz-checksum-crc32c")
	if err := s.Sign4(req, keys); err != nil {
		t.Fatal(err)
	}
	if got, want := req.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "+
		"SignedHeaders=content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer, "+
		"Signature=106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	want = "10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n" + data[:65536] + "\r\n" +
		"400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n" + data[65536:] + "\r\n" +
		"0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n" +
		"x-amz-checksum-crc32c:sOO8/Q==\r\n" +
		"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n"
	if got := readStream(t, req); got != want {
		t.Errorf("got a stream of %d bytes: %s", len(got), strings.ReplaceAll(got, "aaaa", ""))
	}
}

var checksumNames = []string{"x-amz-checksum-crc32", "x-amz-checksum-crc32c", "x-amz-checksum-crc64nvme", "x-amz-checksum-sha1", "x-amz-checksum-sha256"}

var streamPayloads = []Payload{StreamingPayload, StreamingPayloadTrailer, StreamingUnsignedPayloadTrailer}

// Streams of any kind and size decode to the body, however source and stream are
// read.
func TestStreams(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	rounds := 400
	if testing.Short() {
		rounds = 60
	}
	sizes := []int{0, 1, 15, 16, 17, 255, 256, 4095, 4096, chunkSize - 1, chunkSize, chunkSize + 1, 2*chunkSize - 1, 2 * chunkSize, 2*chunkSize + 1, 3*chunkSize + 100}
	for round := range rounds {
		size := sizes[round%len(sizes)]
		if round > 2*len(sizes) {
			size = rnd.IntN(3 * chunkSize)
		}
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(rnd.Uint32())
		}
		var source io.Reader = onlyReader{bytes.NewReader(data)}
		switch rnd.IntN(5) {
		case 0:
			source = iotest.DataErrReader(source)
		case 1:
			source = iotest.HalfReader(source)
		case 2:
			source = &slowReader{source, rnd}
		case 3:
			source = iotest.DataErrReader(&slowReader{source, rnd})
		}
		req, _ := http.NewRequest("PUT", "https://h.example/k", source)
		req.Header.Set("X-Amz-Decoded-Content-Length", strconv.Itoa(size))
		s := streamSigner(streamPayloads[rnd.IntN(3)])
		name := ""
		if s.Payload != StreamingPayload && (size == 0 || rnd.IntN(4) > 0) {
			name = checksumNames[rnd.IntN(len(checksumNames))]
			req.Header.Set("X-Amz-Trailer", name)
		}
		sign := s.Sign4
		if rnd.IntN(4) == 0 {
			sign = s.Sign4A
		}
		if err := sign(req); err != nil {
			t.Fatal(err)
		}
		if size == 0 && name == "" {
			continue // no stream; see TestEmptyStreams
		}

		var wire bytes.Buffer
		most := []int{1, 10, 4096, 32 << 10, 512 << 10}[rnd.IntN(5)]
		for buf := make([]byte, most); ; {
			n, err := req.Body.Read(buf[:1+rnd.IntN(most)])
			wire.Write(buf[:n])
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if n, err := req.Body.Read(make([]byte, 10)); n != 0 || err != io.EOF {
			t.Fatalf("%d, %v behind the end", n, err)
		}
		if int64(wire.Len()) != req.ContentLength {
			t.Fatalf("%d bytes, and ContentLength is %d", wire.Len(), req.ContentLength)
		}
		d, err := decodeStream(req.Header, req.Host, wire.String())
		if err != nil {
			t.Fatalf("%d bytes, %s %s: %v", size, s.Payload, name, err)
		}
		if !bytes.Equal(d.data, data) {
			t.Fatalf("%d bytes, %s: got other data", size, s.Payload)
		}
		for i, n := range d.chunks {
			if n != chunkSize && i < len(d.chunks)-1 {
				t.Fatalf("chunks of %d", d.chunks)
			}
		}
		if name == "" {
			name = "x-amz-checksum-crc32"
		}
		if d.trailer != "" && !strings.HasPrefix(d.trailer, name+":") {
			t.Fatalf("%s, want %s", d.trailer, name)
		}
	}
}

// onlyReader hides all other methods.
type onlyReader struct{ io.Reader }

// A slowReader reads as much as it likes, and at times nothing.
type slowReader struct {
	io.Reader
	rnd *rand.Rand
}

func (r *slowReader) Read(b []byte) (int, error) {
	if len(b) == 0 || r.rnd.IntN(3) == 0 {
		return 0, nil
	}
	return r.Reader.Read(b[:1+r.rnd.IntN(len(b))])
}

// What arrives over a connection verifies, with the signature of the request.
func TestStreamsOverTheWire(t *testing.T) {
	for _, w := range wires(t, testVerifier("s3", "")) {
		for _, p := range streamPayloads {
			if p == StreamingUnsignedPayloadTrailer && w.scheme == "http" {
				continue
			}
			for _, size := range []int{1, chunkSize, 2*chunkSize + 1} {
				req, data := streamRequest(t, size)
				req.URL.Scheme = w.scheme
				req.Header.Set("Content-Encoding", "gzip")
				s := streamSigner(p)
				s.Now = nil
				if err := s.Sign4(req); err != nil {
					t.Fatal(err)
				}
				a := w.send(t, req)
				if a.Err != nil {
					t.Fatalf("%s: %s: %v", w.name, p, a.Err)
				}
				if a.Length != int64(len(a.Body)) || a.Length != req.ContentLength {
					t.Errorf("%s: %s: Content-Length is %d", w.name, p, a.Length)
				}
				if got := a.Header["Content-Encoding"]; len(got) != 1 || got[0] != "aws-chunked,gzip" {
					t.Errorf("%s: Content-Encoding is %q", w.name, got)
				}
				d, err := decodeStream(a.Header, a.Host, a.Body)
				if err != nil || string(d.data) != data {
					t.Errorf("%s: %s: %v", w.name, p, err)
				}
			}
		}

		// HTTP's own trailers go with a length that is not announced.
		req, data := streamRequest(t, 100)
		req.URL.Scheme = w.scheme
		req.Trailer = http.Header{"X-Own": {"v"}}
		s := streamSigner(StreamingPayload)
		s.Now = nil
		if err := s.Sign4(req); err != nil {
			t.Fatal(err)
		}
		a := w.send(t, req)
		if d, err := decodeStream(a.Header, a.Host, a.Body); a.Err != nil || err != nil || string(d.data) != data || a.Trailer.Get("X-Own") != "v" {
			t.Errorf("%s: %v, %v, %v", w.name, a.Err, err, a.Trailer)
		}
	}
}

// Where the length of a body is taken from.
func TestStreamLength(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, []byte("beforehello"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		edit func(*http.Request)
	}{
		{"ContentLength", func(r *http.Request) { r.Body = io.NopCloser(readOnceBody("hello")); r.ContentLength = 5 }},
		{"ContentLength before the header", func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(readOnceBody("hello")), 5
			r.Header.Set("X-Amz-Decoded-Content-Length", "7")
		}},
		{"ContentLength before the seeker", func(r *http.Request) {
			r.Body = struct {
				io.Reader
				*seekOnce
			}{strings.NewReader("hello"), new(seekOnce)}
			r.ContentLength = 5
		}},
		{"the header", func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(readOnceBody("hello")), -1
			r.Header.Set("X-Amz-Decoded-Content-Length", " 5 ")
		}},
		{"the header in another spelling", func(r *http.Request) {
			r.Body = io.NopCloser(readOnceBody("hello"))
			r.Header["x-amz-decoded-content-length"] = []string{"5"}
		}},
		{"a file, from its middle", func(r *http.Request) {
			f, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { f.Close() })
			if _, err := f.Seek(6, io.SeekStart); err != nil {
				t.Fatal(err)
			}
			r.Body = f
			r.Header.Set("X-Amz-Decoded-Content-Length", "7")
		}},
		{"the header, for a pipe", func(r *http.Request) {
			pr, pw, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { pr.Close() })
			pw.WriteString("hello")
			pw.Close()
			r.Body = pr
			r.Header.Set("X-Amz-Decoded-Content-Length", "5")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			req, _ := http.NewRequest("PUT", "https://h.example/k", nil)
			c.edit(req)
			if err := streamSigner(StreamingPayload).Sign4(req); err != nil {
				t.Fatal(err)
			}
			mustDecode(t, req, "hello")
		})
	}
}

// A request without a body is signed as any other, so that one Signer will do for all;
// but for a trailer that the caller asked for.
func TestEmptyStreams(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{"GET", "PUT"} {
		for name, edit := range map[string]func(*http.Request){
			"nil":          func(r *http.Request) { r.Body, r.GetBody = nil, nil },
			"NoBody":       func(r *http.Request) { r.Body, r.GetBody = http.NoBody, nil },
			"empty reader": func(r *http.Request) {},
			"empty file": func(r *http.Request) {
				f, err := os.Open(file)
				if err != nil {
					t.Fatal(err)
				}
				r.Body = f
			},
			"announced": func(r *http.Request) {
				r.Body = io.NopCloser(readOnceBody(""))
				r.Header.Set("X-Amz-Decoded-Content-Length", "0")
			},
		} {
			for _, p := range streamPayloads {
				t.Run(method+"/"+name+"/"+string(p), func(t *testing.T) {
					request := func() *http.Request {
						req, _ := http.NewRequest(method, "https://h.example/k", strings.NewReader(""))
						req.Header.Set("Content-Encoding", "gzip")
						edit(req)
						return req
					}
					fresh, _ := http.NewRequest(method, "https://h.example/k", nil)
					fresh.Header.Set("Content-Encoding", "gzip")
					if err := streamSigner("").Sign4(fresh); err != nil {
						t.Fatal(err)
					}
					req := request()
					if err := streamSigner(p).Sign4(req); err != nil {
						t.Fatal(err)
					}
					if !maps.EqualFunc(req.Header, fresh.Header, slices.Equal) || req.ContentLength != 0 || req.Body != nil && req.Body != http.NoBody {
						t.Errorf("got %v %v, want %v", req.Header, req.Body, fresh.Header)
					}

					if p == StreamingPayload {
						return
					}
					req = request()
					req.Header.Set("X-Amz-Trailer", "x-amz-checksum-crc32c")
					if err := streamSigner(p).Sign4(req); err != nil {
						t.Fatal(err)
					}
					again := req.GetBody
					if d := mustDecode(t, req, ""); d.trailer != "x-amz-checksum-crc32c:AAAAAA==" {
						t.Errorf("the trailer is %s", d.trailer)
					}
					if name == "nil" || name == "NoBody" {
						var err error
						if req.Body, err = again(); err != nil {
							t.Fatal(err)
						}
						mustDecode(t, req, "")
					}
				})
			}
		}
	}
}

// A body that is not as long as announced, or fails, never gets a last chunk, and a
// longer one not even all of the data announced.
func TestBrokenStreams(t *testing.T) {
	const size = 2*chunkSize + 10
	data := strings.Repeat("x", size)
	for _, c := range []struct {
		name, want string
		cause      error
		body       io.Reader
		whole      int // data that comes before the error
	}{
		{"short", "the body ended after 131081 of the 131082 bytes", io.ErrUnexpectedEOF, strings.NewReader(data[1:]), 2 * chunkSize},
		{"short by chunks", "the body ended after 65536 of the 131082 bytes", io.ErrUnexpectedEOF, strings.NewReader(data[:chunkSize]), chunkSize},
		{"short, with its end at once", "the body ended after 65536 of the 131082 bytes", io.ErrUnexpectedEOF, iotest.DataErrReader(strings.NewReader(data[:chunkSize])), chunkSize},
		{"empty", "the body ended after 0 of the 131082 bytes", io.ErrUnexpectedEOF, strings.NewReader(""), 0},
		{"long", "the body is longer than the 131082 bytes", nil, strings.NewReader(data + "y"), 2 * chunkSize},
		{"fails", "disk on fire", nil, io.MultiReader(strings.NewReader(data[:chunkSize+5]), failing{}), chunkSize},
		{"fails for its end", "disk on fire", nil, io.MultiReader(strings.NewReader(data), failing{}), 2 * chunkSize},
		{"stands still", "multiple Read calls return no data", io.ErrNoProgress, still{}, 0},
	} {
		for _, p := range streamPayloads {
			for _, most := range []int{100, 512 << 10} {
				req, _ := http.NewRequest("PUT", "https://h.example/k", onlyReader{c.body})
				if seeker, ok := c.body.(io.Seeker); ok {
					seeker.Seek(0, io.SeekStart)
				} else if p != StreamingPayload || most != 100 {
					continue
				}
				req.ContentLength = size
				if err := streamSigner(p).Sign4(req); err != nil {
					t.Fatal(err)
				}
				var got int
				var err error
				for buf := make([]byte, most); err == nil; {
					var n int
					n, err = req.Body.Read(buf)
					got += bytes.Count(buf[:n], []byte("x"))
					if bytes.Contains(buf[:n], []byte("\r\n0;")) || bytes.Contains(buf[:n], []byte("\r\n0\r\n")) {
						t.Errorf("%s: there is a last chunk", c.name)
					}
				}
				if !strings.HasPrefix(err.Error(), "awsauth: ") || !strings.Contains(err.Error(), c.want) || c.cause != nil && !errors.Is(err, c.cause) || got != c.whole {
					t.Errorf("%s: %d bytes and then %v", c.name, got, err)
				}
				if n, again := req.Body.Read(make([]byte, 10)); n != 0 || again != err {
					t.Errorf("%s: %d, %v after %v", c.name, n, again, err)
				}
			}
		}
	}
}

type still struct{}

func (still) Read([]byte) (int, error) { return 0, nil }

// A counted counts how often it is closed.
type counted struct {
	io.Reader
	closed *int
	err    error
}

func (c counted) Close() error { *c.closed++; return c.err }

func TestStreamClose(t *testing.T) {
	closed := 0
	req, _ := http.NewRequest("PUT", "https://h.example/k", counted{strings.NewReader("hello"), &closed, errors.New("closing failed")})
	req.ContentLength = 5
	for range 2 {
		if err := streamSigner(StreamingPayload).Sign4(req); err != nil {
			t.Fatal(err)
		}
	}
	readStream(t, req)
	if closed != 0 {
		t.Errorf("signing and reading closed the body")
	}
	if err := req.Body.Close(); err == nil || err.Error() != "closing failed" {
		t.Errorf("got %v", err)
	}
	if err := req.Body.Close(); err != nil || closed != 1 {
		t.Errorf("closed %d times: %v", closed, err)
	}

	// By net/http, also where sending fails.
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }))
	defer srv.Close()
	for _, body := range []string{"hello", "hell", "hello!"} {
		closed := 0
		req, _ := http.NewRequest("PUT", srv.URL, counted{strings.NewReader(body), &closed, nil})
		req.ContentLength = 5
		if err := streamSigner(StreamingPayload).Sign4(req); err != nil {
			t.Fatal(err)
		}
		resp, err := srv.Client().Do(req)
		if (err == nil) != (body == "hello") {
			t.Errorf("%q: %v", body, err)
		}
		if err == nil {
			resp.Body.Close()
		}
		srv.CloseClientConnections() // the body is closed then
		if closed != 1 {
			t.Errorf("%q: closed %d times", body, closed)
		}
	}
}

// A request that is signed again gets what a fresh one would.
func TestSignStreamAgain(t *testing.T) {
	otherKeys := Credentials{AccessKeyID: testID, SecretAccessKey: testSecret, SessionToken: testToken}
	at := func(s *Signer) *Signer {
		s.Now = func() time.Time { return time.Unix(2e9, 0) }
		return s
	}
	trailer := func(name string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("X-Amz-Trailer", name) }
	}
	for _, c := range []struct {
		name          string
		first, second Payload
		prepare       func(*http.Request)
		between       func(*http.Request)
		fresh         Payload // how a fresh request would be signed; "": second
		sign4A        bool
	}{
		{name: "the same", first: StreamingPayload, second: StreamingPayload},
		{name: "the same, trailer", first: StreamingPayloadTrailer, second: StreamingPayloadTrailer},
		{name: "the same, unsigned", first: StreamingUnsignedPayloadTrailer, second: StreamingUnsignedPayloadTrailer},
		{name: "own trailer", first: StreamingPayloadTrailer, second: StreamingPayloadTrailer, prepare: trailer("x-amz-checksum-sha1")},
		{name: "own trailer, another form", first: StreamingPayloadTrailer, second: StreamingUnsignedPayloadTrailer, prepare: trailer("x-amz-checksum-sha1")},
		{name: "another trailer", first: StreamingPayloadTrailer, second: StreamingPayloadTrailer, between: trailer("x-amz-checksum-crc64nvme")},
		{name: "with and without a trailer", first: StreamingPayload, second: StreamingPayloadTrailer},
		{name: "without the trailer", first: StreamingPayloadTrailer, second: StreamingPayload},
		{name: "SigV4A", first: StreamingPayloadTrailer, second: StreamingPayloadTrailer, sign4A: true},
		{name: "without a Payload", first: StreamingPayloadTrailer, fresh: StreamingPayloadTrailer},
		{name: "with another Payload", first: StreamingPayload, second: UnsignedPayload, fresh: StreamingPayload},
		{name: "with a header between", first: StreamingPayload, second: StreamingPayload, between: func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD") }},
		{name: "own encoding", first: StreamingPayload, second: StreamingPayload, prepare: func(r *http.Request) { r.Header["Content-Encoding"] = []string{"gzip", " br"} }},
		{name: "encoding said already", first: StreamingPayload, second: StreamingPayload, prepare: func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip,AWS-Chunked , br") }},
		{name: "odd spellings", first: StreamingPayloadTrailer, second: StreamingPayloadTrailer, prepare: func(r *http.Request) {
			r.Header["content-encoding"], r.Header["x-amz-trailer"] = []string{"gzip"}, []string{"X-Amz-Checksum-CRC32C"}
		}},
		{name: "from GetBody", first: StreamingPayload, second: StreamingPayload, between: func(r *http.Request) {
			io.Copy(io.Discard, r.Body)
			r.Body.Close()
			var err error
			if r.Body, err = r.GetBody(); err != nil {
				panic(err)
			}
		}},
		{name: "a GetBody set later", first: StreamingPayload, second: StreamingPayload, prepare: func(r *http.Request) { r.GetBody = nil }, between: func(r *http.Request) {
			fresh, _ := streamRequest(t, 100000)
			r.GetBody = fresh.GetBody
		}},
		{name: "another body", first: StreamingPayloadTrailer, second: StreamingPayloadTrailer, between: func(r *http.Request) {
			fresh, _ := http.NewRequest("PUT", "https://h.example/k", strings.NewReader(strings.Repeat("0123456789abcde\n", 100000/16+1)[:100000]))
			r.Body, r.GetBody, r.ContentLength = fresh.Body, fresh.GetBody, fresh.ContentLength
		}},
		{name: "after a digest", first: "", second: StreamingPayload, between: func(r *http.Request) {
			r.Body, r.GetBody = onlyBody{r.Body}, nil
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.prepare == nil {
				c.prepare = func(*http.Request) {}
			}
			req, data := streamRequest(t, 100000)
			c.prepare(req)
			if err := streamSigner(c.first).Sign4(req, testKeys); err != nil {
				t.Fatal(err)
			}
			if c.between != nil {
				c.between(req)
			}
			fresh, _ := streamRequest(t, 100000)
			c.prepare(fresh)
			if name := "another trailer"; c.name == name {
				c.between(fresh)
			}
			if c.fresh == "" {
				c.fresh = c.second
			}
			again, anew := at(streamSigner(c.second)).Sign4, at(streamSigner(c.fresh)).Sign4
			if c.sign4A {
				again, anew = at(streamSigner(c.second)).Sign4A, at(streamSigner(c.fresh)).Sign4A
			}
			if err := again(req, otherKeys); err != nil {
				t.Fatal(err)
			}
			if err := anew(fresh, otherKeys); err != nil {
				t.Fatal(err)
			}
			if !maps.EqualFunc(req.Header, fresh.Header, slices.Equal) || req.ContentLength != fresh.ContentLength {
				t.Errorf("got  %v %d\nwant %v %d", req.Header, req.ContentLength, fresh.Header, fresh.ContentLength)
			}
			getBody := req.GetBody
			mustDecode(t, req, data)
			if getBody != nil {
				var err error
				if req.Body, err = getBody(); err != nil {
					t.Fatal(err)
				}
				if readStream(t, req) != readStream(t, fresh) {
					t.Error("the second body differs")
				}
			}
		})
	}
}

// onlyBody hides all other methods.
type onlyBody struct{ io.ReadCloser }

// The stream's own encoding stands in front, once.
func TestStreamEncoding(t *testing.T) {
	for _, c := range []struct {
		key    string
		values []string
		want   string
	}{
		{"Content-Encoding", nil, "aws-chunked"},
		{"Content-Encoding", []string{""}, "aws-chunked"},
		{"Content-Encoding", []string{"gzip"}, "aws-chunked,gzip"},
		{"content-encoding", []string{"gzip", " br "}, "aws-chunked,gzip,br"},
		{"Content-Encoding", []string{"gzip, AWS-Chunked,,br"}, "aws-chunked,gzip,br"},
		{"Content-Encoding", []string{"aws-chunked"}, "aws-chunked"},
	} {
		req, _ := streamRequest(t, 5)
		req.Header[c.key] = c.values
		own := slices.Clone(c.values)
		s := streamSigner(StreamingPayload)
		s.SkipHeader = func(string) bool { return true }
		for range 2 {
			if err := s.Sign4(req); err != nil {
				t.Fatal(err)
			}
			if got := req.Header["Content-Encoding"]; len(got) != 1 || got[0] != c.want || c.key != "Content-Encoding" && req.Header[c.key] != nil {
				t.Errorf("%s %q: got %q, want %q", c.key, c.values, req.Header, c.want)
			}
		}
		if !slices.Equal(own, c.values) {
			t.Errorf("the caller's values were written to: %q", c.values)
		}
		if !strings.Contains(req.Header.Get("Authorization"), "SignedHeaders=content-encoding;host;") {
			t.Errorf("Content-Encoding is not signed: %s", req.Header.Get("Authorization"))
		}
	}
}

// What a redirect leaves of a stream whose body it drops is no stream.
func TestRedirectedStream(t *testing.T) {
	for _, second := range []Payload{StreamingPayloadTrailer, "", UnsignedPayload} {
		req, _ := streamRequest(t, 100)
		req.Header.Set("X-Amz-Meta-A", "b")
		if err := streamSigner(StreamingPayloadTrailer).Sign4(req); err != nil {
			t.Fatal(err)
		}
		req.Method, req.Body, req.GetBody, req.ContentLength = "GET", nil, nil, 0 // as net/http does on a 303
		if err := streamSigner(second).Sign4(req); err != nil {
			t.Fatal(err)
		}
		fresh, _ := http.NewRequest("GET", "https://h.example/k", nil)
		fresh.Header.Set("X-Amz-Meta-A", "b")
		if second == StreamingPayloadTrailer {
			second = ""
		}
		if err := streamSigner(second).Sign4(fresh); err != nil {
			t.Fatal(err)
		}
		if !maps.EqualFunc(req.Header, fresh.Header, slices.Equal) {
			t.Errorf("got  %v\nwant %v", req.Header, fresh.Header)
		}
	}

	// A 307 repeats it.
	data := strings.Repeat("x", chunkSize+1)
	seen := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		d, err := decodeStream(r.Header, r.Host, string(body))
		if err != nil || string(d.data) != data {
			t.Errorf("%s: %v", r.URL, err)
		}
		if seen++; seen == 1 {
			http.Redirect(w, r, "/again", http.StatusTemporaryRedirect)
		}
	}))
	defer srv.Close()
	s := streamSigner(StreamingPayload)
	client := &http.Client{CheckRedirect: func(r *http.Request, _ []*http.Request) error { return s.Sign4(r) }}
	req, _ := http.NewRequest("PUT", srv.URL+"/k", strings.NewReader(data))
	if err := s.Sign4(req); err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if seen != 2 {
		t.Errorf("%d requests", seen)
	}
}

// Whoever sets X-Amz-Content-Sha256 makes the chunks himself.
func TestOwnChunks(t *testing.T) {
	for _, word := range []Payload{StreamingPayload, StreamingPayloadTrailer, "STREAMING-AWS4-HMAC-SHA256-EVENTS", StreamingUnsignedPayloadTrailer} {
		req, _ := http.NewRequest("PUT", "https://h.example/k", strings.NewReader("0\r\n\r\n"))
		req.Header.Set("X-Amz-Content-Sha256", string(word))
		req.Header.Set("X-Amz-Decoded-Content-Length", "0")
		want := req.Body
		for range 2 {
			if err := streamSigner("").Sign4(req); err != nil {
				t.Fatal(err)
			}
			if req.Body != want || req.Header.Get("X-Amz-Content-Sha256") != string(word) || req.Header.Get("Content-Encoding") != "" || req.ContentLength != 5 {
				t.Errorf("%s: the request was changed: %v", word, req.Header)
			}
		}
	}

	// Also where the body comes later.
	req, _ := http.NewRequest("PUT", "https://h.example/k", nil)
	req.Header.Set("X-Amz-Content-Sha256", string(StreamingPayload))
	if err := streamSigner("").Sign4(req); err != nil || req.Header.Get("X-Amz-Content-Sha256") != string(StreamingPayload) {
		t.Errorf("%v: %v", err, req.Header)
	}

	// A digest or UNSIGNED-PAYLOAD goes before Signer.Payload, a stream does not.
	for _, c := range []struct{ header, want string }{
		{"UNSIGNED-PAYLOAD", "UNSIGNED-PAYLOAD"},
		{strings.Repeat("0", 64), strings.Repeat("0", 64)},
		{string(StreamingUnsignedPayloadTrailer), string(StreamingPayload)},
	} {
		req, _ := streamRequest(t, 5)
		req.Header.Set("X-Amz-Content-Sha256", c.header)
		if err := streamSigner(StreamingPayload).Sign4(req); err != nil {
			t.Fatal(err)
		}
		if got := req.Header.Get("X-Amz-Content-Sha256"); got != c.want {
			t.Errorf("%s: got %s, want %s", c.header, got, c.want)
		}
	}
}

func TestStreamAlgorithm(t *testing.T) {
	for _, c := range []struct {
		payload Payload
		region  string
		want    string
	}{
		{StreamingPayload, "eu-west-1", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"},
		{StreamingPayload, "*", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"},
		{StreamingPayloadTrailer, "*", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER"},
		{StreamingUnsignedPayloadTrailer, "*", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"},
		{"STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "*", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"},
	} {
		req, data := streamRequest(t, chunkSize+1)
		s := streamSigner(c.payload)
		s.Region = c.region
		if err := s.Sign(req); err != nil {
			t.Fatal(err)
		}
		if got := req.Header.Get("X-Amz-Content-Sha256"); got != c.want {
			t.Errorf("%s: got %s, want %s", c.payload, got, c.want)
		}
		mustDecode(t, req, data)
	}

	req, _ := streamRequest(t, 5)
	req.Header.Set("X-Amz-Content-Sha256", string(StreamingPayload))
	if err := streamSigner("").Sign4A(req); err == nil || !strings.Contains(err.Error(), "does not go with a signature by AWS4-ECDSA-P256-SHA256") {
		t.Errorf("SigV4A over chunks by HMAC: %v", err)
	}
}

// A presigned request has no stream. Without a body nothing is missed.
func TestPresignWithStreamPayload(t *testing.T) {
	fresh, _ := http.NewRequest("GET", "https://h.example/k", nil)
	if err := streamSigner("").Presign(fresh, time.Hour); err != nil {
		t.Fatal(err)
	}
	req, _ := http.NewRequest("GET", "https://h.example/k", nil)
	if err := streamSigner(StreamingPayload).Presign(req, time.Hour); err != nil || req.URL.String() != fresh.URL.String() {
		t.Errorf("%v: got %s, want %s", err, req.URL, fresh.URL)
	}
	for _, second := range []Payload{"", StreamingPayload} {
		req, data := streamRequest(t, 5)
		if err := streamSigner(StreamingPayload).Sign4(req); err != nil {
			t.Fatal(err)
		}
		if err := streamSigner(second).Presign(req, time.Hour); err == nil || !strings.Contains(err.Error(), "no key to sign the chunks") {
			t.Errorf("%q: a stream was presigned: %v", second, err)
		}
		mustDecode(t, req, data)
	}
}

// GetBody's errors come through.
func TestStreamGetBodyFails(t *testing.T) {
	for _, c := range []struct {
		body io.ReadCloser
		err  error
		want string
	}{
		{nil, errors.New("disk on fire"), "awsauth: GetBody: disk on fire"},
		{nil, nil, "awsauth: GetBody: it returned no body"},
	} {
		req, _ := streamRequest(t, 5)
		req.GetBody = func() (io.ReadCloser, error) { return c.body, c.err }
		if err := streamSigner(StreamingPayload).Sign4(req); err != nil {
			t.Fatal(err)
		}
		if _, err := req.GetBody(); err == nil || err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
	req, _ := http.NewRequest("PUT", "https://h.example/k", readOnceBody("hello"))
	req.ContentLength = 5
	if err := streamSigner(StreamingPayload).Sign4(req); err != nil || req.GetBody != nil {
		t.Errorf("a GetBody for what can be read once: %v", err)
	}
}

// Bodies are read by other goroutines, while the Signer signs on.
func TestStreamsInParallel(t *testing.T) {
	s := streamSigner(StreamingPayloadTrailer)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 10 {
				req, data := streamRequest(t, 1+(i*10+j)*3000)
				if err := s.Sign4(req); err != nil {
					t.Error(err)
					return
				}
				wg.Go(func() {
					body, err := io.ReadAll(req.Body)
					if err != nil {
						t.Error(err)
						return
					}
					if d, err := decodeStream(req.Header, req.Host, string(body)); err != nil || string(d.data) != data {
						t.Errorf("%d bytes: %v", len(data), err)
					}
				})
			}
		})
	}
	wg.Wait()
}

// A chunk allocates nothing, and a stream needs one for itself alone.
func TestStreamAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, p := range streamPayloads {
		for _, name := range checksumNames {
			if p == StreamingPayload {
				name = ""
			}
			buf := make([]byte, 32<<10)
			allocs := func(chunks int) float64 {
				return testing.AllocsPerRun(5, func() {
					req, _ := http.NewRequestWithContext(context.Background(), "PUT", "https://h.example/k", io.LimitReader(zeros{}, int64(chunks*chunkSize)))
					req.ContentLength = int64(chunks * chunkSize)
					if name != "" {
						req.Header.Set("X-Amz-Trailer", name)
					}
					if err := streamSigner(p).Sign4(req); err != nil {
						t.Fatal(err)
					}
					for err := error(nil); err == nil; {
						_, err = req.Body.Read(buf)
					}
				})
			}
			if few, many := allocs(2), allocs(42); many > few+1 {
				t.Errorf("%s %s: %v allocations for 2 chunks, %v for 42", p, name, few, many)
			}
		}
	}

	req, _ := streamRequest(t, chunkSize)
	if err := streamSigner(StreamingPayload).Sign4(req); err != nil {
		t.Fatal(err)
	}
	body := req.Body.(*chunkedBody)
	if body.Read(make([]byte, 100<<10)); body.buf != nil {
		t.Error("a chunk was copied that there was room for")
	}
	body = body.open(io.NopCloser(io.LimitReader(zeros{}, chunkSize)))
	if io.ReadAll(iotest.OneByteReader(body)); body.err != io.EOF || body.buf != nil {
		t.Error("the stream keeps its memory after its end")
	}

	size := int64(1 << 30)
	if testing.Short() {
		size = 64 << 20
	}
	req, _ = http.NewRequest("PUT", "https://h.example/k", io.LimitReader(zeros{}, size))
	req.ContentLength = size
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := streamSigner(StreamingPayload).Sign4(req); err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, req.Body)
	runtime.ReadMemStats(&after)
	if err != nil || n != req.ContentLength {
		t.Fatalf("%d bytes: %v", n, err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 256<<10 {
		t.Errorf("a stream of %d bytes allocated %d", size, used)
	}
}

// A stream holds a signing key, and prints neither it nor the secret.
func TestStreamPrintsNoKey(t *testing.T) {
	for _, sign := range []func(*Signer, *http.Request) error{
		func(s *Signer, r *http.Request) error { return s.Sign4(r) },
		func(s *Signer, r *http.Request) error { return s.Sign4A(r) },
	} {
		req, _ := streamRequest(t, 100)
		if err := sign(streamSigner(StreamingPayload), req); err != nil {
			t.Fatal(err)
		}
		readStream(t, req)
		body := req.Body.(*chunkedBody)
		for _, v := range []any{req, *req, body, struct{ B io.ReadCloser }{body}, []io.ReadCloser{body}} {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
				text := fmt.Sprintf(verb, v)
				for _, secret := range []string{testSecret, hex.EncodeToString([]byte(testSecret)), fmt.Sprintf("%d", []byte(testSecret))} {
					if strings.Contains(text, secret) {
						t.Errorf("%s of %T shows the secret: %s", verb, v, text)
					}
				}
			}
		}
	}
}
