package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/hex"
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
	const want = `all signed: 200 OK, body signed, and content-type host x-amz-content-sha256 x-amz-date x-envoy-attempt-count x-request-id
the gateway's headers not: 200 OK, body signed, and content-type host x-amz-content-sha256 x-amz-date
the body not: 200 OK, body unsigned, and content-type host x-amz-content-sha256 x-amz-date x-envoy-attempt-count x-request-id
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

// A set of regions is signed for with SigV4A. The public key is the one published
// for these keys.
func TestRegionSet(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, fields, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		_, signature, _ := strings.Cut(fields, "Signature=")
		if scheme != "AWS4-ECDSA-P256-SHA256" || r.Header.Get("X-Amz-Region-Set") != "*" {
			t.Error(r.Header)
		}
		date := r.Header.Get("X-Amz-Date")
		hash := sha256.Sum256([]byte("GET\n/k\n\nhost:" + r.Host + "\nx-amz-content-sha256:" + r.Header.Get("X-Amz-Content-Sha256") +
			"\nx-amz-date:" + date + "\nx-amz-region-set:*\n\nhost;x-amz-content-sha256;x-amz-date;x-amz-region-set\n" + r.Header.Get("X-Amz-Content-Sha256")))
		toSign := sha256.Sum256([]byte(scheme + "\n" + date + "\n" + date[:8] + "/s3/aws4_request\n" + hex.EncodeToString(hash[:])))
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), unhex(t, "04"+
			"b6618f6a65740a99e650b33b6b4b5bd0d43b176d721a3edfea7e7d2d56d936b1865ed22a7eadc9c5cb9d2cbaca1b3699139fedc5043dc6661864218330c8e518"))
		if err != nil || !ecdsa.VerifyASN1(key, toSign[:], unhex(t, signature)) {
			t.Error("the signature is wrong:", err)
		}
	}))
	defer upstream.Close()
	u, _ := url.Parse(upstream.URL)
	keys := awsauth.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
	w := httptest.NewRecorder()
	newProxy(u, &awsauth.Signer{Service: "s3", Region: "*", Credentials: keys}, nil).ServeHTTP(w, httptest.NewRequest("GET", "/k", nil))
	if w.Code != http.StatusOK {
		t.Error(w.Code, w.Body)
	}
}

func unhex(t *testing.T, s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Error(err)
	}
	return b
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
