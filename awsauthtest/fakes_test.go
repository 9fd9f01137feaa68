package awsauthtest

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-awsauth/awsauth"
)

// ask sends a request with the headers named, a value after each name, and
// returns the status and the body.
func ask(t *testing.T, method, url string, header ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	return send(t, req)
}

func send(t *testing.T, req *http.Request) (int, string) {
	t.Helper()
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestEC2Metadata(t *testing.T) {
	const ttl, token = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "X-Aws-Ec2-Metadata-Token"
	const list = "/latest/meta-data/iam/security-credentials/"
	f := NewEC2Metadata()
	defer f.Close()
	now := time.Now()
	f.Now = func() time.Time { return now }
	put := func() string {
		status, body := ask(t, "PUT", f.URL+"/latest/api/token", ttl, "60")
		if status != 200 {
			t.Fatalf("token: %d %s", status, body)
		}
		return body
	}
	good, old := put(), put()
	if good == old {
		t.Error("two tokens are the same")
	}
	for _, c := range []struct {
		name   string
		change func()
		method string // "": GET
		path   string
		header []string
		want   int
		body   string
	}{
		{name: "version 2", path: list, header: []string{token, good}, want: 200, body: "test-role"},
		{name: "version 1", path: list, want: 200, body: "test-role"},
		{name: "keys", path: list + "test-role", header: []string{token, good}, want: 200},
		{name: "another role", path: list + "other", want: 404},
		{name: "another path", path: "/latest/meta-data/iam/", want: 404},
		{name: "a token of nobody", path: list, header: []string{token, "x"}, want: 401},
		{name: "an empty token", path: list, header: []string{token, ""}, want: 401},
		{name: "two tokens", path: list, header: []string{token, good, token, good}, want: 401},
		{name: "not a GET", method: "POST", path: list, want: 405},
		{name: "GET of a token", path: "/latest/api/token", header: []string{ttl, "60"}, want: 405},
		{name: "no TTL", method: "PUT", path: "/latest/api/token", want: 400},
		{name: "a TTL of nothing", method: "PUT", path: "/latest/api/token", header: []string{ttl, "0"}, want: 400},
		{name: "a TTL of too much", method: "PUT", path: "/latest/api/token", header: []string{ttl, "21601"}, want: 400},
		{name: "a TTL of words", method: "PUT", path: "/latest/api/token", header: []string{ttl, "1h"}, want: 400},
		{name: "through a proxy", method: "PUT", path: "/latest/api/token", header: []string{ttl, "60", "X-Forwarded-For", "10.0.0.1"}, want: 403},
		{name: "version 1 disabled", change: func() { f.V1Disabled = true }, path: list, want: 401},
		{name: "version 1 disabled, token", path: list, header: []string{token, good}, want: 200},
		{name: "a minute later", change: func() { now = now.Add(time.Minute) }, path: list, header: []string{token, good}, want: 401},
		{name: "no version 2", change: func() { f.TokenStatus = 404 }, method: "PUT", path: "/latest/api/token", header: []string{ttl, "60"}, want: 404},
		{name: "no version 2, no token", path: list, want: 200},
		{name: "no role", change: func() { f.Role = "" }, path: list, want: 404},
	} {
		if c.change != nil {
			f.Change(c.change)
		}
		if c.method == "" {
			c.method = "GET"
		}
		status, body := ask(t, c.method, f.URL+c.path, c.header...)
		if status != c.want || c.body != "" && body != c.body {
			t.Errorf("%s: %d %q", c.name, status, body)
		}
		if strings.Contains(body, f.Credentials.SecretAccessKey) != (c.name == "keys") {
			t.Errorf("%s: got %s", c.name, body)
		}
	}

	f = NewEC2Metadata()
	defer f.Close()
	good = put()
	f.ForgetTokens()
	if status, _ := ask(t, "GET", f.URL+list, token, good); status != 401 {
		t.Errorf("a forgotten token: %d", status)
	}
	f.Change(func() { f.Code = "AssumeRoleUnauthorizedAccess" })
	if status, body := ask(t, "GET", f.URL+list+"test-role"); status != 200 || !strings.Contains(body, `"Code": "AssumeRoleUnauthorizedAccess"`) || strings.Contains(body, "Secret") {
		t.Errorf("a code: %d %s", status, body)
	}
}

func TestContainer(t *testing.T) {
	f := NewContainer()
	defer f.Close()
	for _, c := range []struct {
		name   string
		change func()
		method string // "": GET
		path   string // "": f.Path
		header []string
		want   int
	}{
		{name: "the token", header: []string{"Authorization", "container-token"}, want: 200},
		{name: "no token", want: 400},
		{name: "another token", header: []string{"Authorization", "x"}, want: 403},
		{name: "two tokens", header: []string{"Authorization", "container-token", "Authorization", "x"}, want: 403},
		{name: "Bearer", header: []string{"Authorization", "Bearer container-token"}, want: 403},
		{name: "another path", path: "/", header: []string{"Authorization", "container-token"}, want: 404},
		{name: "not a GET", method: "POST", header: []string{"Authorization", "container-token"}, want: 405},
		{name: "no token wanted", change: func() { f.AuthorizationToken = "" }, want: 200},
	} {
		if c.change != nil {
			f.Change(c.change)
		}
		if c.method == "" {
			c.method = "GET"
		}
		if c.path == "" {
			c.path = f.Path
		}
		status, body := ask(t, c.method, f.URL+c.path, c.header...)
		if status != c.want {
			t.Errorf("%s: %d %q", c.name, status, body)
		}
		if strings.Contains(body, f.Credentials.SecretAccessKey) != (status == 200) {
			t.Errorf("%s: got %s", c.name, body)
		}
	}

	keys := func() (reply map[string]string) {
		_, body := ask(t, "GET", f.URL+f.Path)
		if err := json.Unmarshal([]byte(body), &reply); err != nil {
			t.Error(err)
		}
		return reply
	}
	if got := keys(); len(got) != 4 || got["Expiration"] != f.Credentials.Expires.UTC().Format(time.RFC3339) {
		t.Errorf("got %v", got)
	}
	f.Change(func() { f.Credentials = awsauth.Credentials{AccessKeyID: "A", SecretAccessKey: "S"} })
	if got := keys(); len(got) != 2 || got["AccessKeyId"] != "A" {
		t.Errorf("long-term keys: got %v", got)
	}
}

// A reply of STS, with the parts that the tests look at.
type stsReply struct {
	XMLName xml.Name
	Code    string   `xml:"Error>Code"`
	Who     identity `xml:"GetCallerIdentityResult"`
}

const role = "arn:aws:iam::123456789012:role/team/reader"

// query asks f for an action with parameters, a value after each name. Keys nil:
// unsigned.
func query(t *testing.T, f *STS, signer *awsauth.Signer, action string, params ...string) (int, string) {
	t.Helper()
	form := url.Values{"Action": {action}, "Version": {"2011-06-15"}}
	if strings.HasPrefix(action, "AssumeRole") {
		form.Set("RoleArn", role)
		form.Set("RoleSessionName", "me")
	}
	for i := 0; i < len(params); i += 2 {
		form.Set(params[i], params[i+1])
	}
	req, err := http.NewRequestWithContext(t.Context(), "POST", f.URL+"/", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if signer != nil {
		if err := signer.Sign4(req); err != nil {
			t.Fatal(err)
		}
	}
	return send(t, req)
}

func TestSTS(t *testing.T) {
	f := NewSTS()
	defer f.Close()
	sign := func(keys awsauth.Credentials) *awsauth.Signer {
		return &awsauth.Signer{Service: "sts", Region: "eu-west-1", Credentials: keys}
	}
	good := sign(f.Caller)
	wrong, nobody, token := f.Caller, f.Caller, f.Caller
	wrong.SecretAccessKey += "x"
	nobody.AccessKeyID += "X"
	token.SessionToken = "x"
	yesterday := sign(f.Caller)
	yesterday.Now = func() time.Time { return time.Now().Add(-24 * time.Hour) }
	web := "AssumeRoleWithWebIdentity"
	for _, c := range []struct {
		name   string
		signer *awsauth.Signer
		action string
		params []string
		status int    // 0: 200
		code   string // of the error
	}{
		{name: "who", signer: good, action: "GetCallerIdentity"},
		{name: "role", signer: good, action: "AssumeRole"},
		{name: "web identity", action: web, params: []string{"WebIdentityToken", "web-identity-token"}},

		{name: "unsigned", action: "GetCallerIdentity", status: 403, code: "MissingAuthenticationToken"},
		{name: "unsigned", action: "AssumeRole", status: 403, code: "MissingAuthenticationToken"},
		{name: "wrong secret", signer: sign(wrong), action: "AssumeRole", status: 403, code: "SignatureDoesNotMatch"},
		{name: "unknown key", signer: sign(nobody), action: "AssumeRole", status: 403, code: "InvalidClientTokenId"},
		{name: "a token too many", signer: sign(token), action: "AssumeRole", status: 403, code: "InvalidClientTokenId"},
		{name: "yesterday's", signer: yesterday, action: "AssumeRole", status: 403, code: "SignatureDoesNotMatch"},
		{name: "another service", signer: &awsauth.Signer{Service: "iam", Region: "eu-west-1", Credentials: f.Caller}, action: "AssumeRole", status: 403, code: "SignatureDoesNotMatch"},

		{name: "no action", signer: good, status: 400, code: "MissingAction"},
		{name: "another action", signer: good, action: "GetSessionToken", status: 400, code: "InvalidAction"},
		{name: "another version", signer: good, action: "AssumeRole", params: []string{"Version", "2010-01-01"}, status: 400, code: "InvalidAction"},
		{name: "no role", signer: good, action: "AssumeRole", params: []string{"RoleArn", ""}, status: 400, code: "ValidationError"},
		{name: "a user", signer: good, action: "AssumeRole", params: []string{"RoleArn", "arn:aws:iam::123456789012:user/me"}, status: 400, code: "ValidationError"},
		{name: "no session name", signer: good, action: "AssumeRole", params: []string{"RoleSessionName", ""}, status: 400, code: "ValidationError"},
		{name: "a session name with a space", signer: good, action: "AssumeRole", params: []string{"RoleSessionName", "a b"}, status: 400, code: "ValidationError"},
		{name: "14 minutes", signer: good, action: "AssumeRole", params: []string{"DurationSeconds", "899"}, status: 400, code: "ValidationError"},
		{name: "13 hours", signer: good, action: "AssumeRole", params: []string{"DurationSeconds", "43201"}, status: 400, code: "ValidationError"},
		{name: "no number", signer: good, action: "AssumeRole", params: []string{"DurationSeconds", "1h"}, status: 400, code: "ValidationError"},
		{name: "12 hours", signer: good, action: "AssumeRole", params: []string{"DurationSeconds", "43200"}},
		{name: "a policy", signer: good, action: "AssumeRole", params: []string{"Policy", `{"Version":"2012-10-17"}`}},
		{name: "an odd policy", signer: good, action: "AssumeRole", params: []string{"Policy", "{"}, status: 400, code: "MalformedPolicyDocument"},
		{name: "a long policy", signer: good, action: "AssumeRole", params: []string{"Policy", strings.Repeat(" ", 2049)}, status: 400, code: "ValidationError"},
		{name: "policies", signer: good, action: "AssumeRole", params: []string{"PolicyArns.member.1.arn", "arn:aws:iam::aws:policy/ReadOnlyAccess"}},
		{name: "an odd policy ARN", signer: good, action: "AssumeRole", params: []string{"PolicyArns.member.1.arn", "ReadOnlyAccess"}, status: 400, code: "ValidationError"},
		{name: "tags", signer: good, action: "AssumeRole", params: []string{"Tags.member.1.Key", "k", "Tags.member.1.Value", "", "TransitiveTagKeys.member.1", "k"}},
		{name: "a tag without a value", signer: good, action: "AssumeRole", params: []string{"Tags.member.1.Key", "k"}, status: 400, code: "ValidationError"},
		{name: "a tag twice", signer: good, action: "AssumeRole", params: []string{"Tags.member.1.Key", "k", "Tags.member.1.Value", "1", "Tags.member.2.Key", "K", "Tags.member.2.Value", "2"}, status: 400, code: "InvalidParameterValue"},
		{name: "a transitive tag of nothing", signer: good, action: "AssumeRole", params: []string{"TransitiveTagKeys.member.1", "k"}, status: 400, code: "ValidationError"},
		{name: "an odd external ID", signer: good, action: "AssumeRole", params: []string{"ExternalId", "a b"}, status: 400, code: "ValidationError"},
		{name: "half an MFA", signer: good, action: "AssumeRole", params: []string{"SerialNumber", "arn:aws:iam::123456789012:mfa/me"}, status: 403, code: "AccessDenied"},
		{name: "an odd MFA code", signer: good, action: "AssumeRole", params: []string{"SerialNumber", "arn:aws:iam::123456789012:mfa/me", "TokenCode", "12345"}, status: 400, code: "ValidationError"},
		{name: "an MFA code", signer: good, action: "AssumeRole", params: []string{"SerialNumber", "arn:aws:iam::123456789012:mfa/me", "TokenCode", "123456"}},
		{name: "the MFA code again", signer: good, action: "AssumeRole", params: []string{"SerialNumber", "arn:aws:iam::123456789012:mfa/me", "TokenCode", "123456"}, status: 403, code: "AccessDenied"},
		{name: "no web identity", action: web, status: 400, code: "ValidationError"},
		{name: "another web identity", action: web, params: []string{"WebIdentityToken", "another"}, status: 400, code: "InvalidIdentityToken"},
	} {
		status, body := query(t, f, c.signer, c.action, c.params...)
		if c.status == 0 {
			c.status = 200
		}
		var reply stsReply
		if err := xml.Unmarshal([]byte(body), &reply); err != nil || status != c.status || reply.Code != c.code || reply.XMLName.Space != stsNamespace {
			t.Errorf("%s: %d %s %v", c.name, status, body, err)
		}
		if has := strings.Contains(body, f.Credentials.SecretAccessKey); has != (status == 200 && c.action != "GetCallerIdentity") {
			t.Errorf("%s: got %s", c.name, body)
		}
	}

	// Who is who, and until when.
	who := func(keys awsauth.Credentials) (string, string) {
		_, body := query(t, f, sign(keys), "GetCallerIdentity")
		var reply stsReply
		xml.Unmarshal([]byte(body), &reply)
		return reply.Who.Arn, reply.Code
	}
	if arn, _ := who(f.Caller); arn != "arn:aws:iam::123456789012:user/test" {
		t.Errorf("the caller is %s", arn)
	}
	if arn, _ := who(f.Credentials); arn != "arn:aws:sts::123456789012:assumed-role/reader/me" {
		t.Errorf("the role is %s", arn)
	}
	if status, body := query(t, f, sign(f.Credentials), "AssumeRole", "DurationSeconds", "3601"); status != 400 {
		t.Errorf("a chained role for more than an hour: %d %s", status, body)
	}
	query(t, f, good, "AssumeRole")
	f.Change(func() { f.Now = func() time.Time { return time.Now().Add(time.Hour) } })
	late := sign(f.Credentials)
	late.Now = f.Now
	if status, body := query(t, f, late, "GetCallerIdentity"); status != 403 || !strings.Contains(body, "<Code>ExpiredToken<") {
		t.Errorf("an hour later: %d %s", status, body)
	}

	// What the fields forbid.
	f.Change(func() {
		f.Now, f.Region, f.RoleARN, f.ExternalID = nil, "eu-west-1", role, "12345"
	})
	for _, c := range []struct {
		region string
		params []string
		want   int
	}{
		{"eu-west-1", []string{"ExternalId", "12345"}, 200},
		{"us-east-1", []string{"ExternalId", "12345"}, 403},
		{"eu-west-1", []string{"ExternalId", "54321"}, 403},
		{"eu-west-1", nil, 403},
		{"eu-west-1", []string{"ExternalId", "12345", "RoleArn", role + "2"}, 403},
	} {
		signer := &awsauth.Signer{Service: "sts", Region: c.region, Credentials: f.Caller}
		if status, body := query(t, f, signer, "AssumeRole", c.params...); status != c.want {
			t.Errorf("%v: %d %s", c, status, body)
		}
	}

	// The body is signed too.
	req, _ := http.NewRequest("POST", f.URL+"/", strings.NewReader("Action=GetCallerIdentity&Version=2011-06-15"))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if err := good.Sign4(req); err != nil {
		t.Fatal(err)
	}
	req.Body = io.NopCloser(strings.NewReader("Action=GetCallerIdentity&Version=2011-06-16"))
	if status, _ := send(t, req); status == 200 {
		t.Error("a changed body was taken")
	}

	// A presigned URL, as EKS has its tokens.
	req, _ = http.NewRequest("GET", f.URL+"/?Action=GetCallerIdentity&Version=2011-06-15", nil)
	req.Header.Set("X-K8s-Aws-Id", "cluster")
	if err := good.Presign(req, time.Minute); err != nil {
		t.Fatal(err)
	}
	if status, body := send(t, req.Clone(t.Context())); status != 200 {
		t.Errorf("a presigned URL: %d %s", status, body)
	}
	req.Header.Set("X-K8s-Aws-Id", "another")
	if status, _ := send(t, req); status != 403 {
		t.Errorf("a presigned URL with another header: %d", status)
	}
	if n := len(f.Requests()); n < 40 || f.Requests()[0].Form.Get("Action") != "GetCallerIdentity" {
		t.Errorf("%d requests were kept", n)
	}
}

// What a client sees of each fault, and that the fake goes on after it.
func TestFaults(t *testing.T) {
	f := NewContainer()
	defer f.Close()
	f.AuthorizationToken = ""
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	get := func(ctx context.Context) (int, int, error) {
		req, _ := http.NewRequestWithContext(ctx, "GET", f.URL+f.Path, nil)
		resp, err := client.Do(req)
		if err != nil {
			return 0, 0, err
		}
		defer resp.Body.Close()
		n, err := io.Copy(io.Discard, resp.Body)
		return resp.StatusCode, int(n), err
	}
	for _, c := range []struct {
		name   string
		fault  Fault
		status int
		least  int  // bytes
		broken bool // the reply is not whole
	}{
		{name: "status", fault: Status(503), status: 503},
		{name: "reply", fault: Reply("x"), status: 200, least: 1},
		{name: "redirect", fault: Redirect("http://127.0.0.1:1/"), status: 307},
		{name: "reset", fault: Reset, broken: true},
		{name: "truncate", fault: Truncate, status: 200, broken: true},
		{name: "hang", fault: Hang, broken: true},
		{name: "huge", fault: Huge, status: 200, least: 10 << 20},
		{name: "on another path", fault: On("/other", Status(500)), status: 200},
		{name: "on this path", fault: On(f.Path, Status(500)), status: 500},
		{name: "no times", fault: Times(0, Status(500)), status: 200},
	} {
		f.Change(func() { f.Fault = c.fault })
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		if !c.broken {
			ctx = t.Context()
		}
		status, n, err := get(ctx)
		cancel()
		if status != c.status || n < c.least || (err != nil) != c.broken {
			t.Errorf("%s: %d, %d bytes, %v", c.name, status, n, err)
		}
	}
	f.Change(func() { f.Fault = Times(2, Status(500)) })
	for i, want := range []int{500, 500, 200, 200} {
		if status, _, err := get(t.Context()); status != want || err != nil {
			t.Errorf("time %d: %d, %v", i, status, err)
		}
	}
}

// Close ends what hangs.
func TestClose(t *testing.T) {
	f := NewEC2Metadata()
	f.Fault = Hang
	done := make(chan error)
	go func() {
		_, err := http.Get(f.URL + "/latest/")
		done <- err
	}()
	for len(f.Requests()) == 0 {
		time.Sleep(time.Millisecond)
	}
	start := time.Now()
	f.Close()
	if err := <-done; err == nil || time.Since(start) > 2*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}

// A transport reaches the fake under AWS's own names, and what was signed for them
// holds.
func TestTransport(t *testing.T) {
	f := NewSTS()
	defer f.Close()
	f.Region = "eu-west-1"
	req, _ := http.NewRequest("POST", "https://sts.eu-west-1.amazonaws.com/", strings.NewReader("Action=GetCallerIdentity&Version=2011-06-15"))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if err := awsauth.Sign4(req, f.Caller); err != nil {
		t.Fatal(err)
	}
	resp, err := f.Transport().RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got := f.Requests()[0].Host; resp.StatusCode != 200 || got != "sts.eu-west-1.amazonaws.com" || req.URL.Host != got || req.Host != got {
		t.Errorf("%d for %s; the request is now for %s", resp.StatusCode, got, req.URL)
	}
	f.Close()
	if resp, err := f.Transport().RoundTrip(req); err == nil {
		t.Errorf("after Close: %d", resp.StatusCode)
	} else if errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
