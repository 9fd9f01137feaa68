package awsauth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// The public key that AWS publishes for the secret of its signing test suite.
const (
	suiteX = "b6618f6a65740a99e650b33b6b4b5bd0d43b176d721a3edfea7e7d2d56d936b1"
	suiteY = "865ed22a7eadc9c5cb9d2cbaca1b3699139fedc5043dc6661864218330c8e518"
)

func suitePublicKey(t *testing.T) *ecdsa.PublicKey {
	t.Helper()
	x, ok1 := new(big.Int).SetString(suiteX, 16)
	y, ok2 := new(big.Int).SetString(suiteY, 16)
	if !ok1 || !ok2 {
		t.Fatal("malformed key")
	}
	return &ecdsa.PublicKey{Curve: elliptic.P256(), X: x, Y: y}
}

func TestDeriveKey4A(t *testing.T) {
	key := deriveECDSA(keyID{secret: testSecret, accessKeyID: testID})
	if !key.PublicKey.Equal(suitePublicKey(t)) {
		t.Error("the suite's secret does not derive the published key")
	}
}

var multiRegion = "https://m.mrap.accesspoint.s3-global.amazonaws.com/a(1)?x=b+c"

func TestSign4A(t *testing.T) {
	pub := suitePublicKey(t)
	at := time.Date(2026, 2, 28, 23, 59, 58, 0, time.UTC)
	keys := testKeys
	keys.SessionToken = testToken
	for _, c := range []struct {
		name, url, region, set, service string
		sign                            func(*Signer, *http.Request) error
	}{
		{"Sign4A of a set", multiRegion, "", "*", "s3", func(s *Signer, r *http.Request) error { return s.Sign4A(r) }},
		{"Sign of a set", multiRegion, "", "*", "s3", func(s *Signer, r *http.Request) error { return s.Sign(r) }},
		{"Sign of a list", "https://x.execute-api.eu-west-1.amazonaws.com/a%20b", "us-east-1,us-west-*", "us-east-1,us-west-*", "execute-api", func(s *Signer, r *http.Request) error { return s.Sign(r) }},
		{"Sign4A of one region", "https://x.execute-api.eu-west-1.amazonaws.com/a", "", "eu-west-1", "execute-api", func(s *Signer, r *http.Request) error { return s.Sign4A(r) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &Signer{Credentials: keys, Region: c.region, Now: func() time.Time { return at }}
			req, _ := http.NewRequest("PUT", c.url, strings.NewReader("hello"))
			req.Header.Set("X-Amz-Acl", "private")
			if err := c.sign(s, req); err != nil {
				t.Fatal(err)
			}
			// What the text of AWS says, written out.
			u := req.URL
			path := u.EscapedPath()
			sum := sha256.Sum256([]byte("hello"))
			payload := hex.EncodeToString(sum[:])
			content, signed := "x-amz-content-sha256:"+payload+"\n", "host;x-amz-acl;x-amz-content-sha256;x-amz-date;x-amz-region-set;x-amz-security-token"
			if c.service != "s3" {
				path = strings.ReplaceAll(path, "%", "%25")
				content, signed = "", strings.Replace(signed, ";x-amz-content-sha256", "", 1)
			}
			canonical := "PUT\n" + path + "\n" + strings.ReplaceAll(u.RawQuery, "+", "%20") + "\n" +
				"host:" + u.Host + "\nx-amz-acl:private\n" + content +
				"x-amz-date:20260228T235958Z\nx-amz-region-set:" + c.set + "\nx-amz-security-token:" + testToken + "\n\n" + signed + "\n" + payload
			hash := sha256.Sum256([]byte(canonical))
			scope := "20260228/" + c.service + "/aws4_request"
			toSign := sha256.Sum256([]byte("AWS4-ECDSA-P256-SHA256\n20260228T235958Z\n" + scope + "\n" + hex.EncodeToString(hash[:])))

			prefix := "AWS4-ECDSA-P256-SHA256 Credential=" + testID + "/" + scope + ", SignedHeaders=" + signed + ", Signature="
			signature, ok := strings.CutPrefix(req.Header.Get("Authorization"), prefix)
			if !ok {
				t.Fatalf("Authorization: %s, want %s…", req.Header.Get("Authorization"), prefix)
			}
			der, err := hex.DecodeString(signature)
			if err != nil || !ecdsa.VerifyASN1(pub, toSign[:], der) {
				t.Error("the signature does not verify")
			}
			same(t, "X-Amz-Region-Set", req.Header.Get("X-Amz-Region-Set"), c.set)

			// The same again, and then with Signature Version 4 as if it were the first.
			if err := c.sign(s, req); err != nil {
				t.Fatal(err)
			}
			same(t, "signed again", req.Header.Get("Authorization"), prefix+signature)
			if err := (&Signer{Service: "s3", Region: "eu-west-1"}).Sign4(req, testKeys); err != nil {
				t.Fatal(err)
			}
			if req.Header["X-Amz-Region-Set"] != nil || !strings.HasPrefix(req.Header.Get("Authorization"), algorithm4+" ") {
				t.Error(req.Header)
			}
		})
	}
}

func TestPresign4A(t *testing.T) {
	s := &Signer{Credentials: testKeys, Now: func() time.Time { return time.Date(2026, 2, 28, 23, 59, 58, 0, time.UTC) }}
	req, _ := http.NewRequest("GET", multiRegion, nil)
	if err := s.Presign(req, time.Hour); err == nil || !strings.Contains(err.Error(), "use Sign or Sign4A, for a URL Presign4A") || strings.Contains(req.URL.RawQuery, "X-Amz") {
		t.Errorf("Presign for a region set: %v", err)
	}
	if err := s.Presign4A(req, time.Hour); err != nil {
		t.Fatal(err)
	}
	query, signature, _ := strings.Cut(req.URL.RawQuery, "&X-Amz-Signature=")
	same(t, "query", query, "x=b%20c&X-Amz-Algorithm=AWS4-ECDSA-P256-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20260228%2Fs3%2Faws4_request&X-Amz-Date=20260228T235958Z&X-Amz-Expires=3600&X-Amz-Region-Set=%2A&X-Amz-SignedHeaders=host")
	canonical := "GET\n/a%281%29\n" + strings.Replace(query, "x=b%20c&", "", 1) + "&x=b%20c\nhost:m.mrap.accesspoint.s3-global.amazonaws.com\n\nhost\nUNSIGNED-PAYLOAD"
	hash := sha256.Sum256([]byte(canonical))
	toSign := sha256.Sum256(fmt.Appendf(nil, "AWS4-ECDSA-P256-SHA256\n20260228T235958Z\n20260228/s3/aws4_request\n%x", hash))
	der, err := hex.DecodeString(signature)
	if err != nil || !ecdsa.VerifyASN1(suitePublicKey(t), toSign[:], der) {
		t.Error("the signature does not verify")
	}
	// A presigned URL is presigned again as a fresh one.
	again := req.URL.String()
	if err := s.Presign4A(req, time.Hour); err != nil || req.URL.String() != again {
		t.Errorf("%v\ngot  %s\nwant %s", err, req.URL, again)
	}
}

func TestAlgorithmByRegion(t *testing.T) {
	var unknown *UnknownEndpointError
	req, _ := http.NewRequest("GET", multiRegion, nil)
	if err := Sign4(req, testKeys); err == nil || errors.As(err, &unknown) || !strings.Contains(err.Error(), "region set") {
		t.Errorf("Sign4 of a region set: %v", err)
	}
	if req.Header.Get("Authorization") != "" {
		t.Error("the request was changed")
	}
	for host, algorithm := range map[string]string{
		"m.mrap.accesspoint.s3-global.amazonaws.com":      algorithm4A,
		"abcde.veo.endpoint.events.amazonaws.com":         algorithm4A,
		"b.s3.eu-west-1.amazonaws.com":                    algorithm4,
		"123456789012.cloudfront-kvs.global.api.aws":      algorithm4A,
		"iam.amazonaws.com":                               algorithm4,
		"vpce-1a2b-3c4d.sqs.eu-west-1.vpce.amazonaws.com": algorithm4,
	} {
		req := &http.Request{URL: &url.URL{Scheme: "https", Host: host, Path: "/"}}
		if err := Sign(req, testKeys); err != nil || !strings.HasPrefix(req.Header.Get("Authorization"), algorithm+" ") {
			t.Errorf("Sign of %s: %v %s, want %s", host, err, req.Header.Get("Authorization"), algorithm)
		}
	}
	oneRegion := &http.Request{URL: &url.URL{Scheme: "https", Host: "b.s3.eu-west-1.amazonaws.com"}}
	if err := Sign4A(oneRegion, testKeys); err != nil {
		t.Error(err)
	}
	if err := Presign4A(oneRegion, time.Hour, testKeys); err != nil || !strings.Contains(oneRegion.URL.RawQuery, "X-Amz-Algorithm="+algorithm4A) {
		t.Error(err, oneRegion.URL)
	}
	// The two kinds of key for the same secret do not meet in the cache.
	s := &Signer{Service: "s3", Region: "eu-west-1", Credentials: testKeys, Now: func() time.Time { return time.Unix(1e9, 0) }}
	sign := func(f func(*http.Request, ...Provider) error) string {
		req, _ := http.NewRequest("GET", "https://b.example/k", nil)
		if err := f(req); err != nil {
			t.Fatal(err)
		}
		return req.Header.Get("Authorization")
	}
	first := sign(s.Sign4)
	sign(s.Sign4A)
	same(t, "Sign4 after Sign4A", sign(s.Sign4), first)
}
