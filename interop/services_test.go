package interop

import (
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-awsauth/awsauth"
	"github.com/go-awsauth/awsauth/sts"
)

// temporary returns the server's temporary keys: those that it has from the start, or
// those of a role that AssumeRole asks it for.
func (s *server) temporary(t *testing.T) awsauth.Credentials {
	t.Helper()
	if s.Session.SessionToken != "" {
		return s.Session
	}
	keys, err := sts.AssumeRole{RoleARN: "arn:aws:iam::123456789012:role/interop", Source: s.Keys, Endpoint: s.STS, Region: s.Region, Transport: s.Client.Transport}.Retrieve(t.Context())
	if err != nil {
		t.Fatalf("%s: %v", s.Name, err)
	}
	if left := time.Until(keys.Expires); left < time.Minute || left > 13*time.Hour {
		t.Errorf("%s: keys that expire in %v", s.Name, left)
	}
	return keys
}

// Temporary keys work with their token, and with no other and none.
func TestSession(t *testing.T) {
	header := func(change func(http.Header)) func(*http.Request) {
		return func(req *http.Request) { change(req.Header) }
	}
	query := func(change func(url.Values)) func(*http.Request) {
		return func(req *http.Request) {
			q := req.URL.Query()
			change(q)
			req.URL.RawQuery = q.Encode()
		}
	}
	const name = "X-Amz-Security-Token"
	const mismatch, unknown = "SignatureDoesNotMatch", "InvalidAccessKeyId"
	const token, minioToken = "InvalidToken", "InvalidTokenId"
	for _, c := range []struct {
		name      string
		keys      func(c *awsauth.Credentials, permanent awsauth.Credentials)
		header    func(*http.Request) // after signing
		presigned func(*http.Request)
		codes     []string // nil: accepted
	}{
		{name: "its token"},
		{"no token", func(c *awsauth.Credentials, _ awsauth.Credentials) { c.SessionToken = "" }, nil, nil, []string{unknown, token, minioToken}},
		{"another token", func(c *awsauth.Credentials, _ awsauth.Credentials) {
			c.SessionToken = c.SessionToken[:len(c.SessionToken)-3] + "AAA"
		}, nil, nil, []string{token, minioToken}},
		{"a longer token", func(c *awsauth.Credentials, _ awsauth.Credentials) { c.SessionToken += "A" }, nil, nil, []string{token, minioToken}},
		{"another secret", func(c *awsauth.Credentials, _ awsauth.Credentials) { c.SecretAccessKey += "A" }, nil, nil, []string{mismatch}},
		{"the token removed", nil, header(func(h http.Header) { h.Del(name) }), query(func(q url.Values) { q.Del(name) }), []string{unknown, token, minioToken, "AccessDenied"}},
		{"the token replaced", nil, header(func(h http.Header) { h.Set(name, "A"+h.Get(name)[1:]) }), query(func(q url.Values) { q.Set(name, "A"+q.Get(name)[1:]) }), []string{token, minioToken}},
		{"permanent keys with its token", func(c *awsauth.Credentials, permanent awsauth.Credentials) {
			c.AccessKeyID, c.SecretAccessKey = permanent.AccessKeyID, permanent.SecretAccessKey
		}, nil, nil, []string{token, minioToken}},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachServer(t, func(t *testing.T, s *server) {
				bucket := s.bucket(t)
				for i, way := range bothWays {
					signer := s.signer()
					keys := s.temporary(t)
					if c.keys != nil {
						c.keys(&keys, s.Keys)
					}
					signer.Credentials = keys
					for _, method := range []string{"PUT", "GET"} {
						body := ""
						if method == "PUT" {
							body = "data"
						}
						req := newRequest(t, method, bucket+"/a%20b", body)
						way.sign(t, signer, req)
						if sent := []func(*http.Request){c.header, c.presigned}[i]; sent != nil {
							sent(req)
						}
						if c.codes != nil {
							s.refuse(t, "session, "+way.name, c.name, req, c.codes...)
						} else if a := s.accept(t, "session, "+way.name, c.name, req); method == "GET" && string(a.Body) != "data" {
							t.Errorf("got %q", a.Body)
						}
					}
				}
			})
		})
	}
}

// The keys of AssumeRole, and whose keys there are, by package sts.
func TestSTS(t *testing.T) {
	eachServer(t, func(t *testing.T, s *server) {
		if s.STS == "" {
			t.Skip("no STS")
		}
		if s.IAM == "" {
			wrong := s.Keys
			wrong.SecretAccessKey += "x"
			refused(t, sts.AssumeRole{RoleARN: "arn:aws:iam::123456789012:role/interop", Source: wrong, Endpoint: s.STS, Region: s.Region, Transport: s.Client.Transport}.Retrieve, "AccessDenied") // as it calls a wrong signature here
			return                                                                                                                                                                                  // it has no GetCallerIdentity
		}
		client := sts.Client{Endpoint: s.STS, Region: s.Region}
		for _, c := range []struct {
			keys awsauth.Credentials
			arn  string
		}{
			{s.Keys, "arn:aws:iam::000000000000:root"},
			{s.Session, "arn:aws:sts::000000000000:assumed-role/interop/me"},
		} {
			who, err := client.GetCallerIdentity(t.Context(), c.keys)
			if err != nil || who.ARN != c.arn || who.Account != "000000000000" {
				t.Errorf("got %v, %v, want %s", who, err, c.arn)
			}
			for name, change := range map[string]func(*awsauth.Credentials){
				"secret": func(k *awsauth.Credentials) { k.SecretAccessKey += "x" },
				"token":  func(k *awsauth.Credentials) { k.SessionToken += "x" },
				"id":     func(k *awsauth.Credentials) { k.AccessKeyID += "x" },
			} {
				keys := c.keys
				change(&keys)
				if who, err := client.GetCallerIdentity(t.Context(), keys); err == nil || !strings.Contains(err.Error(), "SignatureDoesNotMatch") && !strings.Contains(err.Error(), "InvalidClientTokenId") {
					t.Errorf("another %s: got %v, %v", name, who, err)
				}
			}
		}
	})
}

// Two services that are not S3, by the query protocol: parameters in the URL or in a
// form, signed in the header or in the query.
func TestServices(t *testing.T) {
	const mismatch = "SignatureDoesNotMatch" // for a wrong scope and a wrong clock too
	odd := []string{"plain", "a b", "a+b", "a%20b=&;c", "ünï/日本", "x*y'(z)!~", `<&">`, ".//../"}
	eachServer(t, func(t *testing.T, s *server) {
		if s.IAM == "" {
			t.Skip("no IAM")
		}
		users := 0
		for _, keys := range []awsauth.Credentials{s.Keys, s.Session} {
			for _, way := range bothWays {
				kind := ", " + way.name
				ask := func(service, method, spell string, form url.Values) *http.Request {
					t.Helper()
					version := map[string]string{"iam": "2010-05-08", "sts": "2011-06-15"}[service]
					form.Set("Version", version)
					encoded := form.Encode()
					if spell == "%20" {
						encoded = strings.ReplaceAll(encoded, "+", "%20")
					}
					var req *http.Request
					if method == "POST" {
						req = newRequest(t, method, s.IAM, encoded)
						req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
					} else {
						req = newRequest(t, method, s.IAM+"/?"+encoded, "")
					}
					way.sign(t, &awsauth.Signer{Service: service, Region: s.Region, Credentials: keys}, req)
					return req
				}
				for _, method := range []string{"GET", "POST"} {
					for i, spell := range []string{"+", "%20"} {
						kind := method + kind
						s.accept(t, "sts, "+kind, "GetCallerIdentity", ask("sts", method, spell, url.Values{"Action": {"GetCallerIdentity"}}))
						s.accept(t, "iam, "+kind, "ListUsers", ask("iam", method, spell, url.Values{"Action": {"ListUsers"}}))
						for j, value := range odd {
							if j%2 != i {
								continue
							}
							users++
							user := "user-" + strconv.Itoa(users)
							path := "/path-" + strconv.Itoa(users) + "/"
							s.accept(t, "iam, "+kind, "CreateUser", ask("iam", method, spell, url.Values{"Action": {"CreateUser"}, "UserName": {user}, "Path": {path},
								"Tags.member.1.Key": {"key"}, "Tags.member.1.Value": {tagValue(value)}}))
							a := s.accept(t, "iam, "+kind, "GetUser", ask("iam", method, spell, url.Values{"Action": {"GetUser"}, "UserName": {user}}))
							var reply struct {
								Path string   `xml:"GetUserResult>User>Path"`
								Tags []string `xml:"GetUserResult>User>Tags>member>Value"`
							}
							if err := xml.Unmarshal(a.Body, &reply); err != nil || reply.Path != path || len(reply.Tags) != 1 || reply.Tags[0] != tagValue(value) {
								t.Errorf("%v: got %+v, want %q: %s", err, reply, value, a.Body)
							}
							// Anything may stand in a value that is wrong all the same.
							s.refuse(t, "iam, "+kind, "GetUser, odd name", ask("iam", method, spell, url.Values{"Action": {"GetUser"}, "UserName": {value + "?"}}), "ValidationError", "NoSuchEntity")
						}
					}

					for name, change := range map[string]func(*http.Request){
						"another parameter": func(req *http.Request) {
							req.URL.RawQuery = strings.Replace(req.URL.RawQuery, "ListUsers", "ListRoles", 1)
							if method == "POST" { // of the same length
								req.Body, req.GetBody = io.NopCloser(strings.NewReader("Action=ListRoles&Version=2010-05-08")), nil
							}
						},
						"one parameter more": func(req *http.Request) { req.URL.RawQuery += "&MaxItems=1" },
						"another host":       func(req *http.Request) { req.Host = "localhost" },
						"another time": func(req *http.Request) {
							if way.name == "header" {
								req.Header.Set("X-Amz-Date", time.Now().Add(-time.Minute).UTC().Format("20060102T150405Z"))
							} else {
								req.URL.RawQuery = strings.Replace(req.URL.RawQuery, "X-Amz-Expires=900", "X-Amz-Expires=901", 1)
							}
						},
					} {
						req := ask("iam", method, "+", url.Values{"Action": {"ListUsers"}})
						change(req)
						s.refuse(t, "iam, "+method+kind, name, req, mismatch)
					}
				}

				signers := map[string]*awsauth.Signer{
					"wrong service":   {Service: "sts", Region: s.Region},
					"wrong region":    {Service: "iam", Region: "eu-west-1"},
					"16 minutes fast": {Service: "iam", Region: s.Region, Now: func() time.Time { return time.Now().Add(16 * time.Minute) }},
					"16 minutes slow": {Service: "iam", Region: s.Region, Now: func() time.Time { return time.Now().Add(-16 * time.Minute) }},
				}
				for name, signer := range signers {
					req := newRequest(t, "GET", s.IAM+"/?Action=ListUsers&Version=2010-05-08", "")
					signer.Credentials = keys
					way.sign(t, signer, req)
					s.refuse(t, "iam, GET"+kind, name, req, mismatch)
				}
			}
		}
	})
}

// tagValue leaves in a value what a tag may have.
func tagValue(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("%*'()!~;<>&\"", r) {
			return '.'
		}
		return r
	}, s)
}
