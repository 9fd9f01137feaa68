package awsauth

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"
)

// Env is the [Provider] of what the process environment configures:
//
//	AWS_ACCESS_KEY_ID or AWS_ACCESS_KEY
//	AWS_SECRET_ACCESS_KEY or AWS_SECRET_KEY
//	AWS_SESSION_TOKEN or AWS_SECURITY_TOKEN      temporary keys only
//	AWS_CREDENTIAL_EXPIRATION                    optional, RFC 3339
//
// The first name of a line wins. A variable of nothing but white space counts
// as unset. A key without its secret, or the reverse, is an error that names
// the missing variable. The environment is read again for every signature.
//
// Where there are no keys and the environment points at a container's or a pod's
// role (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, AWS_CONTAINER_CREDENTIALS_FULL_URI,
// AWS_WEB_IDENTITY_TOKEN_FILE), which Env does not fetch, that is an error: a pod
// must not go on to sign as its node.
//
// See https://docs.aws.amazon.com/sdkref/latest/guide/environment-variables.html
type Env struct {
	Getenv func(name string) string // nil: os.Getenv
}

// Retrieve returns the keys of the environment, or [ErrNoCredentials].
func (e Env) Retrieve(ctx context.Context) (Credentials, error) {
	creds := Credentials{
		AccessKeyID:     e.first("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY"),
		SecretAccessKey: e.first("AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY"),
	}
	switch {
	case creds.AccessKeyID == "" && creds.SecretAccessKey == "":
		for _, name := range []string{"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"} {
			if e.first(name) != "" {
				return Credentials{}, fmt.Errorf("awsauth: %s points at a role that Env does not fetch: give a Provider that does, or unset it to sign as another", name)
			}
		}
		return Credentials{}, fmt.Errorf("%w: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set", ErrNoCredentials)
	case creds.AccessKeyID == "":
		return Credentials{}, fmt.Errorf("awsauth: the environment has a secret key but no key ID: set AWS_ACCESS_KEY_ID")
	case creds.SecretAccessKey == "":
		return Credentials{}, fmt.Errorf("awsauth: the environment has a key ID but no secret key: set AWS_SECRET_ACCESS_KEY")
	}
	creds.SessionToken = e.first("AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")
	if v := e.first("AWS_CREDENTIAL_EXPIRATION"); v != "" {
		t, err := time.Parse(time.RFC3339, strings.TrimSpace(v))
		if err != nil {
			return Credentials{}, fmt.Errorf("awsauth: AWS_CREDENTIAL_EXPIRATION is not a time as RFC 3339 writes it, such as 2006-01-02T15:04:05Z")
		}
		creds.Expires = t
	}
	return creds.Retrieve(ctx)
}

// first returns the first of the named variables that is not blank.
func (e Env) first(names ...string) string {
	get := e.Getenv
	if get == nil {
		get = os.Getenv
	}
	for _, name := range names {
		if v := get(name); strings.TrimSpace(v) != "" {
			return v
		}
	}
	return ""
}
