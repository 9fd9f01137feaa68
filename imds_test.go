package awsauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// An ec2Fake is an EC2 metadata service. Each field makes it worse.
type ec2Fake struct {
	keys Credentials

	put   func(http.ResponseWriter, *http.Request) bool // true: it has answered
	name  func(http.ResponseWriter, *http.Request) bool
	role  func(http.ResponseWriter, *http.Request) bool
	reply string // in place of the role's keys

	mu     sync.Mutex
	seen   []string // method, path and version of each request
	tokens int
}

func (f *ec2Fake) requests() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.seen, " ")
}

func (f *ec2Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	token := r.Header.Get("X-Aws-Ec2-Metadata-Token")
	step := map[string]string{"/latest/api/token": "token", imdsRolePath: "name"}[r.URL.Path]
	if step == "" {
		step = "role"
	}
	if step != "token" && token == "" {
		step += "(v1)"
	}
	f.seen = append(f.seen, step)
	good := token == "" || token == fmt.Sprint("token-", f.tokens)
	f.mu.Unlock()

	answered := func(h func(http.ResponseWriter, *http.Request) bool) bool { return h != nil && h(w, r) }
	switch {
	case r.URL.Path == "/latest/api/token" && r.Method == http.MethodPut:
		if r.Header.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds") == "" {
			http.Error(w, "no TTL", http.StatusBadRequest)
			return
		}
		if answered(f.put) {
			return
		}
		f.mu.Lock()
		f.tokens++
		fmt.Fprint(w, "token-", f.tokens)
		f.mu.Unlock()
	case !good:
		w.WriteHeader(http.StatusUnauthorized)
	case r.URL.Path == imdsRolePath:
		if !answered(f.name) {
			io.WriteString(w, "my-role+x\nanother\n")
		}
	case r.URL.Path == imdsRolePath+"my-role+x":
		if answered(f.role) {
			return
		}
		if f.reply != "" {
			io.WriteString(w, f.reply)
			return
		}
		fmt.Fprintf(w, `{"Code":"Success","LastUpdated":"2026-01-01T00:00:00Z","Type":"AWS-HMAC","AccessKeyId":%q,"SecretAccessKey":%q,"Token":%q,"Expiration":%q}`,
			f.keys.AccessKeyID, f.keys.SecretAccessKey, f.keys.SessionToken, f.keys.Expires.UTC().Format(time.RFC3339))
	default:
		http.NotFound(w, r)
	}
}

func fakeEC2(t testing.TB, f *ec2Fake) *httptest.Server {
	t.Helper()
	if f.keys.AccessKeyID == "" {
		f.keys = Credentials{AccessKeyID: "ASIAROLE", SecretAccessKey: "role-secret", SessionToken: "role-token", Expires: time.Now().Add(6 * time.Hour).Truncate(time.Second)}
	}
	srv := httptest.NewUnstartedServer(f)
	srv.Config.ErrorLog = quiet
	srv.Start()
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
	})
	return srv
}

// status answers n times with a status, and then no more.
func status(code, n int) func(http.ResponseWriter, *http.Request) bool {
	var mu sync.Mutex
	return func(w http.ResponseWriter, _ *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		if n--; n < 0 {
			return false
		}
		w.WriteHeader(code)
		io.WriteString(w, "BODY of an error")
		return true
	}
}

const always = 1 << 30

func write(body string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool { io.WriteString(w, body); return true }
}

func hang(_ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return true }

func reset(w http.ResponseWriter, _ *http.Request) bool {
	conn, _, _ := w.(http.Hijacker).Hijack()
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
	return true
}

func garbage(w http.ResponseWriter, _ *http.Request) bool {
	conn, _, _ := w.(http.Hijacker).Hijack()
	io.WriteString(conn, "BODY is not HTTP SECRET\r\n\r\n")
	conn.Close()
	return true
}

// once does h the first time only.
func once(h func(http.ResponseWriter, *http.Request) bool) func(http.ResponseWriter, *http.Request) bool {
	var done atomic.Bool
	return func(w http.ResponseWriter, r *http.Request) bool { return !done.Swap(true) && h(w, r) }
}

// afterFirst does h but the first time.
func afterFirst(h func(http.ResponseWriter, *http.Request) bool) func(http.ResponseWriter, *http.Request) bool {
	var done atomic.Bool
	return func(w http.ResponseWriter, r *http.Request) bool { return done.Swap(true) && h(w, r) }
}

func switching(w http.ResponseWriter, r *http.Request) bool {
	conn, _, _ := w.(http.Hijacker).Hijack()
	io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nBODY")
	go func() { // the connection stays open
		time.Sleep(10 * time.Second)
		conn.Close()
	}()
	return true
}

// A role reply with a part put in.
func roleReply(code, key, secret, expiration string) string {
	return fmt.Sprintf(`{"Code":%q,"Message":"BODY","AccessKeyId":%q,"SecretAccessKey":%q,"Token":"SECRET-token","Expiration":%q}`, code, key, secret, expiration)
}

func TestEC2Role(t *testing.T) {
	late := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	for name, c := range map[string]struct {
		fake   *ec2Fake // nil: a good one
		env    []string
		err    string // "": it works; "none …": ErrNoCredentials
		seen   string
		within time.Duration // 0: a second
	}{
		"version 2":                    {seen: "token name role"},
		"version 1 after 403":          {fake: &ec2Fake{put: status(403, always)}, seen: "token name(v1) role(v1)"},
		"version 1 after 404":          {fake: &ec2Fake{put: status(404, always)}, seen: "token name(v1) role(v1)"},
		"version 1 after 405":          {fake: &ec2Fake{put: status(405, always)}, seen: "token name(v1) role(v1)"},
		"version 1 forbidden":          {fake: &ec2Fake{put: status(403, always)}, env: []string{"AWS_EC2_METADATA_V1_DISABLED", "TRUE"}, err: "AWS_EC2_METADATA_V1_DISABLED", seen: "token"},
		"no version 1 after 400":       {fake: &ec2Fake{put: status(400, always)}, err: "status 400", seen: "token"},
		"turned off":                   {fake: &ec2Fake{put: status(403, always), name: status(403, always)}, err: "none turned off"},
		"disabled":                     {env: []string{"AWS_EC2_METADATA_DISABLED", "True"}, err: "none AWS_EC2_METADATA_DISABLED", seen: "-"},
		"no role":                      {fake: &ec2Fake{name: status(404, always)}, err: "none no role"},
		"empty role":                   {fake: &ec2Fake{name: write(" \n ")}, err: "role name"},
		"busy":                         {fake: &ec2Fake{put: status(503, 1), name: status(429, 1), role: status(500, 2)}, seen: "token token name name role role role"},
		"busy for good":                {fake: &ec2Fake{role: status(503, always)}, err: "status 503", seen: "token name role role role"},
		"token busy for good":          {fake: &ec2Fake{put: status(503, always)}, err: "status 503", seen: "token token token"},
		"dead token once":              {fake: &ec2Fake{name: status(401, 1)}, seen: "token name token name role"},
		"dead token, none any more":    {fake: &ec2Fake{put: afterFirst(status(404, always)), name: status(401, 1)}, seen: "token name token name(v1) role(v1)"},
		"dead token, version 1":        {fake: &ec2Fake{put: status(404, 1), name: status(401, 1)}, seen: "token name(v1) token name role"},
		"dead token for good":          {fake: &ec2Fake{role: status(401, always)}, err: "status 401", seen: "token name role token role"},
		"redirect of the token":        {fake: &ec2Fake{put: redirect}, err: "status 307", seen: "token"},
		"redirect of the keys":         {fake: &ec2Fake{role: redirect}, err: "status 307"},
		"empty token":                  {fake: &ec2Fake{put: write("")}, err: "not a token"},
		"token with a line end":        {fake: &ec2Fake{put: write("a\r\nX-Evil: b")}, err: "not a token"},
		"other code":                   {fake: &ec2Fake{reply: roleReply("AssumeRoleUnauthorizedAccess", "A", "SECRET", late)}, err: "AssumeRoleUnauthorizedAccess"},
		"odd code":                     {fake: &ec2Fake{reply: roleReply("BODY with SECRET", "A", "SECRET", late)}, err: "no code"},
		"no code":                      {fake: &ec2Fake{reply: roleReply("", "A", "SECRET", late)}, err: "no code"},
		"code in lower case":           {fake: &ec2Fake{reply: strings.Replace(roleReply("success", "ASIAROLE", "role-secret", late), "SECRET-token", "role-token", 1)}},
		"no key":                       {fake: &ec2Fake{reply: roleReply("Success", "", "SECRET", late)}, err: "lacks AccessKeyId"},
		"no secret":                    {fake: &ec2Fake{reply: roleReply("Success", "A", "", late)}, err: "lacks AccessKeyId"},
		"no expiration":                {fake: &ec2Fake{reply: `{"Code":"Success","AccessKeyId":"A","SecretAccessKey":"SECRET"}`}, err: "lacks AccessKeyId"},
		"odd expiration":               {fake: &ec2Fake{reply: roleReply("Success", "A", "SECRET", "BODY")}, err: "lacks AccessKeyId"},
		"expired":                      {fake: &ec2Fake{reply: roleReply("Success", "A", "SECRET", "2020-01-01T00:00:00Z")}, err: "expired"},
		"truncated JSON":               {fake: &ec2Fake{reply: roleReply("Success", "A", "SECRET", late)[:60]}, err: "JSON"},
		"HTML":                         {fake: &ec2Fake{reply: "<html>BODY SECRET"}, err: "JSON"},
		"10 MB":                        {fake: &ec2Fake{reply: strings.Repeat("BODY", 2_500_000)}, err: "too long"},
		"10 MB of token":               {fake: &ec2Fake{put: write(strings.Repeat("BODY", 2_500_000))}, err: "too long"},
		"switching protocols":          {fake: &ec2Fake{role: switching}, err: "not HTTP"},
		"token switching protocols":    {fake: &ec2Fake{put: switching}, err: "none not HTTP"},
		"token reset once":             {fake: &ec2Fake{put: once(reset)}, seen: "token token name role"},
		"token not HTTP":               {fake: &ec2Fake{put: garbage}, err: "none not HTTP"},
		"keys not HTTP":                {fake: &ec2Fake{role: garbage}, err: "not HTTP"},
		"token reset":                  {fake: &ec2Fake{put: reset}, err: "none no EC2 metadata service"},
		"keys reset":                   {fake: &ec2Fake{role: reset}, err: "role keys"},
		"token hangs":                  {fake: &ec2Fake{put: hang}, err: "none no answer in time"},
		"name hangs":                   {fake: &ec2Fake{name: hang}, err: "no answer in time", within: 5 * time.Second},
		"keys hang":                    {fake: &ec2Fake{role: hang}, err: "no answer in time", within: 5 * time.Second},
		"keys stop half-way":           {fake: &ec2Fake{role: halfway}, err: "no answer in time", within: 5 * time.Second},
		"keys shorter than they claim": {fake: &ec2Fake{role: shorter}, err: "role keys"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.fake == nil {
				c.fake = new(ec2Fake)
			}
			srv := fakeEC2(t, c.fake)
			role := &EC2Role{Endpoint: srv.URL + "/", Getenv: envOf(c.env...)}
			start := time.Now()
			keys, err := role.Retrieve(t.Context())
			if took := time.Since(start); took > max(c.within, time.Second)+time.Second {
				t.Errorf("took %v", took)
			}
			if c.seen == "-" {
				c.seen = ""
				same(t, "requests", "none"+c.fake.requests(), "none")
			}
			same(t, "requests", c.fake.requests(), c.seen)
			if c.err == "" {
				if err != nil || keys.AccessKeyID != "ASIAROLE" || keys.SecretAccessKey != "role-secret" || keys.SessionToken != "role-token" || keys.Expires.IsZero() {
					t.Fatalf("got %v, %v", keys, err)
				}
				before := c.fake.requests()
				if again, err := role.Retrieve(t.Context()); err != nil || again != keys {
					t.Errorf("again: %v, %v", again, err)
				}
				same(t, "requests after a second call", c.fake.requests(), before)
				return
			}
			want, none := strings.CutPrefix(c.err, "none ")
			if err == nil || keys != (Credentials{}) || errors.Is(err, ErrNoCredentials) != none || !strings.Contains(err.Error(), want) {
				t.Fatalf("got %v, %v; want an error with %q", keys, err, c.err)
			}
			if text := err.Error(); strings.Contains(text, "BODY") || strings.Contains(text, "SECRET") || strings.Contains(text, "token-") {
				t.Errorf("the error has a part of the reply: %s", text)
			}
			if c.within == 0 { // the others take as long again
				if again, err := role.Retrieve(t.Context()); err == nil {
					t.Errorf("the failure was kept as a success: %v", again)
				}
			}
		})
	}
}

func redirect(w http.ResponseWriter, r *http.Request) bool {
	http.Redirect(w, r, "http://127.0.0.1:1/elsewhere", http.StatusTemporaryRedirect)
	return true
}

func halfway(w http.ResponseWriter, r *http.Request) bool {
	io.WriteString(w, `{"Code":"Success","BODY`)
	w.(http.Flusher).Flush()
	return hang(w, r)
}

func shorter(w http.ResponseWriter, _ *http.Request) bool {
	w.Header().Set("Content-Length", "1000")
	io.WriteString(w, `{"Code":"Success","BODY`)
	return true
}

// Off EC2 nobody listens: the first call is quick, and the answer stands for some
// seconds.
func TestOffEC2(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	endpoint := "http://" + l.Addr().String()
	l.Close()
	dials := 0
	role := &EC2Role{Getenv: envOf("AWS_EC2_METADATA_SERVICE_ENDPOINT", endpoint), Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			dials++
			return new(net.Dialer).DialContext(ctx, network, addr)
		},
	}}
	for range 10 {
		start := time.Now()
		_, err := role.Retrieve(t.Context())
		if !errors.Is(err, ErrNoCredentials) || !strings.Contains(err.Error(), endpoint) || time.Since(start) > time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	}
	if dials != 1 {
		t.Errorf("%d dials, want 1", dials)
	}
}

func TestEC2Endpoint(t *testing.T) {
	for _, c := range []struct {
		field string
		env   []string
		want  string
	}{
		{want: "http://169.254.169.254"},
		{env: []string{"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ipv6"}, want: "http://[fd00:ec2::254]"},
		{env: []string{"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv4"}, want: "http://169.254.169.254"},
		{env: []string{"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "x"}, want: "http://169.254.169.254"},
		{env: []string{"AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://h:1/", "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv6"}, want: "http://h:1"},
		{field: "http://f", env: []string{"AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://h:1/"}, want: "http://f"},
		{env: []string{"AWS_EC2_METADATA_SERVICE_ENDPOINT", "169.254.169.254"}},
		{env: []string{"AWS_EC2_METADATA_SERVICE_ENDPOINT", "ftp://h"}},
		{env: []string{"AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://user:password@h"}},
		{env: []string{"AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://h/?q"}},
		{env: []string{"AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://h:port"}},
	} {
		got, err := (&EC2Role{Endpoint: c.field, Getenv: envOf(c.env...)}).endpoint()
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%v: %q, %v; want %q", c, got, err, c.want)
		}
	}
}

func TestEC2RoleCancelled(t *testing.T) {
	srv := fakeEC2(t, &ec2Fake{role: hang})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := (&EC2Role{Endpoint: srv.URL}).Retrieve(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}
