package awsauth

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// plain sends requests for https without TLS.
type plain struct{ t http.RoundTripper }

func (p plain) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme = "http"
	return p.t.RoundTrip(r)
}

func stsReply(id, secret, token, expiration string) string {
	return fmt.Sprintf(`<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult>
    <SubjectFromWebIdentityToken>system:serviceaccount:ns:name</SubjectFromWebIdentityToken>
    <AssumedRoleUser><AssumedRoleId>AROA:s</AssumedRoleId><Arn>arn:aws:sts::1:assumed-role/r/s</Arn></AssumedRoleUser>
    <Credentials><SessionToken>%s</SessionToken><SecretAccessKey>%s</SecretAccessKey><Expiration>%s</Expiration><AccessKeyId>%s</AccessKeyId></Credentials>
  </AssumeRoleWithWebIdentityResult>
  <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>
</AssumeRoleWithWebIdentityResponse>`, token, secret, expiration, id)
}

func goodSTS(w http.ResponseWriter, _ *http.Request) {
	io.WriteString(w, stsReply("ASIAROLE", "role-secret", "role-token", in(6*time.Hour)))
}

// stsError answers like STS when it refuses.
func stsError(status int, code string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(status)
		fmt.Fprintf(w, `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>%s</Code><Message>BODY SECRET</Message></Error><RequestId>1</RequestId></ErrorResponse>`, code)
		return true
	}
}

const testRoleARN = "arn:aws:iam::123456789012:role/r"

func TestWebIdentityFaults(t *testing.T) {
	late := "2090-01-01T00:00:00Z"
	testRoleFaults(t, webIdentityTimeout, webIdentityPause, map[string]roleFault{
		"hangs":                      {hang, "no answer in time", 3, true},
		"stops half-way":             {halfway, "no answer in time", 3, true},
		"denied":                     {stsError(403, "AccessDenied"), "status 403, AccessDenied", 1, false},
		"expired token":              {stsError(400, "ExpiredTokenException"), "status 400, ExpiredTokenException", 1, false},
		"bad token once":             {once(stsError(400, "InvalidIdentityToken")), "", 2, false},
		"bad token":                  {stsError(400, "InvalidIdentityToken"), "status 400, InvalidIdentityToken", 3, false},
		"issuer unreachable once":    {once(stsError(400, "IDPCommunicationError")), "", 2, false},
		"issuer unreachable":         {stsError(400, "IDPCommunicationError"), "IDPCommunicationError", 3, false},
		"odd code":                   {stsError(400, "BODY of it"), "status 400", 1, false},
		"code in an empty reply":     {stsError(400, ""), "status 400", 1, false},
		"truncated":                  {write(stsReply("A", "SECRET", "T", late)[:500]), "not the XML", 1, false},
		"other reply":                {write(strings.ReplaceAll(stsReply("A", "SECRET", "T", late), "AssumeRoleWithWebIdentity", "AssumeRole")), "not the XML", 1, false},
		"JSON":                       {write(`{"AccessKeyId":"BODY"}`), "not the XML", 1, false},
		"no result":                  {write(`<AssumeRoleWithWebIdentityResponse/>`), "lacks AccessKeyId", 1, false},
		"no credentials":             {write(`<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult/></AssumeRoleWithWebIdentityResponse>`), "lacks AccessKeyId", 1, false},
		"no key":                     {write(stsReply("", "SECRET", "T", late)), "lacks AccessKeyId", 1, false},
		"no secret":                  {write(stsReply("A", "", "T", late)), "lacks AccessKeyId", 1, false},
		"no token":                   {write(stsReply("A", "SECRET", "", late)), "lacks AccessKeyId", 1, false},
		"no expiration":              {write(strings.Replace(stsReply("A", "SECRET", "T", ""), "<Expiration></Expiration>", "", 1)), "lacks AccessKeyId", 1, false},
		"empty expiration":           {write(stsReply("A", "SECRET", "T", "")), "lacks AccessKeyId", 1, false},
		"odd expiration":             {write(stsReply("A", "SECRET", "T", "BODY")), "not the XML", 1, false},
		"key with a space":           {write(stsReply("A B", "SECRET", "T", late)), "no key has", 1, false},
		"expired":                    {write(stsReply("A", "SECRET", "T", "1999-12-31T23:59:59Z")), "expired", 1, false},
		"credentials in 403, no use": {func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(403); goodSTS(w, nil); return true }, "status 403", 1, false},
	}, goodSTS, func(tr *http.Transport) Env {
		return Env{
			Getenv:    envOf("AWS_WEB_IDENTITY_TOKEN_FILE", "/token", "AWS_ROLE_ARN", testRoleARN, "AWS_REGION", "eu-west-1"),
			ReadFile:  func(string) ([]byte, error) { return []byte("request-token"), nil },
			Transport: plain{tr},
		}
	})
}

func TestWebIdentityRequest(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("a.b-c_d+/=\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	arn := func(partition string) string { return "arn:" + partition + ":iam::123456789012:role/path/n+m" }
	region, fallback, session := "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ROLE_SESSION_NAME"
	for _, c := range []struct {
		arn  string
		env  []string
		want string // host and session name, or "error" and a part of the error
	}{
		{arn("aws"), nil, `sts.us-east-1.amazonaws.com awsauth-[0-9]{19}`},
		{arn("aws"), []string{region, "eu-west-1", fallback, "us-west-2"}, `sts.eu-west-1.amazonaws.com awsauth-[0-9]{19}`},
		{arn("aws"), []string{region, " ", fallback, " us-west-2 "}, `sts.us-west-2.amazonaws.com awsauth-[0-9]{19}`},
		{arn("aws"), []string{region, "eu-nowhere-7"}, `sts.eu-nowhere-7.amazonaws.com awsauth-[0-9]{19}`},
		{arn("aws-cn"), nil, `sts.cn-northwest-1.amazonaws.com.cn awsauth-[0-9]{19}`},
		{arn("aws-cn"), []string{region, "cn-north-1"}, `sts.cn-north-1.amazonaws.com.cn awsauth-[0-9]{19}`},
		{arn("aws-us-gov"), nil, `sts.us-gov-west-1.amazonaws.com awsauth-[0-9]{19}`},
		{arn("aws-us-gov"), []string{region, "us-gov-east-1"}, `sts.us-gov-east-1.amazonaws.com awsauth-[0-9]{19}`},
		{arn("aws-iso"), []string{region, "us-iso-west-1"}, `sts.us-iso-west-1.c2s.ic.gov awsauth-[0-9]{19}`},
		{arn("aws-iso-b"), nil, `sts.us-isob-east-1.sc2s.sgov.gov awsauth-[0-9]{19}`},
		{arn("aws-eusc"), nil, `sts.eusc-de-east-1.amazonaws.eu awsauth-[0-9]{19}`},
		{arn("aws"), []string{session, "Ab_9+=,.@-"}, `sts.us-east-1.amazonaws.com Ab_9\+=,\.@-`},
		{arn("aws"), []string{session, strings.Repeat("a", 64)}, `sts.us-east-1.amazonaws.com a{64}`},
		{arn("aws"), []string{session, "ab"}, `sts.us-east-1.amazonaws.com ab`},

		{"xrn:aws:iam::123456789012:role/r", nil, `error AWS_ROLE_ARN`},
		{arn("aws"), []string{session, "a"}, `error AWS_ROLE_SESSION_NAME`},
		{arn("aws"), []string{session, strings.Repeat("a", 65)}, `error AWS_ROLE_SESSION_NAME`},
		{arn("aws"), []string{session, "a b"}, `error AWS_ROLE_SESSION_NAME`},
		{arn("aws"), []string{session, "a/b"}, `error AWS_ROLE_SESSION_NAME`},
		{arn("aws"), []string{session, "aé"}, `error AWS_ROLE_SESSION_NAME`},
		{arn("aws"), []string{session, "a[b"}, `error AWS_ROLE_SESSION_NAME`},
		{arn("aws"), []string{region, "cn-north-1"}, `error "cn-north-1" is not of the partition`},
		{arn("aws-cn"), []string{fallback, "us-east-1"}, `error set AWS_REGION`},
		{arn("aws"), []string{region, "auto"}, `error "auto" is not of`},
		{arn("aws"), []string{region, "EU-WEST-1"}, `error is not of`},
		{arn("aws"), []string{region, "us-east-1.evil.example/?-1"}, `error is not of`},
		{arn("aws"), []string{region, "us-evil.example/-1"}, `error is not of`},
		{arn("aws-nowhere"), nil, `error AWS_ROLE_ARN is not`},
		{"role/r", nil, `error AWS_ROLE_ARN is not`},
		{"arn:aws:iam::role/r", nil, `error AWS_ROLE_ARN is not`},
		{"", nil, `error set AWS_ROLE_ARN`},
	} {
		got := ""
		_, err := Env{
			Getenv: envOf(append(c.env, "AWS_WEB_IDENTITY_TOKEN_FILE", file, "AWS_ROLE_ARN", c.arn)...),
			Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				if r.Method != "POST" || r.URL.Scheme != "https" || r.URL.Path != "/" || r.URL.RawQuery != "" || r.Header.Get("Authorization") != "" {
					t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
				}
				for name, want := range map[string]string{"Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "RoleArn": c.arn, "WebIdentityToken": "a.b-c_d+/="} {
					if v := r.PostFormValue(name); v != want {
						t.Errorf("%s: %q, want %q", name, v, want)
					}
				}
				if len(r.PostForm) != 5 {
					t.Errorf("sent %v", r.PostForm)
				}
				got = r.URL.Host + " " + r.PostFormValue("RoleSessionName")
				return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(stsReply("A", "S", "T", in(time.Hour))))}, nil
			}),
		}.Retrieve(t.Context())
		if want, ok := strings.CutPrefix(c.want, "error "); ok {
			if err == nil || got != "" || !strings.Contains(err.Error(), want) {
				t.Errorf("%s %q: %q, %v; want an error with %q", c.arn, c.env, got, err, want)
			}
			continue
		}
		if err != nil || !regexp.MustCompile("^"+c.want+"$").MatchString(got) {
			t.Errorf("%s %q: %q, %v; want %q", c.arn, c.env, got, err, c.want)
		}
	}
}

// The token is read for every try: the one that was refused may have been replaced.
func TestWebIdentityRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &roleFake{good: goodSTS, mark: func(r *http.Request) string { return r.PostFormValue("WebIdentityToken") }}
		fake.answer = once(stsError(400, "InvalidIdentityToken"))
		n := 0
		cached := Cache(Env{
			Getenv:    envOf("AWS_WEB_IDENTITY_TOKEN_FILE", "/token", "AWS_ROLE_ARN", testRoleARN),
			ReadFile:  func(string) ([]byte, error) { n++; return fmt.Append(nil, "token-", n), nil },
			Transport: plain{inMemory(t, fake)},
		})
		for range 3 {
			for range 3 {
				if _, err := cached.Retrieve(t.Context()); err != nil {
					t.Error(err)
				}
			}
			time.Sleep(7 * time.Hour)
		}
		same(t, "tokens sent", strings.Join(fake.requests(), " "), "token-1 token-2 token-3 token-4")
	})
}

// A failed refresh, such as of a token that is being replaced, costs nobody a key
// that is still good.
func TestWebIdentityFailingRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &roleFake{good: goodSTS}
		cached := Cache(Env{
			Getenv: envOf("AWS_WEB_IDENTITY_TOKEN_FILE", "/token", "AWS_ROLE_ARN", testRoleARN),
			ReadFile: func(string) ([]byte, error) {
				if len(fake.requests()) == 1 {
					return nil, os.ErrNotExist
				}
				return []byte("T"), nil
			},
			Transport: plain{inMemory(t, fake)},
		})
		first, err := cached.Retrieve(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(6*time.Hour - time.Minute)
		if keys, err := cached.Retrieve(t.Context()); err != nil || keys != first {
			t.Error(keys, err)
		}
		time.Sleep(time.Minute)
		if _, err := cached.Retrieve(t.Context()); err == nil || !strings.Contains(err.Error(), "AWS_WEB_IDENTITY_TOKEN_FILE") {
			t.Error(err)
		}
	})
}
