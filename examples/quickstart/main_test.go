package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/go-awsauth/awsauth"
	"github.com/go-awsauth/awsauth/awsauthtest"
)

func TestWalkThrough(t *testing.T) {
	var out strings.Builder
	if err := walkThrough(&out); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	want := []string{
		`object: http://127\.0\.0\.1:\d+/photos/2026/a\+b%20%281%29\.jpg`,
		`put, signed: 200 OK, 0 bytes`,
		`get, signed: 200 OK, 18 bytes`,
		`presigned URL: http://127\.0\.0\.1:\d+/photos/2026/a%2Bb%20%281%29\.jpg\?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=ASIASERVEREXAMPLE%2F\d{8}%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=\d{8}T\d{6}Z&X-Amz-Expires=900&X-Amz-Security-Token=token-of-SERVER&X-Amz-SignedHeaders=host&X-Amz-Signature=[0-9a-f]{64}`,
		`get, presigned: 200 OK, 18 bytes`,
		`get, altered URL: awsauth: 403 SignatureDoesNotMatch: between signing and sending the query parameter X-Amz-Expires was changed: .*`,
		`	signed:   X-Amz-Expires=900`,
		`	received: X-Amz-Expires=604800`,
		`get, wrong secret: awsauth: 403 SignatureDoesNotMatch: all that was signed arrived as it was, so that the secret access key is not the one of ASIASERVEREXAMPLE, .*`,
	}
	got := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			t.Errorf("line %d is missing: %s", i+1, want[i])
		case i >= len(want):
			t.Errorf("line %d is one too many: %s", i+1, got[i])
		case !regexp.MustCompile("^" + want[i] + "$").MatchString(got[i]):
			t.Errorf("line %d: got  %s\nwant %s", i+1, got[i], want[i])
		}
	}
}

// A refusal that does not happen, and content that differs, must be errors.
func TestReport(t *testing.T) {
	refusal := `<Error><Code>InvalidAccessKeyId</Code></Error>`
	const why = "step: awsauth: 403 InvalidAccessKeyId: the request is not signed: call Sign or Presign before it is sent"
	tests := []struct {
		name   string
		status int
		body   string
		wanted func(answer) bool
		good   bool
		line   string
	}{
		{"success", 200, "abc", ok, true, "step: 200 OK, 3 bytes"},
		{"content", 200, "abc", stored("abc"), true, "step: 200 OK, 3 bytes"},
		{"other content", 200, "abd", stored("abc"), false, "step: 200 OK, 3 bytes"},
		{"refusal", 403, refusal, refused("InvalidAccessKeyId"), true, why},
		{"other refusal", 403, refusal, refused("InvalidToken"), false, why},
		{"refusal in success's place", 403, refusal, ok, false, why},
		{"success in refusal's place", 200, "InvalidAccessKeyId", refused("InvalidAccessKeyId"), false, "step: 200 OK, 18 bytes"},
		{"failure without a document", 502, "", ok, false, "step: awsauth: 502: the signature is not the reason"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			rec := httptest.NewRecorder()
			rec.WriteHeader(test.status)
			io.WriteString(rec, test.body)
			var out strings.Builder
			err := report(&out, "step", httptest.NewRequest("GET", "http://b.example/", nil), rec.Result(), nil, test.wanted)
			if (err == nil) != test.good {
				t.Errorf("got error %v", err)
			}
			if got := strings.TrimSuffix(out.String(), "\n"); got != test.line {
				t.Errorf("printed %q, want %q", got, test.line)
			}
		})
	}
}

// TestFetch sends what is meant for AWS to a server on loopback.
func TestFetch(t *testing.T) {
	server := awsauthtest.NewServer()
	defer server.Close()
	transport := http.DefaultTransport
	http.DefaultTransport = server.Transport()
	defer func() { http.DefaultTransport = transport }()
	for _, name := range os.Environ() {
		if name, _, _ = strings.Cut(name, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
		}
	}
	t.Setenv("AWS_ACCESS_KEY_ID", server.Credentials.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", server.Credentials.SecretAccessKey)
	t.Setenv("AWS_SESSION_TOKEN", server.Credentials.SessionToken)

	const target = "https://bucket.s3.eu-central-1.amazonaws.com/a+b"
	var out strings.Builder
	if err := fetch(&out, target); err == nil || !strings.HasPrefix(out.String(), "get, signed: awsauth: 404 NoSuchKey: the signature is not the reason (The specified key does not exist.)\n") {
		t.Errorf("no object: %v\n%s", err, &out)
	}

	req, err := http.NewRequest("PUT", target, strings.NewReader("content"))
	if err != nil {
		t.Fatal(err)
	}
	if err := awsauth.Sign4(req); err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()

	out.Reset()
	if err := fetch(&out, target); err != nil {
		t.Errorf("%v\n%s", err, &out)
	}
	lines := strings.Split(out.String(), "\n")
	if len(lines) != 4 || lines[0] != "get, signed: 200 OK, 7 bytes" || lines[2] != "get, presigned: 200 OK, 7 bytes" {
		t.Errorf("printed\n%s", &out)
	}
	if strings.Contains(out.String(), server.Credentials.SecretAccessKey) {
		t.Error("the secret was printed")
	}
}
