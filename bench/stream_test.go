package bench

import (
	"bytes"
	"crypto/sha256"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-awsauth/awsauth"
)

var pattern = bytes.Repeat([]byte("0123456789abcdef"), 4<<10)

// A repeating reads as the pattern over and over, up to a length.
type repeating struct {
	at   int
	left int64
}

func (r *repeating) Read(b []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(int64(len(b)), r.left)], pattern[r.at:])
	r.at = (r.at + n) % len(pattern)
	r.left -= int64(n)
	return n, nil
}

// drain reads as net/http does over HTTP/1.1: 32 KiB at once.
func drain(b *testing.B, w io.Writer, r io.Reader, buf []byte) int64 {
	n, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, buf)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

const gib = 1 << 30

// BenchmarkSHA256 is what no stream can do without: the data, read and hashed.
func BenchmarkSHA256(b *testing.B) {
	buf := make([]byte, 32<<10)
	b.SetBytes(gib)
	b.ReportAllocs()
	for b.Loop() {
		drain(b, sha256.New(), &repeating{left: gib}, buf)
	}
}

// BenchmarkStream signs and reads streams. Each pass is followed by one of
// BenchmarkSHA256's, so that a noisy machine is so for both; sha256/op is how
// many times as long as that it took.
func BenchmarkStream(b *testing.B) {
	for _, c := range []struct {
		name     string
		payload  awsauth.Payload
		checksum string
		size     int64
	}{
		{"signed", awsauth.StreamingPayload, "", gib},
		{"trailer=crc32", awsauth.StreamingPayloadTrailer, "crc32", gib / 4},
		{"trailer=crc32c", awsauth.StreamingPayloadTrailer, "crc32c", gib / 4},
		{"trailer=crc64nvme", awsauth.StreamingPayloadTrailer, "crc64nvme", gib / 4},
		{"trailer=sha1", awsauth.StreamingPayloadTrailer, "sha1", gib / 4},
		{"trailer=sha256", awsauth.StreamingPayloadTrailer, "sha256", gib / 4},
		{"unsigned,trailer=crc32", awsauth.StreamingUnsignedPayloadTrailer, "crc32", gib / 4},
		{"SigV4A", awsauth.StreamingPayload, "", gib / 4},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := &awsauth.Signer{Service: "s3", Region: "us-east-1", Credentials: one[0].awsauth, Payload: c.payload}
			sign := s.Sign4
			if strings.HasPrefix(c.name, "SigV4A") {
				sign = s.Sign4A
			}
			buf := make([]byte, 32<<10)
			b.SetBytes(c.size)
			b.ReportAllocs()
			var streaming, hashing time.Duration
			for b.Loop() {
				start := time.Now()
				req, err := http.NewRequest("PUT", object, &repeating{left: c.size})
				if err != nil {
					b.Fatal(err)
				}
				req.ContentLength = c.size
				if c.checksum != "" {
					req.Header.Set("X-Amz-Trailer", "x-amz-checksum-"+c.checksum)
				}
				if err := sign(req); err != nil {
					b.Fatal(err)
				}
				if n := drain(b, io.Discard, req.Body, buf); n != req.ContentLength {
					b.Fatalf("a stream of %d bytes, and ContentLength is %d", n, req.ContentLength)
				}
				streaming += time.Since(start)

				b.StopTimer()
				start = time.Now()
				drain(b, sha256.New(), &repeating{left: c.size}, buf)
				hashing += time.Since(start)
				b.StartTimer()
			}
			b.ReportMetric(float64(streaming)/float64(hashing), "sha256/op")
		})
	}
}
