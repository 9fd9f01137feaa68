package sts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-awsauth/awsauth"
	"github.com/go-awsauth/awsauth/awsauthtest"
)

const role = "arn:aws:iam::123456789012:role/team/reader"

func fakeSTS(t *testing.T) *awsauthtest.STS {
	fake := awsauthtest.NewSTS()
	t.Cleanup(fake.Close)
	return fake
}

func envOf(pairs ...string) func(string) string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return func(name string) string { return m[name] }
}

func same(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got\n%s\nwant\n%s", what, got, want)
	}
}

// What is sent of each field.
func TestParameters(t *testing.T) {
	for name, c := range map[string]struct {
		role AssumeRole
		want string // after RoleArn
	}{
		"nothing": {want: "RoleSessionName=awsauth"},
		"all": {
			role: AssumeRole{
				SessionName:       "me@host",
				Duration:          15 * time.Minute,
				ExternalID:        "a/b:1",
				Policy:            `{"Version":"2012-10-17"}`,
				PolicyARNs:        []string{"arn:aws:iam::aws:policy/B", "arn:aws:iam::aws:policy/A"},
				Tags:              map[string]string{"team": "é&=", "a": "", "Cost Center": "1"},
				TransitiveTagKeys: []string{"team", "a"},
				SourceIdentity:    "alice",
				MFASerial:         "arn:aws:iam::123456789012:mfa/me",
				TokenCode:         func(context.Context) (string, error) { return " 012345\n", nil },
			},
			want: `DurationSeconds=900 ExternalId=a/b:1 Policy={"Version":"2012-10-17"} ` +
				"PolicyArns.member.1.arn=arn:aws:iam::aws:policy/B PolicyArns.member.2.arn=arn:aws:iam::aws:policy/A " +
				"RoleSessionName=me@host SerialNumber=arn:aws:iam::123456789012:mfa/me SourceIdentity=alice " +
				"Tags.member.1.Key=Cost Center Tags.member.1.Value=1 Tags.member.2.Key=a Tags.member.2.Value= Tags.member.3.Key=team Tags.member.3.Value=é&= " +
				"TokenCode=012345 TransitiveTagKeys.member.1=team TransitiveTagKeys.member.2=a",
		},
		"12 hours": {role: AssumeRole{Duration: 12 * time.Hour}, want: "DurationSeconds=43200 RoleSessionName=awsauth"},
	} {
		t.Run(name, func(t *testing.T) {
			fake := fakeSTS(t)
			c.role.RoleARN, c.role.Source, c.role.Endpoint = role, fake.Caller, fake.URL
			got, err := c.role.Retrieve(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			want := fake.Credentials
			life := c.role.Duration
			if life == 0 {
				life = time.Hour
			}
			if left := time.Until(got.Expires); left < life-10*time.Second || left > life {
				t.Errorf("the keys live for %v, want %v", left, life)
			}
			if want.Expires = got.Expires; got != want {
				t.Errorf("got %v", got)
			}
			req := fake.Requests()[0]
			body, _ := io.ReadAll(req.Body)
			var parts []string
			for part := range strings.SplitSeq(string(body), "&") { // in the order in which they came
				key, _, _ := strings.Cut(part, "=")
				if key != "Action" && key != "Version" && key != "RoleArn" {
					parts = append(parts, key+"="+req.Form.Get(key))
				}
			}
			same(t, "parameters", strings.Join(parts, " "), c.want)
			if req.Method != "POST" || req.Form.Get("Action") != "AssumeRole" || req.Form.Get("RoleArn") != role {
				t.Errorf("got %s %s", req.Method, body)
			}
			if signed := req.Header.Get("Authorization"); !strings.Contains(signed, "/sts/aws4_request") || !strings.Contains(signed, "content-type;host;x-amz-date,") {
				t.Errorf("signed as %s", signed)
			}
		})
	}
}

// What is refused before anybody is asked.
func TestRefusals(t *testing.T) {
	code := func(context.Context) (string, error) { return "123456", nil }
	for _, c := range []struct {
		role AssumeRole
		err  string
	}{
		{AssumeRole{}, "set RoleARN"},
		{AssumeRole{RoleARN: "reader"}, "set it like arn:"},
		{AssumeRole{RoleARN: role + "\n"}, "set it like arn:"},
		{AssumeRole{RoleARN: role, SessionName: "a"}, "SessionName"},
		{AssumeRole{RoleARN: role, SessionName: "a b"}, "SessionName"},
		{AssumeRole{RoleARN: role, SessionName: "zoë"}, "SessionName"},
		{AssumeRole{RoleARN: role, SessionName: strings.Repeat("a", 65)}, "SessionName"},
		{AssumeRole{RoleARN: role, Duration: 899 * time.Second}, "Duration"},
		{AssumeRole{RoleARN: role, Duration: 12*time.Hour + time.Second}, "Duration"},
		{AssumeRole{RoleARN: role, Duration: time.Hour + time.Millisecond}, "Duration"},
		{AssumeRole{RoleARN: role, Duration: -time.Hour}, "Duration"},
		{AssumeRole{RoleARN: role, MFASerial: "x"}, "set TokenCode"},
		{AssumeRole{RoleARN: role, TokenCode: code}, "set MFASerial"},
		{AssumeRole{RoleARN: role, Region: "mars-north-1"}, "set Region"},
		{AssumeRole{RoleARN: role, Region: "aws-global"}, "set Region"},
		{AssumeRole{RoleARN: role, Region: "evil.example/us-east-1"}, "set Region"},
		{AssumeRole{RoleARN: role, Region: "x.us-east-1"}, "set Region"},
		{AssumeRole{RoleARN: role, Region: "US-EAST-1"}, "set Region"},
		{AssumeRole{RoleARN: role, Region: "mars-north-1", MFASerial: "x", TokenCode: func(context.Context) (string, error) {
			t.Error("a code was asked for in vain")
			return "", nil
		}}, "set Region"},
		{AssumeRole{RoleARN: role, Endpoint: "sts.amazonaws.com"}, "set Endpoint"},
		{AssumeRole{RoleARN: role, Endpoint: "ftp://h"}, "set Endpoint"},
		{AssumeRole{RoleARN: role, Endpoint: "https://user:SECRET@h"}, "set Endpoint"},
		{AssumeRole{RoleARN: role, Endpoint: "https://h/?q"}, "set Endpoint"},
		{AssumeRole{RoleARN: role, Endpoint: "https://h:SECRET"}, "set Endpoint"},
		{AssumeRole{RoleARN: role, Source: awsauth.Credentials{AccessKeyID: "A"}}, "set SecretAccessKey"},
		{AssumeRole{RoleARN: role, Source: awsauth.Credentials{AccessKeyID: "A", SecretAccessKey: "SECRET", Expires: time.Unix(0, 0)}}, "expired"},
		{AssumeRole{RoleARN: role, MFASerial: "x", TokenCode: func(context.Context) (string, error) { return "\n", nil }}, "no code"},
		{AssumeRole{RoleARN: role, MFASerial: "x", TokenCode: func(context.Context) (string, error) { return "", io.ErrUnexpectedEOF }}, "TokenCode: unexpected EOF"},
	} {
		c.role.Getenv = envOf()
		c.role.Transport = roundTripper(func(*http.Request) (*http.Response, error) {
			t.Errorf("%q: a request was sent", c.err)
			return nil, io.EOF
		})
		if c.role.Source == nil {
			c.role.Source = awsauth.Credentials{AccessKeyID: "A", SecretAccessKey: "SECRET"}
		}
		got, err := c.role.Retrieve(t.Context())
		if err == nil || got != (awsauth.Credentials{}) || !strings.Contains(err.Error(), c.err) || errors.Is(err, awsauth.ErrNoCredentials) {
			t.Errorf("got %v, %v; want an error with %q", got, err, c.err)
			continue
		}
		if text := err.Error(); !strings.HasPrefix(text, "awsauth: assuming ") || strings.Contains(text, "SECRET") || strings.Count(text, "awsauth:") > 1 {
			t.Error(err)
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// Which host is asked, and for which region the request is signed.
func TestEndpoint(t *testing.T) {
	for _, c := range []struct {
		region, endpoint string
		env              []string
		want             string
	}{
		{want: "https://sts.amazonaws.com/ us-east-1"},
		{env: []string{"AWS_REGION", "eu-west-1", "AWS_DEFAULT_REGION", "eu-west-2"}, want: "https://sts.eu-west-1.amazonaws.com/ eu-west-1"},
		{env: []string{"AWS_REGION", " ", "AWS_DEFAULT_REGION", "eu-west-2\n"}, want: "https://sts.eu-west-2.amazonaws.com/ eu-west-2"},
		{region: "ap-south-1", env: []string{"AWS_REGION", "eu-west-1"}, want: "https://sts.ap-south-1.amazonaws.com/ ap-south-1"},
		{region: "us-gov-west-1", want: "https://sts.us-gov-west-1.amazonaws.com/ us-gov-west-1"},
		{region: "cn-north-1", want: "https://sts.cn-north-1.amazonaws.com.cn/ cn-north-1"},
		{region: "eusc-de-east-1", want: "https://sts.eusc-de-east-1.amazonaws.eu/ eusc-de-east-1"},
		{region: "us-iso-east-1", want: "https://sts.us-iso-east-1.c2s.ic.gov/ us-iso-east-1"},
		{region: "us-isob-east-1", want: "https://sts.us-isob-east-1.sc2s.sgov.gov/ us-isob-east-1"},
		{region: "eu-isoe-west-1", want: "https://sts.eu-isoe-west-1.cloud.adc-e.uk/ eu-isoe-west-1"},
		{region: "us-isof-south-1", want: "https://sts.us-isof-south-1.csp.hci.ic.gov/ us-isof-south-1"},
		{endpoint: "https://vpce-1-2.sts.eu-west-3.vpce.amazonaws.com", env: []string{"AWS_REGION", "us-west-2"}, want: "https://vpce-1-2.sts.eu-west-3.vpce.amazonaws.com eu-west-3"},
		{endpoint: "http://localhost:4566", want: "http://localhost:4566 us-east-1"},
		{endpoint: "http://localhost:4566", env: []string{"AWS_REGION", "us-west-2"}, want: "http://localhost:4566 us-west-2"},
		{endpoint: "http://localhost:4566", region: "garage", want: "http://localhost:4566 garage"},
	} {
		endpoint, region, err := Client{Region: c.region, Endpoint: c.endpoint, Getenv: envOf(c.env...)}.endpoint()
		if got := endpoint + " " + region; err != nil || got != c.want {
			t.Errorf("%+v: got %s, %v", c, got, err)
		}
	}
}

// The fake holds the signature against the region that the host names.
func TestRegions(t *testing.T) {
	for _, region := range []string{"", "eu-west-1", "cn-northwest-1"} {
		fake := fakeSTS(t)
		fake.Region = region
		if region == "" {
			fake.Region = "us-east-1"
		}
		client := Client{Credentials: fake.Caller, Region: region, Getenv: envOf(), Transport: fake.Transport()}
		if who, err := client.GetCallerIdentity(t.Context()); err != nil || who.ARN != "arn:aws:iam::123456789012:user/test" || who.Account != "123456789012" || who.UserID == "" {
			t.Errorf("%s: %+v, %v", region, who, err)
		}
	}
}

// A reply to AssumeRole with parts put in.
func reply(key, secret, token, expiration string) string {
	return fmt.Sprintf(`<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>`+
		`<AccessKeyId>%s</AccessKeyId><SecretAccessKey>%s</SecretAccessKey><SessionToken>%s</SessionToken><Expiration>%s</Expiration>`+
		`</Credentials></AssumeRoleResult></AssumeRoleResponse>`, key, secret, token, expiration)
}

func TestFaults(t *testing.T) {
	late := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	good := reply("FAULTKEY", "FAULT", "FAULT", late)
	for name, c := range map[string]struct {
		fault awsauthtest.Fault
		mfa   bool
		tries int
		err   string // "": it works
	}{
		"none":                {tries: 1},
		"500, then good":      {fault: awsauthtest.Times(2, awsauthtest.Status(500)), tries: 3},
		"429, then good":      {fault: awsauthtest.Times(1, awsauthtest.Status(429)), tries: 2},
		"throttled":           {fault: awsauthtest.Times(1, awsauthtest.STSError(400, "Throttling")), tries: 2},
		"reset, then good":    {fault: awsauthtest.Times(2, awsauthtest.Reset), tries: 3},
		"truncated once":      {fault: awsauthtest.Times(1, awsauthtest.Truncate), tries: 2},
		"500":                 {fault: awsauthtest.Status(500), tries: 3, err: "status 500"},
		"503 with a code":     {fault: awsauthtest.STSError(503, "ServiceUnavailable"), tries: 3, err: "status 503, ServiceUnavailable"},
		"429":                 {fault: awsauthtest.Status(429), tries: 3, err: "status 429"},
		"reset":               {fault: awsauthtest.Reset, tries: 3, err: "connection"},
		"truncated":           {fault: awsauthtest.Truncate, tries: 3, err: "connection"},
		"401":                 {fault: awsauthtest.Status(401), tries: 1, err: "status 401"},
		"403":                 {fault: awsauthtest.STSError(403, "AccessDenied"), tries: 1, err: "status 403, AccessDenied"},
		"404":                 {fault: awsauthtest.Status(404), tries: 1, err: "status 404"},
		"odd code":            {fault: awsauthtest.STSError(400, "FAULT FAULT"), tries: 1, err: "status 400"},
		"expired source":      {fault: awsauthtest.STSError(403, "ExpiredToken"), tries: 1, err: "status 403, ExpiredToken"},
		"redirect":            {fault: awsauthtest.Redirect("http://127.0.0.1:1/"), tries: 1, err: "status 307"},
		"huge":                {fault: awsauthtest.Huge, tries: 1, err: "too long"},
		"empty":               {fault: awsauthtest.Reply(""), tries: 1, err: "XML"},
		"JSON":                {fault: awsauthtest.Reply(`{"FAULT":1}`), tries: 1, err: "XML"},
		"HTML":                {fault: awsauthtest.Reply(`<html>FAULT</html>`), tries: 1, err: "XML"},
		"half":                {fault: awsauthtest.Reply(good[:200]), tries: 1, err: "XML"},
		"no credentials":      {fault: awsauthtest.Reply(`<AssumeRoleResponse/>`), tries: 1, err: "lacks"},
		"no key":              {fault: awsauthtest.Reply(reply("", "FAULT", "FAULT", late)), tries: 1, err: "lacks"},
		"no secret":           {fault: awsauthtest.Reply(reply("FAULT", "", "FAULT", late)), tries: 1, err: "lacks"},
		"no token":            {fault: awsauthtest.Reply(reply("FAULT", "FAULT", "", late)), tries: 1, err: "lacks"},
		"no expiration":       {fault: awsauthtest.Reply(strings.Replace(good, "<Expiration>"+late+"</Expiration>", "", 1)), tries: 1, err: "lacks"},
		"odd expiration":      {fault: awsauthtest.Reply(reply("FAULT", "FAULT", "FAULT", "FAULT")), tries: 1, err: "XML"},
		"expired":             {fault: awsauthtest.Reply(reply("FAULT", "FAULT", "FAULT", "2020-01-01T00:00:00Z")), tries: 1, err: "expired at 2020"},
		"MFA":                 {mfa: true, tries: 1},
		"MFA, 500":            {mfa: true, fault: awsauthtest.Times(1, awsauthtest.Status(500)), tries: 1, err: "status 500"},
		"MFA, reset":          {mfa: true, fault: awsauthtest.Times(1, awsauthtest.Reset), tries: 1, err: "connection"},
		"MFA, throttled":      {mfa: true, fault: awsauthtest.Times(1, awsauthtest.STSError(400, "Throttling")), tries: 1, err: "Throttling"},
		"another's signature": {fault: awsauthtest.STSError(403, "SignatureDoesNotMatch"), tries: 1, err: "SignatureDoesNotMatch"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := fakeSTS(t)
			fake.Fault = c.fault
			asked := 0
			a := &AssumeRole{RoleARN: role, Endpoint: fake.URL, ExternalID: "SECRET-id", Source: awsauth.ProviderFunc(func(context.Context) (awsauth.Credentials, error) {
				asked++
				return fake.Caller, nil
			})}
			if c.mfa {
				a.MFASerial = "arn:aws:iam::123456789012:mfa/me"
				a.TokenCode = func(context.Context) (string, error) { return "123456", nil }
			}
			start := time.Now()
			got, err := a.Retrieve(t.Context())
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("took %v", took)
			}
			if n := len(fake.Requests()); n != c.tries || asked != 1 {
				t.Errorf("%d requests and %d of the source, want %d and 1", n, asked, c.tries)
			}
			if c.err == "" {
				if err != nil || got.SecretAccessKey != fake.Credentials.SecretAccessKey {
					t.Errorf("got %v, %v", got, err)
				}
				return
			}
			if err == nil || got != (awsauth.Credentials{}) || !strings.Contains(err.Error(), c.err) || errors.Is(err, awsauth.ErrNoCredentials) {
				t.Fatalf("got %v, %v; want an error with %q", got, err, c.err)
			}
			for _, leak := range []string{"FAULT", "SECRET", "123456\"", fake.Caller.SecretAccessKey, fake.Credentials.SecretAccessKey} {
				if strings.Contains(err.Error(), leak) {
					t.Errorf("the error has %q: %v", leak, err)
				}
			}
		})
	}
}

func TestIdentityFaults(t *testing.T) {
	const open, end = `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>`, `</GetCallerIdentityResult></GetCallerIdentityResponse>`
	for _, c := range []struct {
		fault awsauthtest.Fault
		tries int
		err   string
	}{
		{awsauthtest.Status(403), 1, "status 403"},
		{awsauthtest.Status(500), 3, "status 500"},
		{awsauthtest.Reset, 3, "connection"},
		{awsauthtest.Huge, 1, "too long"},
		{awsauthtest.Reply(open + end), 1, "lacks"},
		{awsauthtest.Reply(open + "<Arn>FAULT</Arn><UserId>FAULT</UserId>" + end), 1, "lacks"},
		{awsauthtest.Reply(open + "<Arn>FAULT</Arn><Account>FAULT</Account>" + end), 1, "lacks"},
		{awsauthtest.Reply(open + "<UserId>FAULT</UserId><Account>FAULT</Account>" + end), 1, "lacks"},
		{awsauthtest.Reply("<html>FAULT</html>"), 1, "XML"},
	} {
		fake := fakeSTS(t)
		fake.Fault = c.fault
		who, err := Client{Endpoint: fake.URL, Credentials: fake.Caller}.GetCallerIdentity(t.Context())
		if err == nil || who != (Identity{}) || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "FAULT") || !strings.HasPrefix(err.Error(), "awsauth: ") {
			t.Errorf("got %v, %v; want an error with %q", who, err, c.err)
		}
		if n := len(fake.Requests()); n != c.tries {
			t.Errorf("%s: %d requests, want %d", c.err, n, c.tries)
		}
	}
}

// A chain never goes on behind a role that has no keys to ask with.
func TestChainStops(t *testing.T) {
	none := awsauth.Env{Getenv: envOf()}
	other := awsauth.Credentials{AccessKeyID: "OTHER", SecretAccessKey: "SECRET"}
	got, err := awsauth.Chain{&AssumeRole{RoleARN: role, Source: none, Region: "eu-west-1"}, other}.Retrieve(t.Context())
	if err == nil || got != (awsauth.Credentials{}) || errors.Is(err, awsauth.ErrNoCredentials) || !strings.Contains(err.Error(), "AWS_ACCESS_KEY_ID") {
		t.Errorf("got %v, %v", got, err)
	}
	// What else went wrong with the source can be told.
	broken := awsauth.ProviderFunc(func(context.Context) (awsauth.Credentials, error) { return awsauth.Credentials{}, io.ErrNoProgress })
	if _, err := (AssumeRole{RoleARN: role, Source: broken, Region: "eu-west-1"}).Retrieve(t.Context()); !errors.Is(err, io.ErrNoProgress) {
		t.Error(err)
	}
}

// Where nobody answers a call ends after thirty seconds, and with its context.
func TestBounds(t *testing.T) {
	for name, c := range map[string]struct {
		mfa    bool
		cancel time.Duration // 0: never
		tries  int
		most   time.Duration
		err    error
	}{
		"hang":            {tries: 3, most: 30 * time.Second, err: context.DeadlineExceeded},
		"MFA":             {tries: 1, mfa: true, most: 30 * time.Second, err: context.DeadlineExceeded},
		"cancelled":       {tries: 1, cancel: 3 * time.Second, most: 3 * time.Second, err: context.Canceled},
		"cancelled later": {tries: 2, cancel: 13 * time.Second, most: 13 * time.Second, err: context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if c.cancel > 0 {
					time.AfterFunc(c.cancel, cancel)
				}
				tries := 0
				a := AssumeRole{
					RoleARN: role,
					Region:  "eu-west-1",
					Source:  awsauth.Credentials{AccessKeyID: "A", SecretAccessKey: "S"},
					Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
						tries++
						<-req.Context().Done()
						return nil, req.Context().Err()
					}),
				}
				if c.mfa {
					a.MFASerial = "x"
					a.TokenCode = func(context.Context) (string, error) {
						time.Sleep(time.Minute) // a person looks for the device
						return "123456", nil
					}
					c.most += time.Minute
				}
				start := time.Now()
				_, err := a.Retrieve(ctx)
				if took := time.Since(start); took > c.most || tries != c.tries || !errors.Is(err, c.err) {
					t.Errorf("%d tries, %v after %v", tries, err, took)
				}
			})
		})
	}
}

// The keys come back as they were, by value and by pointer, and through a cache
// STS is asked once.
func TestCached(t *testing.T) {
	fake := fakeSTS(t)
	a := AssumeRole{RoleARN: role, Source: fake.Caller, Endpoint: fake.URL}
	for _, p := range []awsauth.Provider{a, &a} {
		cached := awsauth.Cache(p)
		before := len(fake.Requests())
		for range 5 {
			if _, err := cached.Retrieve(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(fake.Requests()) - before; n != 1 {
			t.Errorf("%T: %d requests", p, n)
		}
	}
	// Without one, every time.
	before := len(fake.Requests())
	a.Retrieve(t.Context())
	a.Retrieve(t.Context())
	if n := len(fake.Requests()) - before; n != 2 {
		t.Errorf("%d requests", n)
	}
}

// A role of another partition is asked for there, where nothing names a region.
func TestRoleOfAnotherPartition(t *testing.T) {
	for arn, host := range map[string]string{
		"arn:aws-cn:iam::123456789012:role/r": "sts.cn-northwest-1.amazonaws.com.cn",
		"arn:aws:iam::123456789012:role/r":    "sts.amazonaws.com",
		"arn:minio:iam::123456789012:role/r":  "sts.amazonaws.com",
	} {
		asked := ""
		a := AssumeRole{RoleARN: arn, Source: awsauth.Credentials{AccessKeyID: "A", SecretAccessKey: "S"},
			Getenv: func(string) string { return "" },
			Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				asked = r.URL.Host
				return nil, errors.New("no")
			})}
		if _, err := a.Retrieve(t.Context()); err == nil || asked != host {
			t.Errorf("%s: asked %q, %v; want %s", arn, asked, err, host)
		}
	}
}

// Without Source the default chain asks.
func TestDefaultSource(t *testing.T) {
	fake := fakeSTS(t)
	t.Setenv("AWS_ACCESS_KEY_ID", fake.Caller.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", fake.Caller.SecretAccessKey)
	t.Setenv("AWS_SESSION_TOKEN", "")
	t.Setenv("AWS_REGION", "eu-west-1")
	fake.Region = "eu-west-1"
	if _, err := (AssumeRole{RoleARN: role, Endpoint: fake.URL}).Retrieve(t.Context()); err != nil {
		t.Error(err)
	}
	c := Client{Transport: fake.Transport()}
	if who, err := c.GetCallerIdentity(t.Context()); err != nil || who.UserID == "" || fake.Requests()[1].Host != "sts.eu-west-1.amazonaws.com" {
		t.Errorf("%v, %v", who, err)
	}
}

func TestNothingPrints(t *testing.T) {
	keys := awsauth.Credentials{AccessKeyID: "A", SecretAccessKey: "SECRET", SessionToken: "SECRET"}
	a := AssumeRole{RoleARN: role, ExternalID: "SECRET", Source: keys}
	for _, v := range []any{a, &a, Client{Credentials: keys}, struct{ P awsauth.Provider }{a}, struct{ P awsauth.Provider }{&a}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
			if text := fmt.Sprintf(verb, v); strings.Contains(text, "SECRET") || strings.Contains(text, "534543524554") {
				t.Errorf("%s of %T: %s", verb, v, text)
			}
		}
		if text, err := json.Marshal(v); strings.Contains(string(text)+fmt.Sprint(err), keys.SecretAccessKey) {
			t.Errorf("JSON of %T: %s, %v", v, text, err)
		}
	}
}
