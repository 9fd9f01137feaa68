package awsauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-awsauth/awsauth/internal/fetch"
	"github.com/go-awsauth/awsauth/internal/partition"
	"github.com/go-awsauth/awsauth/internal/stsquery"
)

// A webIdentity is what the environment says of a role that is assumed with a
// token, as on EKS (IAM roles for service accounts).
type webIdentity struct {
	tokenFile, roleARN, sessionName, region string
}

const (
	webIdentityTimeout = 30 * time.Second // a whole fetch
	webIdentityTry     = 10 * time.Second // one try
	webIdentityPause   = 500 * time.Millisecond
)

func (w webIdentity) fetch(parent context.Context, e Env) (Credentials, error) {
	ctx, cancel := context.WithTimeout(parent, webIdentityTimeout)
	defer cancel()
	keys, err := w.assume(ctx, e)
	if parent.Err() != nil && err != nil {
		err = parent.Err()
	}
	if err != nil {
		return Credentials{}, fmt.Errorf("awsauth: web identity: %w", err)
	}
	return keys, nil
}

func (w webIdentity) assume(ctx context.Context, e Env) (Credentials, error) {
	switch {
	case w.tokenFile == "":
		return Credentials{}, errors.New("AWS_ROLE_ARN is set and the token's file is not: set AWS_WEB_IDENTITY_TOKEN_FILE")
	case w.roleARN == "":
		return Credentials{}, errors.New("AWS_WEB_IDENTITY_TOKEN_FILE is set and the role is not: set AWS_ROLE_ARN")
	case w.sessionName == "":
		w.sessionName = "awsauth-" + strconv.FormatInt(time.Now().UnixNano(), 10)
	case !stsquery.IsSessionName(w.sessionName):
		return Credentials{}, errors.New("AWS_ROLE_SESSION_NAME is not a session name: set 2 to 64 letters, digits and _+=,.@-")
	}
	endpoint, err := w.endpoint()
	if err != nil {
		return Credentials{}, err
	}
	t := e.Transport
	if t == nil {
		t = stsquery.NewTransport()
	}

	var reply stsquery.Credentials
	fetch.Retry(ctx, webIdentityPause, func() bool {
		reply, err = w.ask(ctx, e, t, endpoint)
		return stsquery.Again(err)
	})
	switch {
	case err != nil:
		return Credentials{}, err
	case reply.AccessKeyID == "" || reply.SecretAccessKey == "" || reply.SessionToken == "" || reply.Expiration.IsZero():
		return Credentials{}, errors.New("the reply lacks AccessKeyId, SecretAccessKey, SessionToken or Expiration")
	}
	return Credentials{
		AccessKeyID:     reply.AccessKeyID,
		SecretAccessKey: reply.SecretAccessKey,
		SessionToken:    reply.SessionToken,
		Expires:         reply.Expiration,
	}, nil
}

// ask is one try. It reads the token anew: a refused one may have been replaced.
func (w webIdentity) ask(ctx context.Context, e Env, t http.RoundTripper, endpoint string) (stsquery.Credentials, error) {
	ctx, cancel := context.WithTimeout(ctx, webIdentityTry)
	defer cancel()
	token, err := e.readToken("AWS_WEB_IDENTITY_TOKEN_FILE", w.tokenFile)
	if err != nil {
		return stsquery.Credentials{}, err
	}
	req, err := stsquery.NewRequest(ctx, endpoint, "AssumeRoleWithWebIdentity", url.Values{
		"RoleArn":          {w.roleARN},
		"RoleSessionName":  {w.sessionName},
		"WebIdentityToken": {strings.TrimSpace(token)},
	})
	if err != nil {
		return stsquery.Credentials{}, err
	}
	var reply stsquery.Credentials
	err = stsquery.Call(t, req, reply.Of("AssumeRoleWithWebIdentity"))
	return reply, err
}

// endpoint returns the STS of the region, or that of the role's partition. A token
// is sent to no other partition: its role can't be there.
func (w webIdentity) endpoint() (string, error) {
	arn := strings.Split(w.roleARN, ":") // arn:aws:iam::123456789012:role/name
	if len(arn) < 6 || arn[0] != "arn" || partition.Named(arn[1]) == 0 {
		return "", errors.New("AWS_ROLE_ARN is not a role's: set it to one like arn:aws:iam::123456789012:role/name")
	}
	p, region := partition.Named(arn[1]), w.region
	if region == "" {
		region = p.Region()
	}
	if partition.OfRegion(region) != p {
		return "", fmt.Errorf("the region %q is not of the partition of AWS_ROLE_ARN, %s: set AWS_REGION to one that is", region, arn[1])
	}
	return "https://" + partition.Host("sts", region) + "/", nil
}
