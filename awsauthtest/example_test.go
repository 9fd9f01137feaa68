package awsauthtest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/go-awsauth/awsauth"
	"github.com/go-awsauth/awsauth/awsauthtest"
	"github.com/go-awsauth/awsauth/sts"
)

// Code that signs for S3's own hosts, against objects in memory.
func ExampleServer() {
	fake := awsauthtest.NewServer()
	defer fake.Close()
	signer := &awsauth.Signer{Credentials: fake.Credentials}
	client := &http.Client{Transport: fake.Transport()}

	for _, step := range []struct{ method, body string }{{"PUT", "a photo"}, {"GET", ""}} {
		req, err := http.NewRequest(step.method, "https://photos.s3.eu-west-1.amazonaws.com/cat.jpg", strings.NewReader(step.body))
		if err != nil {
			panic(err)
		}
		if err := signer.Sign4(req); err != nil {
			panic(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			panic(err)
		}
		defer resp.Body.Close()
		content, err := io.ReadAll(resp.Body)
		fmt.Println(resp.Status, string(content), err)
	}
	// Output:
	// 200 OK  <nil>
	// 200 OK a photo <nil>
}

// In front of a handler of your own, for another service than S3. The fields are set
// before the first request.
func ExampleServer_handler() {
	fake := awsauthtest.NewServer()
	defer fake.Close()
	fake.Service = "execute-api"
	fake.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "hello from", r.URL.Path)
	})
	client := &http.Client{Transport: fake.Transport()}

	for _, region := range []string{"eu-west-1", "us-east-1"} {
		req, err := http.NewRequest("GET", "https://abc.execute-api.eu-west-1.amazonaws.com/prod/a", nil)
		if err != nil {
			panic(err)
		}
		signer := &awsauth.Signer{Region: region, Credentials: fake.Credentials}
		if err := signer.Sign4(req); err != nil {
			panic(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			panic(err)
		}
		defer resp.Body.Close()
		if err := awsauth.Diagnose(req, resp); err != nil {
			fmt.Println(err)
			continue
		}
		io.Copy(os.Stdout, resp.Body)
	}
	// Output:
	// hello from /prod/a
	// awsauth: 403 InvalidSignatureException: the request was signed for region "us-east-1" where the server is in "eu-west-1": set Signer.Region, or ask the endpoint of that region
}

// The instance's keys, and what becomes of them when the service is busy for a
// while.
func ExampleEC2Metadata() {
	fake := awsauthtest.NewEC2Metadata()
	defer fake.Close()
	fake.Fault = awsauthtest.Times(2, awsauthtest.Status(http.StatusServiceUnavailable))

	role := &awsauth.EC2Role{Endpoint: fake.URL}
	keys, err := role.Retrieve(context.Background())
	fmt.Println(keys, err)
	fmt.Println(len(fake.Requests()), "requests")
	// Output:
	// awsauth.Credentials{ASIAEC2ROLEEXAMPLE, secret not shown} <nil>
	// 5 requests
}

// What the environment points at goes before the instance's role. For a whole
// program, set the two variables with t.Setenv.
func ExampleContainer() {
	fake := awsauthtest.NewContainer()
	defer fake.Close()

	env := awsauth.Env{Getenv: func(name string) string {
		return map[string]string{
			"AWS_CONTAINER_CREDENTIALS_FULL_URI": fake.URL + fake.Path,
			"AWS_CONTAINER_AUTHORIZATION_TOKEN":  fake.AuthorizationToken,
		}[name]
	}}
	fmt.Println(env.Retrieve(context.Background()))

	fake.Change(func() { fake.Fault = awsauthtest.Status(http.StatusForbidden) })
	_, err := env.Retrieve(context.Background())
	fmt.Println(err)
	// Output:
	// awsauth.Credentials{ASIACONTAINEREXAMPLE, secret not shown} <nil>
	// awsauth: container role: status 403
}

// A role is assumed with the caller's keys, and its own say who it is.
func ExampleSTS() {
	fake := awsauthtest.NewSTS()
	defer fake.Close()
	fake.ExternalID = "customer-7"

	role := &sts.AssumeRole{
		RoleARN:    "arn:aws:iam::123456789012:role/reader",
		ExternalID: "customer-7",
		Source:     fake.Caller,
		Region:     "eu-west-1",
		Transport:  fake.Transport(), // in place of the one for https://sts.eu-west-1.amazonaws.com
	}
	who, err := sts.Client{Endpoint: fake.URL}.GetCallerIdentity(context.Background(), role)
	fmt.Println(who.ARN, err)

	fake.Change(func() { fake.ExternalID = "customer-8" })
	_, err = role.Retrieve(context.Background())
	fmt.Println(err)
	// Output:
	// arn:aws:sts::123456789012:assumed-role/reader/awsauth <nil>
	// awsauth: assuming role arn:aws:iam::123456789012:role/reader: status 403, AccessDenied
}

// Keys of your own choice, that have expired.
func ExampleFake_Change() {
	fake := awsauthtest.NewEC2Metadata()
	defer fake.Close()
	fake.Change(func() {
		fake.Credentials = awsauth.Credentials{
			AccessKeyID:     "ASIAMINE",
			SecretAccessKey: "secret",
			SessionToken:    "token",
			Expires:         time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC),
		}
	})
	_, err := (&awsauth.EC2Role{Endpoint: fake.URL}).Retrieve(context.Background())
	fmt.Println(err)
	// Output: awsauth: the credential source returned keys that expired at 2020-01-01T00:00:00Z: is the clock right?
}
