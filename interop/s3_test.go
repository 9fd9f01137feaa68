package interop

import (
	"testing"
)

// An object that was put comes back.
func TestObject(t *testing.T) {
	eachServer(t, func(t *testing.T, s *server) {
		bucket := s.bucket(t)
		req := newRequest(t, "PUT", bucket+"/a", "data")
		sign(t, s.signer(), req)
		s.accept(t, "object", "put", req)
		req = newRequest(t, "GET", bucket+"/a", "")
		presign(t, s.signer(), req)
		if got := s.accept(t, "object", "presigned get", req).Body; string(got) != "data" {
			t.Errorf("got %q", got)
		}
	})
}
