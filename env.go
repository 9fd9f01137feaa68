package awsauth

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// Env is the [Provider] of what the process environment configures: keys, or a
// role that it points at. The first of these that is configured is used, and where
// it fails, that is an error: a pod must not go on to sign as its node.
//
// Keys:
//
//	AWS_ACCESS_KEY_ID or AWS_ACCESS_KEY
//	AWS_SECRET_ACCESS_KEY or AWS_SECRET_KEY
//	AWS_SESSION_TOKEN or AWS_SECURITY_TOKEN      temporary keys only
//	AWS_CREDENTIAL_EXPIRATION                    optional, RFC 3339
//
// A web identity, such as EKS gives a service account. The role is assumed at the
// STS of the region, by default that of the role's partition:
//
//	AWS_WEB_IDENTITY_TOKEN_FILE
//	AWS_ROLE_ARN
//	AWS_ROLE_SESSION_NAME                        optional
//	AWS_REGION or AWS_DEFAULT_REGION             optional
//
// A container's role, on ECS, EKS (Pod Identity) and Greengrass. Plain http goes
// to loopback and to the container agents' addresses only:
//
//	AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or AWS_CONTAINER_CREDENTIALS_FULL_URI
//	AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE or AWS_CONTAINER_AUTHORIZATION_TOKEN    optional
//
// The first name of a line wins. A variable of nothing but white space counts
// as unset. A key without its secret, a token's file without its role, or the
// reverse, is an error that names the missing variable.
//
// The environment is read again for every signature, and a token's file for every
// fetch. The keys of a role are cached, as [Cache] says, by the zero Env{}: all of
// them share one cache, which is that of the process environment's role and starts
// afresh when the variables change. An Env with a field set asks for the role at
// every call: put it into a Cache.
//
// See https://docs.aws.amazon.com/sdkref/latest/guide/environment-variables.html
type Env struct {
	Getenv    func(name string) string          // nil: os.Getenv
	ReadFile  func(name string) ([]byte, error) // of a token; nil: os.ReadFile
	Transport http.RoundTripper                 // to fetch a role's keys; nil: one that uses a proxy for STS only
}

// Retrieve returns the keys that the environment has or leads to, or
// [ErrNoCredentials].
func (e Env) Retrieve(ctx context.Context) (Credentials, error) {
	creds := Credentials{
		AccessKeyID:     e.first("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY"),
		SecretAccessKey: e.first("AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY"),
	}
	switch {
	case creds.AccessKeyID == "" && creds.SecretAccessKey == "":
		return e.retrieveRole(ctx)
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

// retrieveRole is Retrieve where the environment has no keys.
func (e Env) retrieveRole(ctx context.Context) (Credentials, error) {
	role := e.role()
	switch {
	case role == nil:
		return Credentials{}, fmt.Errorf("%w: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set, nor a role", ErrNoCredentials)
	case e.Getenv == nil && e.ReadFile == nil && e.Transport == nil:
		return processRole.cacheOf(role).Retrieve(ctx)
	}
	keys, err := role.fetch(ctx, e)
	if err == nil {
		err = keys.usable(time.Now())
	}
	if err != nil {
		return Credentials{}, err
	}
	return keys, nil
}

// A role is one that the environment points at. It is a struct of all variables
// that matter to it: two that are equal are one role.
type role interface {
	fetch(ctx context.Context, e Env) (Credentials, error)
}

// role returns the role that is configured, or nil.
func (e Env) role() role {
	w := webIdentity{
		tokenFile: e.trimmed("AWS_WEB_IDENTITY_TOKEN_FILE"),
		roleARN:   e.trimmed("AWS_ROLE_ARN"),
	}
	if w != (webIdentity{}) {
		w.sessionName = e.trimmed("AWS_ROLE_SESSION_NAME")
		w.region = e.trimmed("AWS_REGION", "AWS_DEFAULT_REGION")
		return w
	}
	c := container{
		relativeURI: e.trimmed("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
		fullURI:     e.trimmed("AWS_CONTAINER_CREDENTIALS_FULL_URI"),
	}
	if c != (container{}) {
		c.token = e.first("AWS_CONTAINER_AUTHORIZATION_TOKEN")
		c.tokenFile = e.trimmed("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
		return c
	}
	return nil
}

// processRole caches the keys of the role that the process environment points at:
// a process has one environment, however many Env{} read it.
var processRole roleCache

// A roleCache is the cache of the role that it was last asked for.
type roleCache struct {
	mu    sync.Mutex
	role  role
	cache *cache
}

func (r *roleCache) cacheOf(role role) *cache {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.role != role {
		r.role = role
		r.cache = &cache{source: func(ctx context.Context) (Credentials, error) { return role.fetch(ctx, Env{}) }}
	}
	return r.cache
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

// trimmed returns the same without white space around it.
func (e Env) trimmed(names ...string) string { return strings.TrimSpace(e.first(names...)) }

// maxToken is more than any token's file has.
const maxToken = 64 << 10

// readToken reads the token's file that a variable names.
func (e Env) readToken(variable, name string) (string, error) {
	read := e.ReadFile
	if read == nil {
		read = readStart
	}
	data, err := read(name)
	switch {
	case err != nil: // not wrapped: whatever it is, it is not ErrNoCredentials
		return "", fmt.Errorf("the file of %s: %v", variable, err)
	case len(data) > maxToken:
		return "", fmt.Errorf("the file of %s is too long for a token", variable)
	case strings.TrimSpace(string(data)) == "":
		return "", fmt.Errorf("the file of %s is empty", variable)
	}
	return string(data), nil
}

// readStart is os.ReadFile up to where a file is too long for a token.
func readStart(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxToken+1))
}
