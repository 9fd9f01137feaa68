package interop

import (
	"bytes"
	"cmp"
	"context"
	"mime/multipart"
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/go-awsauth/awsauth"
)

// A post is a form that is sent.
type post struct {
	policy func(p *awsauth.PostPolicy) // changes what all begin with
	keys   awsauth.Credentials         // zero: the administrator's
	now    time.Duration               // the signer's clock, from now

	set  map[string]string // fields that the sender fills in or changes; "-": leaves out
	file string            // "": "a file"

	key  string   // that the object has; "": as the policy says
	code []string // that refuse it; nil: it is accepted
}

// request signs the form for a bucket and fills it in.
func (c *post) request(t *testing.T, s *server, bucket string) (req *http.Request, p awsauth.PostPolicy) {
	t.Helper()
	p = awsauth.PostPolicy{URL: bucket, Bucket: path.Base(bucket), Key: "dir/key", MaxLength: 10, Expires: time.Minute}
	if c.policy != nil {
		c.policy(&p)
	}
	signer := s.signer()
	signer.Now = func() time.Time { return time.Now().Add(c.now) }
	if c.keys.AccessKeyID != "" {
		signer.Credentials = c.keys
	}
	form, err := signer.PresignPost(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}

	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	left := map[string]string{}
	for name, value := range c.set {
		left[name] = value
	}
	for _, f := range form {
		value := f.Value
		if own, ok := left[f.Name]; ok {
			value = own
			delete(left, f.Name)
		}
		if value != "-" {
			w.WriteField(f.Name, value)
		}
	}
	for name, value := range left {
		w.WriteField(name, value)
	}
	part, err := w.CreateFormFile("file", "name.txt")
	if err != nil {
		t.Fatal(err)
	}
	part.Write([]byte(cmp.Or(c.file, "a file")))
	w.Close()
	req = newRequest(t, "POST", bucket, body.String())
	req.Header.Set("Content-Type", w.FormDataContentType())
	return req, p
}

// TestPost uploads by forms, and reads what was uploaded.
func TestPost(t *testing.T) {
	eachServer(t, func(t *testing.T, s *server) {
		if s.Kind == "Verifier" {
			t.Skip("a Verifier reads no policies")
		}
		bucket, other := s.bucket(t), s.bucket(t)
		session := s.temporary(t)
		stolen := session
		stolen.SessionToken = "another/token=="
		wrong := s.Keys
		wrong.SecretAccessKey += "x"
		prefix := func(p *awsauth.PostPolicy) { p.Key, p.KeyPrefix = "", "user/" }
		images := func(p *awsauth.PostPolicy) { p.Prefixes = map[string]string{"Content-Type": "image/"} }
		png := func(p *awsauth.PostPolicy) { p.Fields = map[string]string{"Content-Type": "image/png"} }
		meta := func(p *awsauth.PostPolicy) {
			p.Fields = map[string]string{"x-amz-meta-owner": "$alice & \"bob\"", "Cache-Control": "no-store"}
		}
		bounds := func(p *awsauth.PostPolicy) { p.MinLength = 2 }

		for name, c := range map[string]*post{
			"key":                     {},
			"no bound":                {policy: func(p *awsauth.PostPolicy) { p.MaxLength = 0 }, file: strings.Repeat("0123456789", 100)},
			"odd key":                 {policy: func(p *awsauth.PostPolicy) { p.Key = "a b/ü😀\\\"$x\"(1)+%41" }},
			"another key of these":    {policy: prefix, set: map[string]string{"key": "user/mine"}, key: "user/mine"},
			"the file's name":         {policy: prefix, key: "user/name.txt"},
			"content type":            {policy: png},
			"one of many types":       {policy: images, set: map[string]string{"Content-Type": "image/gif"}},
			"metadata":                {policy: meta},
			"status 201":              {policy: func(p *awsauth.PostPolicy) { p.Fields = map[string]string{"success_action_status": "201"} }},
			"shortest":                {policy: bounds, file: "12"},
			"longest":                 {policy: bounds, file: "1234567890"},
			"temporary keys":          {keys: session},
			"a clock slow by an hour": {now: -time.Hour, policy: func(p *awsauth.PostPolicy) { p.Expires = 2 * time.Hour }},

			"too short":            {policy: bounds, file: "1", code: []string{"EntityTooSmall"}},
			"too long":             {policy: bounds, file: "12345678901", code: []string{"EntityTooLarge"}},
			"expired":              {now: -61 * time.Second, code: []string{"AccessDenied"}},
			"another key":          {set: map[string]string{"key": "dir/key2"}, code: []string{"AccessDenied"}},
			"another beginning":    {policy: prefix, set: map[string]string{"key": "users/mine"}, code: []string{"AccessDenied"}},
			"another content type": {policy: png, set: map[string]string{"Content-Type": "text/html"}, code: []string{"AccessDenied"}},
			"none of many types":   {policy: images, set: map[string]string{"Content-Type": "text/html"}, code: []string{"AccessDenied"}},
			"no content type":      {policy: images, code: []string{"AccessDenied"}},
			"other metadata":       {policy: meta, set: map[string]string{"x-amz-meta-owner": "bob"}, code: []string{"AccessDenied"}},
			"metadata left out":    {policy: meta, set: map[string]string{"x-amz-meta-owner": "-"}, code: []string{"AccessDenied"}},
			"one field more":       {set: map[string]string{"x-amz-meta-more": "1"}, code: []string{"AccessDenied"}},
			"another bucket":       {policy: func(p *awsauth.PostPolicy) { p.Bucket = path.Base(other) }, code: []string{"AccessDenied"}},
			"wrong secret":         {keys: wrong, code: []string{"SignatureDoesNotMatch"}},
			"another signature":    {set: map[string]string{"x-amz-signature": strings.Repeat("0", 64)}, code: []string{"SignatureDoesNotMatch"}},
			"no signature":         {set: map[string]string{"x-amz-signature": "-"}, code: []string{"AccessDenied", "InvalidArgument", "SignatureDoesNotMatch"}},
			"another policy":       {set: map[string]string{"policy": "eyJleHBpcmF0aW9uIjoiMjA5OS0wMS0wMVQwMDowMDowMC4wMDBaIiwiY29uZGl0aW9ucyI6W119"}, code: []string{"SignatureDoesNotMatch"}},
			"another token":        {keys: stolen, code: []string{"InvalidToken", "InvalidTokenId"}},
			"the token left out":   {keys: session, set: map[string]string{"x-amz-security-token": "-"}, code: []string{"InvalidToken", "InvalidTokenId", "InvalidAccessKeyId"}},
		} {
			req, p := c.request(t, s, bucket)
			key := cmp.Or(c.key, p.Key)
			at := object(t, bucket, key)
			read := newRequest(t, "GET", at, "")
			sign(t, s.signer(), read)
			if c.code != nil {
				s.refuse(t, "post", name, req, c.code...)
				continue
			}
			a := s.accept(t, "post", name, req)
			if want := cmp.Or(p.Fields["success_action_status"], "204"); a.Status[:3] != want {
				t.Errorf("%s: %s: %s", s.Name, name, a.Status)
			}
			got := s.accept(t, "post, read", name, read)
			if s.gap("post, read", name) != nil {
				at = object(t, bucket, p.KeyPrefix+"${filename}")
			} else if string(got.Body) != cmp.Or(c.file, "a file") {
				t.Errorf("%s: %s: the object has %q", s.Name, name, got.Body)
			}
			for _, header := range []string{"Content-Type", "Cache-Control", "x-amz-meta-owner"} {
				if want := cmp.Or(c.set[header], p.Fields[header]); want != "" && got.Header.Get(header) != want {
					t.Errorf("%s: %s: %s is %q, want %q", s.Name, name, header, got.Header.Get(header), want)
				}
			}
			remove := newRequest(t, "DELETE", at, "")
			sign(t, s.signer(), remove)
			s.accept(t, "post, remove", name, remove)
		}

		// What was refused is not there.
		for _, bucket := range []string{bucket, other} {
			if l := list(t, s, bucket, url.Values{}); len(l.keys) > 0 {
				t.Errorf("%s: the bucket has %q", s.Name, l.keys)
			}
		}
	})
}
