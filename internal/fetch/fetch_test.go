package fetch

import "testing"

// The environment's proxy is not for metadata. net/http proxies no request to
// loopback, so this can't be seen from outside.
func TestMetadataTransportHasNoProxy(t *testing.T) {
	if NewTransport(0).Proxy != nil {
		t.Error("metadata requests would go through a proxy")
	}
}
