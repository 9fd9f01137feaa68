package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/go-awsauth/awsauth"
	"github.com/go-awsauth/awsauth/awsauthtest"
	"github.com/go-awsauth/awsauth/sts"
)

const bucketURL = "https://examplebucket.s3.eu-west-1.amazonaws.com"

// demonstrate has an STS with one role that may be assumed, and an S3 that takes the
// keys of that role alone.
func demonstrate(out io.Writer) error {
	service := awsauthtest.NewSTS()
	defer service.Close()
	service.RoleARN = "arn:aws:iam::123456789012:role/reader"
	store := awsauthtest.NewServer()
	defer store.Close()
	store.Credentials = service.Credentials
	client := func(keys awsauth.Provider) *http.Client {
		return &http.Client{Transport: &awsauth.Transport{Signer: &awsauth.Signer{Credentials: keys}, Base: store.Transport()}}
	}

	assume := sts.AssumeRole{
		RoleARN: service.RoleARN, SessionName: "example",
		Region: "eu-west-1", Source: service.Caller, Transport: service.Transport(),
	}
	role := awsauth.Cache(assume)
	who, err := sts.Client{Region: "eu-west-1", Transport: service.Transport()}.GetCallerIdentity(context.Background(), role)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "acting as", who.ARN)
	req, err := http.NewRequest("PUT", bucketURL+"/note.txt", strings.NewReader("not really a note"))
	if err != nil {
		return err
	}
	resp, err := client(role).Do(req)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if err := list(out, client(role), bucketURL); err != nil {
		return err
	}
	fmt.Fprintln(out, "as oneself:", list(out, client(service.Caller), bucketURL))
	assume.RoleARN = "arn:aws:iam::123456789012:role/writer"
	fmt.Fprintln(out, "as another role:", list(out, client(awsauth.Cache(assume)), bucketURL))
	return nil
}
