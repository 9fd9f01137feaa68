package interop

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/go-awsauth/awsauth"
)

// chunk is how much of a body awsauth signs at once.
const chunk = 64 << 10

var streams = []struct {
	name      string
	payload   awsauth.Payload
	trailer   bool
	checksums []string
}{
	{"signed", awsauth.StreamingPayload, false, []string{""}},
	{"signed, trailer", awsauth.StreamingPayloadTrailer, true, []string{"", "crc32", "crc32c", "crc64nvme", "sha1", "sha256"}},
	{"unsigned, trailer", awsauth.StreamingUnsignedPayloadTrailer, true, []string{"", "crc32", "crc32c", "crc64nvme", "sha1", "sha256"}},
}

// streamed is a request to put data, not signed, and what signs it.
func streamed(t *testing.T, s *server, url string, payload awsauth.Payload, checksum string, data []byte) (*http.Request, *awsauth.Signer) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "PUT", url, bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if checksum != "" {
		req.Header.Set("X-Amz-Trailer", "x-amz-checksum-"+checksum)
	}
	signer := s.signer()
	signer.Payload = payload
	return req, signer
}

func noise(size int) []byte {
	data := make([]byte, size)
	x := uint32(size)*2654435761 + 1
	for i := range data {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		data[i] = byte(x)
	}
	return data
}

// Streams of every kind and length arrive as they were.
func TestStreams(t *testing.T) {
	eachServer(t, func(t *testing.T, s *server) {
		bucket := s.bucket(t)
		get := func(kind, name, url string, want []byte) *answer {
			t.Helper()
			req := newRequest(t, "GET", url, "")
			signer := s.signer()
			signer.Payload = awsauth.StreamingPayload // has no body to stream
			sign(t, signer, req)
			a := s.accept(t, "stream, get", name, req)
			if !bytes.Equal(a.Body, want) {
				t.Errorf("%s: %s: got %d bytes, want %d", kind, name, len(a.Body), len(want))
			}
			return a
		}
		for _, f := range streams {
			kind := "stream, " + f.name
			for _, size := range []int{0, 1, chunk - 1, chunk, chunk + 1, 20 << 20} {
				for _, checksum := range f.checksums {
					if size > chunk+1 && checksum != "" {
						continue // the longest once
					}
					name := strings.TrimSuffix(fmt.Sprint(size, " ", checksum), " ")
					data := noise(size)
					req, signer := streamed(t, s, bucket+"/object", f.payload, checksum, data)
					sign(t, signer, req)
					if a := s.accept(t, kind, name, req); a.StatusCode < 300 {
						get(kind, name, bucket+"/object", data)
					}
				}
			}

			// A body that can be read once, and a caller's own encoding.
			data := noise(3*chunk + 5)
			req, signer := streamed(t, s, bucket+"/object", f.payload, "", data)
			req.Body, req.GetBody = io.NopCloser(bytes.NewReader(data)), nil
			req.Header.Set("Content-Encoding", "x-own")
			sign(t, signer, req)
			s.accept(t, kind, "read once", req)
			got, want := get(kind, "read once", bucket+"/object", data).Header.Get("Content-Encoding"), "x-own"
			if s.gap(kind, "encoding") != nil {
				want = "aws-chunked,x-own"
			}
			if got != want {
				t.Errorf("%s: Content-Encoding is %q, want %q", kind, got, want)
			}

			// Signed again, for another object, and sent twice.
			req, signer = streamed(t, s, bucket+"/object", f.payload, "", data)
			sign(t, signer, req)
			req.URL.Path += " again"
			sign(t, signer, req)
			s.accept(t, kind, "signed again", req)
			var err error
			if req.Body, err = req.GetBody(); err != nil {
				t.Fatal(err)
			}
			s.accept(t, kind, "sent again", req)
			get(kind, "sent again", bucket+"/object%20again", data)
		}
	})
}

// A body that is not as long as was said, or fails, makes no object.
func TestBrokenStreams(t *testing.T) {
	data := noise(chunk + 10)
	eachServer(t, func(t *testing.T, s *server) {
		bucket := s.bucket(t)
		for _, f := range streams {
			for _, c := range []struct {
				name, want string
				body       io.Reader
			}{
				{"too long", "longer than the", bytes.NewReader(append(data, 'x'))},
				{"too short", "ended after", bytes.NewReader(data[1:])},
				{"fails", "disk on fire", io.MultiReader(bytes.NewReader(data[:chunk]), iotest.ErrReader(errors.New("disk on fire")))},
			} {
				req, signer := streamed(t, s, bucket+"/object", f.payload, "", data)
				req.Body, req.GetBody = io.NopCloser(c.body), nil
				sign(t, signer, req)
				resp, err := s.Client.Do(req)
				if err == nil {
					resp.Body.Close()
				}
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%s: %s: %v", f.name, c.name, err)
				}
				req = newRequest(t, "GET", bucket+"/object", "")
				sign(t, s.signer(), req)
				s.refuse(t, "broken stream, "+f.name, c.name, req, "NoSuchKey")
			}
		}
	})
}

// A stream that was changed on its way is refused.
func TestAlteredStreams(t *testing.T) {
	data := noise(2*chunk + 10)
	eachServer(t, func(t *testing.T, s *server) {
		bucket := s.bucket(t)
		for _, f := range streams {
			kind := "altered stream, " + f.name
			send := func(name string, change func([]byte) []byte) {
				t.Helper()
				req, signer := streamed(t, s, bucket+"/object", f.payload, "", data)
				sign(t, signer, req)
				body, err := io.ReadAll(req.Body)
				if err != nil {
					t.Fatal(err)
				}
				body = change(body)
				req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
				req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
				if name == "not" {
					s.accept(t, kind, name, req)
					return
				}
				s.refuse(t, kind, name, req, "SignatureDoesNotMatch", "BadDigest", "IncompleteBody", "MalformedTrailerError", "XAmzContentChecksumMismatch", "BadRequest")
			}
			send("not", func(b []byte) []byte { return b })
			// flip changes the byte that is n bytes behind a text's n-th occurrence.
			flip := func(name, text string, nth, behind int, to string) {
				t.Helper()
				send(name, func(b []byte) []byte {
					at := -1
					for range nth {
						i := bytes.Index(b[at+1:], []byte(text))
						if i < 0 {
							t.Fatalf("%s: there is no %q in it", kind, text)
						}
						at += 1 + i
					}
					c := &b[at+behind]
					if to == "" {
						*c ^= 1
					} else if *c != to[0] {
						*c = to[0]
					} else {
						*c = to[1]
					}
					return b
				})
			}
			frame := "\r\n"
			if f.payload != awsauth.StreamingUnsignedPayloadTrailer {
				frame = ";chunk-signature="
				for nth, name := range []string{"first signature", "second signature", "third signature", "last signature"} {
					flip(name, frame, nth+1, len(frame), "01")
					flip(name+", its end", frame, nth+1, len(frame)+63, "01")
				}
				send("chunks in another order", func(b []byte) []byte {
					n := bytes.Index(b, data[chunk:chunk+100]) - bytes.Index(b, data[:100])
					return append(append(bytes.Clone(b[n:2*n]), b[:n]...), b[2*n:]...)
				})
			}
			flip("first chunk", string(data[:100]), 1, 0, "")
			flip("first chunk, its end", string(data[chunk-100:chunk]), 1, 99, "")
			flip("second chunk", string(data[chunk:chunk+100]), 1, 50, "")
			flip("third chunk", string(data[2*chunk:]), 1, 9, "")
			send("no last chunk", func(b []byte) []byte {
				return b[:bytes.Index(b, data[2*chunk:])+10+2]
			})
			send("a chunk less", func(b []byte) []byte {
				i, j := bytes.Index(b, []byte("\r\na"+frame)), bytes.Index(b, data[2*chunk:])
				return append(b[:i], b[j+10:]...)
			})
			if f.trailer {
				flip("trailer", "x-amz-checksum-crc32:", 1, len("x-amz-checksum-crc32:"), "AB")
				flip("trailer's name", "x-amz-checksum-crc32:", 1, len("x-amz-checksum-crc3"), "34")
				send("no trailer", func(b []byte) []byte {
					return append(b[:bytes.Index(b, []byte("x-amz-checksum-crc32:"))], "\r\n"...)
				})
				if frame != "\r\n" {
					flip("trailer's signature", "x-amz-trailer-signature:", 1, len("x-amz-trailer-signature:"), "01")
					send("no signature of the trailer", func(b []byte) []byte {
						return append(b[:bytes.Index(b, []byte("x-amz-trailer-signature:"))], "\r\n"...)
					})
				}
			}
		}
	})
}
