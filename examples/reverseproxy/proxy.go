package main

import (
	"context"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"

	"github.com/go-awsauth/awsauth"
)

// newProxy returns a handler that sends requests on to upstream, signed by signer.
// Headers that match one of unsigned, such as "X-Request-Id" or "X-Envoy-*", are
// sent unsigned: those that the gateway or the proxies behind it change. Bodies that
// are signed are kept in memory, 32 MiB at most.
func newProxy(upstream *url.URL, signer *awsauth.Signer, unsigned []string) http.Handler {
	signer.SkipHeader = func(name string) bool { return matches(unsigned, name) }
	return &httputil.ReverseProxy{
		// The hop-by-hop headers are gone when Rewrite is called, and nothing
		// that is signed changes after it. So sign last in here.
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(upstream) // its host is what is signed
			r.SetXForwarded()
			// It is not for clients to say how the gateway signs their bodies.
			r.Out.Header.Del("X-Amz-Content-Sha256")
			if err := signer.Sign(r.Out); err != nil {
				r.Out = r.Out.WithContext(context.WithValue(r.Out.Context(), signError{}, err))
			}
		},
		Transport: refuseUnsigned{http.DefaultTransport},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			log.Print(err) // for the operator: clients learn nothing of keys or their sources
			http.Error(w, "the request could not be signed and sent on", http.StatusBadGateway)
		},
	}
}

// A signError is where a request's context has the error that Rewrite can't return.
type signError struct{}

// refuseUnsigned sends what was signed, and fails with the error where it was not.
type refuseUnsigned struct{ base http.RoundTripper }

func (t refuseUnsigned) RoundTrip(r *http.Request) (*http.Response, error) {
	if err, failed := r.Context().Value(signError{}).(error); failed {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, err
	}
	return t.base.RoundTrip(r)
}

// matches reports whether name is one of patterns, or begins as one that ends in *.
func matches(patterns []string, name string) bool {
	for _, p := range patterns {
		prefix, isPrefix := strings.CutSuffix(p, "*")
		if strings.EqualFold(p, name) || isPrefix && len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) {
			return true
		}
	}
	return false
}
