package profile

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"time"

	"github.com/go-awsauth/awsauth"
	"github.com/go-awsauth/awsauth/internal/fetch"
	"github.com/go-awsauth/awsauth/internal/partition"
	"github.com/go-awsauth/awsauth/internal/stsquery"
)

const (
	ssoTimeout = 5 * time.Second // each try
	ssoPause   = 200 * time.Millisecond
)

// An ssoLogin is what a profile says of IAM Identity Center.
type ssoLogin struct {
	from                  Provider
	profile               string
	account, role, region string
	tokenFile             string
}

// sso reads the SSO settings of a profile, in the form with an sso_session or in
// the older one without.
func (s *shared) sso(name string, prof settings) (*ssoLogin, error) {
	region, start, cached := prof.get("sso_region"), prof.get("sso_start_url"), prof.get("sso_start_url")
	if session := prof.get("sso_session"); session != "" {
		of, ok := s.sessions[session]
		if !ok {
			return nil, fmt.Errorf("there is no [sso-session %s] in %s", session, s.configFile)
		}
		for _, p := range []string{"sso_region", "sso_start_url"} {
			if v := prof.get(p); v != "" && v != of.get(p) {
				return nil, fmt.Errorf("%s is not that of [sso-session %s]: remove it from the profile", p, session)
			}
		}
		region, start, cached = of.get("sso_region"), of.get("sso_start_url"), session
	}
	login := &ssoLogin{
		from:    s.from,
		profile: name,
		account: prof.get("sso_account_id"),
		role:    prof.get("sso_role_name"),
		region:  region,
	}
	for _, p := range []struct{ name, value string }{
		{"sso_account_id", login.account}, {"sso_role_name", login.role}, {"sso_region", region}, {"sso_start_url", start},
	} {
		if p.value == "" {
			return nil, fmt.Errorf("it uses SSO and has no %s: set it, or run: aws configure sso --profile %s", p.name, name)
		}
	}
	if s.home == "" {
		return nil, errors.New("the SSO token is in the home directory: set HOME")
	}
	sum := sha1.Sum([]byte(cached)) // a file's name, as the AWS CLI makes it
	login.tokenFile = filepath.Join(s.home, ".aws", "sso", "cache", hex.EncodeToString(sum[:])+".json")
	return login, nil
}

// Retrieve trades the token that `aws sso login` left for the role's keys.
func (l *ssoLogin) Retrieve(ctx context.Context) (awsauth.Credentials, error) {
	host := partition.Host("portal.sso", l.region)
	if host == "" {
		return awsauth.Credentials{}, fmt.Errorf("sso_region %q is not a region of AWS", l.region)
	}
	token, err := l.token()
	if err != nil {
		return awsauth.Credentials{}, err
	}
	query := url.Values{"account_id": {l.account}, "role_name": {l.role}}
	status, body, err := l.get(ctx, "https://"+host+"/federation/credentials?"+query.Encode(), token)
	switch {
	case err != nil:
		return awsauth.Credentials{}, fmt.Errorf("SSO, role keys: %w", err)
	case status == http.StatusUnauthorized:
		return awsauth.Credentials{}, l.login("is no longer taken")
	case status == http.StatusForbidden, status == http.StatusNotFound:
		return awsauth.Credentials{}, fmt.Errorf("SSO, role keys: status %d: this login has no such role: see sso_account_id and sso_role_name", status)
	case status != http.StatusOK:
		return awsauth.Credentials{}, fmt.Errorf("SSO, role keys: status %d", status)
	}
	var reply struct {
		RoleCredentials struct {
			AccessKeyID, SecretAccessKey, SessionToken string
			Expiration                                 int64 // in milliseconds
		}
	}
	r := &reply.RoleCredentials
	// The decoder's own error may quote the reply.
	if json.Unmarshal(body, &reply) != nil {
		return awsauth.Credentials{}, errors.New("SSO, role keys: the reply is not the JSON it should be")
	}
	if r.AccessKeyID == "" || r.SecretAccessKey == "" || r.SessionToken == "" || r.Expiration <= 0 {
		return awsauth.Credentials{}, errors.New("SSO, role keys: the reply lacks accessKeyId, secretAccessKey, sessionToken or expiration")
	}
	return usable(ctx, awsauth.Credentials{
		AccessKeyID:     r.AccessKeyID,
		SecretAccessKey: r.SecretAccessKey,
		SessionToken:    r.SessionToken,
		Expires:         time.UnixMilli(r.Expiration),
	})
}

// login is the error about a token that only the user can renew.
func (l *ssoLogin) login(what string) error {
	return fmt.Errorf("the SSO token %s: run: aws sso login --profile %s", what, l.profile)
}

// token reads the token that `aws sso login` left.
func (l *ssoLogin) token() (string, error) {
	text, err := l.from.readFile(l.tokenFile)
	if absent(err) {
		return "", l.login("is not there")
	}
	if err != nil {
		return "", err
	}
	var cached struct{ AccessToken, ExpiresAt string }
	if json.Unmarshal(text, &cached) != nil || cached.AccessToken == "" {
		return "", l.login("can't be read from " + l.tokenFile)
	}
	end, err := time.Parse(time.RFC3339, cached.ExpiresAt)
	if err != nil { // as the AWS CLI wrote it for a while
		end, err = time.Parse("2006-01-02T15:04:05UTC", cached.ExpiresAt)
	}
	if err != nil {
		return "", l.login("can't be read from " + l.tokenFile)
	}
	if !time.Now().Round(0).Before(end) {
		return "", l.login("expired at " + end.UTC().Format(time.RFC3339))
	}
	return cached.AccessToken, nil
}

// get repeats a request that met a busy service.
func (l *ssoLogin) get(ctx context.Context, address, token string) (status int, body []byte, err error) {
	t := l.from.Transport
	if t == nil {
		t = stsquery.NewTransport() // it is on the internet, as STS is
	}
	fetch.Retry(ctx, ssoPause, func() (again bool) {
		status, body, err = getOnce(ctx, t, address, token)
		return fetch.Again(status, err) && ctx.Err() == nil
	})
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	return status, body, err
}

func getOnce(ctx context.Context, t http.RoundTripper, address, token string) (int, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, ssoTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("X-Amz-Sso_bearer_token", token)
	req.Header.Set("Accept", "application/json")
	return fetch.Do(t, req)
}
