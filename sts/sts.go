// Package sts acts as other roles, and asks who a key is, by AWS's Security Token
// Service:
//
//	role := awsauth.Cache(&sts.AssumeRole{RoleARN: "arn:aws:iam::123456789012:role/reader"})
//	err := awsauth.Sign4(req, role)
//
//	who, err := sts.GetCallerIdentity(ctx)
package sts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/go-awsauth/awsauth"
	"github.com/go-awsauth/awsauth/internal/fetch"
	"github.com/go-awsauth/awsauth/internal/flat"
	"github.com/go-awsauth/awsauth/internal/partition"
	"github.com/go-awsauth/awsauth/internal/stsquery"
)

// A Client says where STS is and with which keys to ask it. The zero value asks as
// [GetCallerIdentity] does.
type Client struct {
	// Credentials are the keys to ask with. nil: the default chain, as
	// [awsauth.Sign4] has it.
	Credentials awsauth.Provider

	// Region is the region whose STS to ask, in any partition of AWS. "":
	// AWS_REGION, then AWS_DEFAULT_REGION, else the global endpoint,
	// sts.amazonaws.com.
	Region string

	// Endpoint is the URL of STS, where it is not AWS's own for the region. "": it
	// is.
	Endpoint string

	Getenv    func(name string) string // nil: os.Getenv
	Transport http.RoundTripper        // nil: one that uses the environment's proxy

	home string // the region in place of the global endpoint
}

// Format prints the region and the endpoint, and nothing else.
func (c Client) Format(f fmt.State, verb rune) {
	fmt.Fprintf(f, "sts.Client{%q, %q}", c.Region, c.Endpoint)
}

// An Identity is who a key belongs to.
type Identity struct {
	Account string // the account's twelve digits
	ARN     string // such as arn:aws:sts::123456789012:assumed-role/reader/me
	UserID  string
}

// GetCallerIdentity returns whose keys creds has, or the default chain without
// creds. Everybody may ask this, so it is the smallest test that keys work.
func GetCallerIdentity(ctx context.Context, creds ...awsauth.Provider) (Identity, error) {
	return Client{}.GetCallerIdentity(ctx, creds...)
}

// GetCallerIdentity returns whose keys creds has, or c.Credentials without creds.
func (c Client) GetCallerIdentity(ctx context.Context, creds ...awsauth.Provider) (Identity, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var who Identity
	read := func(body []byte) bool {
		return flat.XML(body, "GetCallerIdentityResponse",
			flat.Field{Name: "GetCallerIdentityResult>Account", To: &who.Account},
			flat.Field{Name: "GetCallerIdentityResult>Arn", To: &who.ARN},
			flat.Field{Name: "GetCallerIdentityResult>UserId", To: &who.UserID})
	}
	if err := c.call(ctx, "GetCallerIdentity", url.Values{}, callTries, read, creds...); err != nil {
		return Identity{}, fmt.Errorf("awsauth: asking STS who the caller is: %w", err)
	}
	if who.Account == "" || who.ARN == "" || who.UserID == "" {
		return Identity{}, errors.New("awsauth: asking STS who the caller is: the reply lacks Account, Arn or UserId")
	}
	return who, nil
}

const (
	callTimeout = 30 * time.Second // a whole call, with the keys that it is signed with
	tryTimeout  = 10 * time.Second // one of its tries
	callTries   = 3
	callPause   = 100 * time.Millisecond
)

// call signs an action, sends it up to so many times, and has the reply read.
func (c Client) call(ctx context.Context, action string, params url.Values, tries int, read func(body []byte) bool, creds ...awsauth.Provider) error {
	endpoint, region, err := c.endpoint()
	if err != nil {
		return err
	}
	req, err := stsquery.NewRequest(ctx, endpoint, action, params)
	if err != nil {
		return errNoEndpoint // what net/http says quotes the URL
	}
	// All tries send the one signature: it lives longer than they do, and
	// the source of the keys may be slow to ask, or ask a person.
	signer := &awsauth.Signer{Service: "sts", Region: region, Credentials: c.Credentials}
	if err := signer.Sign4(req, creds...); err != nil {
		return sourceError{err}
	}
	transport := c.Transport
	if transport == nil {
		transport = stsquery.NewTransport()
	}
	fetch.Retry(ctx, callPause, func() (again bool) {
		tries--
		ctx := ctx
		if tries > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, tryTimeout)
			defer cancel()
		}
		try := req.Clone(ctx)
		if try.Body, err = req.GetBody(); err != nil {
			return false
		}
		err = stsquery.Call(transport, try, read)
		return tries > 0 && stsquery.Again(err) && req.Context().Err() == nil
	})
	if err != nil && ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		return fmt.Errorf("%w (%w)", ctx.Err(), err)
	}
	return err
}

// A sourceError is why the keys to ask with, or the MFA code, are not there. It is
// never ErrNoCredentials: the sources behind it in a chain would sign as somebody
// else.
type sourceError struct{ error }

func (e sourceError) Error() string { return strings.TrimPrefix(e.error.Error(), "awsauth: ") }

func (e sourceError) Unwrap() error {
	if errors.Is(e.error, awsauth.ErrNoCredentials) {
		return nil
	}
	return e.error
}

var errNoEndpoint = errors.New("the endpoint is not a plain http URL: set Endpoint like https://sts.eu-west-1.amazonaws.com, or leave it empty")

// endpoint returns the URL to ask and the region to sign for.
func (c Client) endpoint() (endpoint, region string, err error) {
	get := c.Getenv
	if get == nil {
		get = os.Getenv
	}
	region = cmp.Or(c.Region, strings.TrimSpace(get("AWS_REGION")), strings.TrimSpace(get("AWS_DEFAULT_REGION")), c.home)
	if c.Endpoint != "" {
		u, err := url.Parse(c.Endpoint)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || strings.ContainsAny(c.Endpoint, "?#") {
			return "", "", errNoEndpoint
		}
		if c.Region == "" { // AWS's hosts tell
			if service, own, err := awsauth.Scope(u); err == nil && service == "sts" {
				region = own
			}
		}
		return c.Endpoint, cmp.Or(region, globalRegion), nil
	}
	if region == "" {
		return "https://sts.amazonaws.com/", globalRegion, nil
	}
	host := partition.Host("sts", region)
	if host == "" {
		return "", "", fmt.Errorf("%q is not a region of AWS: set Region or AWS_REGION like eu-west-1, or set Endpoint", region)
	}
	return "https://" + host + "/", region, nil
}

// globalRegion is what sts.amazonaws.com is signed for.
const globalRegion = "us-east-1"
