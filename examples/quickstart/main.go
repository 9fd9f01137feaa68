// Quickstart signs requests with awsauth and sends them.
//
//	go run ./examples/quickstart
//
// needs nothing: it starts a server on the loopback interface that checks
// signatures as S3 does, and stores and fetches an object there.
//
//	go run ./examples/quickstart https://bucket.s3.eu-central-1.amazonaws.com/key
//
// fetches a real object, with the credentials of the environment or of the EC2
// instance.
package main

import (
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/go-awsauth/awsauth"
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
	if err := report(out, "get, signed", resp, err, ok); err != nil {
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
	return report(out, "get, presigned", resp, err, ok)
}

// walkThrough stores and fetches an object on a server of its own, and shows
// what that server refuses.
func walkThrough(out io.Writer) error {
	keys := awsauth.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "known to this process only"}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: NewServer("us-east-1", keys)}
	go server.Serve(listener)
	defer server.Close()

	// The host is not AWS's, so the Signer says what it stands for.
	signer := &awsauth.Signer{Service: "s3", Region: "us-east-1", Credentials: keys}

	// Any key will do: what is signed is what is sent.
	u := url.URL{Scheme: "http", Host: listener.Addr().String(), Path: "/photos/2026/a+b (1).jpg"}
	object, photo := u.String(), "not really a photo"
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
	if err := report(out, "put, signed", resp, err, stored("")); err != nil {
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
	if err := report(out, "get, signed", resp, err, stored(photo)); err != nil {
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
	if err := report(out, "get, presigned", resp, err, stored(photo)); err != nil {
		return err
	}

	// The same URL, made to work for a week, does not work.
	resp, err = http.Get(strings.Replace(presigned, "X-Amz-Expires=900", "X-Amz-Expires=604800", 1))
	if err := report(out, "get, altered URL", resp, err, refused("SignatureDoesNotMatch")); err != nil {
		return err
	}

	// Nor does another secret. Credentials in the call go before the Signer's.
	req, err = http.NewRequest("GET", object, nil)
	if err != nil {
		return err
	}
	if err := signer.Sign4(req, awsauth.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "a guess"}); err != nil {
		return err
	}
	resp, err = http.DefaultClient.Do(req)
	return report(out, "get, wrong secret", resp, err, refused("SignatureDoesNotMatch"))
}

// An answer is what came back: a code if the server refused, else content.
type answer struct{ code, content string }

func ok(a answer) bool { return a.code == "" }

func stored(content string) func(answer) bool {
	return func(a answer) bool { return a == answer{content: content} }
}

func refused(code string) func(answer) bool {
	return func(a answer) bool { return a.code == code }
}

// report prints a line about one step. It is an error if the answer is not the
// one wanted.
func report(out io.Writer, step string, resp *http.Response, err error, wanted func(answer) bool) error {
	if err != nil {
		return fmt.Errorf("%s: %w", step, err)
	}
	defer resp.Body.Close()
	// An object may be large; its beginning is enough to look at.
	head, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if err != nil {
		return fmt.Errorf("%s: %w", step, err)
	}
	rest, err := io.Copy(io.Discard, resp.Body)
	if err != nil {
		return fmt.Errorf("%s: %w", step, err)
	}

	a := answer{content: string(head)}
	said := fmt.Sprintf("%s, %d bytes", resp.Status, int64(len(head))+rest)
	if resp.StatusCode != http.StatusOK {
		var refusal struct{ Code string }
		xml.Unmarshal(head, &refusal) // a code if it is S3's error document
		a.code = cmp.Or(refusal.Code, "no code")
		said = resp.Status + ", " + a.code
	}
	fmt.Fprintf(out, "%s: %s\n", step, said)
	if !wanted(a) {
		return fmt.Errorf("%s: the answer is not the one expected: %s", step, said)
	}
	return nil
}
