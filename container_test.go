package awsauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// inMemory returns a transport that takes every request to h, over connections
// that stand on synctest's clock.
func inMemory(t *testing.T, h http.Handler) *http.Transport {
	l := &memoryListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	srv := &http.Server{Handler: h, ErrorLog: quiet}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	return &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		client, server := net.Pipe()
		select {
		case l.conns <- server:
			return client, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}
}

type memoryListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}
func (l *memoryListener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *memoryListener) Addr() net.Addr { return &net.TCPAddr{} }

// A roleFake is the service that a role's keys come from.
type roleFake struct {
	answer func(http.ResponseWriter, *http.Request) bool // nil, or false: it gives keys
	good   func(http.ResponseWriter, *http.Request)

	mu   sync.Mutex
	seen []string // what mark says of each request
	mark func(*http.Request) string
}

func (f *roleFake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.ParseForm() // reads the body: only then does the server notice that a client leaves
	f.mu.Lock()
	if f.mark != nil {
		f.seen = append(f.seen, f.mark(r))
	} else {
		f.seen = append(f.seen, r.Method)
	}
	answer := f.answer
	f.mu.Unlock()
	if answer == nil || !answer(w, r) {
		f.good(w, r)
	}
}

func (f *roleFake) requests() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.seen)
}

// A roleFault is what a service may do wrong.
type roleFault struct {
	answer   func(http.ResponseWriter, *http.Request) bool
	err      string // a part of the error; "": it works
	requests int
	hangs    bool // it takes all the time that a fetch has
}

// roleFaults returns those that all services have in common.
func roleFaults() map[string]roleFault {
	return map[string]roleFault{
		"good":                   {nil, "", 1, false},
		"401":                    {status(401, always), "status 401", 1, false},
		"403":                    {status(403, always), "status 403", 1, false},
		"404":                    {status(404, always), "status 404", 1, false},
		"204":                    {status(204, always), "status 204", 1, false},
		"429 once":               {status(429, 1), "", 2, false},
		"429 for good":           {status(429, always), "status 429", 3, false},
		"500 twice":              {status(500, 2), "", 3, false},
		"503 for good":           {status(503, always), "status 503", 3, false},
		"reset once":             {once(reset), "", 2, false},
		"reset":                  {reset, "the connection broke", 3, false},
		"not HTTP":               {garbage, "not HTTP", 3, false},
		"switching protocols":    {switching, "not HTTP", 3, false},
		"shorter than it claims": {shorter, "the connection broke", 3, false},
		"10 MB":                  {write(strings.Repeat("BODY", 2_500_000)), "too long", 1, false},
		"redirect":               {redirect, "status 307", 1, false},
		"empty":                  {write(""), "is not the", 1, false},
		"HTML":                   {write("<html><body>BODY SECRET</body></html>"), "is not the", 1, false},
		"500 with a page, then good": {once(func(w http.ResponseWriter, r *http.Request) bool {
			w.WriteHeader(500)
			return write("<html>BODY")(w, r)
		}), "", 2, false},
	}
}

// testRoleFaults checks for each fault that it ends in time and in a clear error
// without a secret, and that the next fetch brings good keys all the same.
func testRoleFaults(t *testing.T, bound, pause time.Duration, faults map[string]roleFault, good func(http.ResponseWriter, *http.Request), newEnv func(*http.Transport) Env) {
	run := func(name string, c roleFault) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := &roleFake{answer: c.answer, good: good}
				env := newEnv(inMemory(t, fake))
				cached := Cache(env)
				isGood := func(keys Credentials, err error) {
					t.Helper()
					if err != nil || keys.AccessKeyID != "ASIAROLE" || keys.SecretAccessKey != "role-secret" || keys.SessionToken != "role-token" {
						t.Errorf("got %v, %v", keys, err)
					}
				}

				start := time.Now()
				keys, err := cached.Retrieve(t.Context())
				want := []time.Duration{0, pause, 3 * pause}[max(c.requests-1, 0)]
				if c.hangs {
					want = bound
				}
				if took := time.Since(start); took != want {
					t.Errorf("took %v, want %v", took, want)
				}
				if n := len(fake.requests()); n != c.requests {
					t.Errorf("%d requests, want %d", n, c.requests)
				}
				if c.err == "" {
					isGood(keys, err)
					return
				}
				if err == nil || keys != (Credentials{}) || errors.Is(err, ErrNoCredentials) || !strings.HasPrefix(err.Error(), "awsauth: ") || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("got %v, %v; want an error with %q", keys, err, c.err)
				}
				for _, secret := range []string{"BODY", "SECRET", "role-", "request-token"} {
					if strings.Contains(err.Error(), secret) {
						t.Errorf("the error has %s: %v", secret, err)
					}
				}
				fake.mu.Lock()
				fake.answer = nil
				fake.mu.Unlock()
				isGood(cached.Retrieve(t.Context()))
				isGood(env.Retrieve(t.Context()))
				time.Sleep(time.Minute) // for the fake's own goroutines
			})
		})
	}
	for name, c := range roleFaults() {
		run(name, c)
	}
	for name, c := range faults {
		run(name, c)
	}
}

func in(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339) }

func containerReply(id, secret, expiration string) string {
	return fmt.Sprintf(`{"RoleArn":"arn:aws:iam::1:role/r","AccessKeyId":%q,"SecretAccessKey":%q,"Token":"role-token","Expiration":%q}`, id, secret, expiration)
}

func goodContainer(w http.ResponseWriter, _ *http.Request) {
	io.WriteString(w, containerReply("ASIAROLE", "role-secret", in(6*time.Hour)))
}

func TestContainerFaults(t *testing.T) {
	fault := func(code int, body string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool { w.WriteHeader(code); return write(body)(w, r) }
	}
	late := "2090-01-01T00:00:00Z"
	testRoleFaults(t, containerTimeout, containerPause, map[string]roleFault{
		"hangs":             {hang, "no answer in time", 2, true},
		"stops half-way":    {halfway, "no answer in time", 2, true},
		"code":              {fault(400, `{"code":"AccessDenied","message":"BODY"}`), "status 400, AccessDenied", 1, false},
		"Code":              {fault(404, `{"Code":"NoIdMapping","Message":"BODY"}`), "status 404, NoIdMapping", 1, false},
		"odd code":          {fault(400, `{"code":"BODY of it"}`), "status 400", 1, false},
		"code of a number":  {fault(400, `{"code":17}`), "status 400", 1, false},
		"truncated":         {write(containerReply("A", "SECRET", late)[:90]), "not the JSON", 1, false},
		"other types":       {write(`{"AccessKeyId":["BODY"]}`), "not the JSON", 1, false},
		"a list":            {write(`["BODY"]`), "not the JSON", 1, false},
		"null":              {write(`null`), "lacks AccessKeyId", 1, false},
		"no key":            {write(containerReply("", "SECRET", late)), "lacks AccessKeyId", 1, false},
		"no secret":         {write(containerReply("A", "", late)), "lacks AccessKeyId", 1, false},
		"key with line end": {write(containerReply("A\r\nX: y", "SECRET", late)), "no key has", 1, false},
		"odd expiration":    {write(containerReply("A", "SECRET", "BODY")), "not a time", 1, false},
		"expired":           {write(containerReply("A", "SECRET", "1999-12-31T23:59:59Z")), "expired", 1, false},
		"expires now":       {write(containerReply("A", "SECRET", "2000-01-01T00:00:00Z")), "expired", 1, false},
	}, goodContainer, func(tr *http.Transport) Env {
		return Env{Transport: tr, Getenv: envOf("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x", "AWS_CONTAINER_AUTHORIZATION_TOKEN", "request-token")}
	})
}

func TestContainerRequest(t *testing.T) {
	dir := t.TempDir()
	file := func(content string) string {
		name := filepath.Join(dir, fmt.Sprint(len(content)))
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	const (
		relative = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
		full     = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
		token    = "AWS_CONTAINER_AUTHORIZATION_TOKEN"
		fileVar  = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
	)
	for _, c := range []struct {
		env  []string
		want string // the request, or "error" and a part of the error
	}{
		{[]string{relative, "/v2/x?id=1"}, "GET http://169.254.170.2:80/v2/x?id=1 Host 169.254.170.2 []"},
		{[]string{relative, "/v2/x", full, "https://h.example/"}, "GET http://169.254.170.2:80/v2/x Host 169.254.170.2 []"},
		{[]string{relative, " ", full, "https://h.example/c?d"}, "GET https://h.example/c?d Host h.example []"},
		{[]string{relative, "//evil.example/x"}, "GET http://169.254.170.2:80//evil.example/x Host 169.254.170.2 []"},
		{[]string{relative, "/\\evil.example"}, "GET http://169.254.170.2:80/%5Cevil.example Host 169.254.170.2 []"},
		{[]string{relative, "@evil.example/x"}, "error begins with /"},
		{[]string{relative, ".evil.example/x"}, "error begins with /"},
		{[]string{relative, ":80@evil.example/"}, "error begins with /"},
		{[]string{relative, "3.evil.example"}, "error begins with /"},
		{[]string{relative, "http://169.254.170.2/x"}, "error begins with /"},
		{[]string{relative, "/%zz"}, "error begins with /"},
		{[]string{relative, "/a\nb"}, "error begins with /"},
		{[]string{full, "http://169.254.170.23/v1/credentials", token, "Bearer a b=="}, "GET http://169.254.170.23:80/v1/credentials Host 169.254.170.23 [Bearer a b==]"},
		{[]string{full, "http://127.0.0.1:8080", token, "T", fileVar, file("from-file")}, "GET http://127.0.0.1:8080 Host 127.0.0.1:8080 [from-file]"},
		{[]string{full, "http://127.0.0.1", fileVar, file("request-token\n")}, "error TOKEN_FILE has a line end"},
		{[]string{full, "http://127.0.0.1", fileVar, file("request-token\r\nX-Evil: y")}, "error TOKEN_FILE has a line end"},
		{[]string{full, "http://127.0.0.1", token, "request-token\n"}, "error TOKEN has a line end"},
		{[]string{full, "http://127.0.0.1", token, "request-token\x00"}, "error control character"},
		{[]string{full, "http://127.0.0.1", token, "T", fileVar, file("  \t ")}, "error is empty"},
		{[]string{full, "http://127.0.0.1", token, "T", fileVar, filepath.Join(dir, "missing")}, "error missing"},
		{[]string{full, "http://127.0.0.1", token, "T", fileVar, dir}, "error " + dir},
		{[]string{full, "http://127.0.0.1", token, "T", fileVar, file(strings.Repeat("request-token", 10_000))}, "error too long"},
	} {
		got := ""
		_, err := Env{Getenv: envOf(c.env...), Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			got = fmt.Sprint(r.Method, " ", r.URL, " Host ", r.Host, " ", r.Header["Authorization"])
			if r.Header.Get("Accept") != "application/json" {
				t.Errorf("Accept: %q", r.Header["Accept"])
			}
			rec := httptest.NewRecorder()
			goodContainer(rec, r)
			return rec.Result(), nil
		})}.Retrieve(t.Context())
		if want, ok := strings.CutPrefix(c.want, "error "); ok {
			if err == nil || got != "" || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "request-token") {
				t.Errorf("%q: %q, %v; want an error with %q", c.env, got, err, want)
			}
			continue
		}
		if err != nil || got != c.want {
			t.Errorf("%q: %q, %v; want %q", c.env, got, err, c.want)
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Over plain http the keys stay on the machine, whatever the URL looks like.
func TestContainerHosts(t *testing.T) {
	names := map[string]string{
		"localhost":        "127.0.0.1 ::1",
		"agent.example":    "169.254.170.23 fd00:ec2::23",
		"mapped.example":   "::ffff:127.0.0.1",
		"mixed.example":    "127.0.0.1 192.0.2.1",
		"mixed6.example":   "::1 2001:db8::1",
		"away.example":     "192.0.2.1",
		"imds.example":     "169.254.169.254",
		"linklocal":        "fe80::1%eth0",
		"none.example":     "",
		"2130706433":       "127.0.0.1", // as some resolvers read it
		"0x7f000001":       "127.0.0.1",
		"3221225985":       "192.0.2.1",
		"0xc0000201":       "192.0.2.1",
		"127.0.0.1.nip.io": "192.0.2.1",
	}
	resolve := func(_ context.Context, network, host string) ([]netip.Addr, error) {
		list, ok := names[host]
		if !ok || network != "ip" {
			return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
		}
		var addrs []netip.Addr
		for _, a := range strings.Fields(list) {
			addrs = append(addrs, netip.MustParseAddr(a))
		}
		return addrs, nil
	}
	for _, c := range []struct{ uri, want string }{
		{"https://anywhere.example/x", "anywhere.example"},
		{"HTTPS://192.0.2.1:8443/x", "192.0.2.1:8443"},
		{"http://127.0.0.1/", "127.0.0.1:80"},
		{"http://127.0.0.1:/", "127.0.0.1:80"},
		{"http://127.255.255.254:1234", "127.255.255.254:1234"},
		{"http://[::1]:51679/x", "[::1]:51679"},
		{"http://169.254.170.2/x", "169.254.170.2:80"},
		{"http://169.254.170.23/x", "169.254.170.23:80"},
		{"http://[fd00:ec2::23]/x", "[fd00:ec2::23]:80"},
		{"http://[FD00:0EC2:0:0::23]/x", "[fd00:ec2::23]:80"},
		{"http://[::ffff:127.0.0.1]/x", "127.0.0.1:80"},
		{"http://[::ffff:a9fe:aa02]/x", "169.254.170.2:80"},
		{"http://localhost:9000/x", "127.0.0.1:9000 [::1]:9000"},
		{"http://agent.example/x", "169.254.170.23:80 [fd00:ec2::23]:80"},
		{"http://mapped.example/x", "127.0.0.1:80"},
		{"http://2130706433/", "127.0.0.1:80"},
		{"http://0x7f000001/", "127.0.0.1:80"},

		{"http://192.0.2.1/", "to an https URL"},
		{"http://169.254.169.254/", "to an https URL"},
		{"http://169.254.170.3/", "to an https URL"},
		{"http://128.0.0.1/", "to an https URL"},
		{"http://0.0.0.0/", "to an https URL"},
		{"http://[::]/", "to an https URL"},
		{"http://[::ffff:192.0.2.1]/", "to an https URL"},
		{"http://[::127.0.0.1]/", "to an https URL"}, // not mapped: another address
		{"http://[::1%25lo]/", "to an https URL"},
		{"http://[fd00:ec2::254]/", "to an https URL"},
		{"http://[fd00:ec2::23%25eth0]/", "to an https URL"},
		{"http://away.example/", "to an https URL"},
		{"http://imds.example/", "to an https URL"},
		{"http://linklocal/", "to an https URL"},
		{"http://mixed.example/", "to an https URL"},
		{"http://mixed6.example/", "to an https URL"},
		{"http://127.0.0.1.nip.io/", "to an https URL"},
		{"http://3221225985/", "to an https URL"},
		{"http://0xc0000201/", "to an https URL"},
		{"http://none.example/", "has no address"},
		{"http://unknown.example/", "has no address"},
		{"http://0177.0.0.1/", "has no address"},
		{"http://127.1/", "has no address"},
		{"http://127.0.0.1@away.example/", "a user name"},
		{"http://away.example@127.0.0.1/", "a user name"},
		{"http://user:SECRET@127.0.0.1/", "a user name"},
		{"http://@127.0.0.1/", "a user name"},
		{"https://user:SECRET@anywhere.example/", "a user name"},
		{"http://away.example#@127.0.0.1/", "to an https URL"},
		{"http://away.example?@127.0.0.1/", "to an https URL"},
		{"http://127.0.0.1\\@away.example/", "not a URL"},
		{"http://away.example\\.127.0.0.1/", "not a URL"},
		{"http://127.0.0.1:80:SECRET/", "not a URL"},
		{"http://127.0.0.1:SECRET/", "not a URL"},
		{"http:///x", "not a URL"},
		{"http://:80/x", "not a URL"},
		{"https:///x", "not a URL"},
		{"http:127.0.0.1/", "not a URL"},
		{"//127.0.0.1/", "not a URL"},
		{"/x", "not a URL"},
		{"127.0.0.1", "not a URL"},
		{"ftp://127.0.0.1/", "not a URL"},
		{"file:///etc/passwd", "not a URL"},
		{"http://127.0.0.1/\n", "not a URL"},
		{"http://127.0.0.1%2eaway.example/", "not a URL"},
	} {
		u, err := container{fullURI: c.uri}.endpoint()
		var hosts []string
		if err == nil {
			hosts, err = checkedHosts(t.Context(), u, resolve)
		}
		switch got := strings.Join(hosts, " "); {
		case strings.Contains(c.want, ".") || strings.Contains(c.want, "["):
			if err != nil || got != c.want {
				t.Errorf("%s: %q, %v; want %q", c.uri, got, err, c.want)
			}
		case err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "SECRET"):
			t.Errorf("%s: %q, %v; want an error with %q", c.uri, got, err, c.want)
		}
	}
}

// The connection goes to an address that was checked: what the name stands for
// later does not matter.
func TestContainerRebinding(t *testing.T) {
	var host string
	requests := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host = r.Host
		requests++
		goodContainer(w, r)
	}))
	defer srv.Close()
	u, _ := url.Parse(srv.URL)
	c := container{fullURI: "http://rebind.example:" + u.Port() + "/x"}
	for _, first := range []string{"127.0.0.1", "::1"} { // the server listens on the one; the other leads to it
		lookups := 0
		requests = 0
		keys, err := c.ask(t.Context(), Env{}, func(context.Context, string, string) ([]netip.Addr, error) {
			if lookups++; lookups > 1 {
				return []netip.Addr{netip.MustParseAddr("192.0.2.1")}, nil
			}
			return []netip.Addr{netip.MustParseAddr(first), netip.MustParseAddr("127.0.0.1")}, nil
		})
		if err != nil || keys.AccessKeyID != "ASIAROLE" || lookups != 1 || requests != 1 || host != "rebind.example:"+u.Port() {
			t.Errorf("%v, %v; %d lookups, %d requests, Host %s", keys, err, lookups, requests, host)
		}
	}
}

// A resolver that does not answer takes no more time than a fetch has.
func TestContainerResolverHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		_, err := container{fullURI: "http://h/"}.ask(t.Context(), Env{}, func(ctx context.Context, _, _ string) ([]netip.Addr, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		if err == nil || time.Since(start) != containerTimeout {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

// Keys without an end are kept; others are fetched again, with the token that the
// file has by then.
func TestContainerRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		token := "one"
		fake := &roleFake{good: goodContainer, mark: func(r *http.Request) string { return r.Header.Get("Authorization") }}
		env := Env{
			Getenv: envOf("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/token"),
			ReadFile: func(name string) ([]byte, error) {
				if name != "/token" {
					t.Errorf("read %s", name)
				}
				return []byte(token), nil
			},
			Transport: inMemory(t, fake),
		}
		cached := Cache(env)
		for _, token = range []string{"one", "two", "two\n", "three"} {
			_, err := cached.Retrieve(t.Context())
			if (err != nil) != (token == "two\n") {
				t.Errorf("%q: %v", token, err)
			}
			time.Sleep(7 * time.Hour)
		}
		same(t, "tokens sent", strings.Join(fake.requests(), " "), "one two three")

		fake.answer = write(`{"AccessKeyId":"A","SecretAccessKey":"S"}`)
		for range 3 {
			keys, err := cached.Retrieve(t.Context())
			if err != nil || keys.AccessKeyID != "A" || keys.SessionToken != "" || !keys.Expires.IsZero() {
				t.Error(keys, err)
			}
			time.Sleep(1000 * time.Hour)
		}
		if n := len(fake.requests()); n != 4 {
			t.Errorf("%d requests", n)
		}
	})
}

// A caller leaves when its context ends, and is told that and nothing else.
func TestRoleCancelled(t *testing.T) {
	for name, vars := range map[string][]string{
		"container":    {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/x"},
		"web identity": {"AWS_WEB_IDENTITY_TOKEN_FILE", "/token", "AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				env := Env{
					Getenv:    envOf(vars...),
					ReadFile:  func(string) ([]byte, error) { return []byte("T"), nil },
					Transport: plain{inMemory(t, &roleFake{answer: hang})},
				}
				for _, p := range []Provider{env, Cache(env)} {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					start := time.Now()
					if _, err := p.Retrieve(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
						t.Errorf("%v after %v", err, time.Since(start))
					}
					cancel()
					ctx, cancel = context.WithCancel(t.Context())
					time.AfterFunc(time.Second, cancel)
					if _, err := p.Retrieve(ctx); !errors.Is(err, context.Canceled) {
						t.Error(err)
					}
				}
				time.Sleep(time.Minute)
			})
		})
	}
}
