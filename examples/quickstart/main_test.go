package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-awsauth/awsauth"
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
		`presigned URL: http://127\.0\.0\.1:\d+/photos/2026/a%2Bb%20%281%29\.jpg\?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F\d{8}%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=\d{8}T\d{6}Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature=[0-9a-f]{64}`,
		`get, presigned: 200 OK, 18 bytes`,
		`get, altered URL: 403 Forbidden, SignatureDoesNotMatch`,
		`get, wrong secret: 403 Forbidden, SignatureDoesNotMatch`,
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
	refusal := `<Error><Code>AccessDenied</Code></Error>`
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
		{"refusal", 403, refusal, refused("AccessDenied"), true, "step: 403 Forbidden, AccessDenied"},
		{"other refusal", 403, refusal, refused("InvalidToken"), false, "step: 403 Forbidden, AccessDenied"},
		{"refusal in success's place", 403, refusal, ok, false, "step: 403 Forbidden, AccessDenied"},
		{"success in refusal's place", 200, "AccessDenied", refused("AccessDenied"), false, "step: 200 OK, 12 bytes"},
		{"failure without a document", 502, "", ok, false, "step: 502 Bad Gateway, no code"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			rec := httptest.NewRecorder()
			rec.WriteHeader(test.status)
			io.WriteString(rec, test.body)
			var out strings.Builder
			err := report(&out, "step", rec.Result(), nil, test.wanted)
			if (err == nil) != test.good {
				t.Errorf("got error %v", err)
			}
			if got := strings.TrimSuffix(out.String(), "\n"); got != test.line {
				t.Errorf("printed %q, want %q", got, test.line)
			}
		})
	}
}

func TestServer(t *testing.T) {
	keys := awsauth.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret", SessionToken: "token"}
	server := httptest.NewServer(NewServer("us-east-1", keys))
	defer server.Close()
	signer := &awsauth.Signer{Service: "s3", Region: "us-east-1", Credentials: keys}

	tests := []struct {
		method, path, header string
		status               int
		reply                string // "<Code>" of an error, else all of it
	}{
		{"GET", "/bucket/a", "", 404, "<Code>NoSuchKey</Code>"},
		{"PUT", "/bucket/a", "", 200, ""},
		{"PUT", "/bucket//a/../%2e/é +*'()", "", 200, ""},
		{"GET", "/bucket//a/../%2e/é +*'()", "", 200, "content of /bucket//a/../%2e/é +*'()"},
		{"GET", "/bucket/a", "", 200, "content of /bucket/a"},
		{"GET", "/bucket/a", "Range: bytes=0-6", 206, "content"},
		{"HEAD", "/bucket/a", "", 200, ""},
		{"POST", "/bucket/a", "", 405, "<Code>MethodNotAllowed</Code>"},
		{"DELETE", "/bucket/a", "", 204, ""},
		{"GET", "/bucket/a", "", 404, "<Code>NoSuchKey</Code>"},
		{"HEAD", "/bucket/a", "", 404, ""},
		{"GET", "/bucket", "", 501, "<Code>NotImplemented</Code>"},
		{"PUT", "/bucket/b", "X-Amz-Content-Sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER", 501, "<Code>NotImplemented</Code>"},
		{"GET", "/bucket/b", "", 404, "<Code>NoSuchKey</Code>"},
	}
	for _, test := range tests {
		var body io.Reader
		if test.method == "PUT" {
			body = strings.NewReader("content of " + test.path)
		}
		req, err := http.NewRequest(test.method, server.URL, body)
		if err != nil {
			t.Fatal(err)
		}
		req.URL.Path = test.path
		if name, value, ok := strings.Cut(test.header, ": "); ok {
			req.Header.Set(name, value)
		}
		if err := signer.Sign4(req); err != nil {
			t.Errorf("%s %s: %v", test.method, test.path, err)
			continue
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		reply, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		good := string(reply) == test.reply
		if strings.HasPrefix(test.reply, "<Code>") {
			good = strings.Contains(string(reply), test.reply)
		}
		if resp.StatusCode != test.status || !good {
			t.Errorf("%s %s: %s %q, want %d %q", test.method, test.path, resp.Status, reply, test.status, test.reply)
		}
	}

	// Presigned with a token; then after its time, with what was to be signed.
	for _, age := range []time.Duration{0, time.Hour} {
		old := &awsauth.Signer{Service: "s3", Region: "us-east-1", Credentials: keys, Now: func() time.Time { return time.Now().Add(-age) }}
		req, err := http.NewRequest("PUT", server.URL+"/bucket/c", nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := old.Presign(req, time.Minute); err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		reply, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		refused := resp.StatusCode == 403 && strings.Contains(string(reply), "<Code>AccessDenied</Code>") &&
			strings.Contains(string(reply), "<CanonicalRequest>PUT&#xA;/bucket/c&#xA;") &&
			strings.Contains(string(reply), "<StringToSign>AWS4-HMAC-SHA256&#xA;")
		if refused != (age > 0) {
			t.Errorf("presigned %v ago: %s\n%s", age, resp.Status, reply)
		}
	}
}

// TestFetch sends what is meant for AWS to the loopback server, as to a proxy.
func TestFetch(t *testing.T) {
	keys := awsauth.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "kept to itself"}
	server := httptest.NewServer(NewServer("eu-central-1", keys))
	defer server.Close()
	proxy, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	transport := http.DefaultTransport
	http.DefaultTransport = &http.Transport{Proxy: http.ProxyURL(proxy), DisableKeepAlives: true}
	defer func() { http.DefaultTransport = transport }()
	for _, name := range os.Environ() {
		if name, _, _ = strings.Cut(name, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
		}
	}
	t.Setenv("AWS_ACCESS_KEY_ID", keys.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", keys.SecretAccessKey)

	const target = "http://s3.eu-central-1.amazonaws.com/bucket/a+b"
	var out strings.Builder
	if err := fetch(&out, target); err == nil || !strings.HasPrefix(out.String(), "get, signed: 404 Not Found, NoSuchKey\n") {
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
	if strings.Contains(out.String(), keys.SecretAccessKey) {
		t.Error("the secret was printed")
	}
}
