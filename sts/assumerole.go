package sts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-awsauth/awsauth"
	"github.com/go-awsauth/awsauth/internal/partition"
	"github.com/go-awsauth/awsauth/internal/stsquery"
)

// AssumeRole is the [awsauth.Provider] of a role that the keys of another source
// may act as.
//
// It asks STS at every Retrieve, so wrap it in [awsauth.Cache] and keep that:
//
//	role := awsauth.Cache(&sts.AssumeRole{
//		RoleARN: "arn:aws:iam::123456789012:role/reader",
//		Region:  "eu-west-1",
//	})
//
// A call takes at most thirty seconds. It is tried three times where STS is busy
// or the connection breaks, and once where it has an MFA code, which is good
// for one. A failure of any kind, a Source without keys included, is not
// [awsauth.ErrNoCredentials]: a chain stops at it, and does not go on to sign as
// another than the role.
//
// See https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
type AssumeRole struct {
	RoleARN string

	// SessionName is what CloudTrail shows beside the role, 2 to 64 letters, digits
	// and characters of _+=,.@-. "": awsauth.
	SessionName string

	// Duration is how long the keys live, in whole seconds from 15 minutes to
	// what the role allows, 12 hours at most. 0: an hour, as STS has it.
	Duration time.Duration

	ExternalID        string            // what the role's trust policy asks for
	Policy            string            // a JSON policy that narrows the role
	PolicyARNs        []string          // managed policies that narrow it
	Tags              map[string]string // of the session
	TransitiveTagKeys []string          // those that go on to a role after this
	SourceIdentity    string            // who it is, and stays through all roles

	// MFASerial is the serial number or the ARN of an MFA device, and TokenCode
	// returns the code that it shows. It is called at every Retrieve, before the
	// thirty seconds begin; in a Cache it has a minute. Set both or neither.
	MFASerial string
	TokenCode func(ctx context.Context) (string, error)

	// Source has the keys to ask with. nil: the default chain, as
	// [awsauth.Sign4] has it.
	Source awsauth.Provider

	// Region is the region whose STS to ask, in any partition of AWS. "":
	// AWS_REGION, then AWS_DEFAULT_REGION, else the global endpoint,
	// sts.amazonaws.com, or for a role of another partition than "aws" that
	// partition's own region.
	Region string

	// Endpoint is the URL of STS, where it is not AWS's own for the region. "": it
	// is.
	Endpoint string

	Getenv    func(name string) string // nil: os.Getenv
	Transport http.RoundTripper        // nil: one that uses the environment's proxy
}

const defaultSessionName = "awsauth"

// Retrieve asks STS for new keys of the role.
func (a AssumeRole) Retrieve(ctx context.Context) (awsauth.Credentials, error) {
	params, err := a.params()
	if err != nil {
		return awsauth.Credentials{}, fmt.Errorf("awsauth: assuming a role: %w", err)
	}
	creds, err := a.retrieve(ctx, params)
	if err != nil {
		return awsauth.Credentials{}, fmt.Errorf("awsauth: assuming role %s: %w", a.RoleARN, err)
	}
	return creds, nil
}

// Format prints the role and nothing else.
func (a AssumeRole) Format(f fmt.State, verb rune) { fmt.Fprintf(f, "sts.AssumeRole{%q}", a.RoleARN) }

// params returns the fields as STS has them, without the MFA code.
func (a AssumeRole) params() (url.Values, error) {
	name := cmp.Or(a.SessionName, defaultSessionName)
	switch {
	case a.RoleARN == "":
		return nil, errors.New("there is none: set RoleARN")
	case !isARN(a.RoleARN):
		return nil, errors.New("RoleARN is not an ARN: set it like arn:aws:iam::123456789012:role/name")
	case !stsquery.IsSessionName(name):
		return nil, errors.New("the SessionName has to have 2 to 64 letters, digits and characters of _+=,.@-")
	case a.Duration != 0 && (a.Duration < 15*time.Minute || a.Duration > 12*time.Hour || a.Duration%time.Second != 0):
		return nil, errors.New("the Duration has to be 0 or whole seconds from 15 minutes to 12 hours")
	case a.MFASerial != "" && a.TokenCode == nil:
		return nil, errors.New("MFASerial needs a code: set TokenCode")
	case a.MFASerial == "" && a.TokenCode != nil:
		return nil, errors.New("TokenCode needs a device: set MFASerial")
	}
	params := url.Values{"RoleArn": {a.RoleARN}, "RoleSessionName": {name}}
	for name, value := range map[string]string{
		"ExternalId":     a.ExternalID,
		"Policy":         a.Policy,
		"SourceIdentity": a.SourceIdentity,
		"SerialNumber":   a.MFASerial,
	} {
		if value != "" {
			params.Set(name, value)
		}
	}
	if a.Duration != 0 {
		params.Set("DurationSeconds", strconv.Itoa(int(a.Duration/time.Second)))
	}
	for i, arn := range a.PolicyARNs {
		params.Set(fmt.Sprintf("PolicyArns.member.%d.arn", i+1), arn)
	}
	for i, key := range slices.Sorted(maps.Keys(a.Tags)) {
		params.Set(fmt.Sprintf("Tags.member.%d.Key", i+1), key)
		params.Set(fmt.Sprintf("Tags.member.%d.Value", i+1), a.Tags[key])
	}
	for i, key := range a.TransitiveTagKeys {
		params.Set(fmt.Sprintf("TransitiveTagKeys.member.%d", i+1), key)
	}
	return params, nil
}

func (a AssumeRole) retrieve(ctx context.Context, params url.Values) (awsauth.Credentials, error) {
	client := Client{Credentials: a.Source, Region: a.Region, Endpoint: a.Endpoint, Getenv: a.Getenv, Transport: a.Transport}
	if p := partition.Named(strings.Split(a.RoleARN, ":")[1]); p != partition.AWS && p != 0 {
		client.home = p.Region() // the global endpoint has no roles of other partitions
	}
	tries := callTries
	if a.TokenCode != nil {
		// Before a person is asked: is there a place to take the code to?
		if _, _, err := client.endpoint(); err != nil {
			return awsauth.Credentials{}, err
		}
		code, err := a.TokenCode(ctx)
		if err != nil {
			return awsauth.Credentials{}, fmt.Errorf("TokenCode: %w", sourceError{err})
		}
		if code = strings.TrimSpace(code); code == "" {
			return awsauth.Credentials{}, errors.New("TokenCode returned no code")
		}
		params.Set("TokenCode", code)
		tries = 1
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var got stsquery.Credentials
	if err := client.call(ctx, "AssumeRole", params, tries, got.Of("AssumeRole")); err != nil {
		return awsauth.Credentials{}, err
	}
	switch {
	case got.AccessKeyID == "" || got.SecretAccessKey == "" || got.SessionToken == "" || got.Expiration.IsZero():
		return awsauth.Credentials{}, errors.New("the reply lacks AccessKeyId, SecretAccessKey, SessionToken or Expiration")
	case !time.Now().Before(got.Expiration):
		return awsauth.Credentials{}, fmt.Errorf("STS returned keys that expired at %s: is the clock right?", got.Expiration.UTC().Format(time.RFC3339))
	}
	return awsauth.Credentials{
		AccessKeyID:     got.AccessKeyID,
		SecretAccessKey: got.SecretAccessKey,
		SessionToken:    got.SessionToken,
		Expires:         got.Expiration,
	}, nil
}

// isARN reports whether s is like arn:aws:iam::123456789012:role/name. It stands
// in errors, so it has to be printable. What is in it is for the server to say:
// others than AWS have roles too.
func isARN(s string) bool {
	return strings.HasPrefix(s, "arn:") && strings.Count(s, ":") >= 5 && len(s) <= 2048 &&
		strings.IndexFunc(s, func(c rune) bool { return c <= ' ' || c >= 0x7f }) < 0
}
