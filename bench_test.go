package awsauth

import (
	"crypto/hmac"
	"crypto/sha256"
	"maps"
	"net/http"
	"testing"
	"time"
)

func BenchmarkSign4(b *testing.B) {
	s := &Signer{Service: "s3", Region: "us-east-1", Credentials: testKeys}
	req, _ := http.NewRequest("GET", "https://examplebucket.s3.us-east-1.amazonaws.com/photos/cat.jpg", nil)
	header := http.Header{"Range": {"bytes=0-9"}, "Accept": {"*/*"}, "X-Amz-Meta-A": {"b"}}
	b.Run("fresh", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			req.Header = maps.Clone(header)
		}
	})
	b.Run("get", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			req.Header = maps.Clone(header)
			if err := s.Sign4(req); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("presign", func(b *testing.B) {
		b.ReportAllocs()
		u := req.URL
		for b.Loop() {
			req.URL = u
			req.Header = http.Header{}
			if err := s.Presign(req, time.Hour); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("floor", func(b *testing.B) {
		canonical, toSign := make([]byte, 420), make([]byte, 130)
		mac := hmac.New(sha256.New, make([]byte, 32))
		mac.Reset()
		var sum [32]byte
		for b.Loop() {
			h := sha256.Sum256(canonical)
			copy(toSign, h[:])
			mac.Reset()
			mac.Write(toSign)
			mac.Sum(sum[:0])
		}
	})
}
