// Quickstart signs requests with awsauth and sends them.
//
//	go run ./examples/quickstart
//
// needs nothing: it starts a server on the loopback interface that stands for S3,
// stores and fetches an object there, and says why it is refused when it is.
//
//	go run ./examples/quickstart https://bucket.s3.eu-central-1.amazonaws.com/key
//
// fetches a real object, with the credentials of the environment or of the EC2
// instance.
package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/go-awsauth/awsauth"
	"github.com/go-awsauth/awsauth/awsauthtest"
)

func main() {
	var err error
	switch len(os.Args) {
	case 1:
		err = walkThrough(os.Stdout)
	case 2:
		err = fetch(os.Stdout, os.Args[1])
	default:
		err = errors.New("usage: quickstart [URL]")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

// fetch gets a real object twice. The host tells the service and the region, and
// the credentials are those of the machine.
func fetch(out io.Writer, target string) error {
	req, err := http.NewRequest("GET", target, nil)
	if err != nil {
		return err
	}
	if err := awsauth.Sign4(req); err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err := report(out, "get, signed", req, resp, err, ok); err != nil {
		return err
	}

	req, err = http.NewRequest("GET", target, nil)
	if err != nil {
		return err
	}
	if err := awsauth.Presign(req, 15*time.Minute); err != nil {
		return err
	}
	fmt.Fprintf(out, "presigned URL: %s\n", req.URL)
	resp, err = http.Get(req.URL.String())
	return report(out, "get, presigned", req, resp, err, ok)
}

// walkThrough stores and fetches an object on a server of its own, and shows
// what that server refuses.
func walkThrough(out io.Writer) error {
	server := awsauthtest.NewServer()
	defer server.Close()

	// The host is not AWS's, so the Signer says what it stands for.
	signer := &awsauth.Signer{Service: "s3", Region: "us-east-1", Credentials: server.Credentials}

	// Any key will do: what is signed is what is sent.
	path := url.URL{Path: "/photos/2026/a+b (1).jpg"}
	object, photo := server.URL+path.String(), "not really a photo"
	fmt.Fprintf(out, "object: %s\n", object)

	// Store it: finish the request, sign it, send it.
	req, err := http.NewRequest("PUT", object, strings.NewReader(photo))
	if err != nil {
		return err
	}
	if err := signer.Sign4(req); err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err := report(out, "put, signed", req, resp, err, stored("")); err != nil {
		return err
	}

	// Fetch it.
	req, err = http.NewRequest("GET", object, nil)
	if err != nil {
		return err
	}
	if err := signer.Sign4(req); err != nil {
		return err
	}
	resp, err = http.DefaultClient.Do(req)
	if err := report(out, "get, signed", req, resp, err, stored(photo)); err != nil {
		return err
	}

	// Fetch it without keys, by a URL that works for a quarter of an hour.
	req, err = http.NewRequest("GET", object, nil)
	if err != nil {
		return err
	}
	if err := signer.Presign(req, 15*time.Minute); err != nil {
		return err
	}
	presigned := req.URL.String()
	fmt.Fprintf(out, "presigned URL: %s\n", presigned)
	resp, err = http.Get(presigned)
	if err := report(out, "get, presigned", req, resp, err, stored(photo)); err != nil {
		return err
	}

	// The same URL, made to work for a week, does not work.
	resp, err = http.Get(strings.Replace(presigned, "X-Amz-Expires=900", "X-Amz-Expires=604800", 1))
	if err := report(out, "get, altered URL", req, resp, err, refused("SignatureDoesNotMatch")); err != nil {
		return err
	}

	// Nor does another secret. Credentials in the call go before the Signer's.
	req, err = http.NewRequest("GET", object, nil)
	if err != nil {
		return err
	}
	guess := server.Credentials
	guess.SecretAccessKey = "a guess"
	if err := signer.Sign4(req, guess); err != nil {
		return err
	}
	resp, err = http.DefaultClient.Do(req)
	return report(out, "get, wrong secret", req, resp, err, refused("SignatureDoesNotMatch"))
}

// An answer is what came back: why the server refused, else content.
type answer struct{ refusal, content string }

func ok(a answer) bool { return a.refusal == "" }

func stored(content string) func(answer) bool {
	return func(a answer) bool { return a == answer{content: content} }
}

func refused(code string) func(answer) bool {
	return func(a answer) bool { return strings.Contains(a.refusal, " "+code+":") }
}

// report prints what came of one step, in which req was signed. It is an error if
// the answer is not the one wanted.
func report(out io.Writer, step string, req *http.Request, resp *http.Response, err error, wanted func(answer) bool) error {
	if err != nil {
		return fmt.Errorf("%s: %w", step, err)
	}
	defer resp.Body.Close()
	var a answer
	if why := awsauth.Diagnose(req, resp); why != nil {
		a.refusal = why.Error()
	}
	// An object may be large; its beginning is enough to look at.
	head, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if err != nil {
		return fmt.Errorf("%s: %w", step, err)
	}
	rest, err := io.Copy(io.Discard, resp.Body)
	if err != nil {
		return fmt.Errorf("%s: %w", step, err)
	}
	said := a.refusal
	if said == "" {
		a.content = string(head)
		said = fmt.Sprintf("%s, %d bytes", resp.Status, int64(len(head))+rest)
	}
	fmt.Fprintf(out, "%s: %s\n", step, said)
	if !wanted(a) {
		return fmt.Errorf("%s: the answer is not the one expected: %s", step, said)
	}
	return nil
}
