package interop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/big"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	smithycredentials "github.com/aws/smithy-go/aws-http-auth/credentials"
	"github.com/aws/smithy-go/aws-http-auth/sigv4a"
	smithyv4 "github.com/aws/smithy-go/aws-http-auth/v4"

	"github.com/go-awsauth/awsauth"
)

const algorithm4A = "AWS4-ECDSA-P256-SHA256"

// publicKey derives the public key of an access key, by NIST SP 800-108 in counter
// mode and FIPS 186-4, appendix B.4.2, without a line of either signer.
func publicKey(t *testing.T, keys awsauth.Credentials) *ecdsa.PublicKey {
	t.Helper()
	curve := elliptic.P256()
	limit := new(big.Int).Sub(curve.Params().N, big.NewInt(2))
	for counter := byte(1); ; counter++ {
		mac := hmac.New(sha256.New, []byte("AWS4A"+keys.SecretAccessKey))
		fmt.Fprintf(mac, "\x00\x00\x00\x01%s\x00%s%c\x00\x00\x01\x00", algorithm4A, keys.AccessKeyID, counter)
		if d := new(big.Int).SetBytes(mac.Sum(nil)); d.Cmp(limit) <= 0 {
			private, err := ecdsa.ParseRawPrivateKey(curve, d.Add(d, big.NewInt(1)).FillBytes(make([]byte, 32)))
			if err != nil {
				t.Fatal(err)
			}
			return &private.PublicKey
		}
	}
}

// toSign computes the string to sign of a request that was signed, of the common
// ground, and returns it with the signature.
func toSign(t *testing.T, s *sample, req *http.Request) (string, []byte) {
	t.Helper()
	escaped := req.URL.EscapedPath()
	if escaped == "" {
		escaped = "/"
	}
	if s.service != "s3" {
		escaped = strictEncode(escaped, true)
	}

	var date, scope, signedHeaders, signature string
	var params [][2]string // encoded
	for part := range strings.SplitSeq(req.URL.RawQuery, "&") {
		name, value, _ := strings.Cut(part, "=")
		name, err := url.QueryUnescape(name)
		if err != nil {
			t.Fatal(err)
		}
		if value, err = url.QueryUnescape(value); err != nil {
			t.Fatal(err)
		}
		switch name {
		case "X-Amz-Signature":
			signature = value
			continue
		case "X-Amz-Date":
			date = value
		case "X-Amz-Credential":
			_, scope, _ = strings.Cut(value, "/")
		case "X-Amz-SignedHeaders":
			signedHeaders = value
		case "":
			continue
		}
		params = append(params, [2]string{strictEncode(name, false), strictEncode(value, false)})
	}
	slices.SortFunc(params, func(p, q [2]string) int { return slices.Compare(p[:], q[:]) })
	var query strings.Builder
	for i, p := range params {
		if i > 0 {
			query.WriteByte('&')
		}
		query.WriteString(p[0] + "=" + p[1])
	}
	if !s.presign {
		date = req.Header.Get("X-Amz-Date")
		var id string
		a := strings.NewReplacer(",", " ", "/", " ", "=", " ").Replace(req.Header.Get("Authorization"))
		var day, service, end string
		if _, err := fmt.Sscanf(a, algorithm4A+" Credential %s %s %s %s  SignedHeaders %s  Signature %s", &id, &day, &service, &end, &signedHeaders, &signature); err != nil {
			t.Fatalf("%v: %s", err, a)
		}
		scope = day + "/" + service + "/" + end
	}

	var headers strings.Builder
	for name := range strings.SplitSeq(signedHeaders, ";") {
		values := slices.Clone(req.Header[http.CanonicalHeaderKey(name)])
		if name == "host" {
			values = []string{req.Host}
		}
		for i, v := range values {
			values[i] = strings.Join(strings.Fields(v), " ")
		}
		fmt.Fprintf(&headers, "%s:%s\n", name, strings.Join(values, ","))
	}
	canonical := strings.Join([]string{s.method, escaped, query.String(), headers.String(), signedHeaders, s.payload()}, "\n")
	der, err := hex.DecodeString(signature)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join([]string{algorithm4A, date, scope, hexSHA256(canonical)}, "\n"), der
}

func by4A(s *sample, req *http.Request) error {
	signer := &awsauth.Signer{Service: s.service, Region: s.region, Credentials: s.keys, Now: func() time.Time { return s.now }}
	if s.presign {
		return signer.Presign4A(req, expires)
	}
	return signer.Sign4A(req)
}

func bySmithy4A(s *sample, req *http.Request) error {
	in := &sigv4a.SignRequestInput{
		Request: req, Service: s.service, RegionSet: strings.Split(s.region, ","), Time: s.now, PayloadHash: smithyPayload(s.payload()),
		Credentials: smithycredentials.Credentials{AccessKeyID: s.keys.AccessKeyID, SecretAccessKey: s.keys.SecretAccessKey, SessionToken: s.keys.SessionToken},
	}
	if s.presign {
		addExpires(req)
		in.SignatureType = smithyv4.SignatureTypeQueryString
	}
	// Anew each time: it keeps a key by the access key ID alone.
	err := sigv4a.New(smithyOptions(s.service, s.presign)).SignRequest(in)
	req.Header.Del("Host")
	return err
}

// sample4A is a sample for a set of regions.
func (d dice) sample4A() *sample {
	s := d.sample()
	s.region = d.pick("*", "us-east-1,eu-west-1", "us-east-1,us-west-*", "eu-*,ap-south-1")
	if !s.presign && d.IntN(2) == 0 {
		s.region = "us-east-1" // Sign4A is good for a single one too
	}
	return s
}

// smithy-go's aws-http-auth signs and verifies nothing, and neither hands out its
// keys nor what it signs. ECDSA does not let two strings, or two keys, have one
// signature: so where its signature holds for our string to sign under the public
// key derived here, and so does ours for the string to sign of its request, each
// verifies the other's.
func TestSigV4ASameAsSmithy(t *testing.T) {
	n := 2_000
	if testing.Short() {
		n = 200
	}
	d := dice{rand.New(rand.NewPCG(3, 4))}
	verified := map[string]int{}
	for range n {
		s := d.sample4A()
		key := publicKey(t, s.keys)
		ours := s.request(t, s.body)
		if err := by4A(s, ours); err != nil {
			t.Fatalf("%v: %v", err, s)
		}
		theirs := s.request(t, "")
		if err := bySmithy4A(s, theirs); err != nil {
			t.Fatalf("%v: %v", err, s)
		}
		ourString, ourSignature := toSign(t, s, ours)
		theirString, theirSignature := toSign(t, s, theirs)
		if ourString != theirString {
			t.Fatalf("%v\nawsauth signs\n%s\nsmithy-go signs\n%s", s, ourString, theirString)
		}
		kind := "header"
		if s.presign {
			kind = "presigned"
		}
		for whose, pair := range map[string]struct {
			text      string
			signature []byte
		}{"awsauth's": {theirString, ourSignature}, "smithy-go's": {ourString, theirSignature}} {
			sum := sha256.Sum256([]byte(pair.text))
			if !ecdsa.VerifyASN1(key, sum[:], pair.signature) {
				t.Fatalf("%v: %s signature does not hold for\n%s", s, whose, pair.text)
			}
			verified[whose+" "+kind]++
			sum[d.IntN(32)] ^= 1
			if ecdsa.VerifyASN1(key, sum[:], pair.signature) {
				t.Fatalf("%v: %s signature holds for another string", s, whose)
			}
		}
	}
	t.Logf("verified: %v", verified)
}

// The public key of the published example keys.
func TestSigV4APublicKey(t *testing.T) {
	key, err := publicKey(t, awsauth.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	const want = "04" + "b6618f6a65740a99e650b33b6b4b5bd0d43b176d721a3edfea7e7d2d56d936b1" + "865ed22a7eadc9c5cb9d2cbaca1b3699139fedc5043dc6661864218330c8e518"
	if got := hex.EncodeToString(key); got != want {
		t.Errorf("got %s", got)
	}
}
