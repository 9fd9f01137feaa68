package interop

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	sdksts "github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/go-awsauth/awsauth"
	"github.com/go-awsauth/awsauth/awsauthtest"
	"github.com/go-awsauth/awsauth/sts"
)

// A source is one of the SDK's or one of ours.
type source func(ctx context.Context) (awsauth.Credentials, error)

func ofSDK(p aws.CredentialsProvider) source {
	return func(ctx context.Context) (awsauth.Credentials, error) {
		c, err := p.Retrieve(ctx)
		keys := awsauth.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}
		if c.CanExpire {
			keys.Expires = c.Expires
		}
		return keys, err
	}
}

// fetch asks a source, and fails the test where that takes too long.
func fetch(t *testing.T, s source) (awsauth.Credentials, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	keys, err := s(ctx)
	if ctx.Err() != nil {
		t.Fatalf("not done in time: %v", err)
	}
	return keys, err
}

// holds checks the keys of a source against those of the fake.
func holds(t *testing.T, s source, want awsauth.Credentials) {
	t.Helper()
	got, err := fetch(t, s)
	if err != nil {
		t.Fatal(err)
	}
	if got.AccessKeyID != want.AccessKeyID || got.SecretAccessKey != want.SecretAccessKey || got.SessionToken != want.SessionToken {
		t.Errorf("got %v, want %v", got, want)
	}
	if !got.Expires.Equal(want.Expires) {
		t.Errorf("expires %v, want %v", got.Expires, want.Expires)
	}
}

func refused(t *testing.T, s source, want string) {
	t.Helper()
	if got, err := fetch(t, s); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, %v; want an error with %q", got, err, want)
	}
}

func envOf(pairs ...string) func(string) string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return func(name string) string { return m[name] }
}

// ways lists the requests that a fake got, without repetition in a row.
func ways(requests []*http.Request) string {
	var seen []string
	for _, r := range requests {
		way := r.Method + " " + r.URL.Path
		if r.Header.Get("X-Aws-Ec2-Metadata-Token") != "" {
			way += " with token"
		}
		if len(seen) == 0 || seen[len(seen)-1] != way {
			seen = append(seen, way)
		}
	}
	return strings.Join(seen, ", ")
}

func TestEC2Metadata(t *testing.T) {
	const list = "/latest/meta-data/iam/security-credentials/"
	const v1 = "PUT /latest/api/token, GET " + list + ", GET " + list + "test-role"
	const v2 = "PUT /latest/api/token, GET " + list + " with token, GET " + list + "test-role with token"
	inAnHour := time.Now().Add(50 * time.Minute).Truncate(time.Second) // the SDK cuts longer lives to an hour
	for name, c := range map[string]struct {
		change func(f *awsauthtest.EC2Metadata)
		ways   string
		err    [2]string // of the SDK's source and of ours
	}{
		"version 2":           {ways: v2},
		"version 2 only":      {change: func(f *awsauthtest.EC2Metadata) { f.V1Disabled = true }, ways: v2},
		"version 1, 403":      {change: func(f *awsauthtest.EC2Metadata) { f.TokenStatus = 403 }, ways: v1},
		"version 1, 404":      {change: func(f *awsauthtest.EC2Metadata) { f.TokenStatus = 404 }, ways: v1},
		"version 1, 405":      {change: func(f *awsauthtest.EC2Metadata) { f.TokenStatus = 405 }, ways: v1},
		"busy once":           {change: func(f *awsauthtest.EC2Metadata) { f.Fault = awsauthtest.Times(1, awsauthtest.Status(503)) }},
		"no role":             {change: func(f *awsauthtest.EC2Metadata) { f.Role = "" }, err: [2]string{"StatusCode: 404", "no role"}},
		"a role not assumed":  {change: func(f *awsauthtest.EC2Metadata) { f.Code = "AssumeRoleUnauthorizedAccess" }, err: [2]string{"AssumeRoleUnauthorizedAccess", "AssumeRoleUnauthorizedAccess"}},
		"the token not found": {change: func(f *awsauthtest.EC2Metadata) { f.TokenStatus = 400 }, err: [2]string{"StatusCode: 400", "status 400"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for i, kind := range []string{"SDK", "awsauth"} {
				fake := awsauthtest.NewEC2Metadata()
				defer fake.Close()
				fake.Credentials.Expires = inAnHour
				if c.change != nil {
					c.change(fake)
				}
				s := source((&awsauth.EC2Role{Endpoint: fake.URL}).Retrieve)
				if kind == "SDK" {
					s = ofSDK(ec2rolecreds.New(func(o *ec2rolecreds.Options) {
						o.Client = imds.New(imds.Options{Endpoint: fake.URL})
					}))
				}
				t.Log(kind)
				if c.err[i] != "" {
					refused(t, s, c.err[i])
					continue
				}
				holds(t, s, fake.Credentials)
				if got := ways(fake.Requests()); c.ways != "" && got != c.ways {
					t.Errorf("%s: %s\nwant %s", kind, got, c.ways)
				}
			}
		})
	}
}

// The SDK's client goes on with a token that is good, and gets another where the
// fake refuses it.
func TestEC2Tokens(t *testing.T) {
	fake := awsauthtest.NewEC2Metadata()
	defer fake.Close()
	fake.V1Disabled = true
	fake.Credentials.Expires = time.Now().Add(50 * time.Minute).Truncate(time.Second)
	s := ofSDK(ec2rolecreds.New(func(o *ec2rolecreds.Options) { o.Client = imds.New(imds.Options{Endpoint: fake.URL}) }))
	for _, c := range []struct {
		name    string
		do      func()
		replace bool
	}{
		{"none yet", func() {}, true},
		{"good", func() {}, false},
		{"forgotten", fake.ForgetTokens, true},
		{"too old", func() {
			fake.Change(func() { fake.Now = func() time.Time { return time.Now().Add(6 * time.Hour) } })
		}, true},
	} {
		c.do()
		before := len(fake.Requests())
		t.Log(c.name)
		holds(t, s, fake.Credentials)
		if seen := ways(fake.Requests()[before:]); strings.Contains(seen, "PUT") != c.replace {
			t.Errorf("with a token that is %s: %s", c.name, seen)
		}
	}
}

func TestContainer(t *testing.T) {
	for name, c := range map[string]struct {
		change func(f *awsauthtest.Container)
		token  string
		err    [2]string // of the SDK's source and of ours
	}{
		"with a token":    {token: "container-token"},
		"no token wanted": {change: func(f *awsauthtest.Container) { f.AuthorizationToken = "" }},
		"long-term keys":  {change: func(f *awsauthtest.Container) { f.Credentials.Expires = time.Time{} }, token: "container-token"},
		"429 once":        {change: func(f *awsauthtest.Container) { f.Fault = awsauthtest.Times(1, awsauthtest.Status(429)) }, token: "container-token"},
		"500 once":        {change: func(f *awsauthtest.Container) { f.Fault = awsauthtest.Times(1, awsauthtest.Status(500)) }, token: "container-token"},
		"reset once":      {change: func(f *awsauthtest.Container) { f.Fault = awsauthtest.Times(1, awsauthtest.Reset) }, token: "container-token"},
		"another token":   {token: "x", err: [2]string{"Access Denied", "status 403"}},
		"no token":        {err: [2]string{"cannot be empty", "status 400"}},
		"another path":    {change: func(f *awsauthtest.Container) { f.Path = "/other" }, token: "container-token", err: [2]string{"404", "status 404"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for i, kind := range []string{"SDK", "awsauth"} {
				fake := awsauthtest.NewContainer()
				defer fake.Close()
				uri := fake.URL + fake.Path
				if c.change != nil {
					c.change(fake)
				}
				s := source(awsauth.Env{Getenv: envOf("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri, "AWS_CONTAINER_AUTHORIZATION_TOKEN", c.token)}.Retrieve)
				if kind == "SDK" {
					s = ofSDK(endpointcreds.New(uri, func(o *endpointcreds.Options) { o.AuthorizationToken = c.token }))
				}
				t.Log(kind)
				if c.err[i] != "" {
					refused(t, s, c.err[i])
					continue
				}
				holds(t, s, fake.Credentials)
			}
		})
	}
}

// The address of ECS leads to the fake through its transport.
func TestContainerRelative(t *testing.T) {
	fake := awsauthtest.NewContainer()
	defer fake.Close()
	fake.Path, fake.AuthorizationToken = "/v2/credentials/1", ""
	holds(t, awsauth.Env{Transport: fake.Transport(), Getenv: envOf("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", fake.Path)}.Retrieve, fake.Credentials)
	if host := fake.Requests()[0].Host; host != "169.254.170.2" {
		t.Errorf("asked of %s", host)
	}
}

const role = "arn:aws:iam::123456789012:role/team/reader"

// sdkSTS is the SDK's client of a fake.
func sdkSTS(fake *awsauthtest.STS, keys awsauth.Credentials) *sdksts.Client {
	return sdksts.New(sdksts.Options{
		Region:       "eu-west-1",
		BaseEndpoint: aws.String(fake.URL),
		Credentials:  credentials.NewStaticCredentialsProvider(keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken),
	})
}

func newSTS() *awsauthtest.STS {
	fake := awsauthtest.NewSTS()
	fake.Region = "eu-west-1"
	fake.Credentials.Expires = time.Now().Add(time.Hour).Truncate(time.Second)
	return fake
}

// What the SDK sends of a role with everything, ours sends too, apart from the order.
func TestAssumeRole(t *testing.T) {
	everything := sts.AssumeRole{
		SessionName:       "me@host",
		Duration:          2 * time.Hour,
		ExternalID:        "customer-7",
		Policy:            `{"Version":"2012-10-17","Statement":[]}`,
		PolicyARNs:        []string{"arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws:iam::123456789012:policy/p"},
		Tags:              map[string]string{"b": "2 &=+é", "a": ""},
		TransitiveTagKeys: []string{"b"},
		SourceIdentity:    "alice",
		MFASerial:         "arn:aws:iam::123456789012:mfa/me",
		TokenCode:         func(context.Context) (string, error) { return "123456", nil },
	}
	// The SDK has a default of its own for Duration.
	plain := sts.AssumeRole{SessionName: "me", Duration: 15 * time.Minute}
	for name, a := range map[string]sts.AssumeRole{"everything": everything, "plain": plain} {
		var sent [2]string
		for i, kind := range []string{"SDK", "awsauth"} {
			fake := newSTS()
			defer fake.Close()
			a.RoleARN, a.Source, a.Endpoint, a.Region = role, fake.Caller, fake.URL, fake.Region
			s := source(a.Retrieve)
			if kind == "SDK" {
				s = ofSDK(stscreds.NewAssumeRoleProvider(sdkSTS(fake, fake.Caller), role, func(o *stscreds.AssumeRoleOptions) { sameOptions(o, a) }))
			}
			t.Log(name, kind)
			holds(t, s, fake.Credentials)
			sent[i] = fake.Requests()[0].Form.Encode()
		}
		if sent[0] != sent[1] {
			t.Errorf("%s: the SDK sends\n%s\nand awsauth\n%s", name, sent[0], sent[1])
		}
	}
}

// sameOptions says to the SDK what a says.
func sameOptions(o *stscreds.AssumeRoleOptions, a sts.AssumeRole) {
	text := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	o.RoleSessionName = a.SessionName
	o.Duration = a.Duration
	o.ExternalID = text(a.ExternalID)
	o.Policy = text(a.Policy)
	for _, arn := range a.PolicyARNs {
		o.PolicyARNs = append(o.PolicyARNs, ststypes.PolicyDescriptorType{Arn: aws.String(arn)})
	}
	for _, key := range []string{"a", "b"} {
		if value, ok := a.Tags[key]; ok {
			o.Tags = append(o.Tags, ststypes.Tag{Key: aws.String(key), Value: aws.String(value)})
		}
	}
	o.TransitiveTagKeys = a.TransitiveTagKeys
	o.SourceIdentity = text(a.SourceIdentity)
	o.SerialNumber = text(a.MFASerial)
	if a.TokenCode != nil {
		o.TokenProvider = func() (string, error) { return a.TokenCode(context.Background()) }
	}
}

// What the fake refuses of the one it refuses of the other, by the same code.
func TestAssumeRoleRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(f *awsauthtest.STS)
		err    string
	}{
		"wrong secret":  {func(f *awsauthtest.STS) { f.Caller.SecretAccessKey = "another" }, "SignatureDoesNotMatch"},
		"unknown key":   {func(f *awsauthtest.STS) { f.Caller.AccessKeyID = "AKIAANOTHER" }, "InvalidClientTokenId"},
		"a token":       {func(f *awsauthtest.STS) { f.Caller.SessionToken = "another" }, "InvalidClientTokenId"},
		"region":        {func(f *awsauthtest.STS) { f.Region = "us-east-1" }, "SignatureDoesNotMatch"},
		"another role":  {func(f *awsauthtest.STS) { f.RoleARN = role + "2" }, "AccessDenied"},
		"external ID":   {func(f *awsauthtest.STS) { f.ExternalID = "customer-7" }, "AccessDenied"},
		"a day later":   {func(f *awsauthtest.STS) { f.Now = func() time.Time { return time.Now().Add(24 * time.Hour) } }, "SignatureDoesNotMatch"},
		"a plain error": {func(f *awsauthtest.STS) { f.Fault = awsauthtest.STSError(403, "RegionDisabledException") }, "RegionDisabledException"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := newSTS()
			defer fake.Close()
			keys := fake.Caller
			c.change(fake)
			refused(t, ofSDK(stscreds.NewAssumeRoleProvider(sdkSTS(fake, keys), role)), c.err)
			refused(t, sts.AssumeRole{RoleARN: role, Source: keys, Endpoint: fake.URL, Region: "eu-west-1"}.Retrieve, c.err)
		})
	}
}

func TestWebIdentity(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	write := func(token string) {
		if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fake := newSTS()
	defer fake.Close()
	sources := map[string]source{
		"SDK": ofSDK(stscreds.NewWebIdentityRoleProvider(sdkSTS(fake, awsauth.Credentials{}), role, stscreds.IdentityTokenFile(file),
			func(o *stscreds.WebIdentityRoleOptions) { o.RoleSessionName = "me" })),
		"awsauth": awsauth.Env{Transport: fake.Transport(), Getenv: envOf("AWS_WEB_IDENTITY_TOKEN_FILE", file, "AWS_ROLE_ARN", role, "AWS_ROLE_SESSION_NAME", "me", "AWS_REGION", "eu-west-1")}.Retrieve,
	}
	for name, s := range sources {
		t.Log(name)
		write("web-identity-token")
		holds(t, s, fake.Credentials)
		// The token is another at the next fetch.
		fake.Change(func() { fake.WebIdentityToken = "rotated" })
		write("rotated")
		holds(t, s, fake.Credentials)
		fake.Change(func() { fake.Fault = awsauthtest.Times(1, awsauthtest.STSError(400, "IDPCommunicationError")) })
		holds(t, s, fake.Credentials)
		write("stale")
		fake.Change(func() { fake.Fault = nil })
		refused(t, s, "InvalidIdentityToken")
		fake.Change(func() { fake.WebIdentityToken = "web-identity-token" })
	}
	for _, r := range fake.Requests() {
		if r.Header.Get("Authorization") != "" || r.Form.Get("RoleSessionName") != "me" || r.Form.Get("RoleArn") != role {
			t.Errorf("sent %v", r.Form)
		}
	}
}

func TestGetCallerIdentity(t *testing.T) {
	fake := newSTS()
	defer fake.Close()
	holds(t, sts.AssumeRole{RoleARN: role, SessionName: "me", Source: fake.Caller, Endpoint: fake.URL, Region: "eu-west-1"}.Retrieve, fake.Credentials)
	for _, keys := range []awsauth.Credentials{fake.Caller, fake.Credentials} {
		out, err := sdkSTS(fake, keys).GetCallerIdentity(t.Context(), &sdksts.GetCallerIdentityInput{})
		if err != nil {
			t.Fatal(err)
		}
		want := sts.Identity{Account: aws.ToString(out.Account), ARN: aws.ToString(out.Arn), UserID: aws.ToString(out.UserId)}
		got, err := sts.Client{Endpoint: fake.URL, Region: "eu-west-1"}.GetCallerIdentity(t.Context(), keys)
		if err != nil || got != want || want.Account != "123456789012" {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
	}
}
