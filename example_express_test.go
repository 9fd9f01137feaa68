package awsauth_test

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/go-awsauth/awsauth"
)

// session asks a directory bucket of S3 Express for the keys of a session.
func session(ctx context.Context, bucket string, s *awsauth.Signer) (awsauth.Credentials, error) {
	req, err := http.NewRequestWithContext(ctx, "GET", bucket+"/?session", nil)
	if err != nil {
		return awsauth.Credentials{}, err
	}
	if err := s.Sign4(req); err != nil { // with IAM credentials
		return awsauth.Credentials{}, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return awsauth.Credentials{}, err
	}
	defer resp.Body.Close()
	var reply struct {
		Credentials struct {
			AccessKeyID     string `xml:"AccessKeyId"`
			SecretAccessKey string
			SessionToken    string
			Expiration      time.Time
		}
	}
	if resp.StatusCode != http.StatusOK {
		return awsauth.Credentials{}, fmt.Errorf("CreateSession: %s", resp.Status)
	}
	if err := xml.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&reply); err != nil {
		return awsauth.Credentials{}, err
	}
	c := reply.Credentials
	return awsauth.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken, Expires: c.Expiration}, nil
}

// Requests to a directory bucket are signed with the keys of a session, which Cache
// keeps and renews.
func ExampleSigner_Sign4_s3Express() {
	fake := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // in place of AWS
		if r.URL.Query().Has("session") {
			fmt.Fprintf(w, `<CreateSessionResult><Credentials><SessionToken>token-of-the-session</SessionToken><SecretAccessKey>secret</SecretAccessKey><AccessKeyId>ASIASESSION</AccessKeyId><Expiration>%s</Expiration></Credentials></CreateSessionResult>`,
				time.Now().Add(5*time.Minute).UTC().Format(time.RFC3339))
			return
		}
		fmt.Fprintln(w, r.URL.Path, "with", r.Header.Get("X-Amz-S3session-Token"))
	}))
	defer fake.Close()
	// As https://NAME--usw2-az1--x-s3.s3express-usw2-az1.us-west-2.amazonaws.com, which
	// tells service and region.
	bucket := fake.URL
	iam := &awsauth.Signer{Service: "s3express", Region: "us-west-2", Credentials: keys}

	signer := &awsauth.Signer{Service: "s3express", Region: "us-west-2"}
	signer.Credentials = awsauth.Cache(awsauth.ProviderFunc(func(ctx context.Context) (awsauth.Credentials, error) {
		return session(ctx, bucket, iam)
	}))
	for _, key := range []string{"/a", "/b"} {
		req, err := http.NewRequest("GET", bucket+key, nil)
		if err != nil {
			panic(err)
		}
		if err := signer.Sign4(req); err != nil {
			panic(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			panic(err)
		}
		answer, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		fmt.Print(string(answer))
	}
	// Output:
	// /a with token-of-the-session
	// /b with token-of-the-session
}
