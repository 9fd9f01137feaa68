package awsauth_test

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"

	"github.com/go-awsauth/awsauth"
	"github.com/go-awsauth/awsauth/awsauthtest"
)

// A proxy that does not keep the Host header breaks signatures.
func ExampleDiagnose() {
	server := awsauthtest.NewServer()
	defer server.Close()
	toServer, _ := url.Parse(server.URL)
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(toServer)
		r.Out.Host = "internal.example"
	}})
	defer proxy.Close()

	req, err := http.NewRequest("GET", proxy.URL+"/bucket/key", nil)
	if err != nil {
		panic(err)
	}
	req.Host = "files.example"
	signer := &awsauth.Signer{Service: "s3", Region: "us-east-1", Credentials: server.Credentials}
	if err := signer.Sign4(req); err != nil {
		panic(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	fmt.Println(awsauth.Diagnose(req, resp))
	// Output:
	// awsauth: 403 SignatureDoesNotMatch: on the way the header host was changed: have proxies keep the Host header, or sign for the host that arrives, with Request.Host
	// 	signed:   host:files.example
	// 	received: host:internal.example
}

// A middle changes requests between signing and the server: on the way, or
// in the client, where resp.Request shows it.
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

// atClock signs as of another time.
func atClock(ahead time.Duration) func(*awsauth.Signer) {
	return func(s *awsauth.Signer) { s.Now = func() time.Time { return time.Now().Add(ahead) } }
}

func withKeys(change func(*awsauth.Credentials)) func(*awsauth.Signer) {
	return func(s *awsauth.Signer) {
		keys := s.Credentials.(awsauth.Credentials)
		change(&keys)
		s.Credentials = keys
	}
}

func setHeader(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func delHeader(name string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Del(name) }
}

// setBody changes the body, and nothing that was signed.
func setBody(text string) func(*http.Request) {
	return func(r *http.Request) {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }
	}
}

// Each fault is made once, and named.
func TestDiagnose(t *testing.T) {
	s3 := awsauthtest.NewServer()
	defer s3.Close()
	s3.Region = "eu-west-1"
	api := awsauthtest.NewServer()
	defer api.Close()
	api.Service, api.Region = "execute-api", "eu-west-1"
	api.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{"ok":true}`) })
	longTerm := awsauth.Credentials{AccessKeyID: "AKIDLONGTERM", SecretAccessKey: "a secret of its own"}

	const both, onlyS3, onlyAPI = 0, 1, 2
	for _, c := range []struct {
		name    string
		where   int                   // which servers
		signer  func(*awsauth.Signer) // the fault: in the signer,
		after   func(*http.Request)   // in the program, after signing,
		client  func(*http.Request)   // in a RoundTripper of the client,
		way     func(*http.Request)   // or on the way
		server  func(*awsauthtest.Server)
		method  string // "": PUT
		presign bool
		want    string // "": no error
		lines   string
	}{
		{name: "none"},
		{name: "none, presigned", presign: true},
		{name: "a header changed", way: setHeader("X-Amz-Meta-A", "2"), want: "on the way the header x-amz-meta-a was changed",
			lines: "\tsigned:   x-amz-meta-a:1\n\treceived: x-amz-meta-a:2"},
		{name: "a header added to", way: func(r *http.Request) { r.Header.Add("X-Amz-Meta-A", "2") }, want: "the header x-amz-meta-a was changed",
			lines: "\tsigned:   x-amz-meta-a:1\n\treceived: x-amz-meta-a:1,2"},
		{name: "a header removed", way: delHeader("Content-Type"), want: "on the way the header content-type was removed",
			lines: "\tsigned:   content-type:text/plain\n\treceived: (nothing)"},
		{name: "a presigned header changed", presign: true, way: setHeader("Content-Type", "a/b"), want: "on the way the header content-type was changed",
			lines: "\tsigned:   content-type:text/plain\n\treceived: content-type:a/b"},
		{name: "an unsigned X-Amz header added", where: onlyS3, way: setHeader("X-Amz-Acl", "private"), want: "headers that are not signed were added, on the way or after signing: x-amz-acl:"},
		{name: "the same in the program", where: onlyS3, after: setHeader("X-Amz-Acl", "private"), want: "headers that are not signed were added, on the way or after signing: x-amz-acl:"},
		{name: "the path rewritten", way: func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/stage"+r.URL.Path, "" }, want: "on the way the path was changed",
			lines: "\treceived: /stage/bucket/key%"},
		{name: "the path decoded", where: onlyAPI, way: func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/bucket/key!", "/bucket/key%21" },
			want: "on the way the encoding of the path was changed"},
		{name: "a parameter added", way: func(r *http.Request) { r.URL.RawQuery += "&x-id=PutObject" }, want: "on the way the query parameter x-id was added",
			lines: "\tsigned:   (nothing)\n\treceived: x-id=PutObject"},
		{name: "a parameter removed", way: func(r *http.Request) { r.URL.RawQuery = "" }, want: "on the way the query parameter response-expires was removed",
			lines: "\tsigned:   response-expires=0\n\treceived: (nothing)"},
		{name: "a presigned URL altered on the way", presign: true, way: func(r *http.Request) { r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "=900", "=9000", 1) },
			want: "on the way the query parameter X-Amz-Expires was changed", lines: "\tsigned:   X-Amz-Expires=900\n\treceived: X-Amz-Expires=9000"},
		{name: "a presigned URL altered", presign: true, after: func(r *http.Request) { r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "=900", "=9000", 1) },
			want: "all that was signed arrived as it was, so that the secret access key is not the one of ASIASERVEREXAMPLE, or the program changed the request after signing"},
		{name: "the method changed", way: func(r *http.Request) { r.Method = "POST" }, want: "on the way the method was changed", lines: "\tsigned:   PUT\n\treceived: POST"},
		{name: "the host changed", way: func(r *http.Request) { r.Host = "internal.example" }, want: "on the way the header host was changed: have proxies keep the Host header",
			lines: "received: host:internal.example"},
		{name: "the date changed", way: setHeader("X-Amz-Date", time.Now().UTC().Add(2*time.Second).Format("20060102T150405Z")), want: "on the way the header x-amz-date was changed"},
		{name: "two things changed", way: func(r *http.Request) { r.Method = "POST"; r.Header.Del("Content-Type") },
			want: "on the way the method was changed, the header content-type was removed", lines: "\tsigned:   PUT\n\treceived: POST\n\tsigned:   content-type:text/plain\n\treceived: (nothing)"},
		{name: "the signature changed", way: func(r *http.Request) {
			auth := r.Header.Get("Authorization")
			r.Header.Set("Authorization", auth[:len(auth)-4]+"0000")
		}, where: onlyS3, want: "on the way the signature itself was changed"},
		{name: "the signature removed", way: delHeader("Authorization"), where: onlyAPI, want: "the signature did not arrive, or not whole, as when a proxy removes or changes the Authorization header; API Gateway"},
		{name: "the signature removed, S3", way: delHeader("Authorization"), where: onlyS3, want: "access is denied to ASIASERVEREXAMPLE by a policy, and not for the signature (Access Denied); S3 says this also where a proxy removes the signature"},
		{name: "the signature cut", way: func(r *http.Request) { r.Header.Set("Authorization", r.Header.Get("Authorization")[:120]) }, want: "the signature did not arrive, or not whole"},
		{name: "the body changed", way: setBody("other"), where: onlyS3, want: "on the way the body was changed: its SHA-256 is not the one that was signed", lines: "\treceived: d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa"},
		{name: "the body changed, API", way: setBody("other"), where: onlyAPI, want: "on the way the body was changed", lines: "\treceived: d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa"},
		{name: "the body changed after signing", after: setBody("other"), where: onlyS3, want: "the body was changed after signing"},
		{name: "a digest that was wrong", after: setHeader("X-Amz-Content-Sha256", strings.Repeat("ab", 32)), where: onlyS3, want: "the body was changed after signing, or X-Amz-Content-Sha256 was not its SHA-256"},

		{name: "slow clock", signer: atClock(-40 * time.Minute), want: "the time of the signature, ", lines: " is 40 minutes behind the server's, "},
		{name: "fast clock", signer: atClock(3 * time.Hour), want: "the time of the signature, ", lines: " is 3h0m ahead of the server's, "},
		{name: "expired", presign: true, signer: atClock(-40 * time.Minute), want: "the presigned URL has expired: it was good for 15 minutes from 2", lines: ", which ended 25 minutes ago: presign a new one"},
		{name: "not yet valid", presign: true, signer: atClock(30 * time.Minute), want: "the time of the signature, ", lines: " is 30 minutes ahead of the server's, "},
		{name: "date changed by hours", way: setHeader("X-Amz-Date", time.Now().UTC().Format("20060102")+"T000000Z"), server: func(s *awsauthtest.Server) {
			now := time.Now().UTC().Truncate(24 * time.Hour).Add(23 * time.Hour)
			s.Now = func() time.Time { return now }
		}, signer: func(s *awsauth.Signer) {
			now := time.Now().UTC().Truncate(24 * time.Hour).Add(23 * time.Hour)
			s.Now = func() time.Time { return now }
		}, where: onlyS3, want: "on the way the header x-amz-date was changed"},

		{name: "wrong region", signer: func(s *awsauth.Signer) { s.Region = "us-east-1" }, where: onlyS3, want: `the request was signed for region "us-east-1" where the server is in "eu-west-1": set Signer.Region`},
		{name: "wrong region, presigned", presign: true, signer: func(s *awsauth.Signer) { s.Region = "us-east-1" }, where: onlyS3, want: `the request was signed for region "us-east-1" where the server is in "eu-west-1": set Signer.Region`},
		{name: "wrong region, API", signer: func(s *awsauth.Signer) { s.Region = "us-east-1" }, where: onlyAPI, want: `the request was signed for region "us-east-1", which is not the server's: set Signer.Region`},
		{name: "wrong service", signer: func(s *awsauth.Signer) { s.Service = "lambda" }, want: `the request was signed for service "lambda" where the server is "`},
		{name: "wrong service, presigned", presign: true, signer: func(s *awsauth.Signer) { s.Service = "lambda" }, want: `the request was signed for service "lambda" where the server is "`},

		{name: "wrong secret", signer: withKeys(func(c *awsauth.Credentials) { c.SecretAccessKey = "a guess" }),
			want: "all that was signed arrived as it was, so that the secret access key is not the one of ASIASERVEREXAMPLE"},
		{name: "wrong secret, presigned", presign: true, signer: withKeys(func(c *awsauth.Credentials) { c.SecretAccessKey = "a guess" }),
			want: "all that was signed arrived as it was, so that the secret access key is not the one of ASIASERVEREXAMPLE"},
		{name: "unknown key", signer: withKeys(func(c *awsauth.Credentials) { *c = longTerm }), want: "the server does not know the access key ID AKIDLONGTERM: "},
		{name: "unknown temporary key", signer: withKeys(func(c *awsauth.Credentials) { c.AccessKeyID = "ASIAOTHER" }), want: "the server does not know the access key ID ASIAOTHER together with this session token: "},
		{name: "no token", signer: withKeys(func(c *awsauth.Credentials) { c.SessionToken = "" }), want: "the session token"},
		{name: "another token", signer: withKeys(func(c *awsauth.Credentials) { c.SessionToken = "token-of-another" }), want: "session token"},
		{name: "a token for a long-term key", where: onlyS3, server: func(s *awsauthtest.Server) {
			s.Credentials = awsauth.Credentials{AccessKeyID: "AKIAX", SecretAccessKey: "x"}
		},
			signer: withKeys(func(c *awsauth.Credentials) {
				*c = awsauth.Credentials{AccessKeyID: "AKIAX", SecretAccessKey: "x", SessionToken: "left over"[:4]}
			}),
			want: "AKIAX is a long-term key, and a session token was sent with it: leave Credentials.SessionToken empty"},
		{name: "an expired token", server: func(s *awsauthtest.Server) { s.Credentials.Expires = time.Now().Add(-time.Minute) }, want: "the session token of ASIASERVEREXAMPLE has expired: "},

		{name: "a transport that changes", client: setHeader("Content-Type", "a/b"), want: "between signing and sending the header content-type was changed: see what does that"},
		{name: "a transport that unsigns", client: delHeader("Authorization"), want: "between signing and sending the Authorization header was removed"},
		{name: "a header removed by the program", after: delHeader("Content-Type"), want: "headers were removed after signing: sign last: content-type"},
		{name: "a presigned header that is not sent", presign: true, after: delHeader("Content-Type"), want: "the URL was presigned together with headers that the request does not have: set them as they were: content-type"},
		{name: "a date set by the program", after: setHeader("X-Amz-Date", "20200101T000000Z"), want: "the header x-amz-date was changed after signing: sign last"},
		{name: "not signed", after: delHeader("Authorization"), want: "the request is not signed: call Sign or Presign before it is sent"},
		{name: "signed twice", presign: true, after: setHeader("Authorization", "AWS4-HMAC-SHA256 Credential=x"), want: "the request has two signatures"},
		{name: "cut by the program", after: func(r *http.Request) { r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=x") }, want: "the signature in the Authorization header is not whole: sign last"},
		{name: "a HEAD", method: "HEAD", signer: withKeys(func(c *awsauth.Credentials) { c.SecretAccessKey = "a guess" }), where: onlyS3,
			want: "the server gives no reason: where the request is a HEAD, diagnose a GET"},
		{name: "no such key", method: "GET", where: onlyS3, want: "404 NoSuchKey: the signature is not the reason (The specified key does not exist.)"},
	} {
		for kind, server := range map[int]*awsauthtest.Server{onlyS3: s3, onlyAPI: api} {
			if c.where != both && c.where != kind {
				continue
			}
			t.Run(fmt.Sprintf("%s/%s", c.name, server.Service), func(t *testing.T) {
				before := server.Credentials
				if c.server != nil {
					server.Change(func() { c.server(server) })
					defer server.Change(func() { server.Credentials, server.Now = before, nil })
				}
				signer := &awsauth.Signer{Service: server.Service, Region: "eu-west-1", Credentials: before}
				if c.signer != nil {
					c.signer(signer)
				}
				method, text := "PUT", "content"
				if c.method != "" {
					method, text = c.method, ""
				}
				target := server.URL + "/bucket/key%20" + url.PathEscape(c.name) + "?response-expires=0"
				if c.name == "the path decoded" {
					target = server.URL + "/bucket/key!?response-expires=0"
				}
				req, err := http.NewRequest(method, target, strings.NewReader(text))
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Content-Type", "text/plain")
				req.Header.Set("X-Amz-Meta-A", "1")
				if c.presign {
					err = signer.Presign(req, 15*time.Minute)
				} else {
					err = signer.Sign4(req)
				}
				if err != nil {
					t.Fatal(err)
				}
				if c.after != nil {
					c.after(req)
				}
				client := &http.Client{Transport: middle{middle{server.Transport(), c.way, false}, c.client, true}}
				resp, err := client.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				err = awsauth.Diagnose(req, resp)
				if c.want == "" {
					if err != nil {
						t.Error(err)
					}
					return
				}
				if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.lines) || !strings.HasPrefix(err.Error(), "awsauth: ") {
					body, _ := io.ReadAll(resp.Body)
					t.Fatalf("got  %v\nwant %s\n%s\n%s %s", err, c.want, c.lines, resp.Status, body)
				}
				for _, secret := range []string{"token-of-", "secret-of-", "a secret of", "a guess"} {
					if strings.Contains(err.Error(), secret) {
						t.Errorf("it tells a secret: %v", err)
					}
				}
				again := fmt.Sprint(awsauth.Diagnose(req, resp))
				if again != err.Error() {
					t.Errorf("the answer can't be read again: %s", again)
				}
			})
		}
	}
}

const documentedToken = "FwoGZXIvYXdzEXAMPLE/EXAMPLETOKEN+of/a=session=="

// Answers of services, in their own words.
func TestDiagnoseAnswers(t *testing.T) {
	const dynamo, bucket, gateway = "https://dynamodb.us-east-1.amazonaws.com/", "https://examplebucket.s3.us-east-1.amazonaws.com/a", "https://abc.execute-api.us-east-1.amazonaws.com/prod/x?a=1"
	const queue = "https://sqs.us-east-1.amazonaws.com/?Action=ListQueues"
	const calculated = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
	const sum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	const dynamoLines = "\nhost:dynamodb.us-east-1.amazonaws.com\nx-amz-date:20260228T235958Z\nx-amz-security-token:" + documentedToken + "\n\nhost;x-amz-date;x-amz-security-token\n" + sum
	many := url.Values{}
	for i := range 30 {
		many.Set(fmt.Sprint("x", i), "")
	}
	inJSON := func(s string) string { return strings.ReplaceAll(s, "\n", "\\n") }
	stamp := func(canonical, date string) string {
		return fmt.Sprintf("AWS4-HMAC-SHA256\n%s\n20260228/us-east-1/dynamodb/aws4_request\n%x", date, sha256.Sum256([]byte(canonical)))
	}
	for _, c := range []struct {
		name, url string
		change    func(*awsauth.Signer)
		after     func(*http.Request)
		presign   bool
		status    int
		header    string
		body      string
		want      string // "": nil
	}{
		{name: "success", url: bucket, status: 204},
		{name: "not modified", url: bucket, status: 304},
		{name: "another redirect", url: bucket, status: 307, header: "Location: /b"},
		{name: "DynamoDB, all as it was", url: dynamo, status: 400,
			body: `{"__type":"com.amazon.coral.service#InvalidSignatureException","message":"` + inJSON(calculated+"\n\nThe Canonical String for this request should have been\n'POST\n/\n"+dynamoLines+"'\n\nThe String-to-Sign should have been\n'"+stamp("POST\n/\n"+dynamoLines, "20260228T235958Z")+"'\n") + `"}`,
			want: "400 InvalidSignatureException: all that was signed arrived as it was, so that the secret access key is not the one of ASIAEXAMPLE"},
		{name: "DynamoDB, another time in the string to sign", url: dynamo, status: 400,
			body: `{"__type":"com.amazon.coral.service#InvalidSignatureException","message":"` + inJSON(calculated+"\n\nThe Canonical String for this request should have been\n'POST\n/\n"+dynamoLines+"'\n\nThe String-to-Sign should have been\n'"+stamp("POST\n/\n"+dynamoLines, "20260228T235959Z")+"'\n") + `"}`,
			want: "on the way the time of the signature was changed\n\tsigned:   20260228T235958Z\n\treceived: 20260228T235959Z"},
		{name: "DynamoDB, a header that did not arrive", url: dynamo, status: 400,
			body: `{"__type":"com.amazon.coral.service#InvalidSignatureException","message":"` + inJSON(calculated+"\n\nThe Canonical String for this request should have been\n'POST\n/\n\nhost:dynamodb.us-east-1.amazonaws.com\n\nhost\n"+sum+"'\n\nThe String-to-Sign should have been\n'AWS4-HMAC-SHA256\nx\ny\nz'\n") + `"}`,
			want: "on the way the header x-amz-date was removed, the header x-amz-security-token was removed, the list of signed headers was changed"},
		{name: "SQS, in XML", url: queue, status: 403,
			body: `<?xml version="1.0"?><ErrorResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><Error><Type>Sender</Type><Code>SignatureDoesNotMatch</Code><Message>` + calculated +
				"\n\nThe Canonical String for this request should have been\n'POST\n/\nAction=ListQueues&amp;Version=2012-11-05\nhost:sqs.us-east-1.amazonaws.com\nx-amz-date:20260228T235958Z\nx-amz-security-token:another, one\n\nhost;x-amz-date;x-amz-security-token\n" + sum +
				"'\n\nThe String-to-Sign should have been\n'AWS4-HMAC-SHA256\n20260228T235958Z\n20260228/us-east-1/sqs/aws4_request\nd73666'\n</Message><Detail/></Error><RequestId>6d510b70</RequestId></ErrorResponse>",
			want: "403 SignatureDoesNotMatch: on the way the query parameter Version was added, the header x-amz-security-token was changed" +
				"\n\tsigned:   (nothing)\n\treceived: Version=2012-11-05\n\tsigned:   x-amz-security-token:(47 bytes, not shown)\n\treceived: x-amz-security-token:(12 bytes, not shown)"},
		{name: "a gateway's list of errors", url: gateway, status: 403, header: "X-Amzn-ErrorType: InvalidSignatureException:http://internal.amazon.com/coral/",
			body: `{"errors":[{"message":"` + inJSON(calculated+"\n\nThe Canonical String for this request should have been\n'POST\n/x\na=1\nhost:abc.execute-api.us-east-1.amazonaws.com\nx-amz-date:20260228T235958Z\nx-amz-security-token:"+documentedToken+"\n\nhost;x-amz-date;x-amz-security-token\n"+sum+"'\n\nThe String-to-Sign should have been\n'a'\n") + `","code":"InvalidSignature"}]}`,
			want: "403 InvalidSignatureException: on the way the path was changed\n\tsigned:   /prod/x\n\treceived: /x"},
		{name: "no more than that it is wrong", url: gateway, status: 403, body: `{"message":"` + calculated + `"}`,
			want: "the server does not show what it received; the secret access key is not the one of ASIAEXAMPLE, or the program changed the request after signing, or a proxy changes"},
		{name: "a clock that nobody names", url: gateway, status: 403, header: "Date: Sun, 01 Mar 2026 00:10:58 GMT", body: `{"message":"` + calculated + `"}`,
			want: "the time of the signature, 20260228T235958Z, is 11 minutes behind the server's, 20260301T001058Z"},
		{name: "the Date of a cached answer", url: gateway, status: 403, header: "Date: Sun, 01 Mar 2026 00:10:58 GMT\nAge: 660", body: `{"message":"` + calculated + `"}`,
			want: "the server does not show what it received"},
		{name: "the string to sign alone", url: bucket, status: 403, body: "<Error><Code>SignatureDoesNotMatch</Code><StringToSign>AWS4-HMAC-SHA256\n20260228T235958Z\n20260228/us-east-1/s3/aws4_request\n" + sum + "</StringToSign></Error>",
			want: "on the way the canonical request was changed\n\tsigned:   "},
		{name: "S3, in hexadecimal", url: bucket, status: 403, body: "<Error><Code>SignatureDoesNotMatch</Code><CanonicalRequest>lost</CanonicalRequest><CanonicalRequestBytes>" +
			fmt.Sprintf("% x", "POST\n/a\n\nhost:examplebucket.s3.us-east-1.amazonaws.com\nx-amz-content-sha256:"+sum+"\nx-amz-date:20260228T235958Z\nx-amz-security-token:"+documentedToken+"\nx-amz-meta-a:\x01\n\nhost;x-amz-content-sha256;x-amz-date;x-amz-security-token\n"+sum) + "</CanonicalRequestBytes></Error>",
			want: "on the way the header x-amz-meta-a was added\n\tsigned:   (nothing)\n\treceived: x-amz-meta-a:\\x01"},
		{name: "very many differences", url: bucket, status: 403, body: "<Error><Code>SignatureDoesNotMatch</Code><CanonicalRequest>POST\n/a\n" + strings.ReplaceAll(many.Encode(), "&", "&amp;") + "\nhost:examplebucket.s3.us-east-1.amazonaws.com\n\nhost\n" + sum + "</CanonicalRequest></Error>",
			want: "\n\tand 14 more"},
		{name: "not a canonical request", url: bucket, status: 403, body: "<Error><Code>SignatureDoesNotMatch</Code><CanonicalRequest>POST " + documentedToken + "</CanonicalRequest></Error>",
			want: "on the way the canonical request was changed"},
		{name: "a word where the service wants a hash", url: gateway, status: 403, change: func(s *awsauth.Signer) { s.Payload = awsauth.UnsignedPayload },
			body: "<Error><Code>SignatureDoesNotMatch</Code><CanonicalRequest>POST\n/prod/x\na=1\nhost:abc.execute-api.us-east-1.amazonaws.com\nx-amz-content-sha256:UNSIGNED-PAYLOAD\nx-amz-date:20260228T235958Z\nx-amz-security-token:" + documentedToken + "\n\nhost;x-amz-content-sha256;x-amz-date;x-amz-security-token\n" + sum + "</CanonicalRequest></Error>",
			want: "on the way the way in which the body is signed was changed\n\tsigned:   UNSIGNED-PAYLOAD\n\treceived: " + sum},

		{name: "EC2", url: "https://ec2.us-east-1.amazonaws.com/?Action=DescribeRegions", status: 401, body: `<?xml version="1.0" encoding="UTF-8"?>` + "\n<Response><Errors><Error><Code>AuthFailure</Code><Message>AWS was not able to validate the provided access credentials</Message></Error></Errors><RequestID>x</RequestID></Response>",
			want: "401 AuthFailure: the access key ID ASIAEXAMPLE, its secret or its session token is wrong; the service does not say which (AWS was not able to validate the provided access credentials)"},
		{name: "EC2, late", url: "https://ec2.us-east-1.amazonaws.com/", status: 400, header: "Date: Sun, 01 Mar 2026 00:20:00 GMT", body: `<Response><Errors><Error><Code>RequestExpired</Code><Message>Request has expired.</Message></Error></Errors></Response>`,
			want: "is 20 minutes behind the server's"},
		{name: "STS, early", url: "https://sts.us-east-1.amazonaws.com/", status: 403, header: "Date: Sat, 28 Feb 2026 23:00:00 GMT",
			body: `<ErrorResponse><Error><Type>Sender</Type><Code>SignatureDoesNotMatch</Code><Message>Signature not yet current: 20260228T235958Z is still later than 20260228T231500Z (20260228T230000Z + 15 min.)</Message></Error></ErrorResponse>`,
			want: "is 60 minutes ahead of the server's"},
		{name: "S3's own times", url: bucket, status: 403, header: "Date: Sun, 01 Mar 2026 00:20:00 GMT", body: `<Error><Code>RequestTimeTooSkewed</Code><Message>The difference between the request time and the current time is too large.</Message><RequestTime>20260228T235958Z</RequestTime><ServerTime>2026-03-01T01:00:00Z</ServerTime><MaxAllowedSkewMilliseconds>900000</MaxAllowedSkewMilliseconds></Error>`,
			want: "is 60 minutes behind the server's, 20260301T010000Z: set the clock"},
		{name: "no time at all", url: bucket, status: 403, body: `<Error><Code>RequestTimeTooSkewed</Code></Error>`,
			want: "the time of the signature, 20260228T235958Z, is too far from the server's: set the clock"},

		{name: "region and service", url: dynamo, change: func(s *awsauth.Signer) { s.Service, s.Region = "sqs", "c" }, status: 400,
			body: `{"__type":"com.amazon.coral.service#InvalidSignatureException","message":"Credential should be scoped to a valid region, not 'c'. Credential should be scoped to correct service: 'dynamodb'. "}`,
			want: `the request was signed for service "sqs" where the server is "dynamodb": set Signer.Service, and for region "c" where the server is in "us-east-1": set Signer.Region`},
		{name: "a region unsaid", url: gateway, change: func(s *awsauth.Signer) { s.Region = "eu-west-1" }, status: 403, body: `{"message":"Credential should be scoped to a valid region. "}`,
			want: `the request was signed for region "eu-west-1" where the server is in "us-east-1": set Signer.Region`},
		{name: "S3's region", url: bucket, status: 400, body: `<Error><Code>AuthorizationHeaderMalformed</Code><Message>The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-nl-1'</Message><Region>eu-nl-1</Region></Error>`,
			want: `400 AuthorizationHeaderMalformed: the request was signed for region "us-east-1" where the server is in "eu-nl-1"`},
		{name: "a credential that is cut", url: bucket, status: 400, body: `<Error><Code>AuthorizationHeaderMalformed</Code><Message>The authorization header is malformed; the Credential is mal-formed; expecting "&lt;YOUR-AKID&gt;/YYYYMMDD/REGION/SERVICE/aws4_request".</Message></Error>`,
			want: "the signature did not arrive, or not whole"},
		{name: "S3's redirect", url: bucket, status: 301, header: "X-Amz-Bucket-Region: eu-west-1", body: `<Error><Code>PermanentRedirect</Code><Message>The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.</Message><Endpoint>examplebucket.s3-eu-west-1.amazonaws.com</Endpoint><Bucket>examplebucket</Bucket></Error>`,
			want: `301 PermanentRedirect: the request was signed for region "us-east-1" where the server is in "eu-west-1": set Signer.Region, or ask the endpoint of that region`},
		{name: "S3's redirect in a region", url: bucket, status: 301, header: "X-Amz-Bucket-Region: us-east-1", body: `<Error><Code>PermanentRedirect</Code><Endpoint>examplebucket.s3.amazonaws.com</Endpoint></Error>`,
			want: `the bucket is at another endpoint: ask examplebucket.s3.amazonaws.com`},
		{name: "a HEAD elsewhere", url: bucket, status: 400, header: "X-Amz-Bucket-Region: eu-west-1", want: `the request was signed for region "us-east-1" where the server is in "eu-west-1"`},
		{name: "a scope nobody explains", url: "https://s3.example.com/", status: 400, body: `{"message":"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP"}`,
			want: `the credential scope is not the server's, or was changed on the way: the request was signed for service "s3" in region "us-east-1" (Date in Credential scope`},
		{name: "a service that the host tells", url: gateway, change: func(s *awsauth.Signer) { s.Service = "lambda" }, status: 403, body: `{"message":"Date in Credential scope does not match"}`,
			want: `the request was signed for service "lambda" where the host is of "execute-api"`},

		{name: "a temporary key without its token", url: dynamo, change: withKeys(func(c *awsauth.Credentials) { c.SessionToken = "" }), status: 400,
			body: `{"__type":"com.amazon.coral.service#UnrecognizedClientException","message":"The security token included in the request is invalid."}`,
			want: "the session token is missing, and ASIAEXAMPLE is a temporary key: set Credentials.SessionToken"},
		{name: "a token that is not S3's", url: bucket, change: withKeys(func(c *awsauth.Credentials) { c.SessionToken = "" }), status: 400, body: `<Error><Code>InvalidToken</Code><Message>The provided token is malformed or otherwise invalid.</Message></Error>`,
			want: "the session token of ASIAEXAMPLE is missing"},
		{name: "another's token", url: bucket, status: 400, body: `<Error><Code>InvalidToken</Code><Token-0>` + documentedToken + `</Token-0></Error>`, want: "the session token is not the one of ASIAEXAMPLE"},
		{name: "a token that expired", url: gateway, status: 403, body: `{"message":"The security token included in the request is expired"}`, want: "the session token of ASIAEXAMPLE has expired: get new credentials"},
		{name: "an unknown key, without a code", url: gateway, status: 403, body: `{"message":"The security token included in the request is invalid."}`, want: "the server does not know the access key ID ASIAEXAMPLE together with this session token"},

		{name: "API Gateway without a signature", url: gateway, status: 403, header: "X-Amzn-ErrorType: MissingAuthenticationTokenException", body: `{"message":"Missing Authentication Token"}`,
			want: "API Gateway says this also of a path or a method that it does not have (Missing Authentication Token)"},
		{name: "an echo of the signature", url: gateway, status: 403, header: "X-Amzn-ErrorType: IncompleteSignatureException", body: `{"message":"Cut short: 'Credential=x, Signature=another, one'"}`,
			want: "403 IncompleteSignatureException: the signature did not arrive, or not whole, as when a proxy removes or changes the Authorization header; API Gateway says this also of a path or a method that it does not have"},
		{name: "API Gateway's echo", url: gateway, status: 403, header: "X-Amzn-ErrorType: IncompleteSignatureException", body: `{"message":"'` + documentedToken + `' not a valid key=value pair (missing equal-sign) in Authorization header: 'Bearer ` + documentedToken + `'."}`,
			want: "403 IncompleteSignatureException: the signature did not arrive, or not whole, as when a proxy removes or changes the Authorization header; API Gateway says this also of a path or a method that it does not have"},
		{name: "API Gateway's firewall", url: gateway, status: 403, header: "X-Amzn-ErrorType: ForbiddenException", body: `{"message":"Forbidden"}`,
			want: "access is denied to ASIAEXAMPLE by a policy, and not for the signature (Forbidden)"},
		{name: "a policy", url: gateway, status: 403, body: `{"Message":"User: arn:aws:sts::123456789012:assumed-role/r/s is not authorized to perform: execute-api:Invoke on resource: x"}`,
			want: "access is denied to ASIAEXAMPLE by a policy, and not for the signature (User: arn:aws:sts::123456789012:assumed-role/r/s is not authorized"},
		{name: "the outer of several messages", url: gateway, status: 403, body: `{"errors":[{"code":"","message":""},{"code":"Inner","message":"Forbidden"}],"error":{"code":"Outer","message":""},"message":""}`,
			want: "403 Outer: the signature is not the reason (Forbidden)"},
		{name: "elements at other depths", url: bucket, status: 403, body: `<Errors xmlns="x"><Error><Code>AccessDenied</Code><Message/></Error><Error><Code>Other</Code><Message>second</Message></Error></Errors>`,
			want: "403 AccessDenied: access is denied to ASIAEXAMPLE by a policy, and not for the signature (second)"},
		{name: "a policy of S3", url: bucket, status: 403, body: `<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>`, want: "403 AccessDenied: access is denied to ASIAEXAMPLE by a policy"},
		{name: "headers unsigned, unsaid", url: bucket, status: 400, body: `<Error><Code>AccessDenied</Code><Message>There were headers present in the request which were not signed</Message></Error>`, after: func(r *http.Request) {
			r.Header.Set("X-Amz-Tagging", "a=b")
			r.Header.Set("X-Amz-Acl", "private")
			r.Header.Set("X-Other", "x")
		}, want: "headers that are not signed were added, on the way or after signing: x-amz-acl, x-amz-tagging: set them"},
		{name: "headers unsigned, none here", url: bucket, status: 400, body: `<Error><Code>AccessDenied</Code><Message>There were headers present in the request which were not signed</Message></Error>`,
			want: "on the way a header beginning with X-Amz- was added, or one that is signed was removed"},
		{name: "expired a moment ago", url: bucket, presign: true, status: 403, body: `<Error><Code>AccessDenied</Code><Message>Request has expired</Message><ServerTime>2026-03-01T00:16:00Z</ServerTime></Error>`,
			want: "it was good for 15 minutes from 20260228T235958Z, which ended 62 seconds ago: presign a new one"},
		{name: "expired, nobody knows when", url: bucket, presign: true, status: 403, body: `<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>`,
			want: "it was good for 15 minutes from 20260228T235958Z: presign a new one"},
		{name: "a presigned URL cut", url: bucket, presign: true, status: 400, body: `<Error><Code>AuthorizationQueryParametersError</Code><Message>Query-string authentication version 4 requires the X-Amz-Algorithm parameter</Message></Error>`,
			want: "as when a proxy removes or changes the query; API Gateway"},
		{name: "a path decoded", url: "https://examplebucket.s3.us-east-1.amazonaws.com/a%21", status: 403, body: "<Error><Code>SignatureDoesNotMatch</Code><CanonicalRequest>POST\n/a!\n\nhost:examplebucket.s3.us-east-1.amazonaws.com\nx-amz-content-sha256:" + sum + "\nx-amz-date:20260228T235958Z\nx-amz-security-token:" + documentedToken + "\n\nhost;x-amz-content-sha256;x-amz-date;x-amz-security-token\n" + sum + "</CanonicalRequest></Error>",
			want: "on the way the encoding of the path was changed\n\tsigned:   /a%21\n\treceived: /a!"},
		{name: "a string to sign of another form", url: bucket, status: 403, body: "<Error><Code>SignatureDoesNotMatch</Code><StringToSign>AWS\nx</StringToSign></Error>", want: "on the way the string to sign was changed"},
		{name: "a server that repeats the URL", url: bucket, presign: true, status: 404, body: "no page for /a?X-Amz-Security-Token=" + url.QueryEscape(documentedToken),
			want: "the signature is not the reason (no page for /a?X-Amz-Security-Token=(47 bytes, not shown))"},
		{name: "a form that is not taken", url: bucket, status: 400, body: `<Error><Code>InvalidRequest</Code><Message>The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.</Message></Error>`,
			want: "the server does not take a signature of this form (The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.)"},
		{name: "another argument", url: bucket, status: 400, body: `<Error><Code>InvalidArgument</Code><Message>Argument max-keys must be an integer</Message></Error>`, want: "the signature is not the reason (Argument max-keys must be an integer)"},
		{name: "a proxy's page", url: bucket, status: 403, body: `<html><head><title>Blocked</title></head></html>`, want: "403: the answer is not one of AWS's; it may be of a proxy"},
		{name: "a proxy's words", url: bucket, status: 403, body: "blocked\x1b[31m by policy 7", want: "the answer is not one of AWS's; it may be of a proxy (blocked\\x1b[31m by policy 7)"},
		{name: "an error of the service", url: dynamo, status: 400, body: `{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"Requested resource not found"}`,
			want: "400 ResourceNotFoundException: the signature is not the reason (Requested resource not found)"},
		{name: "numbers", url: dynamo, status: 500, body: `{"__type":1,"message":{"a":[]},"code":7,"errors":[null]}`, want: "500: the signature is not the reason"},
		{name: "nothing", url: dynamo, status: 403, want: "403: the server gives no reason: where the request is a HEAD, diagnose a GET"},
		{name: "minio's HEAD", url: bucket, status: 403, header: "X-Minio-Error-Code: InvalidAccessKeyId", want: "403 InvalidAccessKeyId: the server does not know the access key ID ASIAEXAMPLE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			signer := &awsauth.Signer{Region: "us-east-1", Now: func() time.Time { return time.Date(2026, 2, 28, 23, 59, 58, 0, time.UTC) }}
			if strings.Contains(c.url, "example.com") {
				signer.Service = "s3"
			}
			signer.Credentials = awsauth.Credentials{AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: "wJalrXUtnFEMI", SessionToken: documentedToken}
			if c.change != nil {
				c.change(signer)
			}
			req, err := http.NewRequest("POST", c.url, nil)
			if err != nil {
				t.Fatal(err)
			}
			if c.presign {
				err = signer.Presign(req, 15*time.Minute)
			} else {
				err = signer.Sign4(req)
			}
			if err != nil {
				t.Fatal(err)
			}
			if c.after != nil {
				c.after(req)
			}
			resp := &http.Response{StatusCode: c.status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(c.body))}
			for line := range strings.SplitSeq(c.header, "\n") {
				if name, value, ok := strings.Cut(line, ": "); ok {
					resp.Header.Set(name, value)
				}
			}
			err = awsauth.Diagnose(req, resp)
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
			} else if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			if text := fmt.Sprint(err); strings.Contains(text, documentedToken) || strings.Contains(text, url.QueryEscape(documentedToken)) || strings.Contains(text, "another, one") {
				t.Errorf("it tells the token: %s", text)
			}
			if body, err := io.ReadAll(resp.Body); string(body) != c.body || err != nil {
				t.Errorf("the body then reads %q, %v", body, err)
			}
		})
	}
}

// What is handed over need not be complete, and the body need not be readable.
func TestDiagnoseIncomplete(t *testing.T) {
	signer := &awsauth.Signer{Service: "s3", Region: "us-east-1", Credentials: keys}
	signed := func(r *http.Request) *http.Request {
		if err := signer.Sign4(r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	get := func() *http.Request {
		r, _ := http.NewRequest("GET", "https://b.example/a", nil)
		return r
	}
	denied := func() *http.Response {
		return &http.Response{StatusCode: 403, Body: io.NopCloser(strings.NewReader("<Error><Code>SignatureDoesNotMatch</Code></Error>"))}
	}
	hop := func(sent *http.Request, u string) *http.Response {
		resp := denied()
		sent.URL, _ = url.Parse(u)
		sent.Host = ""
		sent.Response = &http.Response{StatusCode: 307}
		resp.Request = sent
		return resp
	}
	other := &awsauth.Signer{Service: "s3", Region: "us-east-1", Credentials: awsauth.Credentials{AccessKeyID: "AKIDOTHER", SecretAccessKey: "x"}}
	inClient := denied()
	inClient.Request = get()
	if err := other.Sign4(inClient.Request); err != nil {
		t.Fatal(err)
	}
	closed := denied()
	closed.Body = io.NopCloser(iotest.ErrReader(errors.New("http: read on closed response body")))
	noBody := denied()
	noBody.Body = nil
	unsigned := get()
	unsignedHop := hop(get(), "https://other.example/b")
	sameHop := hop(signed(get()).Clone(t.Context()), "https://b.example:443/a")
	for _, c := range []struct {
		name string
		req  *http.Request
		resp *http.Response
		want string
	}{
		{"no response", get(), nil, "awsauth: there is no response to diagnose"},
		{"no request", nil, denied(), "the request is not known: give it to Diagnose"},
		{"no URL", &http.Request{}, denied(), "the request is not known"},
		{"no headers", &http.Request{URL: &url.URL{Path: "x"}}, denied(), "the request is not signed"},
		{"signed by the client", get(), inClient, "the secret access key is not the one of AKIDOTHER"},
		{"signed by the client, no request", nil, inClient, "the secret access key is not the one of AKIDOTHER"},
		{"signed anew by the client", signed(get()), inClient, "the secret access key is not the one of AKIDOTHER"},
		{"no body", signed(get()), noBody, "403: the server gives no reason"},
		{"a closed body", signed(get()), closed, "the answer can't be read: call Diagnose before the body is closed"},
		{"a request without a host", &http.Request{URL: &url.URL{Path: "/a"}, Header: signed(get()).Header}, denied(), "what was signed can't be made again from the request: the request has no host"},
		{"a request that can't be read", &http.Request{URL: &url.URL{Host: "b.example", RawQuery: "%z"}, Header: signed(get()).Header}, denied(), "what was signed can't be made again from the request: InvalidURI: "},
		{"not signed, redirected", unsigned, unsignedHop, "the request is not signed"},
		{"redirected to another host", signed(get()), hop(get(), "https://other.example/b?token=x"), "a redirect led from https://b.example/a to https://other.example/b, and the signature is for the first"},
		{"redirected on the same host", sameHop.Request.Clone(t.Context()), hop(sameHop.Request.Clone(t.Context()), "https://b.example/c"), "a redirect led from https://b.example:443/a to https://b.example/c"},
		{"redirected to the same", signed(get()), sameHop, "the server does not show what it received"},
	} {
		got := fmt.Sprint(awsauth.Diagnose(c.req, c.resp))
		if !strings.Contains(got, c.want) || strings.Contains(got, "<nil>") {
			t.Errorf("%s: got %s\nwant %s", c.name, got, c.want)
		}
	}

	// A long answer stays whole.
	long := strings.Repeat("<a>0123456789</a>", 1<<17)
	resp := &http.Response{StatusCode: 403, Body: io.NopCloser(strings.NewReader(long))}
	awsauth.Diagnose(signed(get()), resp)
	if body, _ := io.ReadAll(resp.Body); string(body) != long {
		t.Errorf("%d bytes are left of %d", len(body), len(long))
	}

	// Where lines are long, what differs is shown; where many, not all.
	req := signed(httptest.NewRequest("GET", "https://b.example/"+strings.Repeat("a", 2000)+"/1?"+strings.Repeat("x", 300)+"&y", nil))
	received := strings.Repeat("a", 2000) + "/2\n\n" + strings.Repeat("h:v\n", 30) + "\nh\nh"
	resp = &http.Response{StatusCode: 403, Body: io.NopCloser(strings.NewReader("<Error><Code>SignatureDoesNotMatch</Code><CanonicalRequest>GET\n/" + received + "</CanonicalRequest></Error>"))}
	text := awsauth.Diagnose(req, resp).Error()
	if !strings.Contains(text, "aaa/1\n\treceived: …aaa") || !strings.Contains(text, "aaa/2\n") || len(text) > 4000 {
		t.Errorf("got %s", text)
	}
}

// An answer that repeats one name as often as it has room for costs no more than
// another: joined one by one, half a million values are 250 GB to copy.
func TestDiagnoseRepeatedNames(t *testing.T) {
	req, _ := http.NewRequest("GET", "https://b.example/a", nil)
	if err := (&awsauth.Signer{Service: "s3", Region: "us-east-1", Credentials: keys}).Sign4(req); err != nil {
		t.Fatal(err)
	}
	const n = 500 << 10
	for _, received := range []string{"GET\n/a\n\n" + strings.Repeat("a\n", n) + "\nh\nh", "GET\n/a\n" + strings.Repeat("a&", n) + "\nh:\n\nh\nh"} {
		body := "<Error><Code>SignatureDoesNotMatch</Code><CanonicalRequest><![CDATA[" + received + "]]></CanonicalRequest></Error>"
		resp := &http.Response{StatusCode: 403, Body: io.NopCloser(strings.NewReader(body))}
		if got := awsauth.Diagnose(req, resp).Error(); !strings.Contains(got, " a was added") {
			t.Errorf("got %s", got)
		}
	}
}

// What a server repeats of a token or a signature is not shown, whole or cut, in
// whatever encoding, of a known request or not; other words are.
func TestDiagnoseHidesLongWords(t *testing.T) {
	c := keys
	c.SessionToken = strings.Repeat("FwoGZXIvYXdzEBYaD/+tok", 12)
	req, _ := http.NewRequest("GET", "https://b.example/a", nil)
	if err := (&awsauth.Signer{Service: "execute-api", Region: "us-east-1", Credentials: c}).Sign4(req); err != nil {
		t.Fatal(err)
	}
	_, signature, _ := strings.Cut(req.Header.Get("Authorization"), "Signature=")
	escaped := url.QueryEscape(c.SessionToken)
	for _, echo := range []string{
		c.SessionToken[:100] + "...", base64.StdEncoding.EncodeToString([]byte(c.SessionToken)), url.QueryEscape(escaped), strings.ToLower(escaped),
		strings.ToUpper(signature), base64.URLEncoding.EncodeToString([]byte(signature)),
	} {
		for _, r := range []*http.Request{req, nil} {
			resp := &http.Response{StatusCode: 403, Body: io.NopCloser(strings.NewReader("for arn:aws:iam::123456789012:user/jane it is " + echo))}
			got := awsauth.Diagnose(r, resp).Error()
			if strings.Contains(got, echo[:40]) || r == nil && (!strings.Contains(got, "arn:aws:iam::123456789012:user/jane it is (") || !strings.Contains(got, " bytes, not shown)")) {
				t.Errorf("got %s", got)
			}
		}
	}
	resp := &http.Response{StatusCode: 403, Body: io.NopCloser(strings.NewReader("é " + strings.Repeat("a", 63) + "," + strings.Repeat("b", 64)))}
	if got, want := awsauth.Diagnose(nil, resp).Error(), "(é "+strings.Repeat("a", 63)+",(64 bytes, not shown))"; !strings.HasSuffix(got, want) {
		t.Errorf("got %s, want the end %s", got, want)
	}
}

// SigV4A, other signers' headers, and bodies that can't be had again.
func TestDiagnoseForms(t *testing.T) {
	server := awsauthtest.NewServer()
	defer server.Close()
	server.Service = ""
	server.Handler = http.NotFoundHandler()
	for _, c := range []struct {
		name   string
		sign   func(*awsauth.Signer, *http.Request) error
		change func(*http.Request)
		want   string
	}{
		{"SigV4A", func(s *awsauth.Signer, r *http.Request) error { return s.Sign4A(r) }, setHeader("X-Amz-Meta-A", "2"), "on the way the header x-amz-meta-a was changed"},
		{"SigV4A, secret", func(s *awsauth.Signer, r *http.Request) error {
			s.Credentials = awsauth.Credentials{AccessKeyID: server.Credentials.AccessKeyID, SecretAccessKey: "x", SessionToken: server.Credentials.SessionToken}
			return s.Sign4A(r)
		}, nil, "all that was signed arrived as it was"},
		{"SigV4A, presigned", func(s *awsauth.Signer, r *http.Request) error {
			s.Region = "*"
			return s.Presign4A(r, time.Minute)
		}, setHeader("X-Amz-Meta-A", "2"), "on the way the header x-amz-meta-a was changed"},
		{"SigV4A, regions", func(s *awsauth.Signer, r *http.Request) error {
			s.Region = "us-*"
			return s.Sign4A(r)
		}, func(r *http.Request) { r.Host = "s3.eu-west-1.amazonaws.com" }, `the request was signed for region "us-*" where the server is in "eu-west-1"`},
		{"a body read once", func(s *awsauth.Signer, r *http.Request) error {
			err := s.Sign4(r)
			r.GetBody = nil
			return err
		}, setHeader("X-Amz-Meta-A", "2"), "on the way the header x-amz-meta-a was changed\n\tsigned:   x-amz-meta-a:1\n\treceived: x-amz-meta-a:2"},
		{"a body read once, another service", func(s *awsauth.Signer, r *http.Request) error {
			s.Service = "es"
			err := s.Sign4(r)
			r.GetBody = nil
			return err
		}, setHeader("X-Amz-Meta-A", "2"), "on the way the header x-amz-meta-a was changed\n\tsigned:   x-amz-meta-a:1\n\treceived: x-amz-meta-a:2"},
		{"a body read once, the secret", func(s *awsauth.Signer, r *http.Request) error {
			s.Service = "es"
			s.Credentials = awsauth.Credentials{AccessKeyID: server.Credentials.AccessKeyID, SecretAccessKey: "x", SessionToken: server.Credentials.SessionToken}
			err := s.Sign4(r)
			r.GetBody = nil
			return err
		}, nil, "all that was signed arrived as it was"},
		{"IoT", func(s *awsauth.Signer, r *http.Request) error {
			s.Service = "iotdevicegateway"
			return s.Presign(r, time.Minute)
		}, setHeader("X-Amz-Meta-A", "2"), "on the way the header x-amz-meta-a was changed\n\tsigned:   x-amz-meta-a:1\n\treceived: x-amz-meta-a:2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			req, err := http.NewRequest("POST", server.URL+"/a", strings.NewReader("content"))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("X-Amz-Meta-A", "1")
			if err := c.sign(&awsauth.Signer{Service: "s3", Region: "us-east-1", Credentials: server.Credentials}, req); err != nil {
				t.Fatal(err)
			}
			resp, err := (&http.Client{Transport: middle{server.Transport(), c.change, false}}).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if err := awsauth.Diagnose(req, resp); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

// Whatever a server answers, Diagnose says something short, and no secret.
func FuzzDiagnose(f *testing.F) {
	const canonical = "GET\n/a\n\nhost:b.example\n\nhost\nUNSIGNED-PAYLOAD"
	for _, body := range []string{
		"<Error><Code>SignatureDoesNotMatch</Code><CanonicalRequest>" + canonical + "</CanonicalRequest><StringToSign>a\nb\nc\nd</StringToSign></Error>",
		`{"message":"The Canonical String for this request should have been\n'GET\n/\n\nhost:x\n\nhost\ne3b0'\n\nThe String-to-Sign should have been\n'a\nb'"}`,
		"<Error><Code>AccessDenied</Code><Message>Request has expired</Message><ServerTime>2026-03-01T01:00:00Z</ServerTime></Error>",
		"<Error><Code>x</Code><Message>the region 'a' is wrong; expecting 'TOKEN'</Message><CanonicalRequestBytes>0a 0a</CanonicalRequestBytes></Error>",
		`{"__type":"x#ExpiredTokenException:","errors":[{"code":"TOKEN"}]}`, "TOKEN", "",
	} {
		f.Add(403, body, "X: Y", "https://b.example/a?b=TOKEN", uint8(0))
		f.Add(400, body, "X-Amz-Bucket-Region: TOKEN", "http://b.example/%2f", uint8(5))
		f.Add(301, body, "X-Amzn-Errortype: SignatureDoesNotMatch", "https://s3.us-east-1.amazonaws.com/", uint8(15))
	}
	f.Fuzz(func(t *testing.T, status int, body, header, target string, flags uint8) {
		req, err := http.NewRequest("GET", target, nil)
		if err != nil {
			t.Skip()
		}
		signer := &awsauth.Signer{Service: []string{"s3", "es"}[flags&1], Region: "us-east-1",
			Credentials: awsauth.Credentials{AccessKeyID: "ASIAX", SecretAccessKey: "THE-SECRET", SessionToken: documentedToken}}
		if flags&2 != 0 {
			err = signer.Presign(req, time.Minute)
		} else {
			err = signer.Sign4(req)
		}
		if err != nil {
			t.Skip()
		}
		if flags&4 != 0 { // what a program may make of it
			name, value, _ := strings.Cut(header, ": ")
			req.Header[name] = []string{value}
			req.URL.RawQuery += body
		}
		body = strings.ReplaceAll(body, "TOKEN", documentedToken)
		header = strings.ReplaceAll(header, "TOKEN", documentedToken)
		resp := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
		if name, value, ok := strings.Cut(header, ": "); ok {
			resp.Header.Set(name, value)
		}
		if flags&8 != 0 {
			resp.Request = req.Clone(t.Context())
			resp.Request.Header.Set("X-Other", header)
			resp.Request.Header.Set("Authorization", body)
		}
		err = awsauth.Diagnose(req, resp)
		if rest, err := io.ReadAll(resp.Body); string(rest) != body || err != nil {
			t.Errorf("the body then reads %q, %v", rest, err)
		}
		if err == nil {
			return
		}
		text := err.Error()
		if !strings.HasPrefix(text, "awsauth: ") || len(text) > 64<<10 || !utf8.ValidString(text) {
			t.Errorf("got %d bytes: %q", len(text), text)
		}
		if flags&4 == 0 && !strings.Contains(target, documentedToken) && (strings.Contains(text, documentedToken) || strings.Contains(text, url.QueryEscape(documentedToken))) {
			t.Errorf("it tells the token: %s", text)
		}
	})
}
