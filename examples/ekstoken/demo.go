package main

import (
	"context"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/go-awsauth/awsauth"
	"github.com/go-awsauth/awsauth/awsauthtest"
)

// demonstrate makes a token, shows it to clusters, and has one with keys that are
// about to expire.
func demonstrate(out io.Writer) error {
	service := awsauthtest.NewSTS()
	defer service.Close()
	service.Region = "eu-west-1"
	ctx := context.Background()

	c, err := newCredential(ctx, "eu-west-1", "my-cluster", service.Caller)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, c.Kind, c.APIVersion)
	fmt.Fprintln(out, "good for", time.Until(c.Status.ExpirationTimestamp).Round(time.Minute))
	fmt.Fprintln(out, "token:", c.Status.Token[:len("k8s-aws-v1.")]+"…")
	for _, cluster := range []string{"my-cluster", "your-cluster"} {
		who, err := review(service, cluster, c.Status.Token)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s: %s\n", cluster, who)
	}

	brief := service.Caller
	brief.Expires = time.Now().Add(5 * time.Minute)
	if c, err = newCredential(ctx, "eu-west-1", "my-cluster", brief); err != nil {
		return err
	}
	fmt.Fprintln(out, "with brief keys good for", time.Until(c.Status.ExpirationTimestamp).Round(time.Minute))
	_, err = newCredential(ctx, "eu-west-1", "my-cluster", awsauth.Env{Getenv: func(string) string { return "" }})
	fmt.Fprintln(out, "without keys:", err)
	return nil
}

// review asks STS whose token it is, as a cluster does of a token that it gets.
func review(service *awsauthtest.STS, cluster, token string) (string, error) {
	url, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(token, "k8s-aws-v1."))
	if err != nil {
		return "", err
	}
	req, err := http.NewRequest("GET", string(url), nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("X-K8s-Aws-Id", cluster) // is signed
	resp, err := (&http.Client{Transport: service.Transport()}).Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var answer struct {
		Arn  string `xml:"GetCallerIdentityResult>Arn"`
		Code string `xml:"Error>Code"`
	}
	if err := xml.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return "", err
	}
	return answer.Arn + answer.Code, nil
}
