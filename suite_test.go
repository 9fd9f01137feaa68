package awsauth

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A suiteCase is one case of aws4_testsuite.
type suiteCase struct {
	Name    string `json:"name"`
	Kind    string `json:"kind"` // header or presign
	Request struct {
		Method  string      `json:"method"`
		URL     string      `json:"url"`
		Headers [][2]string `json:"headers"`
		Body    string      `json:"body"`
	} `json:"request"`
	Credentials struct {
		AccessKeyID     string `json:"access_key_id"`
		SecretAccessKey string `json:"secret_access_key"`
		SessionToken    string `json:"session_token"`
	} `json:"credentials"`
	Service        string    `json:"service"`
	Region         string    `json:"region"`
	Time           time.Time `json:"time"`
	ExpiresSeconds int       `json:"expires_seconds"`
	NormalizePath  *bool     `json:"normalize_path"`
	Want           struct {
		CanonicalRequest string `json:"canonical_request"`
		StringToSign     string `json:"string_to_sign"`
		Signature        string `json:"signature"`
		Authorization    string `json:"authorization"`
		URL              string `json:"url"`
	} `json:"want"`
}

func TestSuite(t *testing.T) {
	files := map[string]int{"published.json": 74, "independent.json": 70, "documentation.json": 5}
	for name, count := range files {
		data, err := os.ReadFile(filepath.Join("aws4_testsuite", name))
		if err != nil {
			t.Fatal(err)
		}
		var cases []suiteCase
		decodeStrictly(t, name, data, &cases)
		if len(cases) != count {
			t.Errorf("%s has %d cases, want %d", name, len(cases), count)
		}
		for _, c := range cases {
			t.Run(name+"/"+c.Kind+"/"+c.Name, c.run)
		}
	}
	if dir := os.Getenv("AWSAUTH_TESTSUITE"); dir != "" {
		cases := readAWSSuite(t, dir)
		t.Logf("%s has %d cases", dir, len(cases))
		for _, c := range cases {
			t.Run(c.Kind+"/"+c.Name, c.run)
		}
	}
}

func decodeStrictly(t *testing.T, name string, data []byte, v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if _, err := d.Token(); err != io.EOF {
		t.Fatalf("%s: data after the value", name)
	}
}

func (c *suiteCase) run(t *testing.T) {
	if c.Credentials.AccessKeyID == "" || c.Time.IsZero() || c.Want.Signature == "" && c.Want.CanonicalRequest == "" {
		t.Fatal("the case lacks credentials, a time or a result")
	}
	s := &Signer{
		Service: c.Service,
		Region:  c.Region,
		Now:     func() time.Time { return c.Time },
		Credentials: Credentials{
			AccessKeyID:     c.Credentials.AccessKeyID,
			SecretAccessKey: c.Credentials.SecretAccessKey,
			SessionToken:    c.Credentials.SessionToken,
		},
	}
	m := new(message)
	var err error
	switch {
	case c.canonicalizerOnly():
		err = c.signByHand(m, s)
	case c.Kind == "header":
		err = m.signHeaders(s, c.httpRequest(t), nil, algorithm4, nil)
	default:
		err = m.presign(s, c.httpRequest(t), c.expires(), nil, algorithm4, nil)
	}
	if err != nil {
		t.Fatal(err)
	}

	same(t, "canonical request", string(m.buf[:m.canonical]), c.Want.CanonicalRequest)
	same(t, "string to sign", string(m.buf[m.canonical:m.toSign]), c.Want.StringToSign)
	same(t, "signature", string(m.signature), c.Want.Signature)
	if c.Kind == "header" {
		same(t, "Authorization", m.authorization, c.Want.Authorization)
	}
	if c.canonicalizerOnly() || t.Failed() {
		return
	}

	// The same through the front door: what is assigned to the request.
	req := c.httpRequest(t)
	if c.Kind == "header" {
		if err := s.Sign4(req); err != nil {
			t.Fatal(err)
		}
		same(t, "Authorization header", req.Header.Get("Authorization"), m.authorization)
		same(t, "X-Amz-Date header", req.Header.Get("X-Amz-Date"), c.Time.Format(dateFormat))
		if got := req.Header.Get("X-Amz-Security-Token"); got != c.Credentials.SessionToken {
			t.Errorf("X-Amz-Security-Token header: %q", got)
		}
		return
	}
	if err := s.Presign(req, c.expires()); err != nil {
		t.Fatal(err)
	}
	if c.Want.URL != "" {
		// The parameters stand in our own order.
		got, want := req.URL, mustParse(t, c.Want.URL)
		same(t, "URL without query", got.Scheme+got.Host+got.EscapedPath(), want.Scheme+want.Host+want.EscapedPath())
		same(t, "query", got.Query().Encode(), want.Query().Encode())
	}
}

// canonicalizerOnly reports whether the request is one that Sign4 does not
// sign so, and is given to the canonicalizer by hand:
//   - normalize_path false: only the S3 family keeps the path as it is, and
//     that has a payload header;
//   - get-space and get-utf8: the published requests have a raw space and raw
//     UTF-8 in their request line, and sign those bytes encoded once. net/http
//     sends them encoded already, which makes it twice;
//   - a signed Content-Length: it is on our list of headers to leave unsigned,
//     since net/http writes it.
func (c *suiteCase) canonicalizerOnly() bool {
	for _, h := range c.Request.Headers {
		if http.CanonicalHeaderKey(h[0]) == "Content-Length" {
			return true
		}
	}
	return c.NormalizePath != nil && !*c.NormalizePath ||
		strings.HasPrefix(c.Name, "get-space-") || c.Name == "get-utf8"
}

func (c *suiteCase) expires() time.Duration { return time.Duration(c.ExpiresSeconds) * time.Second }

// split returns the URL's host, path and query as the case writes them.
func (c *suiteCase) split() (host, path, query string) {
	_, rest, _ := strings.Cut(c.Request.URL, "://")
	i := strings.IndexByte(rest, '/')
	host, rest = rest[:i], rest[i:]
	path, query, _ = strings.Cut(rest, "?")
	return host, path, query
}

func (c *suiteCase) httpRequest(t *testing.T) *http.Request {
	t.Helper()
	req, err := http.NewRequest(c.Request.Method, c.Request.URL, strings.NewReader(c.Request.Body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range c.Request.Headers {
		req.Header.Add(h[0], h[1])
	}
	return req
}

// signByHand gives the case to the canonicalizer and to what follows it.
func (c *suiteCase) signByHand(m *message, s *Signer) error {
	host, path, query := c.split()
	m.req, m.url = &http.Request{Method: c.Request.Method, Header: http.Header{}}, &url.URL{RawQuery: query}
	m.host, m.service, m.region = host, c.Service, c.Region
	m.algorithm, m.derive, m.creds = algorithm4, deriveKey, s.Credentials.(Credentials)
	if *c.NormalizePath {
		m.path = appendCleanPath(nil, path)
	} else {
		m.path = appendEscaped(nil, path, '/')
	}
	if err := m.readQuery(c.Kind == "presign"); err != nil {
		return err
	}
	m.payload = emptyHash
	for _, h := range c.Request.Headers {
		switch http.CanonicalHeaderKey(h[0]) {
		case "Content-Length": // see below
		case "X-Amz-Content-Sha256":
			m.payload, m.sendPayload = h[1], true
		default:
			m.req.Header.Add(h[0], h[1])
		}
	}
	if err := m.readHeaders(nil, c.Kind == "presign"); err != nil {
		return err
	}
	for _, h := range c.Request.Headers {
		if http.CanonicalHeaderKey(h[0]) == "Content-Length" {
			m.addField("Content-Length", h[1])
		}
	}
	if c.Kind == "presign" {
		m.presignAt(s.state(), c.expires(), c.Time)
	} else {
		m.signHeadersAt(s.state(), c.Time)
	}
	return nil
}

func same(t *testing.T, what, got, want string) {
	t.Helper()
	if want != "" && got != want {
		t.Errorf("%s:\ngot  %q\nwant %q", what, got, want)
	}
}

func mustParse(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// readAWSSuite reads cases in the layout of AWS's signing test suite.
func readAWSSuite(t *testing.T, dir string) []suiteCase {
	t.Helper()
	var cases []suiteCase
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "context.json" {
			return err
		}
		folder := filepath.Dir(path)
		for _, kind := range []string{"header", "query"} {
			if c, ok := readAWSCase(t, folder, kind); ok {
				cases = append(cases, c)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) == 0 {
		t.Errorf("%s has no case", dir)
	}
	return cases
}

func readAWSCase(t *testing.T, folder, kind string) (c suiteCase, ok bool) {
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join(folder, name))
		if errors.Is(err, fs.ErrNotExist) {
			return ""
		}
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSuffix(strings.ReplaceAll(string(data), "\r\n", "\n"), "\n")
	}
	c.Want.CanonicalRequest = read(kind + "-canonical-request.txt")
	c.Want.StringToSign = read(kind + "-string-to-sign.txt")
	c.Want.Signature = read(kind + "-signature.txt")
	if c.Want.CanonicalRequest == "" && kind == "query" {
		return c, false // cases with a signed body have none
	}
	if c.Want.CanonicalRequest == "" || c.Want.StringToSign == "" || c.Want.Signature == "" {
		t.Errorf("%s lacks a file of %s-canonical-request.txt, -string-to-sign.txt and -signature.txt", folder, kind)
		return c, false
	}
	var context struct {
		Credentials struct {
			AccessKeyID     string `json:"access_key_id"`
			SecretAccessKey string `json:"secret_access_key"`
			Token           string `json:"token"`
		} `json:"credentials"`
		Expires   int       `json:"expiration_in_seconds"`
		Normalize bool      `json:"normalize"`
		Region    string    `json:"region"`
		Service   string    `json:"service"`
		SignBody  bool      `json:"sign_body"`
		OmitToken bool      `json:"omit_session_token"`
		Timestamp time.Time `json:"timestamp"`
	}
	decodeStrictly(t, folder, []byte(read("context.json")), &context)

	c.Name = filepath.Base(folder)
	c.Kind = map[string]string{"header": "header", "query": "presign"}[kind]
	c.Service, c.Region, c.Time = context.Service, context.Region, context.Timestamp
	c.ExpiresSeconds = context.Expires
	if c.ExpiresSeconds == 0 {
		c.ExpiresSeconds = 3600
	}
	c.NormalizePath = &context.Normalize
	c.Credentials.AccessKeyID = context.Credentials.AccessKeyID
	c.Credentials.SecretAccessKey = context.Credentials.SecretAccessKey
	if !context.OmitToken {
		c.Credentials.SessionToken = context.Credentials.Token
	}

	// request.txt is no HTTP that net/http would read: it has raw bytes in the
	// request line, header lines without a space and folded ones.
	head, body, _ := strings.Cut(read("request.txt"), "\n\n")
	lines := bufio.NewScanner(strings.NewReader(head))
	lines.Scan()
	method, target, _ := strings.Cut(lines.Text(), " ")
	target = strings.TrimSuffix(target, " HTTP/1.1")
	c.Request.Method = method
	host := ""
	for lines.Scan() {
		line := lines.Text()
		if n := len(c.Request.Headers); n > 0 && strings.HasPrefix(line, " ") {
			c.Request.Headers[n-1][1] += line
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		switch http.CanonicalHeaderKey(name) {
		case "Host":
			host = value
		case "X-Amz-Date":
			// signing sets it
		default:
			c.Request.Headers = append(c.Request.Headers, [2]string{name, value})
		}
	}
	c.Request.URL = "https://" + strings.TrimSpace(host) + target
	if context.SignBody {
		sum := sha256.Sum256([]byte(body))
		c.Request.Body = body
		c.Request.Headers = append(c.Request.Headers, [2]string{"X-Amz-Content-Sha256", hex.EncodeToString(sum[:])})
	}
	return c, true
}
