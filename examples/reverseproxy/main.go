// Reverseproxy is a gateway that signs: what comes in unsigned goes on to AWS, or
// to what speaks its signatures, signed with the gateway's credentials.
//
//	go run ./examples/reverseproxy
//
// needs nothing: it sends requests through such gateways to a server on the
// loopback interface that checks signatures.
//
//	go run ./examples/reverseproxy -upstream https://bucket.s3.eu-central-1.amazonaws.com
//
// serves on 127.0.0.1:8080, with the credentials of the environment or of the EC2
// instance. Whoever reaches the gateway acts with them.
//
// The gateway's policy is given by flags:
//
//	-service, -region   what to sign for; by default what the upstream's host tells;
//	                    a set of regions, such as '*', is signed for with SigV4A
//	-unsigned-payload   leave bodies unsigned, and so stream them; over https only
//	-unsigned-headers   headers to leave unsigned, such as X-Request-Id,X-Envoy-*
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"

	"github.com/go-awsauth/awsauth"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "reverseproxy:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("reverseproxy", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:8080", "address to serve on")
	upstream := flags.String("upstream", "", "URL to send requests on to; none: a demonstration")
	service := flags.String("service", "", "service to sign for; none: the upstream's")
	region := flags.String("region", "", "region, or set of regions, to sign for; none: the upstream's")
	unsignedPayload := flags.Bool("unsigned-payload", false, "leave bodies unsigned")
	unsignedHeaders := flags.String("unsigned-headers", "", "headers to leave unsigned, with commas between")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *upstream == "" {
		return demonstrate(os.Stdout)
	}
	u, err := url.Parse(*upstream)
	if err != nil || u.Host == "" {
		return fmt.Errorf("%q is not the URL of an upstream", *upstream)
	}
	signer := &awsauth.Signer{Service: *service, Region: *region}
	if *unsignedPayload {
		signer.Payload = awsauth.UnsignedPayload
	}
	return http.ListenAndServe(*listen, newProxy(u, signer, strings.Split(*unsignedHeaders, ",")))
}

// The keys of the demonstration: the gateway signs with the first.
var (
	known   = awsauth.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "known to this process only"}
	unknown = awsauth.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "a guess"}
)

// demonstrate sends the same request through gateways of several policies, to an
// upstream that says what of it was signed.
func demonstrate(out io.Writer) error {
	verifier := &awsauth.Verifier{Service: "s3", Region: "us-east-1", Lookup: func(_ context.Context, id string) (awsauth.Credentials, error) {
		if id != known.AccessKeyID {
			return awsauth.Credentials{}, awsauth.ErrNoCredentials
		}
		return known, nil
	}}
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		verified, err := verifier.Verify(r)
		if err == nil {
			_, err = io.Copy(io.Discard, r.Body) // which checks it
		}
		var refusal *awsauth.VerifyError
		if errors.As(err, &refusal) {
			http.Error(w, refusal.Code, refusal.StatusCode())
			return
		}
		payload := "body signed"
		if verified.Payload == awsauth.UnsignedPayload {
			payload = "body unsigned"
		}
		fmt.Fprintf(w, "%s, %s, and %s\n", verified.Algorithm, payload, strings.Join(verified.SignedHeaders, " "))
	}))
	defer upstream.Close()
	u, err := url.Parse(upstream.URL)
	if err != nil {
		return err
	}
	for _, policy := range []struct {
		name     string
		signer   *awsauth.Signer
		unsigned []string
	}{
		{"all signed", &awsauth.Signer{Credentials: known}, nil},
		{"the gateway's headers not", &awsauth.Signer{Credentials: known}, []string{"X-Request-Id", "X-Envoy-*"}},
		{"the body not", &awsauth.Signer{Credentials: known, Payload: awsauth.UnsignedPayload}, nil},
		{"for a set of regions", &awsauth.Signer{Credentials: known, Region: "us-*"}, nil},
		{"a wrong secret", &awsauth.Signer{Credentials: unknown}, nil},
		{"no keys", &awsauth.Signer{Credentials: awsauth.Credentials{}}, nil},
	} {
		policy.signer.Service, policy.signer.Region = "s3", cmp.Or(policy.signer.Region, "us-east-1")
		gateway := httptest.NewServer(newProxy(u, policy.signer, policy.unsigned))
		answer, err := put(gateway.URL + "/bucket/a+b%20(1).txt?x=y")
		gateway.Close()
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s: %s\n", policy.name, answer)
	}
	return nil
}

// put uploads something as a browser behind gateways would, and returns the answer.
func put(to string) (string, error) {
	req, err := http.NewRequest("PUT", to, strings.NewReader("not really a file"))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "text/plain")
	req.Header.Set("X-Request-Id", "1")
	req.Header.Set("X-Envoy-Attempt-Count", "1")
	req.Header.Set("Connection", "X-Hop")
	req.Header.Set("X-Hop", "for the gateway alone")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	return fmt.Sprintf("%s, %s", resp.Status, strings.TrimSpace(string(body))), err
}
