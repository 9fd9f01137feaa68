package awsauth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

// fieldOf returns the value of a form's field, which has to be there once.
func fieldOf(t *testing.T, form []FormField, name string) string {
	t.Helper()
	var values []string
	for _, f := range form {
		if f.Name == name {
			values = append(values, f.Value)
		}
	}
	if len(values) != 1 {
		t.Errorf("the form has the field %s %d times", name, len(values))
		return ""
	}
	return values[0]
}

func policyOf(t *testing.T, form []FormField) string {
	t.Helper()
	policy, err := base64.StdEncoding.DecodeString(fieldOf(t, form, "policy"))
	if err != nil {
		t.Fatal(err)
	}
	return string(policy)
}

func namesOf(form []FormField) string {
	var names []string
	for _, f := range form {
		names = append(names, f.Name)
	}
	return strings.Join(names, " ")
}

func TestPresignPost(t *testing.T) {
	s := &Signer{
		Credentials: Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"},
		Now:         func() time.Time { return time.Date(2026, 2, 28, 23, 59, 58, 0, time.UTC) },
	}
	form, err := s.PresignPost(t.Context(), PostPolicy{
		URL: "https://examplebucket.s3.amazonaws.com/", Bucket: "examplebucket", KeyPrefix: "user/",
		MinLength: 1, MaxLength: 1 << 20, Expires: 2 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "policy", policyOf(t, form), `{"expiration":"2026-03-01T00:00:00.000Z","conditions":[{"bucket":"examplebucket"},["starts-with","$key","user/"],["content-length-range",1,1048576],{"x-amz-algorithm":"AWS4-HMAC-SHA256"},{"x-amz-credential":"AKIDEXAMPLE/20260228/us-east-1/s3/aws4_request"},{"x-amz-date":"20260228T235958Z"}]}`)
	same(t, "signature", fieldOf(t, form, "x-amz-signature"), "bd75bc1ae382e96fd780c9f26b6ecfd4bb8487abf87ba1bee2b3c14b9be5b9eb")
	same(t, "fields", namesOf(form), "key x-amz-algorithm x-amz-credential x-amz-date policy x-amz-signature")
	same(t, "key", fieldOf(t, form, "key"), "user/${filename}")
	same(t, "credential", fieldOf(t, form, "x-amz-credential"), "AKIDEXAMPLE/20260228/us-east-1/s3/aws4_request")
}

// The example of the Amazon S3 API Reference, "Browser-Based Upload using HTTP POST":
// a policy that is not ours, with white space.
func TestPostSignature(t *testing.T) {
	const policy = "eyAiZXhwaXJhdGlvbiI6ICIyMDE1LTEyLTMwVDEyOjAwOjAwLjAwMFoiLA0KICAiY29uZGl0aW9ucyI6IFsNCiAgICB7ImJ1Y2tldCI6ICJzaWd2NGV4YW1wbGVidWNrZXQifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRrZXkiLCAidXNlci91c2VyMS8iXSwNCiAgICB7ImFjbCI6ICJwdWJsaWMtcmVhZCJ9LA0KICAgIHsic3VjY2Vzc19hY3Rpb25fcmVkaXJlY3QiOiAiaHR0cDovL3NpZ3Y0ZXhhbXBsZWJ1Y2tldC5zMy5hbWF6b25hd3MuY29tL3N1Y2Nlc3NmdWxfdXBsb2FkLmh0bWwifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRDb250ZW50LVR5cGUiLCAiaW1hZ2UvIl0sDQogICAgeyJ4LWFtei1tZXRhLXV1aWQiOiAiMTQzNjUxMjM2NTEyNzQifSwNCiAgICB7IngtYW16LXNlcnZlci1zaWRlLWVuY3J5cHRpb24iOiAiQUVTMjU2In0sDQogICAgWyJzdGFydHMtd2l0aCIsICIkeC1hbXotbWV0YS10YWciLCAiIl0sDQoNCiAgICB7IngtYW16LWNyZWRlbnRpYWwiOiAiQUtJQUlPU0ZPRE5ON0VYQU1QTEUvMjAxNTEyMjkvdXMtZWFzdC0xL3MzL2F3czRfcmVxdWVzdCJ9LA0KICAgIHsieC1hbXotYWxnb3JpdGhtIjogIkFXUzQtSE1BQy1TSEEyNTYifSwNCiAgICB7IngtYW16LWRhdGUiOiAiMjAxNTEyMjlUMDAwMDAwWiIgfQ0KICBdDQp9"
	key := deriveKey(keyID{secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", day: "20151229", region: "us-east-1", service: "s3"})
	same(t, "signature", string(key.sign(nil, []byte(policy))), "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e")
}

// All that a policy can say, computed apart from this package.
func TestPresignPostWhole(t *testing.T) {
	s := expressSigner()
	p := PostPolicy{
		URL: "https://amzn-s3-demo-bucket.s3.eu-west-1.amazonaws.com/", Bucket: "amzn-s3-demo-bucket", Key: "a \"b\"\\$c/\u00e9\U0001f600\x01",
		MinLength: 1,
		Fields:    map[string]string{"x-amz-meta-owner": "<alice> & $bob", "success_action_status": "201", "Content-Type": "image/png"},
		Prefixes:  map[string]string{"x-amz-meta-tag": "t$", "Cache-Control": ""},
		Expires:   time.Hour,
	}
	form, err := s.PresignPost(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if again, err := s.PresignPost(t.Context(), p); err != nil || !slices.Equal(again, form) {
			t.Fatalf("the same policy gives another form: %v %v", again, err)
		}
	}
	policy := policyOf(t, form)
	same(t, "policy", policy, `{"expiration":"2024-02-29T13:00:00.000Z","conditions":[{"bucket":"amzn-s3-demo-bucket"},{"key":"a \"b\"\\\u0024c/\u00e9\ud83d\ude00\u0001"},["content-length-range",1,5368709120],{"Content-Type":"image/png"},{"success_action_status":"201"},{"x-amz-meta-owner":"<alice> & \u0024bob"},["starts-with","$Cache-Control",""],["starts-with","$x-amz-meta-tag","t\u0024"],{"x-amz-algorithm":"AWS4-HMAC-SHA256"},{"x-amz-credential":"AKIAIOSFODNN7EXAMPLE/20240229/eu-west-1/s3/aws4_request"},{"x-amz-date":"20240229T120000Z"},{"x-amz-security-token":"session/token+EXAMPLE=="}]}`)
	same(t, "signature", fieldOf(t, form, "x-amz-signature"), "7255502e5928382ce6de9553a7d39591529d44fd4f456cb6bfff00036c39c047")
	same(t, "fields", namesOf(form), "key Content-Type success_action_status x-amz-meta-owner x-amz-algorithm x-amz-credential x-amz-date x-amz-security-token policy x-amz-signature")
	var read struct{ Conditions []any }
	if err := json.Unmarshal([]byte(policy), &read); err != nil {
		t.Fatal(err)
	}
	for _, f := range form {
		if f.Name == "policy" || f.Name == "x-amz-signature" {
			continue
		}
		if !slices.ContainsFunc(read.Conditions, func(c any) bool {
			m, _ := c.(map[string]any)
			return m[f.Name] == f.Value
		}) {
			t.Errorf("the policy has no condition for the field %s: %q", f.Name, f.Value)
		}
	}
}

func TestPresignPostExpires(t *testing.T) {
	at := time.Date(2024, 2, 29, 12, 0, 0, 250e6, time.UTC)
	for _, c := range []struct {
		expires, keys time.Duration // 0: they do not expire
		want          string
	}{
		{time.Second, 0, "2024-02-29T12:00:01.250Z"},
		{maxExpires, 0, "2024-03-07T12:00:00.250Z"},
		{time.Hour, 2 * time.Hour, "2024-02-29T13:00:00.250Z"},
		{time.Hour, 10*time.Minute + 999999*time.Nanosecond, "2024-02-29T12:10:00.250Z"},
		{time.Hour, time.Second, "2024-02-29T12:00:01.250Z"},
		{time.Hour, time.Second - 1, "get new ones"},
		{time.Hour, -1, "expired"},
		{time.Second - 1, 0, "one second to seven days"},
		{maxExpires + 1, 0, "one second to seven days"},
		{0, 0, "one second to seven days"},
	} {
		keys := expressSigner().Credentials.(Credentials)
		if c.keys != 0 {
			keys.Expires = at.Add(c.keys).In(time.FixedZone("", 3600))
		}
		s := &Signer{Region: "eu-west-1", Now: func() time.Time { return at }}
		form, err := s.PresignPost(t.Context(), PostPolicy{Bucket: "b", Key: "k", Expires: c.expires}, keys)
		if err != nil {
			if !strings.Contains(err.Error(), c.want) || form != nil {
				t.Errorf("%v with keys for %v: %v, want %s", c.expires, c.keys, err, c.want)
			}
			continue
		}
		if policy := policyOf(t, form); !strings.HasPrefix(policy, `{"expiration":"`+c.want+`"`) {
			t.Errorf("%v with keys for %v: %s, want %s", c.expires, c.keys, policy, c.want)
		}
		if strings.Contains(policyOf(t, form), "content-length-range") {
			t.Error("a range that nobody asked for")
		}
	}
}

func TestPresignPostRegion(t *testing.T) {
	for _, c := range []struct {
		url, service, region, env, want string
	}{
		{url: "https://b.s3.eu-west-1.amazonaws.com/", want: "eu-west-1"},
		{url: "https://b.s3.eu-west-1.amazonaws.com/", region: "us-west-2", want: "us-west-2"},
		{url: "https://b.s3.eu-west-1.amazonaws.com/", env: "us-west-2", want: "eu-west-1"},
		{url: "https://s3.cn-north-1.amazonaws.com.cn/b", service: "s3", want: "cn-north-1"},
		{url: "http://127.0.0.1:9000/b", region: "us-east-1", want: "us-east-1"},
		{url: "http://127.0.0.1:9000/b", env: "us-west-2", want: "us-west-2"},
		{region: "us-west-2", want: "us-west-2"},
		{env: "us-west-2", want: "us-west-2"},
		{want: "set PostPolicy.URL, Signer.Region or AWS_REGION"},
		{url: "http://127.0.0.1:9000/b", want: "set Signer.Service and Signer.Region"},
		{url: "b.s3.eu-west-1.amazonaws.com", want: "PostPolicy.URL has no host"},
		{url: "https://%zz/", want: "PostPolicy.URL has no host"},
		{url: "https://sqs.eu-west-1.amazonaws.com/", want: "not to sqs"},
		{url: zonalBucket, want: "not to s3express"},
		{region: "us-east-1", service: "sqs", want: "not to sqs"},
		{region: "*", want: "for one region"},
		{region: "us-east-1,us-west-2", want: "for one region"},
		{region: "us-east-1/x", want: "credential scope"},
	} {
		t.Run(c.url+c.region, func(t *testing.T) {
			t.Setenv("AWS_REGION", c.env)
			t.Setenv("AWS_DEFAULT_REGION", "")
			s := expressSigner()
			s.Service, s.Region = c.service, c.region
			form, err := s.PresignPost(t.Context(), PostPolicy{URL: c.url, Bucket: "b", Key: "k", Expires: time.Hour})
			if err != nil {
				if !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "awsauth: ") || form != nil {
					t.Errorf("%v, want %s", err, c.want)
				}
				return
			}
			same(t, "credential", fieldOf(t, form, "x-amz-credential"), "AKIAIOSFODNN7EXAMPLE/20240229/"+c.want+"/s3/aws4_request")
		})
	}
}

func TestPresignPostRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(p *PostPolicy)
		want   string
	}{
		"no bucket":           {func(p *PostPolicy) { p.Bucket = "" }, "set PostPolicy.Bucket"},
		"no key":              {func(p *PostPolicy) { p.Key = "" }, "set PostPolicy.Key or"},
		"two keys":            {func(p *PostPolicy) { p.KeyPrefix = "k" }, "not both"},
		"filename in key":     {func(p *PostPolicy) { p.Key = "a/${filename}" }, "set PostPolicy.KeyPrefix"},
		"filename in prefix":  {func(p *PostPolicy) { p.Key, p.KeyPrefix = "", "${filename}" }, "set PostPolicy.KeyPrefix"},
		"negative length":     {func(p *PostPolicy) { p.MinLength = -1 }, "MaxLength"},
		"negative bound":      {func(p *PostPolicy) { p.MaxLength = -1 }, "MaxLength"},
		"no length":           {func(p *PostPolicy) { p.MinLength, p.MaxLength = 2, 1 }, "MaxLength"},
		"bucket not UTF-8":    {func(p *PostPolicy) { p.Bucket = "\xff" }, "UTF-8"},
		"key not UTF-8":       {func(p *PostPolicy) { p.Key = "\xff" }, "UTF-8"},
		"prefix not UTF-8":    {func(p *PostPolicy) { p.Key, p.KeyPrefix = "", "\xff" }, "UTF-8"},
		"value not UTF-8":     {func(p *PostPolicy) { p.Fields = map[string]string{"acl": "\xff"} }, "UTF-8"},
		"field without name":  {func(p *PostPolicy) { p.Fields = map[string]string{"": "x"} }, "not a name"},
		"field with space":    {func(p *PostPolicy) { p.Prefixes = map[string]string{"a b": "x"} }, "not a name"},
		"a field of its own":  {func(p *PostPolicy) { p.Fields = map[string]string{"X-Amz-Date": "x"} }, "leave it out"},
		"a field of the form": {func(p *PostPolicy) { p.Prefixes = map[string]string{"file": ""} }, "leave it out"},
		"two spellings":       {func(p *PostPolicy) { p.Fields = map[string]string{"acl": "a", "ACL": "b"} }, "there twice"},
		"two conditions": {func(p *PostPolicy) {
			p.Fields, p.Prefixes = map[string]string{"Content-Type": "image/png"}, map[string]string{"content-type": "image/"}
		}, "there twice"},
	} {
		s := expressSigner()
		s.Credentials = ProviderFunc(func(context.Context) (Credentials, error) {
			t.Errorf("%s: the keys were asked for", name)
			return Credentials{}, ErrNoCredentials
		})
		p := PostPolicy{URL: "https://b.s3.eu-west-1.amazonaws.com/", Bucket: "b", Key: "k", Expires: time.Hour}
		c.change(&p)
		form, err := s.PresignPost(t.Context(), p)
		if form != nil || err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "awsauth: ") {
			t.Errorf("%s: %v, want an error with %q", name, err, c.want)
		}
	}

	p := PostPolicy{URL: "https://b.s3.eu-west-1.amazonaws.com/", Bucket: "b", Key: "k", Expires: time.Hour}
	if form, err := PresignPost(t.Context(), p, Anonymous{}); form != nil || err == nil {
		t.Errorf("a form without keys: %v", form)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	waits := ProviderFunc(func(ctx context.Context) (Credentials, error) { return Credentials{}, ctx.Err() })
	if _, err := PresignPost(ctx, p, waits); err != context.Canceled {
		t.Errorf("the context does not reach the provider: %v", err)
	}
}
