package fetch

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"testing"
)

// The environment's proxy is not for metadata. net/http proxies no request to
// loopback, so this can't be seen from outside.
func TestMetadataTransportHasNoProxy(t *testing.T) {
	if NewTransport(0).Proxy != nil {
		t.Error("metadata requests would go through a proxy")
	}
}

// A reason is found however deep it is, also in errors of others' transports.
func TestWithoutReply(t *testing.T) {
	op := &net.OpError{Op: "dial", Err: errors.New("refused")}
	untrusted := &tls.CertificateVerificationError{Err: errors.New("by nobody")}
	for _, c := range []struct{ err, want error }{
		{errors.New(`malformed HTTP response "secret"`), ErrNotHTTP},
		{op, op},
		{&url.Error{Op: "Get", Err: op}, op},
		{errors.Join(errors.New("x"), fmt.Errorf("y: %w", op)), op},
		{&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, ErrNoAnswer},
		{errors.Join(errors.New("x"), context.DeadlineExceeded), ErrNoAnswer},
		{fmt.Errorf("x: %w", context.Canceled), context.Canceled},
		{fmt.Errorf("x: %w", untrusted), ErrUntrusted},
		{errors.Join(net.ErrClosed, untrusted), ErrUntrusted},
		{&net.OpError{Op: "remote error", Err: errors.Join(untrusted)}, ErrUntrusted},
	} {
		if got := withoutReply(c.err); got != c.want {
			t.Errorf("%v: got %v, want %v", c.err, got, c.want)
		}
	}
}
