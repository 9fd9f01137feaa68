package awsauth_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"github.com/go-awsauth/awsauth"
)

// The keys of AWS's documentation.
var keys = awsauth.Credentials{
	AccessKeyID:     "AKIAIOSFODNN7EXAMPLE",
	SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}

func ExampleSign4() {
	req, err := http.NewRequest("GET", "https://examplebucket.s3.eu-west-1.amazonaws.com/photo.jpg", nil)
	if err != nil {
		panic(err)
	}
	if err := awsauth.Sign4(req, keys); err != nil {
		panic(err)
	}
	// Now http.DefaultClient.Do(req).
	scheme, _, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	fmt.Println(scheme)
	// Output: AWS4-HMAC-SHA256
}

// A server that is not AWS's needs a service and a region.
func ExampleSigner_Sign4() {
	signer := &awsauth.Signer{
		Service:     "s3",
		Region:      "us-east-1",
		Credentials: keys,
		Now:         func() time.Time { return time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC) },
	}
	req, err := http.NewRequest("GET", "https://examplebucket.s3.amazonaws.com/test.txt", nil)
	if err != nil {
		panic(err)
	}
	req.Header.Set("Range", "bytes=0-9")
	if err := signer.Sign4(req); err != nil {
		panic(err)
	}
	_, signature, _ := strings.Cut(req.Header.Get("Authorization"), "Signature=")
	fmt.Println(signature)
	// Output: f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41
}

// The host of an S3 multi-region access point stands for all regions, and so does the
// signature; behind another host, the Signer says for which it is.
func ExampleSigner_Sign() {
	for _, c := range []struct{ url, service, region string }{
		{"https://mfzwi23gnjvgw.mrap.accesspoint.s3-global.amazonaws.com/photo.jpg", "", ""},
		{"https://files.example/photo.jpg", "s3", "us-east-1,eu-west-*"},
		{"https://examplebucket.s3.eu-west-1.amazonaws.com/photo.jpg", "", ""},
	} {
		signer := &awsauth.Signer{Service: c.service, Region: c.region, Credentials: keys}
		req, err := http.NewRequest("GET", c.url, nil)
		if err != nil {
			panic(err)
		}
		if err := signer.Sign(req); err != nil {
			panic(err)
		}
		scheme, _, _ := strings.Cut(req.Header.Get("Authorization"), " ")
		fmt.Printf("%s %q\n", scheme, req.Header.Get("X-Amz-Region-Set"))
	}
	// Output:
	// AWS4-ECDSA-P256-SHA256 "*"
	// AWS4-ECDSA-P256-SHA256 "us-east-1,eu-west-*"
	// AWS4-HMAC-SHA256 ""
}

// A presigned URL can be good in a set of regions, too.
func ExampleSigner_Sign4A() {
	signer := &awsauth.Signer{Service: "s3", Region: "*", Credentials: keys}
	req, err := http.NewRequest("GET", "https://files.example/photo.jpg", nil)
	if err != nil {
		panic(err)
	}
	if err := signer.Sign4A(req); err != nil {
		panic(err)
	}
	fmt.Println(req.Header.Get("X-Amz-Region-Set"))

	if err := signer.Presign4A(req, time.Hour); err != nil {
		panic(err)
	}
	fmt.Println(req.URL.Query().Get("X-Amz-Algorithm"), req.URL.Query().Get("X-Amz-Region-Set"))
	// Output:
	// *
	// AWS4-ECDSA-P256-SHA256 *
}

// An upload from a source that can be read once, with a checksum behind the data. The
// chunks are signed as they are read.
func ExampleStreamingPayloadTrailer() {
	source, sink := io.Pipe()
	go func() {
		for range 1000 {
			io.WriteString(sink, "0123456789\n")
		}
		sink.Close()
	}()
	req, err := http.NewRequest("PUT", "https://examplebucket.s3.amazonaws.com/numbers.txt", source)
	if err != nil {
		panic(err)
	}
	req.ContentLength = 11000
	req.Header.Set("X-Amz-Trailer", "x-amz-checksum-crc64nvme")

	signer := &awsauth.Signer{Credentials: keys, Payload: awsauth.StreamingPayloadTrailer}
	if err := signer.Sign4(req); err != nil {
		panic(err)
	}
	fmt.Println(req.Header.Get("Content-Encoding"), req.Header.Get("X-Amz-Decoded-Content-Length"), req.ContentLength)

	// As http.DefaultClient.Do(req) would.
	sent, err := io.ReadAll(req.Body)
	if err != nil {
		panic(err)
	}
	_, trailer, _ := strings.Cut(string(sent), "\r\nx-amz-checksum-")
	checksum, _, _ := strings.Cut(trailer, "\r\n")
	fmt.Println(len(sent), checksum)
	// Output:
	// aws-chunked 11000 11304
	// 11304 crc64nvme:QJk+Uo64ePY=
}

func ExampleSigner_Presign() {
	signer := &awsauth.Signer{
		Credentials: keys,
		Now:         func() time.Time { return time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC) },
	}
	req, err := http.NewRequest("GET", "https://examplebucket.s3.amazonaws.com/test.txt", nil)
	if err != nil {
		panic(err)
	}
	if err := signer.Presign(req, 24*time.Hour); err != nil {
		panic(err)
	}
	fmt.Println(strings.ReplaceAll(req.URL.String(), "&", "\n&"))
	// Output:
	// https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256
	// &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request
	// &X-Amz-Date=20130524T000000Z
	// &X-Amz-Expires=86400
	// &X-Amz-SignedHeaders=host
	// &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404
}

// A handler that lets only signed requests through.
func ExampleVerifier() {
	verifier := &awsauth.Verifier{
		Service: "execute-api",
		Region:  "eu-west-1",
		Lookup: func(ctx context.Context, accessKeyID string) (awsauth.Credentials, error) {
			if accessKeyID != keys.AccessKeyID { // or ask a database
				return awsauth.Credentials{}, awsauth.ErrNoCredentials
			}
			return keys, nil
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
		verified, err := verifier.Verify(r)
		var body []byte
		if err == nil {
			body, err = io.ReadAll(r.Body) // which checks it
		}
		var refusal *awsauth.VerifyError
		switch {
		case errors.As(err, &refusal):
			http.Error(w, refusal.Code+": "+refusal.Message, refusal.StatusCode())
		case err != nil:
			http.Error(w, err.Error(), http.StatusBadRequest)
		default:
			fmt.Fprintf(w, "%s from %s\n", body, verified.AccessKeyID)
		}
	}))
	defer server.Close()

	signer := &awsauth.Signer{Service: "execute-api", Region: "eu-west-1"}
	for _, creds := range []awsauth.Credentials{keys, {AccessKeyID: keys.AccessKeyID, SecretAccessKey: "another"}} {
		req, err := http.NewRequest("POST", server.URL+"/hello", strings.NewReader("hello"))
		if err != nil {
			panic(err)
		}
		if err := signer.Sign4(req, creds); err != nil {
			panic(err)
		}
		resp, err := server.Client().Do(req)
		if err != nil {
			panic(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		fmt.Printf("%d %s", resp.StatusCode, body)
	}
	// Output:
	// 200 hello from AKIAIOSFODNN7EXAMPLE
	// 403 SignatureDoesNotMatch: The request signature we calculated does not match the signature you provided. Check your key and signing method.
}

func ExampleCache() {
	fetches := 0
	source := awsauth.Cache(awsauth.ProviderFunc(func(ctx context.Context) (awsauth.Credentials, error) {
		fetches++
		c := keys
		c.Expires = time.Now().Add(time.Hour)
		return c, nil
	}))
	for range 3 {
		if _, err := source.Retrieve(context.Background()); err != nil {
			panic(err)
		}
	}
	fmt.Println(fetches)
	// Output: 1
}

func ExampleChain() {
	none := awsauth.Env{Getenv: func(string) string { return "" }}
	got, err := awsauth.Chain{none, keys}.Retrieve(context.Background())
	fmt.Println(got, err)

	_, err = awsauth.Chain{none}.Retrieve(context.Background())
	fmt.Println(errors.Is(err, awsauth.ErrNoCredentials))
	// Output:
	// awsauth.Credentials{AKIAIOSFODNN7EXAMPLE, secret not shown} <nil>
	// true
}

func ExampleScope() {
	for _, host := range []string{"my.s3-bucket.s3.dualstack.eu-west-1.amazonaws.com", "email-fips.us-gov-west-1.amazonaws.com", "s3.example.com"} {
		fmt.Println(awsauth.Scope(&url.URL{Scheme: "https", Host: host}))
	}
	// Output:
	// s3 eu-west-1 <nil>
	// ses us-gov-west-1 <nil>
	//   awsauth: host "s3.example.com" does not tell what to sign for (it is not a host of AWS): set Signer.Service and Signer.Region
}
