package awsauth

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// A PostPolicy says what a form may upload to S3 in one POST, and until when:
// [Signer.PresignPost] signs it.
//
// See https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
type PostPolicy struct {
	// URL is where the form will be sent, such as
	// "https://examplebucket.s3.eu-west-1.amazonaws.com/". It is not signed:
	// it tells the region, where Signer.Region is empty. For a host that is not
	// AWS's, and for "", that is AWS_REGION or AWS_DEFAULT_REGION.
	URL string

	// Bucket is the bucket's name.
	Bucket string

	// Key is the object's key, or KeyPrefix what the key has to begin with; one
	// of the two. With KeyPrefix, the form says "${filename}" after it, in whose
	// place S3 puts the file's own name; the sender may write something else.
	Key, KeyPrefix string

	// MinLength and MaxLength bound the length of the file, in bytes.
	// MaxLength 0: no bound but S3's own, which is 5 GB.
	MinLength, MaxLength int64

	// Fields are further fields, which the form has to send as they are here:
	// Content-Type, x-amz-meta-…, acl, success_action_status, and so on.
	Fields map[string]string

	// Prefixes are further fields with what their values have to begin with, such
	// as "image/" for Content-Type; "" is any value. The form has to send each.
	Prefixes map[string]string

	// Expires is how long the form can be sent: one second to seven days. It
	// never outlives the credentials.
	Expires time.Duration
}

// maxPost is the length of the largest file that S3 takes in one POST.
const maxPost = 5 << 30

// A FormField is a field of a form.
type FormField struct{ Name, Value string }

// PresignPost signs what a form may upload to S3, as [Signer.PresignPost] does, with
// the region and the credentials that [Sign] would take.
func PresignPost(ctx context.Context, p PostPolicy, creds ...Provider) ([]FormField, error) {
	return standard.PresignPost(ctx, p, creds...)
}

// PresignPost returns the fields of a form (multipart/form-data) that uploads a
// file to S3 as p allows, without any key at hand. The key is first, the policy and
// its signature are last; after them come the form's own: those of p.Prefixes, and
// then, as the last, the file in a field called "file". S3 answers with 204, or as
// success_action_status and success_action_redirect say, and with 403 or 400 to what
// p does not allow.
//
// The policy goes by Signature Version 4, and so for one region. The Payload of s
// does not matter.
//
// See https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-UsingHTTPPOST.html
func (s *Signer) PresignPost(ctx context.Context, p PostPolicy, creds ...Provider) ([]FormField, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	m := message{job: job{algorithm: algorithm4, derive: deriveKey}}
	if err := m.readPostScope(s, p.URL); err != nil {
		return nil, err
	}
	if err := m.retrieve(s, new(http.Request).WithContext(ctx), creds); err != nil {
		return nil, err
	}
	if m.creds.anonymous() {
		return nil, errors.New("awsauth: Anonymous can't sign a form: give credentials")
	}
	now := s.now()
	end := now.Add(p.Expires)
	if e := m.creds.Expires; !e.IsZero() && e.Before(end.Round(0)) {
		if end = e; end.Sub(now.Round(0)) < time.Second {
			return nil, errors.New("awsauth: the credentials expire within a second: get new ones")
		}
	}
	return m.postForm(s.state(), &p, now, end), nil
}

// check refuses what no form can do.
func (p *PostPolicy) check() error {
	switch {
	case p.Bucket == "":
		return errors.New("awsauth: the form has no bucket: set PostPolicy.Bucket")
	case (p.Key == "") == (p.KeyPrefix == ""):
		return errors.New("awsauth: a form is for one key or for keys with one beginning: set PostPolicy.Key or PostPolicy.KeyPrefix, and not both")
	case strings.Contains(p.Key+p.KeyPrefix, "${filename}"):
		return errors.New("awsauth: S3 puts a file's name into the key before it looks at the policy: set PostPolicy.KeyPrefix to what comes before ${filename}")
	case p.MinLength < 0 || p.MaxLength < 0 || p.MinLength > p.MaxLength && p.MaxLength > 0:
		return fmt.Errorf("awsauth: no file has between %d and %d bytes: correct PostPolicy.MinLength and MaxLength", p.MinLength, p.MaxLength)
	case p.Expires < time.Second || p.Expires > maxExpires:
		return errors.New("awsauth: a form is good for one second to seven days: correct PostPolicy.Expires, which is " + p.Expires.String())
	case !utf8.ValidString(p.Bucket + p.Key + p.KeyPrefix):
		return errors.New("awsauth: a policy is UTF-8: correct PostPolicy.Bucket, Key or KeyPrefix")
	}
	seen := make(map[string]bool, len(p.Fields)+len(p.Prefixes))
	for _, fields := range []map[string]string{p.Fields, p.Prefixes} {
		for name, value := range fields {
			lower := strings.ToLower(name)
			switch lower {
			case "key", "bucket", "file", "policy", "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-security-token", "x-amz-signature":
				return fmt.Errorf("awsauth: the form's field %s is not for PostPolicy.Fields or Prefixes: leave it out, for signing sets it, or the form does", name)
			}
			if !isToken(name) || !utf8.ValidString(value) {
				return fmt.Errorf("awsauth: the form's field %q is not a name with a value in UTF-8: correct PostPolicy.Fields or Prefixes", name)
			}
			if seen[lower] {
				return fmt.Errorf("awsauth: the form's field %s is there twice: set it once, in PostPolicy.Fields or in Prefixes", name)
			}
			seen[lower] = true
		}
	}
	return nil
}

// readPostScope settles the region of a form. Its service is S3.
func (m *message) readPostScope(s *Signer, target string) error {
	u, err := url.Parse(target)
	if err != nil || target != "" && u.Host == "" {
		return errors.New("awsauth: PostPolicy.URL has no host: set it like https://examplebucket.s3.eu-west-1.amazonaws.com/")
	}
	m.url, m.host = u, u.Host
	service, _, _ := lookup(u.Host, u.Path)
	if cmp.Or(s.Service, service, "s3") != "s3" {
		return fmt.Errorf("awsauth: forms upload to S3, and not to %s: correct Signer.Service or PostPolicy.URL", cmp.Or(s.Service, service))
	}
	if err := m.readScope(&Signer{Service: "s3", Region: s.Region}); err != nil {
		if target == "" && s.Region == "" {
			return errors.New("awsauth: nothing tells the form's region: set PostPolicy.URL, Signer.Region or AWS_REGION")
		}
		return err
	}
	if strings.ContainsAny(m.region, "*,") {
		return fmt.Errorf("awsauth: a form is signed for one region, and %q is a set: set Signer.Region to the bucket's", m.region)
	}
	return nil
}

// postForm makes the policy and signs it.
func (m *message) postForm(st *state, p *PostPolicy, now, end time.Time) []FormField {
	m.date = st.date(now)
	m.setKey(st)
	var form []FormField
	b := append(m.buf[:0], `{"expiration":"`...)
	b = end.UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
	b = append(b, `","conditions":[`...)
	exact := func(name, value string) {
		b = appendJSON(append(b, '{'), "", name)
		b = appendJSON(append(b, ':'), "", value)
		b = append(b, "},"...)
	}
	begins := func(name, prefix string) {
		b = appendJSON(append(b, `["starts-with",`...), "$", name)
		b = appendJSON(append(b, ','), "", prefix)
		b = append(b, "],"...)
	}
	field := func(name, value string) {
		form = append(form, FormField{name, value})
		exact(name, value)
	}

	exact("bucket", p.Bucket)
	if p.Key != "" {
		field("key", p.Key)
	} else {
		form = append(form, FormField{"key", p.KeyPrefix + "${filename}"})
		begins("key", p.KeyPrefix)
	}
	if p.MinLength > 0 || p.MaxLength > 0 {
		b = strconv.AppendInt(append(b, `["content-length-range",`...), p.MinLength, 10)
		b = strconv.AppendInt(append(b, ','), cmp.Or(p.MaxLength, maxPost), 10)
		b = append(b, "],"...)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Fields)) {
		field(name, p.Fields[name])
	}
	for _, name := range slices.Sorted(maps.Keys(p.Prefixes)) {
		begins(name, p.Prefixes[name])
	}
	field("x-amz-algorithm", m.algorithm)
	field("x-amz-credential", m.credential)
	field("x-amz-date", m.date)
	if m.creds.SessionToken != "" {
		field("x-amz-security-token", m.creds.SessionToken)
	}
	b = append(b[:len(b)-1], "]}"...)

	policy := base64.StdEncoding.EncodeToString(b)
	return append(form, FormField{"policy", policy}, FormField{"x-amz-signature", string(m.key.sign(nil, []byte(policy)))})
}

// appendJSON appends a JSON string: prefix as it is, then s, in ASCII. A dollar sign
// in s is escaped, for to S3 a raw one begins the name of a field.
func appendJSON(b []byte, prefix, s string) []byte {
	b = append(append(b, '"'), prefix...)
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < ' ' || r == '$' || r >= 0x7f && r <= 0xffff:
			b = fmt.Appendf(b, `\u%04x`, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			b = fmt.Appendf(b, `\u%04x\u%04x`, high, low)
		default:
			b = append(b, byte(r))
		}
	}
	return append(b, '"')
}
