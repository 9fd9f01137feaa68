package interop

import (
	"cmp"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-awsauth/awsauth"
	"github.com/go-awsauth/awsauth/awsauthtest"
	"github.com/go-awsauth/awsauth/sts"
)

// A middle changes requests on their way: behind the client's back, or where
// resp.Request shows it.
type middle struct {
	base   http.RoundTripper
	change func(*http.Request)
	shows  bool
}

func (m middle) RoundTrip(req *http.Request) (*http.Response, error) {
	sent := req.Clone(req.Context())
	if m.change != nil {
		m.change(sent)
	}
	resp, err := m.base.RoundTrip(sent)
	if err == nil && !m.shows {
		resp.Request = req
	}
	return resp, err
}

// What real servers answer to faults of all kinds, and what Diagnose makes of it.
func TestDiagnose(t *testing.T) {
	t.Run("awsauthtest", func(t *testing.T) {
		fake := awsauthtest.NewServer()
		defer fake.Close()
		fake.Region = serverRegion
		fake.Credentials = serverKeys
		diagnose(t, &server{Name: "awsauthtest", Kind: "awsauthtest", URL: fake.URL, Region: serverRegion, Keys: serverKeys, Client: &http.Client{Transport: fake.Transport()}})
		fake.Change(func() { fake.Credentials = sessionKeys })
		diagnoseSession(t, &server{Name: "awsauthtest", Kind: "awsauthtest", URL: fake.URL, Region: serverRegion, Keys: sessionKeys, Session: sessionKeys, Client: &http.Client{Transport: fake.Transport()}})
	})
	eachServer(t, func(t *testing.T, s *server) {
		if s.Kind == "Verifier" {
			t.Skip("it answers in a few words; awsauthtest has a Verifier that says all")
		}
		diagnose(t, s)
		if s.Session.AccessKeyID == "" && s.STS != "" {
			role := sts.AssumeRole{RoleARN: "arn:aws:iam::123456789012:role/interop", Source: s.Keys, Endpoint: s.STS, Region: s.Region, Transport: s.Client.Transport}
			keys, err := role.Retrieve(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			of := *s
			of.Session = keys
			s = &of
		}
		diagnoseSession(t, s)
	})
}

// A fault, and the cause that is to be named. minio says less than others.
type fault struct {
	name    string
	signer  func(*awsauth.Signer) // in the signer,
	after   func(*http.Request)   // in the program, after signing,
	client  func(*http.Request)   // in a RoundTripper of the client,
	way     func(*http.Request)   // or on the way
	method  string                // "": GET
	presign bool
	want    string
	lines   string
	minio   string // in place of both; "": the same
	accepts string // the server that accepts it all the same
}

// silent is the cause where a server says that the signature is wrong, and no more.
func silent(id string) string {
	return "SignatureDoesNotMatch: the server does not show what it received; the secret access key is not the one of " + id +
		", or the program changed the request after signing, or a proxy changes host, path, query or signed headers"
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Del(name)
		if value != "" {
			r.Header.Set(name, value)
		}
	}
}

func clock(ahead time.Duration) func(*awsauth.Signer) {
	return func(s *awsauth.Signer) { s.Now = func() time.Time { return time.Now().Add(ahead) } }
}

func altered(r *http.Request) {
	r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "X-Amz-Expires=900", "X-Amz-Expires=9000", 1)
}

func diagnose(t *testing.T, s *server) {
	const id = "AKIAINTEROPEXAMPLE01"
	secret := func(sg *awsauth.Signer) {
		sg.Credentials = awsauth.Credentials{AccessKeyID: id, SecretAccessKey: "a guess of the secret"}
	}
	diagnoseEach(t, s, s.Keys, []fault{
		{name: "none"},
		{name: "none, presigned", presign: true},
		{name: "wrong secret", signer: secret, want: "403 SignatureDoesNotMatch: all that was signed arrived as it was, so that the secret access key is not the one of " + id, minio: silent(id)},
		{name: "wrong secret, presigned", presign: true, signer: secret, want: "all that was signed arrived as it was, so that the secret access key is not the one of " + id, minio: silent(id)},
		{name: "unknown key", signer: func(sg *awsauth.Signer) {
			sg.Credentials = awsauth.Credentials{AccessKeyID: "AKIAOTHER", SecretAccessKey: "x"}
		}, want: "the server does not know the access key ID AKIAOTHER: "},
		{name: "a token with a long-term key", signer: func(sg *awsauth.Signer) {
			keys := s.Keys
			keys.SessionToken = sessionKeys.SessionToken
			sg.Credentials = keys
		}, want: id + " is a long-term key, and a session token was sent with it"},
		{name: "region", signer: func(sg *awsauth.Signer) { sg.Region = "eu-west-1" }, want: `the request was signed for region "eu-west-1" where the server is in "us-east-1": set Signer.Region`},
		{name: "region, presigned", presign: true, signer: func(sg *awsauth.Signer) { sg.Region = "eu-west-1" }, want: `the request was signed for region "eu-west-1" where the server is in "us-east-1": set Signer.Region`},
		{name: "service", signer: func(sg *awsauth.Signer) { sg.Service = "sqs" }, want: `the request was signed for service "sqs" where the server is "s3": set Signer.Service`},
		{name: "service, presigned", presign: true, signer: func(sg *awsauth.Signer) { sg.Service = "sqs" }, want: `the request was signed for service "sqs" where the server is "s3": set Signer.Service`},
		{name: "slow clock", signer: clock(-40 * time.Minute), want: "403 RequestTimeTooSkewed: the time of the signature, ", lines: ", is 40 minutes behind the server's, "},
		{name: "fast clock", signer: clock(40 * time.Minute), want: "403 RequestTimeTooSkewed: the time of the signature, ", lines: ", is 40 minutes ahead of the server's, "},
		{name: "expired", presign: true, signer: clock(-40 * time.Minute), want: "403 AccessDenied: the presigned URL has expired: it was good for 15 minutes from ", lines: ", which ended 25 minutes ago: presign a new one"},

		{name: "a header changed", way: header("X-Amz-Meta-A", "2"), want: "on the way the header x-amz-meta-a was changed", lines: "\tsigned:   x-amz-meta-a:1\n\treceived: x-amz-meta-a:2", minio: silent(id)},
		{name: "a header removed", way: header("X-Amz-Meta-A", ""), want: "on the way the header x-amz-meta-a was removed", lines: "\tsigned:   x-amz-meta-a:1\n\treceived: (nothing)",
			minio: "400 AccessDenied: on the way a header beginning with X-Amz- was added, or one that is signed was removed"},
		{name: "a header added", way: header("X-Amz-Meta-Extra", "1"), want: "headers that are not signed were added, on the way or after signing: x-amz-meta-extra", accepts: "minio"},
		{name: "a header added by the program", after: header("X-Amz-Meta-Extra", "1"), want: "headers that are not signed were added, on the way or after signing: x-amz-meta-extra", accepts: "minio"},
		{name: "the path", way: func(r *http.Request) { r.URL.Path, r.URL.RawPath = r.URL.Path+"/index", "" }, want: "on the way the path was changed", lines: "/key/index", minio: silent(id)},
		{name: "a parameter added", way: func(r *http.Request) { r.URL.RawQuery += "&x-id=GetObject" }, want: "on the way the query parameter x-id was added", lines: "\treceived: x-id=GetObject", minio: silent(id)},
		{name: "a parameter removed", way: func(r *http.Request) { r.URL.RawQuery = "" }, want: "on the way the query parameter a was removed", lines: "\tsigned:   a=b\n\treceived: (nothing)", minio: silent(id)},
		{name: "a presigned URL altered on the way", presign: true, way: altered, want: "on the way the query parameter X-Amz-Expires was changed", lines: "\tsigned:   X-Amz-Expires=900\n\treceived: X-Amz-Expires=9000", minio: silent(id)},
		{name: "a presigned URL altered", presign: true, after: altered, want: "all that was signed arrived as it was, so that the secret access key is not the one of " + id + ", or the program changed the request after signing", minio: silent(id)},
		{name: "the method", method: "GET", way: func(r *http.Request) { r.Method = "DELETE" }, want: "on the way the method was changed", lines: "\tsigned:   GET\n\treceived: DELETE", minio: silent(id)},
		{name: "the host", way: func(r *http.Request) { r.Host = "internal.example" }, want: "on the way the header host was changed: have proxies keep the Host header", lines: "\treceived: host:internal.example", minio: silent(id)},
		{name: "the date", way: header("X-Amz-Date", time.Now().UTC().Add(2*time.Second).Format("20060102T150405Z")), want: "on the way the header x-amz-date was changed", minio: silent(id)},
		{name: "two things", way: func(r *http.Request) { r.Host = "internal.example"; r.Header.Set("X-Amz-Meta-A", "2") }, want: "on the way the header host was changed, the header x-amz-meta-a was changed", minio: silent(id)},
		{name: "the body", method: "PUT", way: func(r *http.Request) {
			r.Body, r.GetBody, r.ContentLength = io.NopCloser(strings.NewReader("other")), nil, 5
		}, want: "400 XAmzContentSHA256Mismatch: on the way the body was changed"},
		{name: "the body, after signing", method: "PUT", after: func(r *http.Request) {
			r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("others")), nil }
			r.Body, _ = r.GetBody()
			r.ContentLength = 6
		}, want: "400 XAmzContentSHA256Mismatch: the body was changed after signing"},
		{name: "the signature", way: func(r *http.Request) {
			auth := r.Header.Get("Authorization")
			r.Header.Set("Authorization", auth[:len(auth)-4]+"0000")
		}, want: "on the way the signature itself was changed", minio: silent(id)},
		{name: "no signature", way: header("Authorization", ""), want: "403 AccessDenied: access is denied to " + id + " by a policy, and not for the signature (", lines: "; S3 says this also where a proxy removes the signature"},
		{name: "half a signature", way: func(r *http.Request) { r.Header.Set("Authorization", r.Header.Get("Authorization")[:120]) }, want: ": the signature did not arrive, or not whole"},

		{name: "a transport that changes", client: header("X-Amz-Meta-A", "2"), want: "between signing and sending the header x-amz-meta-a was changed", lines: "\tsigned:   x-amz-meta-a:1\n\treceived: x-amz-meta-a:2"},
		{name: "a transport that unsigns", client: header("Authorization", ""), want: "between signing and sending the Authorization header was removed"},
		{name: "a URL altered by the client", presign: true, client: altered, want: "between signing and sending the query parameter X-Amz-Expires was changed"},
		{name: "a header removed by the program", after: header("X-Amz-Meta-A", ""), want: "headers were removed after signing: sign last: x-amz-meta-a"},
		{name: "a presigned header that is not sent", presign: true, after: header("X-Amz-Meta-A", ""), want: "the URL was presigned together with headers that the request does not have: set them as they were: x-amz-meta-a"},
		{name: "not signed", after: header("Authorization", ""), want: "the request is not signed: call Sign or Presign before it is sent"},
		{name: "signed twice", presign: true, after: header("Authorization", "AWS4-HMAC-SHA256 Credential=x"), want: "the request has two signatures", accepts: "versitygw"},
		{name: "a HEAD", method: "HEAD", signer: secret, want: "403: the server gives no reason: where the request is a HEAD, diagnose a GET", minio: silent(id)},
		{name: "no such key", signer: func(*awsauth.Signer) {}, want: "404 NoSuchKey: the signature is not the reason"},
	})
}

// What is special to temporary keys.
func diagnoseSession(t *testing.T, s *server) {
	token := func(token string) func(*awsauth.Signer) {
		return func(sg *awsauth.Signer) {
			keys := s.Session
			keys.SessionToken = token
			sg.Credentials = keys
		}
	}
	id := s.Session.AccessKeyID
	diagnoseEach(t, s, s.Session, []fault{
		{name: "session"},
		{name: "session, presigned", presign: true},
		{name: "no token", signer: token(""), want: "403 InvalidAccessKeyId: the session token is missing, and " + id + " is a temporary key: set Credentials.SessionToken", minio: "403 InvalidTokenId: the session token of " + id + " is missing: set Credentials.SessionToken"},
		{name: "another token", signer: token("another-token-of-nobody"), want: "the session token is not the one of " + id},
		{name: "another token, presigned", presign: true, signer: token("another-token-of-nobody"), want: "the session token is not the one of " + id},
		{name: "a token removed by the program", after: header("X-Amz-Security-Token", ""), want: "headers were removed after signing: sign last: x-amz-security-token"},
		{name: "a session's header changed", way: header("X-Amz-Meta-A", "2"), want: "on the way the header x-amz-meta-a was changed", minio: silent(id)},
		{name: "a session's secret", signer: func(sg *awsauth.Signer) {
			keys := s.Session
			keys.SecretAccessKey = "a guess of the secret"
			sg.Credentials = keys
		}, want: "all that was signed arrived as it was, so that the secret access key is not the one of " + id, minio: silent(id)},
	})
}

func diagnoseEach(t *testing.T, s *server, keys awsauth.Credentials, faults []fault) {
	signer := &awsauth.Signer{Service: "s3", Region: s.Region, Credentials: keys}
	bucket := s.bucket(t)
	req := newRequest(t, "PUT", bucket+"/key", "")
	sign(t, signer, req)
	if a := s.send(t, req); a.StatusCode >= 300 {
		t.Fatalf("%s %s", a.Status, a.Body)
	}
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			switch {
			case s.Kind == "minio" && f.minio != "":
				f.want, f.lines = f.minio, ""
			case s.Kind == f.accepts:
				f.want = ""
			default:
				f.accepts = ""
			}
			method, body := "GET", ""
			if f.method != "" {
				method = f.method
			}
			if method == "PUT" {
				body = "a body"
			}
			target := bucket + "/key?a=b"
			if f.name == "no such key" {
				target = bucket + "/none?a=b"
			}
			if method == "PUT" {
				target = bucket + "/key" // s3 has such parameters for GET alone
			}
			sg := &awsauth.Signer{Service: "s3", Region: s.Region, Credentials: keys}
			if f.signer != nil {
				f.signer(sg)
			}
			req := newRequest(t, method, target, body)
			req.Header.Set("X-Amz-Meta-A", "1")
			if f.presign {
				presign(t, sg, req)
			} else {
				sign(t, sg, req)
			}
			if f.after != nil {
				f.after(req)
			}
			client := &http.Client{Transport: middle{middle{s.Client.Transport, f.way, false}, f.client, true}, Timeout: time.Minute}
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			err = awsauth.Diagnose(req, resp)
			rest, readErr := io.ReadAll(resp.Body)
			outcome := asRefused
			switch {
			case f.want == "":
				if outcome = asAccepted; f.accepts != "" {
					outcome = asGap
				}
				if err != nil {
					outcome = asWrong
					t.Errorf("%s: %v", s.Name, err)
				}
			case err == nil || !strings.Contains(err.Error(), f.want) || !strings.Contains(err.Error(), f.lines):
				outcome = asWrong
				t.Errorf("%s: got  %v\nwant %s\n%s\nthe answer: %s %s", s.Name, err, f.want, f.lines, resp.Status, rest)
			}
			if readErr != nil || f.want != "" && method != "HEAD" && !strings.Contains(string(rest), "</Error>") {
				t.Errorf("the body then reads %q, %v", rest, readErr)
			}
			if err != nil {
				for _, secret := range []string{keys.SecretAccessKey, cmp.Or(s.Session.SessionToken, sessionKeys.SessionToken), sessionKeys.SessionToken, url.QueryEscape(sessionKeys.SessionToken), "a guess", "another-token"} {
					if strings.Contains(err.Error(), secret) {
						t.Errorf("it tells %q: %v", secret, err)
					}
				}
			}
			count(s, "diagnose", outcome)
			t.Log(err)
		})
	}
}
