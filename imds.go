package awsauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-awsauth/awsauth/internal/fetch"
	"github.com/go-awsauth/awsauth/internal/flat"
)

// EC2Role is the [Provider] of the role that an EC2 instance runs as, asked of
// the instance metadata service and cached until shortly before it expires, as
// [Cache] says. The zero value is ready to use; use it by pointer and keep it,
// for it holds the cache.
//
// It speaks IMDSv2, and version 1 only where the service answers the request
// for a token with 403, 404 or 405. Requests follow no redirect. A fetch takes at
// most five seconds; off EC2 the first call fails in under a second, with
// [ErrNoCredentials], and that answer stands for five seconds.
//
// The environment configures it:
//
//	AWS_EC2_METADATA_DISABLED=true             it has no credentials
//	AWS_EC2_METADATA_V1_DISABLED=true          never version 1
//	AWS_EC2_METADATA_SERVICE_ENDPOINT          in place of http://169.254.169.254
//	AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE     IPv6: http://[fd00:ec2::254]
//
// In a container on EC2, version 2 needs the instance's hop limit to be 2.
//
// See https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html
type EC2Role struct {
	Endpoint  string                   // "": from the environment, else http://169.254.169.254
	Getenv    func(name string) string // nil: os.Getenv
	Transport http.RoundTripper        // nil: one without a proxy

	once  sync.Once // sets up cache
	cache cache
}

const (
	imdsTimeout      = 5 * time.Second        // a whole fetch
	imdsTokenTimeout = 900 * time.Millisecond // the first request: off EC2 nobody answers it
	imdsGetTimeout   = time.Second            // each further try
	imdsConnect      = 250 * time.Millisecond
	imdsKeepNone     = 5 * time.Second // how long "no role here" stands
	imdsRolePath     = "/latest/meta-data/iam/security-credentials/"
)

// Retrieve returns the instance role's keys.
func (r *EC2Role) Retrieve(ctx context.Context) (Credentials, error) {
	if strings.EqualFold(r.getenv("AWS_EC2_METADATA_DISABLED"), "true") {
		return Credentials{}, fmt.Errorf("%w: the EC2 metadata service is disabled by AWS_EC2_METADATA_DISABLED", ErrNoCredentials)
	}
	r.once.Do(func() {
		r.cache.source = r.fetch
		r.cache.keepNone = imdsKeepNone
	})
	return r.cache.Retrieve(ctx)
}

// Format prints no field: they change under other goroutines.
func (r *EC2Role) Format(f fmt.State, verb rune) { io.WriteString(f, "awsauth.EC2Role") }

func (r *EC2Role) getenv(name string) string {
	return Env{Getenv: r.Getenv}.trimmed(name)
}

func (r *EC2Role) endpoint() (string, error) {
	e := r.Endpoint
	if e == "" {
		e = r.getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT")
	}
	switch {
	case e != "":
	case strings.EqualFold(r.getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"), "IPv6"):
		e = "http://[fd00:ec2::254]"
	default:
		e = "http://169.254.169.254"
	}
	u, err := url.Parse(e)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || strings.ContainsAny(e, "?#") {
		return "", errors.New("awsauth: the EC2 metadata endpoint is not a plain http URL: set AWS_EC2_METADATA_SERVICE_ENDPOINT like http://169.254.169.254")
	}
	return strings.TrimRight(e, "/"), nil
}

// fetch asks for the role and its keys. It keeps no token: a fetch is rare, and
// a token that lives a minute can't be found dead hours later.
func (r *EC2Role) fetch(ctx context.Context) (Credentials, error) {
	ctx, cancel := context.WithTimeout(ctx, imdsTimeout)
	defer cancel()
	endpoint, err := r.endpoint()
	if err != nil {
		return Credentials{}, err
	}
	c := imdsClient{role: r, endpoint: endpoint, transport: r.Transport}
	if c.transport == nil {
		c.transport = fetch.NewTransport(imdsConnect)
	}
	if err := c.getToken(ctx); err != nil {
		return Credentials{}, err
	}

	status, body, err := c.get(ctx, imdsRolePath)
	if err != nil {
		return Credentials{}, fmt.Errorf("awsauth: EC2 metadata, role name: %w", err)
	}
	switch {
	case status == http.StatusNotFound:
		return Credentials{}, fmt.Errorf("%w: the EC2 instance has no role attached", ErrNoCredentials)
	case status == http.StatusForbidden && c.token == "": // no token, and no version 1 either
		return Credentials{}, fmt.Errorf("%w: the EC2 metadata service is turned off", ErrNoCredentials)
	}
	name, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
	if name = strings.TrimSpace(name); status != http.StatusOK || name == "" {
		return Credentials{}, fmt.Errorf("awsauth: EC2 metadata, role name: status %d, %d bytes", status, len(body))
	}

	status, body, err = c.get(ctx, imdsRolePath+url.PathEscape(name))
	if err != nil {
		return Credentials{}, fmt.Errorf("awsauth: EC2 metadata, role keys: %w", err)
	}
	if status != http.StatusOK {
		return Credentials{}, fmt.Errorf("awsauth: EC2 metadata, role keys: status %d", status)
	}
	return parseRole(body)
}

// A roleKeys is what metadata services say of a role's keys.
type roleKeys struct{ code, accessKeyID, secretAccessKey, token, expiration string }

// read reads a reply in JSON.
func (r *roleKeys) read(body []byte) bool {
	return flat.JSON(body,
		flat.Field{Name: "Code", To: &r.code},
		flat.Field{Name: "AccessKeyId", To: &r.accessKeyID},
		flat.Field{Name: "SecretAccessKey", To: &r.secretAccessKey},
		flat.Field{Name: "Token", To: &r.token},
		flat.Field{Name: "Expiration", To: &r.expiration})
}

func parseRole(body []byte) (Credentials, error) {
	var reply roleKeys
	if !reply.read(body) {
		return Credentials{}, errors.New("awsauth: EC2 metadata, role keys: the reply is not the JSON it should be")
	}
	if !strings.EqualFold(reply.code, "Success") {
		code := reply.code
		if !fetch.IsWord(code) {
			code = "no code"
		}
		return Credentials{}, fmt.Errorf("awsauth: EC2 metadata, role keys: the service says %s, not Success", code)
	}
	end, err := time.Parse(time.RFC3339, reply.expiration)
	if err != nil || reply.accessKeyID == "" || reply.secretAccessKey == "" {
		return Credentials{}, errors.New("awsauth: EC2 metadata, role keys: the reply lacks AccessKeyId, SecretAccessKey or Expiration")
	}
	return Credentials{
		AccessKeyID:     reply.accessKeyID,
		SecretAccessKey: reply.secretAccessKey,
		SessionToken:    reply.token,
		Expires:         end,
	}, nil
}

// An imdsClient makes the requests of one fetch.
type imdsClient struct {
	role      *EC2Role
	endpoint  string
	transport http.RoundTripper
	token     string // "": version 1
}

// getToken asks for a token of version 2. A service that has none is spoken to
// in version 1.
func (c *imdsClient) getToken(ctx context.Context) error {
	parent := ctx
	ctx, cancel := context.WithTimeout(ctx, imdsTokenTimeout)
	defer cancel()
	status, body, err := c.retry(ctx, imdsTokenTimeout, http.MethodPut, "/latest/api/token")
	switch {
	case parent.Err() != nil:
		return parent.Err()
	case errors.Is(err, fetch.ErrTooLong):
		return fmt.Errorf("awsauth: EC2 metadata, token: %w", err)
	case errors.Is(err, fetch.ErrNoAnswer):
		return fmt.Errorf("%w: no EC2 metadata service at %s: %w (in a container on EC2, the instance's hop limit has to be 2)", ErrNoCredentials, c.endpoint, err)
	case err != nil:
		return fmt.Errorf("%w: no EC2 metadata service at %s: %w", ErrNoCredentials, c.endpoint, err)
	case status == http.StatusForbidden, status == http.StatusNotFound, status == http.StatusMethodNotAllowed:
		if strings.EqualFold(c.role.getenv("AWS_EC2_METADATA_V1_DISABLED"), "true") {
			return fmt.Errorf("awsauth: EC2 metadata, token: status %d, and AWS_EC2_METADATA_V1_DISABLED forbids version 1", status)
		}
		c.token = ""
		return nil
	case status != http.StatusOK:
		return fmt.Errorf("awsauth: EC2 metadata, token: status %d", status)
	}
	c.token = strings.TrimSpace(string(body))
	if c.token == "" || !printable(c.token) {
		return errors.New("awsauth: EC2 metadata, token: the reply is not a token")
	}
	return nil
}

// get is a GET with the token, renewed once where the service no longer takes it.
func (c *imdsClient) get(ctx context.Context, path string) (int, []byte, error) {
	status, body, err := c.retry(ctx, imdsGetTimeout, http.MethodGet, path)
	if err == nil && status == http.StatusUnauthorized {
		if err := c.getToken(ctx); err != nil {
			return 0, nil, err
		}
		status, body, err = c.retry(ctx, imdsGetTimeout, http.MethodGet, path)
	}
	return status, body, err
}

// retry repeats a request that failed on its way or met a busy service.
func (c *imdsClient) retry(ctx context.Context, timeout time.Duration, method, path string) (status int, body []byte, err error) {
	fetch.Retry(ctx, 100*time.Millisecond, func() bool {
		status, body, err = c.do(ctx, timeout, method, path)
		// Nobody is there: off EC2 the answer has to be quick.
		if op, ok := err.(*net.OpError); ok && method == http.MethodPut && op.Op == "dial" {
			return false
		}
		return fetch.Again(status, err)
	})
	return status, body, err
}

func (c *imdsClient) do(ctx context.Context, timeout time.Duration, method, path string) (int, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, c.endpoint+path, nil)
	if err != nil {
		return 0, nil, err
	}
	switch {
	case method == http.MethodPut:
		req.Header.Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "60")
	case c.token != "":
		req.Header.Set("X-Aws-Ec2-Metadata-Token", c.token)
	}
	return fetch.Do(c.transport, req)
}
