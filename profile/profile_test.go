package profile

import (
	"context"
	"crypto/sha1"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-awsauth/awsauth"
	"github.com/go-awsauth/awsauth/awsauthtest"
)

// A world is what a Provider sees of it: an environment and files in memory.
type world struct {
	env   map[string]string
	files map[string]string
}

// worldOf is a world with the two files in their places.
func worldOf(config, credentials string, env ...string) *world {
	w := &world{env: map[string]string{"HOME": "/h"}, files: map[string]string{}}
	if config != "" {
		w.files["/h/.aws/config"] = config
	}
	if credentials != "" {
		w.files["/h/.aws/credentials"] = credentials
	}
	for i := 0; i < len(env); i += 2 {
		w.env[env[i]] = env[i+1]
	}
	return w
}

func (w *world) provider(name string) Provider {
	return Provider{
		Name:   name,
		Getenv: func(name string) string { return w.env[name] },
		ReadFile: func(name string) ([]byte, error) {
			text, ok := w.files[filepath.ToSlash(name)]
			if !ok {
				return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
			}
			return []byte(text), nil
		},
		Run:       func(context.Context, string) ([]byte, error) { panic("a process was to run") },
		Transport: roundTrip(func(*http.Request) (*http.Response, error) { return nil, errors.New("no network here") }),
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

const (
	pairA = "aws_access_key_id = AKIAA\naws_secret_access_key = SECRET-A\n"
	pairB = "aws_access_key_id = AKIAB\naws_secret_access_key = SECRET-B\n"
	arnA  = "role_arn = arn:aws:iam::123456789012:role/a\n"
	arnB  = "role_arn = arn:aws:iam::123456789012:role/b\n"
)

// check asks p, and compares the access key ID, or a part of the error: "none: "
// before it means ErrNoCredentials.
func check(t *testing.T, what string, p Provider, want, wantErr string) awsauth.Credentials {
	t.Helper()
	got, err := p.Retrieve(t.Context())
	if wantErr == "" {
		if err != nil || got.AccessKeyID != want {
			t.Errorf("%s: got %v, %v; want %s", what, got, err, want)
		}
		return got
	}
	part, none := strings.CutPrefix(wantErr, "none: ")
	switch {
	case err == nil:
		t.Errorf("%s: got %v; want an error with %q", what, got, part)
	case errors.Is(err, awsauth.ErrNoCredentials) != none || !strings.Contains(filepath.ToSlash(err.Error()), part) ||
		!strings.HasPrefix(err.Error(), "awsauth: ") || strings.Count(err.Error(), "awsauth: ") > 1:
		t.Errorf("%s: %v; want an error with %q, ErrNoCredentials %v", what, err, part, none)
	case secret(err):
		t.Errorf("%s: a secret in %v", what, err)
	}
	return got
}

// secret reports whether err has one of the tests' secrets.
func secret(err error) bool {
	return strings.Contains(strings.ReplaceAll(err.Error(), "AWS_SECRET_ACCESS_KEY", ""), "SECRET")
}

func TestFilesAndNames(t *testing.T) {
	for _, c := range []struct {
		what                string
		config, credentials string
		env                 []string
		name                string
		want, err           string
	}{
		{what: "no files", err: `none: profile "default", in /h/.aws/config and /h/.aws/credentials, is not there`},
		{what: "no home", env: []string{"HOME", " "}, err: "none: with neither HOME nor"},
		{what: "no default", config: "[profile x]\n" + pairA, err: `none: profile "default"`},
		{what: "an empty default", config: "[default]\nregion = r", err: "none: has no credentials"},
		{what: "default", credentials: "[default]\n" + pairA, want: "AKIAA"},
		{what: "default of the config file", config: "[default]\n" + pairA, want: "AKIAA"},
		{what: "the credentials file wins", config: "[default]\n" + pairA, credentials: "[default]\n" + pairB, want: "AKIAB"},
		{what: "Name", credentials: "[default]\n" + pairA + "[x]\n" + pairB, name: "x", want: "AKIAB"},
		{what: "AWS_PROFILE", credentials: "[default]\n" + pairA + "[x]\n" + pairB, env: []string{"AWS_PROFILE", " x "}, want: "AKIAB"},
		{what: "Name before AWS_PROFILE", credentials: "[y]\n" + pairA + "[x]\n" + pairB, env: []string{"AWS_PROFILE", "y"}, name: "x", want: "AKIAB"},
		{what: "blank AWS_PROFILE", credentials: "[default]\n" + pairA, env: []string{"AWS_PROFILE", " "}, want: "AKIAA"},
		{what: "Name is not there", credentials: "[default]\n" + pairA, name: "x", err: `profile "x", in /h/.aws/config and /h/.aws/credentials, is not there`},
		{what: "AWS_PROFILE is not there", credentials: "[default]\n" + pairA, env: []string{"AWS_PROFILE", "x"}, err: `profile "x", in`},
		{what: "AWS_PROFILE without files", env: []string{"AWS_PROFILE", "x"}, err: `profile "x", in`},
		{what: "default by name is not there", env: []string{"AWS_PROFILE", "default"}, err: `profile "default", in`},
		{what: "a name without credentials", config: "[profile x]\nregion = r", name: "x", err: "has no credentials: set aws_access_key_id"},
		{what: "USERPROFILE", env: []string{"HOME", "", "USERPROFILE", "/h"}, credentials: "[default]\n" + pairA, want: "AKIAA"},
		{what: "another config file", env: []string{"AWS_CONFIG_FILE", "/other"}, config: "[default]\n" + pairA, want: "AKIAO"},
		{what: "another credentials file", env: []string{"AWS_SHARED_CREDENTIALS_FILE", "~/other"}, credentials: "[default]\n" + pairA, want: "AKIAH"},
		{what: "another config file without a home", env: []string{"HOME", "", "AWS_CONFIG_FILE", "/other"}, want: "AKIAO"},
		{what: "another file that is not there", env: []string{"AWS_CONFIG_FILE", "/nowhere"}, err: "none: in /nowhere and /h/.aws/credentials"},
		{what: "a config file with a mistake", config: "[default]\n" + pairA + "SECRET", err: "/h/.aws/config, line 4: "},
		{what: "a credentials file with a mistake", credentials: "[default]\n\naws_secret_access_key SECRET", err: "/h/.aws/credentials, line 3: "},
	} {
		w := worldOf(c.config, c.credentials, c.env...)
		w.files["/other"] = "[default]\naws_access_key_id = AKIAO\naws_secret_access_key = O"
		w.files["/h/other"] = "[default]\naws_access_key_id = AKIAH\naws_secret_access_key = H"
		check(t, c.what, w.provider(c.name), c.want, c.err)
	}

	w := worldOf("", "[default]\n"+pairA)
	p := w.provider("")
	p.ReadFile = func(name string) ([]byte, error) {
		return nil, &fs.PathError{Op: "open", Path: "/h/.aws/config", Err: fs.ErrPermission}
	}
	check(t, "a file that can't be read", p, "", "can't be read: open /h/.aws/config: permission denied")
}

func TestRegion(t *testing.T) {
	for _, c := range []struct {
		config, credentials, name string
		want, err                 string
	}{
		{},
		{config: "[default]\nregion = eu-west-1 # c", want: "eu-west-1"},
		{config: "[default]\nregion = eu-west-1", credentials: "[default]\nregion = eu-west-2", want: "eu-west-2"},
		{config: "[default]\nregion = eu-west-1\n[profile x]\nREGION = eu-west-3", name: "x", want: "eu-west-3"},
		{config: "[default]\noutput = json"},
		{name: "x", err: `profile "x"`},
		{config: "oops", err: "line 1"},
	} {
		got, err := worldOf(c.config, c.credentials, "AWS_REGION", "us-east-1").provider(c.name).Region()
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%q: %q, %v", c.config, got, err)
		}
	}
}

// What a profile says is one thing, or an error.
func TestProfileSettings(t *testing.T) {
	for _, c := range []struct {
		what, config string
		want, err    string
	}{
		{what: "keys", config: pairA, want: "AKIAA"},
		{what: "a key without a secret", config: "aws_access_key_id = AKIAA\naws_secret_access_key =", err: `profile "x": it has a key ID but no secret key: set aws_secret_access_key`},
		{what: "a secret without a key", config: "aws_secret_access_key = SECRET", err: "set aws_access_key_id"},
		{what: "half a pair beside a role", config: "aws_access_key_id = AKIAA\n" + arnA + "credential_source = Environment", err: "set aws_secret_access_key"},
		{what: "half a pair beside a process", config: "aws_access_key_id = AKIAA\ncredential_process = p", err: "set aws_secret_access_key"},
		{what: "a key with a space in it", config: "aws_access_key_id = AK IA\naws_secret_access_key = SECRET", err: `profile "x": the access key ID has a character`},
		{what: "keys before SSO", config: pairA + "sso_session = s\nsso_account_id = 1\nsso_role_name = r", want: "AKIAA"},
		{what: "keys before a process", config: pairA + "credential_process = p", want: "AKIAA"},
		{what: "SSO before a process", config: "credential_process = p\nsso_session = s", err: "[sso-session s]"},
		{what: "a role before keys", config: pairA + arnA + "source_profile = y", err: "assuming role"},
		{what: "a role and nothing else", config: arnA, err: "set source_profile, credential_source or web_identity_token_file"},
		{what: "a role and keys", config: arnA + pairA, err: "set source_profile, credential_source or web_identity_token_file"},
		{what: "two sources", config: arnA + "source_profile = y\ncredential_source = Environment", err: "exactly one"},
		{what: "a source and a token", config: arnA + "source_profile = y\nweb_identity_token_file = /t", err: "exactly one"},
		{what: "a source without a role", config: "source_profile = y", err: "set role_arn"},
		{what: "a token without a role", config: "web_identity_token_file = /t", err: "set role_arn"},
		{what: "a credential source without a role", config: "credential_source = Environment", err: "set role_arn"},
		{what: "a source that is not there", config: arnA + "source_profile = z", err: `profile "x": its source_profile "z" is not there`},
		{what: "a source without credentials", config: arnA + "source_profile = empty", err: `profile "empty": it has no credentials`},
		{what: "a source with half a pair", config: arnA + "source_profile = half", err: `profile "half": it has a key ID`},
		{what: "no such credential source", config: arnA + "credential_source = Vault", err: "must be Environment"},
		{what: "an environment without keys", config: arnA + "credential_source = Environment", err: "AWS_ACCESS_KEY_ID"},
		{what: "no container", config: arnA + "credential_source = EcsContainer", err: "nor AWS_CONTAINER_CREDENTIALS_FULL_URI is set"},
		{what: "no instance", config: arnA + "credential_source = Ec2InstanceMetadata", err: "EC2"},
		{what: "a token file that is not there", config: arnA + "web_identity_token_file = /t", err: "/t"},
		{what: "duration in words", config: arnA + "source_profile = y\nduration_seconds = 1h", err: "duration_seconds"},
		{what: "duration too short", config: arnA + "source_profile = y\nduration_seconds = 899", err: "duration_seconds"},
		{what: "duration too long", config: arnA + "source_profile = y\nduration_seconds = 43201", err: "duration_seconds"},
		{what: "MFA without a callback", config: arnA + "source_profile = y\nmfa_serial = m", err: "set Provider.TokenCode"},
		{what: "login_session", config: "login_session = arn", err: "login_session is not supported"},
		{what: "a loop of one", config: arnA + "source_profile = x", err: "leads back to it: x, x"},
		{what: "a loop of two", config: arnA + "source_profile = loop", err: `profile "x": its source_profile leads back to it: x, loop, x`},
		{what: "a loop of two with keys", config: pairA + arnA + "source_profile = loop", err: "x, loop, x"},
		{what: "a loop further on", config: arnA + "source_profile = self", err: `profile "self": its source_profile leads back to it: self, self`},
	} {
		config := "[profile x]\n" + c.config + "\n[profile y]\n" + pairB + "[profile empty]\n[profile half]\naws_access_key_id = AKIAH\n" +
			"[profile loop]\n" + arnB + "source_profile = x\n[profile self]\n" + arnB + "source_profile = self\n"
		p := worldOf(config, "").provider("x")
		check(t, c.what, p, c.want, c.err)
	}
}

func TestSessionToken(t *testing.T) {
	got := check(t, "token", worldOf("", "[default]\n"+pairA+"aws_session_token = TOKEN").provider(""), "AKIAA", "")
	if got.SecretAccessKey != "SECRET-A" || got.SessionToken != "TOKEN" {
		t.Error("not the keys of the file")
	}
}

// hosts is a transport that asks the server of the first part of a host.
type hosts map[string]http.RoundTripper

func (h hosts) RoundTrip(req *http.Request) (*http.Response, error) {
	first, _, _ := strings.Cut(req.URL.Host, ".")
	if t := h[first]; t != nil {
		return t.RoundTrip(req)
	}
	return nil, fmt.Errorf("no such host")
}

func newSTS(t *testing.T) *awsauthtest.STS {
	t.Helper()
	fake := awsauthtest.NewSTS()
	t.Cleanup(fake.Close)
	fake.Caller = awsauth.Credentials{AccessKeyID: "AKIAA", SecretAccessKey: "SECRET-A"}
	return fake
}

// asked is what STS was asked: the host, the role, and further parameters.
func asked(fake *awsauthtest.STS, params ...string) string {
	var all []string
	for _, r := range fake.Requests() {
		_, role, _ := strings.Cut(r.Form.Get("RoleArn"), "/")
		one := []string{r.Host, r.Form.Get("Action"), role}
		for _, p := range params {
			one = append(one, r.Form.Get(p))
		}
		all = append(all, strings.Join(one, " "))
	}
	return strings.Join(all, "; ")
}

func TestRoles(t *testing.T) {
	ec2, ecs := awsauthtest.NewEC2Metadata(), awsauthtest.NewContainer()
	defer ec2.Close()
	defer ecs.Close()
	for _, c := range []struct {
		what, config string
		env          []string
		caller       awsauth.Credentials // zero: AKIAA
		want         string              // what STS was asked
	}{
		{what: "source_profile", config: arnA + "source_profile = y",
			want: "sts.eu-west-1.amazonaws.com AssumeRole a awsauth  "},
		{what: "all settings", config: arnA + "source_profile = y\nrole_session_name = me\nexternal_id = ext\nduration_seconds = 3600",
			want: "sts.eu-west-1.amazonaws.com AssumeRole a me ext 3600"},
		{what: "its own region", config: arnA + "source_profile = y\nregion = eu-west-2",
			want: "sts.eu-west-2.amazonaws.com AssumeRole a awsauth  "},
		{what: "the region of the environment", config: arnA + "source_profile = y\nregion = eu-west-2", env: []string{"AWS_REGION", "eu-west-3"},
			want: "sts.eu-west-3.amazonaws.com AssumeRole a awsauth  "},
		{what: "a role by a role", config: arnB + "source_profile = z",
			want: "sts.eu-west-1.amazonaws.com AssumeRole a me  ; sts.eu-west-1.amazonaws.com AssumeRole b awsauth  "},
		{what: "its own keys", config: pairA + arnA + "source_profile = x",
			want: "sts.eu-west-1.amazonaws.com AssumeRole a awsauth  "},
		{what: "keys of a source go before its role", config: arnB + "source_profile = both",
			want: "sts.eu-west-1.amazonaws.com AssumeRole b awsauth  "},
		{what: "its own keys are not for another source", config: pairB + arnA + "source_profile = y",
			want: "sts.eu-west-1.amazonaws.com AssumeRole a awsauth  "},
		{what: "a role by SSO", config: arnA + "source_profile = sso", caller: awsauth.Credentials{AccessKeyID: "ASIASSO", SecretAccessKey: "SECRET-SSO", SessionToken: "TOKEN-SSO"},
			want: "sts.eu-west-1.amazonaws.com AssumeRole a awsauth  "},
		{what: "a role by a process", config: arnA + "source_profile = process", caller: awsauth.Credentials{AccessKeyID: "AKIAP", SecretAccessKey: "SECRET-P"},
			want: "sts.eu-west-1.amazonaws.com AssumeRole a awsauth  "},
		{what: "Environment", config: arnA + "credential_source = Environment", env: []string{"AWS_ACCESS_KEY_ID", "AKIAE", "AWS_SECRET_ACCESS_KEY", "SECRET-E", "AWS_SESSION_TOKEN", "TOKEN-E"},
			caller: awsauth.Credentials{AccessKeyID: "AKIAE", SecretAccessKey: "SECRET-E", SessionToken: "TOKEN-E"},
			want:   "sts.eu-west-1.amazonaws.com AssumeRole a awsauth  "},
		{what: "EcsContainer", config: arnA + "credential_source = EcsContainer", env: []string{
			"AWS_CONTAINER_CREDENTIALS_FULL_URI", ecs.URL + ecs.Path, "AWS_CONTAINER_AUTHORIZATION_TOKEN", ecs.AuthorizationToken,
			"AWS_ACCESS_KEY_ID", "AKIAE", "AWS_SECRET_ACCESS_KEY", "SECRET-E"}, // not asked for
			caller: ecs.Credentials,
			want:   "sts.eu-west-1.amazonaws.com AssumeRole a awsauth  "},
		{what: "Ec2InstanceMetadata", config: arnA + "credential_source = Ec2InstanceMetadata", env: []string{"AWS_EC2_METADATA_SERVICE_ENDPOINT", ec2.URL},
			caller: ec2.Credentials,
			want:   "sts.eu-west-1.amazonaws.com AssumeRole a awsauth  "},
		{what: "a web identity", config: arnA + "web_identity_token_file = /token\nrole_session_name = me",
			want: "sts.eu-west-1.amazonaws.com AssumeRoleWithWebIdentity a me  "},
		{what: "a role by a web identity", config: arnB + "source_profile = web",
			want: "sts.eu-west-1.amazonaws.com AssumeRoleWithWebIdentity a me  ; sts.eu-west-1.amazonaws.com AssumeRole b awsauth  "},
	} {
		fake := newSTS(t)
		if c.caller.AccessKeyID != "" {
			fake.Caller = c.caller
		}
		fake.WebIdentityToken = "WEB-TOKEN"
		config := "[profile x]\nregion = eu-west-1\n" + c.config + "\n[profile y]\n" + pairA +
			"[profile z]\n" + arnA + "source_profile = y\nrole_session_name = me\n" +
			"[profile both]\n" + pairA + arnA + "source_profile = nowhere\n" +
			"[profile web]\n" + arnA + "web_identity_token_file = /token\nrole_session_name = me\n" +
			"[profile process]\ncredential_process = p\n" +
			"[profile sso]\n" + ssoSettings + "[sso-session s]\nsso_region = eu-west-1\nsso_start_url = u\n"
		w := worldOf(config, "", c.env...)
		w.files["/token"] = "WEB-TOKEN"
		w.files[tokenFile("s")] = ssoToken(time.Now().Add(time.Hour))
		p := w.provider("x")
		p.Run = func(context.Context, string) ([]byte, error) {
			return []byte(`{"Version":1,"AccessKeyId":"AKIAP","SecretAccessKey":"SECRET-P"}`), nil
		}
		portal := newPortal(t)
		p.Transport = hosts{"sts": fake.Transport(), "127": http.DefaultTransport, "portal": portal.transport()}
		got := check(t, c.what, p, fake.Credentials.AccessKeyID, "")
		if got.SecretAccessKey != fake.Credentials.SecretAccessKey || got.SessionToken != fake.Credentials.SessionToken || got.Expires.IsZero() {
			t.Errorf("%s: not the keys of the role", c.what)
		}
		if got := asked(fake, "RoleSessionName", "ExternalId", "DurationSeconds"); got != c.want {
			t.Errorf("%s: STS was asked\n%s, want\n%s", c.what, got, c.want)
		}
	}
}

// A role that is refused, or whose keys are not there, is never a reason to go on
// to the next source.
func TestFailureStopsChain(t *testing.T) {
	next := awsauth.Credentials{AccessKeyID: "AKIANEXT", SecretAccessKey: "SECRET-N"}
	fake := newSTS(t)
	fake.Fault = awsauthtest.STSError(403, "AccessDenied")
	for what, config := range map[string]string{
		"a refused role":            arnA + "source_profile = y",
		"a refused web identity":    arnA + "web_identity_token_file = /token",
		"no token":                  arnA + "web_identity_token_file = /nowhere",
		"no keys in environment":    arnA + "credential_source = Environment",
		"no container":              arnA + "credential_source = EcsContainer",
		"no instance":               arnA + "credential_source = Ec2InstanceMetadata",
		"half a pair":               "aws_access_key_id = AKIAX",
		"no login":                  ssoSettings,
		"a process that fails":      "credential_process = p",
		"a profile with just space": "aws_access_key_id = \naws_secret_access_key = SECRET",
	} {
		w := worldOf("[default]\n"+config+"\n[profile y]\n"+pairA+"[sso-session s]\nsso_region = eu-west-1\nsso_start_url = u", "", "AWS_EC2_METADATA_DISABLED", "true")
		w.files["/token"] = "WEB-TOKEN"
		p := w.provider("")
		p.Transport = hosts{"sts": fake.Transport()}
		p.Run = func(context.Context, string) ([]byte, error) {
			return nil, fmt.Errorf("%w: test", awsauth.ErrNoCredentials)
		}
		got, err := awsauth.Chain{p, next}.Retrieve(t.Context())
		if err == nil || errors.Is(err, awsauth.ErrNoCredentials) || secret(err) {
			t.Errorf("%s: %v, %v", what, got, err)
		}
	}
	got, err := awsauth.Chain{worldOf("[default]\nregion = r", "").provider(""), next}.Retrieve(t.Context())
	if err != nil || got.AccessKeyID != "AKIANEXT" {
		t.Error(got, err)
	}
}

func TestTokenCode(t *testing.T) {
	fake := newSTS(t)
	p := worldOf("[profile x]\nmfa_serial = arn:aws:iam::123456789012:mfa/me\nsource_profile = y\n"+arnA+"[profile y]\n"+pairA, "").provider("x")
	p.Transport = fake.Transport()
	p.TokenCode = func(_ context.Context, serial string) (string, error) { return "123456", nil }
	check(t, "MFA", p, fake.Credentials.AccessKeyID, "")
	if got := asked(fake, "SerialNumber", "TokenCode"); !strings.HasSuffix(got, "AssumeRole a arn:aws:iam::123456789012:mfa/me 123456") {
		t.Error(got)
	}
	p.TokenCode = func(context.Context, string) (string, error) { return "", context.Canceled }
	if _, err := p.Retrieve(t.Context()); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

const ssoSettings = "sso_session = s\nsso_account_id = 123456789012\nsso_role_name = reader+x\n"

func tokenFile(of string) string {
	return fmt.Sprintf("/h/.aws/sso/cache/%x.json", sha1.Sum([]byte(of)))
}

func ssoToken(end time.Time) string {
	return fmt.Sprintf(`{"startUrl":"u","region":"eu-west-1","accessToken":"SECRET-TOKEN","expiresAt":%q}`, end.UTC().Format(time.RFC3339))
}

// A portal is the service that trades SSO tokens for keys.
type portal struct {
	srv   *httptest.Server
	fault func(http.ResponseWriter) bool // true: it has answered
	life  time.Duration

	mu   sync.Mutex
	seen []string
}

// asked is what it was asked.
func (p *portal) asked() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.seen)
}

func newPortal(t *testing.T) *portal {
	p := &portal{life: time.Hour}
	p.srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.seen = append(p.seen, r.Host+r.URL.String())
		p.mu.Unlock()
		switch {
		case p.fault != nil && p.fault(w):
		case r.Method != http.MethodGet || r.URL.Path != "/federation/credentials" || r.Header.Get("Authorization") != "":
			http.NotFound(w, r)
		case r.Header.Get("x-amz-sso_bearer_token") != "SECRET-TOKEN":
			http.Error(w, "SECRET of an error", http.StatusUnauthorized)
		case r.FormValue("account_id") != "123456789012" || r.FormValue("role_name") != "reader+x":
			http.Error(w, "SECRET of an error", http.StatusForbidden)
		default:
			json.NewEncoder(w).Encode(map[string]any{"roleCredentials": map[string]any{
				"accessKeyId": "ASIASSO", "secretAccessKey": "SECRET-SSO", "sessionToken": "TOKEN-SSO", "expiration": time.Now().Add(p.life).UnixMilli(),
			}})
		}
	}))
	t.Cleanup(p.srv.Close)
	return p
}

// transport takes requests to the portal, whatever their host.
func (p *portal) transport() http.RoundTripper {
	return roundTrip(func(req *http.Request) (*http.Response, error) {
		if req.URL.Scheme != "https" {
			return nil, errors.New("a token would be sent in clear")
		}
		sent := req.Clone(req.Context())
		sent.Host = req.URL.Host
		sent.URL.Scheme, sent.URL.Host = "http", p.srv.Listener.Addr().String()
		return http.DefaultTransport.RoundTrip(sent)
	})
}

func TestSSO(t *testing.T) {
	const session = "[sso-session s]\nsso_region = eu-west-1\nsso_start_url = u\n"
	const login = "run: aws sso login --profile x"
	legacy := strings.Replace(ssoSettings, "sso_session = s\n", "sso_start_url = u\nsso_region = eu-west-1\n", 1)
	hour := ssoToken(time.Now().Add(time.Hour))
	status := func(code, n int) func(http.ResponseWriter) bool {
		return func(w http.ResponseWriter) bool {
			if n--; n < 0 {
				return false
			}
			w.Header().Set("Location", "https://portal.sso.eu-west-1.amazonaws.com/federation/credentials?account_id=123456789012&role_name=reader%2Bx")
			w.WriteHeader(code)
			io.WriteString(w, "SECRET of an error")
			return true
		}
	}
	reply := func(text string) func(http.ResponseWriter) bool {
		return func(w http.ResponseWriter) bool { io.WriteString(w, text); return true }
	}
	for _, c := range []struct {
		what, config string
		of, token    string // what the token's file is named after; what it holds
		fault        func(http.ResponseWriter) bool
		life         time.Duration // of the keys; 0: an hour
		asked        int           // times; 0: 1 where there is no error
		err          string
	}{
		{what: "sso_session", config: ssoSettings + session, of: "s", token: hour},
		{what: "the older form", config: legacy, of: "u", token: hour},
		{what: "the older form of time", config: legacy, of: "u", token: strings.Replace(hour, `Z"`, `UTC"`, 1)},
		{what: "both forms agree", config: "sso_region = eu-west-1\nsso_start_url = u\n" + ssoSettings + session, of: "s", token: hour},
		{what: "both forms differ", config: "sso_region = eu-west-2\n" + ssoSettings + session, of: "s", token: hour, err: "sso_region is not that of [sso-session s]"},
		{what: "China", config: ssoSettings + strings.Replace(session, "eu-west-1", "cn-north-1", 1), of: "s", token: hour},
		{what: "no token", config: ssoSettings + session, of: "another", token: hour, err: "is not there: " + login},
		{what: "no token, the older form", config: legacy, of: "s", token: hour, err: "is not there: " + login},
		{what: "an expired token", config: ssoSettings + session, of: "s", token: ssoToken(time.Now().Add(-time.Second)), err: "expired at "},
		{what: "an expired token: what to do", config: ssoSettings + session, of: "s", token: ssoToken(time.Now().Add(-time.Second)), err: login},
		{what: "a broken token", config: ssoSettings + session, of: "s", token: `{"accessToken":"SECRET`, err: login},
		{what: "a token without a token", config: ssoSettings + session, of: "s", token: `{"expiresAt":"2099-01-01T00:00:00Z"}`, err: login},
		{what: "a token without an end", config: ssoSettings + session, of: "s", token: `{"accessToken":"SECRET"}`, err: login},
		{what: "a token that is refused", config: ssoSettings + session, of: "s", token: strings.Replace(hour, "TOKEN", "OTHER", 1), asked: 1, err: "no longer taken: " + login},
		{what: "another role", config: strings.Replace(ssoSettings, "reader", "writer", 1) + session, of: "s", token: hour, asked: 1, err: "status 403: this login has no such role"},
		{what: "no session section", config: ssoSettings, err: "there is no [sso-session s] in /h/.aws/config"},
		{what: "no region", config: ssoSettings + "[sso-session s]\nsso_start_url = u", err: "it uses SSO and has no sso_region: set it"},
		{what: "no start URL", config: ssoSettings + "[sso-session s]\nsso_region = eu-west-1", err: "no sso_start_url"},
		{what: "no account", config: "sso_session = s\nsso_role_name = r\n" + session, err: "no sso_account_id"},
		{what: "no role", config: "sso_session = s\nsso_account_id = 1\n" + session, err: "no sso_role_name"},
		{what: "a region that is a host", config: ssoSettings + "[sso-session s]\nsso_region = h/x?\nsso_start_url = u", of: "s", token: hour, err: "is not a region of AWS"},
		{what: "busy once", config: ssoSettings + session, of: "s", token: hour, fault: status(429, 1), asked: 2},
		{what: "down", config: ssoSettings + session, of: "s", token: hour, fault: status(503, 9), asked: 3, err: "status 503"},
		{what: "a redirect", config: ssoSettings + session, of: "s", token: hour, fault: status(307, 9), asked: 1, err: "status 307"},
		{what: "not JSON", config: ssoSettings + session, of: "s", token: hour, fault: reply(`SECRET`), asked: 1, err: "not the JSON"},
		{what: "not the keys", config: ssoSettings + session, of: "s", token: hour, fault: reply(`{"roleCredentials":{"accessKeyId":"A"}}`), asked: 1, err: "lacks"},
		{what: "huge", config: ssoSettings + session, of: "s", token: hour, fault: reply(strings.Repeat(" ", 1<<20)), asked: 1, err: "too long"},
		{what: "expired keys", config: ssoSettings + session, of: "s", token: hour, life: -time.Minute, asked: 1, err: "expired at"},
	} {
		fake := newPortal(t)
		fake.fault = c.fault
		if c.life != 0 {
			fake.life = c.life
		}
		w := worldOf("[profile x]\n"+c.config, "")
		w.files[tokenFile(c.of)] = c.token
		p := w.provider("x")
		p.Transport = fake.transport()
		got := check(t, c.what, p, "ASIASSO", c.err)
		if c.err == "" && (got.SecretAccessKey != "SECRET-SSO" || got.SessionToken != "TOKEN-SSO" || time.Until(got.Expires) < 50*time.Minute) {
			t.Errorf("%s: not the keys of the reply", c.what)
		}
		if c.asked == 0 && c.err == "" {
			c.asked = 1
		}
		asked := fake.asked()
		if len(asked) != c.asked {
			t.Errorf("%s: asked %d times, want %d", c.what, len(asked), c.asked)
		}
		host := "portal.sso.eu-west-1.amazonaws.com/"
		if c.what == "China" {
			host = "portal.sso.cn-north-1.amazonaws.com.cn/"
		}
		if i := slices.IndexFunc(asked, func(s string) bool { return !strings.HasPrefix(s, host) }); i >= 0 {
			t.Errorf("%s: asked %s", c.what, asked[i])
		}
	}
}

// A portal that never answers is given up.
func TestSSOHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := worldOf("[profile x]\n"+ssoSettings+"[sso-session s]\nsso_region = eu-west-1\nsso_start_url = u", "")
		w.files[tokenFile("s")] = ssoToken(time.Now().Add(time.Hour))
		p := w.provider("x")
		p.Transport = roundTrip(func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, req.Context().Err()
		})
		start := time.Now()
		check(t, "hanging", p, "", "no answer in time")
		if d := time.Since(start); d > 20*time.Second {
			t.Errorf("it took %v", d)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		if _, err := p.Retrieve(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestProcessOutput(t *testing.T) {
	const keys = `"AccessKeyId":"AKIAP","SecretAccessKey":"SECRET-P"`
	for _, c := range []struct{ what, out, err string }{
		{what: "long-term keys", out: `{"Version":1,` + keys + `}`},
		{what: "all of it", out: `{"Version":1,` + keys + `,"SessionToken":"T","Expiration":"2099-01-02T03:04:05+01:00","AccountId":"1"}` + "\n"},
		{what: "no version", out: `{` + keys + `}`, err: "Version 0, not 1"},
		{what: "another version", out: `{"Version":2,` + keys + `}`, err: "Version 2"},
		{what: "not JSON", out: `SECRET`, err: "not the JSON"},
		{what: "half JSON", out: `{"Version":1,` + keys, err: "not the JSON"},
		{what: "nothing", err: "not the JSON"},
		{what: "no secret", out: `{"Version":1,"AccessKeyId":"AKIAP"}`, err: "lacks"},
		{what: "no key", out: `{"Version":1,"SecretAccessKey":"SECRET"}`, err: "lacks"},
		{what: "a time that is none", out: `{"Version":1,` + keys + `,"Expiration":"SECRET"}`, err: "Expiration"},
		{what: "a line end in a key", out: `{"Version":1,"AccessKeyId":"AKIAP\n","SecretAccessKey":"SECRET"}`, err: `profile "x": the access key ID has a character`},
		{what: "expired", out: `{"Version":1,` + keys + `,"Expiration":"2020-01-02T03:04:05Z"}`, err: "expired at 2020-01-02"},
	} {
		p := worldOf("[profile x]\ncredential_process = helper --token \"SECRET\"", "").provider("x")
		p.Run = func(_ context.Context, command string) ([]byte, error) {
			if command != `helper --token "SECRET"` {
				t.Errorf("ran %s", command)
			}
			return []byte(c.out), nil
		}
		got := check(t, c.what, p, "AKIAP", c.err)
		if c.what == "all of it" && (got.SessionToken != "T" || !got.Expires.Equal(time.Date(2099, 1, 2, 2, 4, 5, 0, time.UTC))) {
			t.Error(got, got.Expires)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		p := worldOf("[profile x]\ncredential_process = p", "").provider("x")
		p.Run = func(ctx context.Context, _ string) ([]byte, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		start := time.Now()
		check(t, "hanging", p, "", "did not end in time")
		if time.Since(start) != time.Minute {
			t.Errorf("it took %v", time.Since(start))
		}
	})
}

func needShell(t *testing.T) {
	t.Helper()
	switch runtime.GOOS {
	case "windows", "js", "wasip1", "plan9":
		t.Skip("there is no sh on " + runtime.GOOS)
	}
}

func TestProcessShell(t *testing.T) {
	needShell(t)
	t.Setenv("AWSAUTH_TEST_KEY", "AKIAP")
	for _, c := range []struct{ what, command, err string }{
		{what: "keys", command: `printf '{"Version":1,"AccessKeyId":"%s","SecretAccessKey":"SECRET"}' "$AWSAUTH_TEST_KEY"`},
		{what: "no such program", command: "awsauth-no-such-program SECRET 2>/dev/null", err: "exit status 127"},
		{what: "it fails", command: "echo SECRET; exit 3", err: "the credential_process failed: exit status 3"},
		{what: "no end", command: "yes SECRET", err: "its output is too long"},
	} {
		p := worldOf("[profile x]\ncredential_process = "+c.command, "").provider("x")
		p.Run = nil
		check(t, c.what, p, "AKIAP", c.err)
	}

	// What the shell leaves behind does not hold up the caller.
	p := worldOf("[profile x]\ncredential_process = (sleep 20 & sleep 20) 2>/dev/null", "").provider("x")
	p.Run = nil
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := p.Retrieve(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 10*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}

// home is a home directory of its own for a Provider without functions.
func home(t *testing.T, config string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, name := range []string{"AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_REGION", "AWS_DEFAULT_REGION"} {
		t.Setenv(name, "")
	}
	t.Setenv("HOME", dir)
	setConfig(t, dir, config)
	return dir
}

func setConfig(t *testing.T, home, config string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(home, ".aws"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".aws", "config"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestKept(t *testing.T) {
	needShell(t)
	dir := home(t, "")
	runs := func() int {
		text, _ := os.ReadFile(filepath.Join(dir, "runs"))
		return strings.Count(string(text), "\n")
	}
	process := func(id, end string) string {
		return `echo run >> "$HOME/runs"; printf '{"Version":1,"AccessKeyId":"` + id + `","SecretAccessKey":"S` + end + `"}'`
	}
	// get asks a new Provider, as a caller does that writes profile.Provider{} each time.
	get := func(want string, wantRuns int) {
		t.Helper()
		got, err := Provider{}.Retrieve(t.Context())
		if err != nil || got.AccessKeyID != want || runs() != wantRuns {
			t.Errorf("got %v, %v after %d runs; want %s after %d", got, err, runs(), want, wantRuns)
		}
	}
	setConfig(t, dir, "[default]\n"+pairA)
	get("AKIAA", 0)
	setConfig(t, dir, "[default]\n"+pairB) // files are read at every call
	get("AKIAB", 0)

	setConfig(t, dir, "[default]\ncredential_process = "+process("AKIA1", ""))
	get("AKIA1", 1)
	get("AKIA1", 1)
	setConfig(t, dir, "[default]\ncredential_process = "+process("AKIA2", ""))
	get("AKIA2", 2)
	get("AKIA2", 2)
	setConfig(t, dir, "[default]\ncredential_process = "+process("AKIA1", ""))
	get("AKIA1", 2) // kept as well

	// A process may read all of the environment.
	t.Setenv("AWSAUTH_TEST", "another")
	get("AKIA1", 3)

	// Many ask at once, and one fetch answers them.
	setConfig(t, dir, "[default]\ncredential_process = "+process("AKIA4", `","Expiration":"2099-01-01T00:00:00Z`))
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if got, err := (Provider{}).Retrieve(t.Context()); err != nil || got.AccessKeyID != "AKIA4" {
				t.Error(got, err)
			}
		})
	}
	wg.Wait()
	get("AKIA4", 4)

	// A failure is not kept.
	setConfig(t, dir, "[default]\ncredential_process = echo run >> \"$HOME/runs\"; exit 1")
	for i := range 2 {
		if _, err := (Provider{}).Retrieve(t.Context()); err == nil || runs() != 5+i {
			t.Errorf("%v after %d runs", err, runs())
		}
	}

	// A Provider with a function is its caller's to keep.
	p := Provider{Getenv: os.Getenv}
	setConfig(t, dir, "[default]\ncredential_process = "+process("AKIA3", ""))
	for i := range 2 {
		if got, err := p.Retrieve(t.Context()); err != nil || got.AccessKeyID != "AKIA3" || runs() != 7+i {
			t.Errorf("%v, %v after %d runs", got, err, runs())
		}
	}
	cached := awsauth.Cache(p)
	for range 3 {
		if got, err := cached.Retrieve(t.Context()); err != nil || got.AccessKeyID != "AKIA3" || runs() != 9 {
			t.Errorf("%v, %v after %d runs", got, err, runs())
		}
	}
}

// Keys are fetched again when their end is near, and never used after it.
func TestKeptRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c caches
		fetches := 0
		src := awsauth.ProviderFunc(func(context.Context) (awsauth.Credentials, error) {
			fetches++
			return awsauth.Credentials{AccessKeyID: fmt.Sprint("AKIA", fetches), SecretAccessKey: "S", Expires: time.Now().Add(time.Hour)}, nil
		})
		for range 3 * 60 {
			got, err := c.cache(makeID("x"), src).Retrieve(t.Context())
			if err != nil || !time.Now().Before(got.Expires) {
				t.Fatal(got, got.Expires, err)
			}
			time.Sleep(time.Minute)
		}
		if fetches != 4 {
			t.Errorf("%d fetches in three hours", fetches)
		}
	})
}

func TestKeptIsBounded(t *testing.T) {
	var c caches
	fetches := 0
	src := awsauth.ProviderFunc(func(context.Context) (awsauth.Credentials, error) {
		fetches++
		return awsauth.Credentials{AccessKeyID: "A", SecretAccessKey: "S"}, nil
	})
	get := func(n int) { c.cache(makeID(fmt.Sprint(n)), src).Retrieve(t.Context()) }
	for n := range 1000 {
		get(n)
	}
	if len(c.byID) != maxKept || len(c.order) != maxKept || cap(c.order) > 2*maxKept {
		t.Errorf("%d caches, %d in order", len(c.byID), len(c.order))
	}
	get(999)
	get(1000 - maxKept)
	if fetches != 1000 {
		t.Errorf("%d fetches: the newest were dropped", fetches)
	}
	get(0)
	if fetches != 1001 {
		t.Errorf("%d fetches: the oldest was kept", fetches)
	}
}

// Whatever keys are made from makes them other keys.
func TestIDs(t *testing.T) {
	const base = "source_profile = y\nregion = eu-west-1\n" + arnA
	y := "[profile y]\n" + pairA
	seen := map[id]string{}
	for _, c := range []struct {
		config string
		env    []string
	}{
		{config: base + y},
		{config: base + "[profile y]\n" + strings.Replace(pairA, "SECRET-A", "SECRET-X", 1)},
		{config: base + y + "aws_session_token = T"},
		{config: strings.Replace(base, "role/a", "role/b", 1) + y},
		{config: base + "role_session_name = me\n" + y},
		{config: base + "external_id = me\n" + y},
		{config: base + "duration_seconds = 900\n" + y},
		{config: base + "duration_seconds = 901\n" + y},
		{config: base + y, env: []string{"AWS_REGION", "eu-west-2"}},
		{config: base + "[profile y]\n" + arnA + "source_profile = z\n[profile z]\n" + pairA},
		{config: base + "[profile y]\n" + arnA + "source_profile = z\n[profile z]\n" + pairB},
		{config: base + "[profile y]\ncredential_process = a"},
		{config: base + "[profile y]\ncredential_process = b"},
		{config: arnA + "credential_source = Environment"},
		{config: arnA + "credential_source = Environment", env: []string{"AWS_ACCESS_KEY_ID", "A"}},
		{config: arnA + "credential_source = Environment", env: []string{"AWS_SECRET_ACCESS_KEY", "A"}},
		{config: arnA + "credential_source = EcsContainer", env: []string{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/u"}},
		{config: arnA + "credential_source = EcsContainer", env: []string{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "/u"}},
		{config: arnA + "credential_source = EcsContainer", env: []string{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "/u", "AWS_CONTAINER_AUTHORIZATION_TOKEN", "A"}},
		{config: arnA + "credential_source = Ec2InstanceMetadata"},
		{config: arnA + "credential_source = Ec2InstanceMetadata", env: []string{"AWS_EC2_METADATA_DISABLED", "true"}},
		{config: arnA + "web_identity_token_file = a"},
		{config: arnA + "web_identity_token_file = b"},
		{config: arnB + "web_identity_token_file = a"},
		{config: arnA + "web_identity_token_file = a\nrole_session_name = me"},
		{config: arnA + "web_identity_token_file = a", env: []string{"AWS_REGION", "eu-west-1"}},
		{config: ssoSettings + "[sso-session s]\nsso_region = eu-west-1\nsso_start_url = u"},
		{config: ssoSettings + "[sso-session s]\nsso_region = eu-west-2\nsso_start_url = u"},
		{config: ssoSettings + "[sso-session s]\nsso_region = eu-west-2\nsso_start_url = u", env: []string{"HOME", "/g", "AWS_CONFIG_FILE", "/h/.aws/config"}},
		{config: strings.Replace(ssoSettings, "reader", "writer", 1) + "[sso-session s]\nsso_region = eu-west-1\nsso_start_url = u"},
		{config: strings.Replace(ssoSettings, "12\n", "13\n", 1) + "[sso-session s]\nsso_region = eu-west-1\nsso_start_url = u"},
		{config: pairA},
		{config: pairB},
	} {
		make := func() id {
			s, err := worldOf("[profile x]\n"+c.config, "", c.env...).provider("x").load()
			if err != nil {
				t.Fatal(err)
			}
			src, err := s.source("x", nil)
			if err != nil {
				t.Fatalf("%s: %v", c.config, err)
			}
			return src.id
		}
		id := make()
		if id != make() {
			t.Errorf("%q: the id is not always the same", c.config)
		}
		what := fmt.Sprintf("%q %q", c.config, c.env)
		if seen[id] != "" {
			t.Errorf("one id for %s and %s", seen[id], what)
		}
		seen[id] = what
	}
}

// No print of a Provider, of what stands behind it or of the cache has a secret.
func TestNothingPrints(t *testing.T) {
	needShell(t)
	home(t, "[profile x]\n"+pairA+arnA+"source_profile = x\n[default]\ncredential_process = printf '{\"Version\":1,\"AccessKeyId\":\"AKIAP\",\"SecretAccessKey\":\"SECRET-P\"}'")
	p := Provider{}
	check(t, "process", p, "AKIAP", "")
	s, err := Provider{Name: "x"}.load()
	if err != nil {
		t.Fatal(err)
	}
	src, err := s.source("x", nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(kept.byID) == 0 {
		t.Error("nothing was kept")
	}
	for _, v := range []any{p, &p, awsauth.Chain{p}, awsauth.Cache(p), kept.byID, kept.order, src.id, src.Provider} {
		for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			if text := fmt.Sprintf(format, v); strings.Contains(text, "SECRET") || strings.Contains(text, fmt.Sprintf("%x", "SECRET")) {
				t.Errorf("%s of %T prints a secret", format, v)
			}
		}
	}
}
