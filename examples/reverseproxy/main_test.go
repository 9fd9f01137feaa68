package main

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/go-awsauth/awsauth"
)

func TestDemonstration(t *testing.T) {
	logged := captureLog(t)
	var out strings.Builder
	if err := demonstrate(&out); err != nil {
		t.Fatal(err)
	}
	const want = `all signed: 200 OK, AWS4-HMAC-SHA256, body signed, and content-type host x-amz-content-sha256 x-amz-date x-envoy-attempt-count x-request-id
the gateway's headers not: 200 OK, AWS4-HMAC-SHA256, body signed, and content-type host x-amz-content-sha256 x-amz-date
the body not: 200 OK, AWS4-HMAC-SHA256, body unsigned, and content-type host x-amz-content-sha256 x-amz-date x-envoy-attempt-count x-request-id
for a set of regions: 200 OK, AWS4-ECDSA-P256-SHA256, body signed, and content-type host x-amz-content-sha256 x-amz-date x-amz-region-set x-envoy-attempt-count x-request-id
a wrong secret: 403 Forbidden, SignatureDoesNotMatch
no keys: 502 Bad Gateway, the request could not be signed and sent on
`
	if out.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", &out, want)
	}
	if !strings.Contains(logged.String(), "empty credentials") {
		t.Errorf("the operator is told %q", logged)
	}
}

// A request that can't be signed does not reach the upstream, and its client learns
// nothing of why.
func TestSignErrorStaysInside(t *testing.T) {
	logged := captureLog(t)
	upstream := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("sent on") }))
	defer upstream.Close()
	u, _ := url.Parse(upstream.URL)
	signer := &awsauth.Signer{Service: "s3", Region: "us-east-1", Credentials: awsauth.ProviderFunc(func(context.Context) (awsauth.Credentials, error) {
		return awsauth.Credentials{}, errors.New("the vault at vault.internal has burned")
	})}
	for _, body := range []io.Reader{nil, strings.NewReader("hello")} {
		w := httptest.NewRecorder()
		newProxy(u, signer, nil).ServeHTTP(w, httptest.NewRequest("PUT", "/k", body))
		if w.Code != http.StatusBadGateway || strings.Contains(w.Body.String(), "vault") || !strings.Contains(logged.String(), "vault") {
			t.Errorf("%d: %s; logged %q", w.Code, w.Body, logged)
		}
	}
}

// A client has no say in how its request is signed.
func TestClientsSignatureIsReplaced(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header["X-Amz-Security-Token"] != nil || r.Header.Get("X-Amz-Content-Sha256") == "UNSIGNED-PAYLOAD" ||
			!strings.Contains(r.Header.Get("Authorization"), "AKIDEXAMPLE/") || r.URL.RawQuery != "a=b" {
			t.Error(r.URL, r.Header)
		}
	}))
	defer upstream.Close()
	u, _ := url.Parse(upstream.URL)
	r := httptest.NewRequest("PUT", "/k?a=b&X-Amz-Signature=0&X-Amz-Credential=evil", strings.NewReader("hello"))
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=evil")
	r.Header.Set("X-Amz-Security-Token", "evil")
	r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	w := httptest.NewRecorder()
	newProxy(u, &awsauth.Signer{Service: "s3", Region: "us-east-1", Credentials: known}, nil).ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Error(w.Code, w.Body)
	}
}

func TestMatches(t *testing.T) {
	patterns := []string{"X-Request-Id", "x-envoy-*", ""}
	for name, want := range map[string]bool{
		"X-Request-Id": true, "x-request-id": true, "X-Request-Id2": false, "X-Request": false,
		"X-Envoy-": true, "X-Envoy-Attempt-Count": true, "X-Envoy": false, "Accept": false,
	} {
		if matches(patterns, name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}

func TestFlags(t *testing.T) {
	for _, args := range [][]string{{"-upstream", "nothing"}, {"-upstream", "http://h\x00"}, {"-upstream", "https://h.example", "-listen", "nowhere:http:"}} {
		if err := run(args); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}

// captureLog returns what is logged during the test.
func captureLog(t *testing.T) *strings.Builder {
	var logged strings.Builder
	log.SetOutput(&logged)
	t.Cleanup(func() { log.SetOutput(io.Discard) })
	return &logged
}
