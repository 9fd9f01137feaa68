package awsauth

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// envOf is a process environment for tests.
func envOf(pairs ...string) func(string) string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return func(name string) string { return m[name] }
}

func TestEnv(t *testing.T) {
	end := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range []struct {
		env  []string
		want Credentials
		err  string // a part of the error; "none": ErrNoCredentials
	}{
		{env: []string{"AWS_ACCESS_KEY_ID", "A", "AWS_SECRET_ACCESS_KEY", "S"}, want: Credentials{AccessKeyID: "A", SecretAccessKey: "S"}},
		{env: []string{"AWS_ACCESS_KEY", "A", "AWS_SECRET_KEY", "S", "AWS_SECURITY_TOKEN", "T"}, want: Credentials{AccessKeyID: "A", SecretAccessKey: "S", SessionToken: "T"}},
		{env: []string{"AWS_ACCESS_KEY_ID", "A", "AWS_ACCESS_KEY", "B", "AWS_SECRET_KEY", "S"}, want: Credentials{AccessKeyID: "A", SecretAccessKey: "S"}},
		{env: []string{"AWS_ACCESS_KEY_ID", " ", "AWS_ACCESS_KEY", "B", "AWS_SECRET_KEY", "S", "AWS_SESSION_TOKEN", "", "AWS_SECURITY_TOKEN", "T"}, want: Credentials{AccessKeyID: "B", SecretAccessKey: "S", SessionToken: "T"}},
		{env: []string{"AWS_ACCESS_KEY_ID", "A", "AWS_SECRET_ACCESS_KEY", "S", "AWS_SESSION_TOKEN", "T", "AWS_SECURITY_TOKEN", "U"}, want: Credentials{AccessKeyID: "A", SecretAccessKey: "S", SessionToken: "T"}},
		{env: []string{"AWS_ACCESS_KEY_ID", "A", "AWS_SECRET_ACCESS_KEY", "S", "AWS_CREDENTIAL_EXPIRATION", "2030-01-02T03:04:05Z"}, want: Credentials{AccessKeyID: "A", SecretAccessKey: "S", Expires: end}},
		{err: "none"},
		{env: []string{"AWS_ACCESS_KEY_ID", "", "AWS_SECRET_ACCESS_KEY", "\t"}, err: "none"},
		{env: []string{"AWS_SESSION_TOKEN", "T"}, err: "none"},
		{env: []string{"AWS_ACCESS_KEY_ID", "A"}, err: "set AWS_SECRET_ACCESS_KEY"},
		{env: []string{"AWS_WEB_IDENTITY_TOKEN_FILE", "/f"}, err: "set AWS_ROLE_ARN"},
		{env: []string{"AWS_ROLE_ARN", "arn:aws:iam::1:role/r"}, err: "set AWS_WEB_IDENTITY_TOKEN_FILE"},
		{env: []string{"AWS_ROLE_ARN", "arn:aws:iam::1:role/r", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/r"}, err: "set AWS_WEB_IDENTITY_TOKEN_FILE"},
		{env: []string{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "r"}, err: "set it to one that begins with /"},
		{env: []string{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://192.0.2.1"}, err: "AWS_CONTAINER_CREDENTIALS_FULL_URI"},
		{env: []string{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "\t", "AWS_WEB_IDENTITY_TOKEN_FILE", " ", "AWS_ROLE_SESSION_NAME", "n"}, err: "none"},
		{env: []string{"AWS_ACCESS_KEY_ID", "A", "AWS_ROLE_ARN", "r"}, err: "set AWS_SECRET_ACCESS_KEY"},
		{env: []string{"AWS_ACCESS_KEY_ID", "A", "AWS_SECRET_ACCESS_KEY", "S", "AWS_WEB_IDENTITY_TOKEN_FILE", "/f"}, want: Credentials{AccessKeyID: "A", SecretAccessKey: "S"}},
		{env: []string{"AWS_ACCESS_KEY_ID", "A", "AWS_SECRET_ACCESS_KEY", "S", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://h"}, want: Credentials{AccessKeyID: "A", SecretAccessKey: "S"}},
		{env: []string{"AWS_SECRET_KEY", "S"}, err: "set AWS_ACCESS_KEY_ID"},
		{env: []string{"AWS_ACCESS_KEY_ID", "A\n", "AWS_SECRET_ACCESS_KEY", "S"}, err: "line end"},
		{env: []string{"AWS_ACCESS_KEY_ID", "A", "AWS_SECRET_ACCESS_KEY", "S\n"}, err: "line end"},
		{env: []string{"AWS_ACCESS_KEY_ID", "A,B", "AWS_SECRET_ACCESS_KEY", "S"}, err: "no key has"},
		{env: []string{"AWS_ACCESS_KEY_ID", "A", "AWS_SECRET_ACCESS_KEY", "S", "AWS_CREDENTIAL_EXPIRATION", "tomorrow"}, err: "AWS_CREDENTIAL_EXPIRATION"},
	} {
		got, err := Env{Getenv: envOf(c.env...)}.Retrieve(t.Context())
		if c.err == "" {
			if err != nil || got.AccessKeyID != c.want.AccessKeyID || got.SecretAccessKey != c.want.SecretAccessKey ||
				got.SessionToken != c.want.SessionToken || !got.Expires.Equal(c.want.Expires) {
				t.Errorf("%q: got %v, %v", c.env, got, err)
			}
			continue
		}
		if err == nil || errors.Is(err, ErrNoCredentials) != (c.err == "none") || c.err != "none" && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%q: %v, want an error with %q", c.env, err, c.err)
		}
	}
}

func TestPrintable(t *testing.T) {
	for c := range 256 {
		for n := range 72 {
			for at := range n {
				b := bytes.Repeat([]byte{'!', '~', 'a'}, n)[:n]
				b[at] = byte(c)
				if got, want := printable(string(b)), c > ' ' && c < 0x7f; got != want {
					t.Fatalf("printable(%q) = %v", b, got)
				}
			}
		}
	}
}

func TestChain(t *testing.T) {
	none := func(why string) Provider {
		return ProviderFunc(func(context.Context) (Credentials, error) {
			return Credentials{}, fmt.Errorf("%w: %s", ErrNoCredentials, why)
		})
	}
	fatal := errors.New("vault: sealed")
	broken := ProviderFunc(func(context.Context) (Credentials, error) { return Credentials{}, fatal })

	got, err := Chain{none("a"), testKeys, broken}.Retrieve(t.Context())
	if err != nil || got.AccessKeyID != testID {
		t.Error(got, err)
	}
	_, err = Chain{none("one has none"), none("nor has two")}.Retrieve(t.Context())
	if !errors.Is(err, ErrNoCredentials) || err.Error() != "awsauth: no credentials: one has none; nor has two" {
		t.Error(err)
	}
	_, err = Chain{none("one has none"), broken, testKeys}.Retrieve(t.Context())
	if !errors.Is(err, fatal) || errors.Is(err, ErrNoCredentials) || !strings.Contains(err.Error(), "one has none") {
		t.Error(err)
	}
	_, err = Chain{none("a"), Credentials{}, testKeys}.Retrieve(t.Context())
	if err == nil || errors.Is(err, ErrNoCredentials) {
		t.Errorf("empty explicit credentials were passed over: %v", err)
	}
	if _, err = (Chain{nil, testKeys}).Retrieve(t.Context()); err == nil {
		t.Error("a nil source was passed over")
	}
	if _, err = (Chain{}).Retrieve(t.Context()); !errors.Is(err, ErrNoCredentials) {
		t.Error(err)
	}
}

// A source is a Provider that counts its fetches.
type source struct {
	fetches atomic.Int32
	life    time.Duration // of the keys it returns
	slow    time.Duration // how long a fetch takes
	fail    atomic.Pointer[error]
}

func (s *source) Retrieve(ctx context.Context) (Credentials, error) {
	n := s.fetches.Add(1)
	select {
	case <-time.After(s.slow):
	case <-ctx.Done():
		return Credentials{}, ctx.Err()
	}
	if err := s.fail.Load(); err != nil {
		return Credentials{}, *err
	}
	return Credentials{AccessKeyID: fmt.Sprint("KEY", n), SecretAccessKey: testSecret, Expires: time.Now().Add(s.life)}, nil
}

func (s *source) failWith(err error) {
	if err == nil {
		s.fail.Store(nil)
		return
	}
	s.fail.Store(&err)
}

func TestCacheRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{life: time.Hour, slow: time.Second}
		c := Cache(src)
		// get asks once, and checks which key comes, and whether it was waited for.
		get := func(want string, waited time.Duration) {
			t.Helper()
			start := time.Now()
			keys, err := c.Retrieve(t.Context())
			if err != nil || keys.AccessKeyID != want || time.Since(start) != waited {
				t.Errorf("got %v, %v after %v; want %s after %v", keys, err, time.Since(start), want, waited)
			}
		}
		get("KEY1", time.Second)
		time.Sleep(45*time.Minute - time.Second)
		get("KEY1", 0) // 15 minutes and a second left
		synctest.Wait()
		if n := src.fetches.Load(); n != 1 {
			t.Errorf("%d fetches", n)
		}
		time.Sleep(2 * time.Second)
		get("KEY1", 0) // begins the refresh, and does not wait
		get("KEY1", 0)
		time.Sleep(2 * time.Second)
		get("KEY2", 0)

		time.Sleep(56 * time.Minute)
		get("KEY3", time.Second) // in the last five minutes all wait

		// A failed refresh keeps what is valid, and is not repeated at every call.
		time.Sleep(50 * time.Minute)
		src.failWith(errors.New("down"))
		before := src.fetches.Load()
		for range 100 {
			get("KEY3", 0)
			time.Sleep(100 * time.Millisecond)
		}
		if n := src.fetches.Load() - before; n != 1 {
			t.Errorf("%d fetches in ten seconds of failure", n)
		}
		time.Sleep(9*time.Minute + 45*time.Second)
		get("KEY3", time.Second) // waits, in vain
		time.Sleep(time.Minute)
		if _, err := c.Retrieve(t.Context()); err == nil || err.Error() != "down" {
			t.Errorf("expired keys: %v", err)
		}
		src.failWith(nil)
		get(fmt.Sprint("KEY", src.fetches.Load()+1), time.Second)
	})
}

// A source that hangs in the last minutes holds callers up for seconds only.
func TestCacheHangsNearTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{life: time.Hour}
		c := Cache(src)
		c.Retrieve(t.Context())
		time.Sleep(56 * time.Minute)
		src.slow = time.Hour
		for range 10 {
			start := time.Now()
			keys, err := c.Retrieve(t.Context())
			if err != nil || keys.AccessKeyID != "KEY1" || time.Since(start) > waitRefresh {
				t.Errorf("%v, %v after %v", keys, err, time.Since(start))
			}
		}
		time.Sleep(2 * time.Minute)
	})
}

// "No credentials" can stand for some seconds.
func TestCacheKeepsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{life: time.Hour}
		src.failWith(fmt.Errorf("%w: test", ErrNoCredentials))
		c := &cache{source: src.Retrieve, keepNone: 5 * time.Second}
		for range 49 {
			if _, err := c.Retrieve(t.Context()); !errors.Is(err, ErrNoCredentials) {
				t.Error(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n := src.fetches.Load(); n != 1 {
			t.Errorf("%d fetches", n)
		}
		src.failWith(nil)
		time.Sleep(time.Second)
		if _, err := c.Retrieve(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestCacheFirstKeysNearTheirEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Such as a metadata service serves them shortly before new ones appear.
		src := &source{life: 10 * time.Minute}
		c := Cache(src)
		c.Retrieve(t.Context())
		c.Retrieve(t.Context())
		synctest.Wait()
		if n := src.fetches.Load(); n != 2 {
			t.Errorf("%d fetches, want 2", n)
		}
		// Ten minutes is then how long its keys live.
		for range 100 {
			c.Retrieve(t.Context())
			synctest.Wait()
		}
		if n := src.fetches.Load(); n != 2 {
			t.Errorf("%d fetches, want still 2", n)
		}
		time.Sleep(7*time.Minute + 31*time.Second)
		c.Retrieve(t.Context())
		synctest.Wait()
		if n := src.fetches.Load(); n != 3 {
			t.Errorf("%d fetches, want 3", n)
		}
	})
}

// Keys that live two seconds, a thousand callers, a minute: nobody gets expired
// keys, and the fetches are one for each life.
func TestCacheUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{life: 2 * time.Second, slow: 10 * time.Millisecond}
		c := Cache(src)
		begin := time.Now()
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				for i := range 600 {
					time.Sleep(time.Until(begin.Add(time.Duration(i) * 100 * time.Millisecond)))
					start := time.Now()
					keys, err := c.Retrieve(t.Context())
					if err != nil || keys.expired(time.Now()) {
						t.Error(keys, err)
						return
					}
					// All wait for the first keys, which are as good as expired,
					// and for the next. Then none waits.
					if waited := time.Since(start); waited > 0 && i > 1 {
						t.Errorf("call %d waited %v", i, waited)
						return
					}
				}
			})
		}
		wg.Wait()
		// Fetches begin at 0 and 0.1 seconds, and then at the first call after
		// 1.5 seconds of the keys' life: 1.7, 3.3 and so on, every 1.6 seconds.
		if n := src.fetches.Load(); n != 2+37 {
			t.Errorf("%d fetches in a minute, want 39", n)
		}
	})
}

func TestCacheWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{life: time.Hour, slow: 10 * time.Second}
		c := Cache(src)
		first, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() { // begins the fetch, and leaves
			start := time.Now()
			if _, err := c.Retrieve(first); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
				t.Errorf("%v after %v", err, time.Since(start))
			}
		})
		time.Sleep(time.Millisecond)
		for range 63 {
			wg.Go(func() {
				if keys, err := c.Retrieve(t.Context()); err != nil || keys.AccessKeyID != "KEY1" {
					t.Error(keys, err)
				}
			})
		}
		wg.Wait()
		if n := src.fetches.Load(); n != 1 {
			t.Errorf("%d fetches", n)
		}
	})
}

// Keys without an end are fetched once, also where callers come just as they land.
func TestCacheWithoutExpiry(t *testing.T) {
	for range 300 {
		var fetches atomic.Int32
		c := Cache(ProviderFunc(func(context.Context) (Credentials, error) {
			fetches.Add(1)
			return testKeys, nil
		}))
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if _, err := c.Retrieve(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := fetches.Load(); n != 1 {
			t.Fatalf("%d fetches", n)
		}
	}
}

// What a source may do wrong.
func TestCacheBadSources(t *testing.T) {
	keys := Credentials{AccessKeyID: testID, SecretAccessKey: testSecret}
	for name, c := range map[string]struct {
		retrieve func(ctx context.Context) (Credentials, error)
		err      string
		within   time.Duration
	}{
		"ignores its context": {func(context.Context) (Credentials, error) { time.Sleep(time.Hour); return keys, nil }, "no answer", time.Minute},
		"hangs":               {func(ctx context.Context) (Credentials, error) { <-ctx.Done(); return keys, ctx.Err() }, "", time.Minute},
		"ends its goroutine":  {func(context.Context) (Credentials, error) { runtime.Goexit(); return keys, nil }, "no answer", 0},
		"no keys":             {func(context.Context) (Credentials, error) { return Credentials{}, nil }, "empty", 0},
		"no secret":           {func(context.Context) (Credentials, error) { return Credentials{AccessKeyID: "A"}, nil }, "SecretAccessKey", 0},
		"expired": {func(context.Context) (Credentials, error) {
			return Credentials{AccessKeyID: "A", SecretAccessKey: "S", Expires: time.Now()}, nil
		}, "expired", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var good atomic.Bool
				cache := Cache(ProviderFunc(func(ctx context.Context) (Credentials, error) {
					if good.Load() {
						return keys, nil
					}
					return c.retrieve(ctx)
				}))
				start := time.Now()
				_, err := cache.Retrieve(t.Context())
				if err == nil || !strings.Contains(err.Error(), c.err) || time.Since(start) != c.within {
					t.Errorf("%v after %v", err, time.Since(start))
				}
				good.Store(true)
				if got, err := cache.Retrieve(t.Context()); err != nil || got != keys {
					t.Errorf("afterwards: %v, %v", got, err)
				}
				time.Sleep(2 * time.Hour) // let the source return at last
				if got, err := cache.Retrieve(t.Context()); err != nil || got != keys {
					t.Errorf("after that: %v, %v", got, err)
				}
			})
		})
	}
}

// 64 goroutines, one Signer, expiring credentials: one fetch.
func TestConcurrentSigning(t *testing.T) {
	src := &source{life: time.Hour, slow: time.Millisecond}
	signer := &Signer{Service: "s3", Region: "eu-west-1", Credentials: Cache(src)}
	v := testVerifier("s3", "")
	v.Secret = func(string) (string, string, bool) { return testSecret, "", true }
	w := wires(t, v)[0]
	w.got = make(chan arrival, 64*20)
	shared, _ := http.NewRequest("GET", "http://b.example/k(1)?x=b+c", nil)
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for range 20 {
				req := shared.Clone(t.Context())
				req.URL = shared.URL // one URL for all
				if err := signer.Sign4(req); err != nil {
					t.Error(err)
					return
				}
				resp, err := w.client.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				resp.Body.Close()
			}
		})
	}
	wg.Wait()
	close(w.got)
	n := 0
	for a := range w.got {
		n++
		if a.Err != nil {
			t.Error(a.Err)
		}
	}
	if n != 64*20 || src.fetches.Load() != 1 {
		t.Errorf("%d requests arrived, %d fetches", n, src.fetches.Load())
	}
}

// setenv makes the process environment one without credentials but pairs.
func setenv(t *testing.T, pairs ...string) {
	t.Helper()
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
		}
	}
	for i := 0; i < len(pairs); i += 2 {
		t.Setenv(pairs[i], pairs[i+1])
	}
}

// What a reader of files says never sends a chain on to another's keys.
func TestTokenFileNeverPassesOn(t *testing.T) {
	e := Env{
		Getenv:   envOf("AWS_WEB_IDENTITY_TOKEN_FILE", "/f", "AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r"),
		ReadFile: func(string) ([]byte, error) { return nil, ErrNoCredentials },
	}
	if keys, err := (Chain{e, testKeys}).Retrieve(t.Context()); err == nil || errors.Is(err, ErrNoCredentials) {
		t.Errorf("%v, %v", keys, err)
	}
}

// Only the zero Env uses the cache of the process's role.
func TestEnvWithFieldsIsNotCached(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/token")
	t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r")
	reads := 0
	e := Env{ReadFile: func(string) ([]byte, error) { reads++; return nil, errors.New("no such file") }}
	for range 2 {
		if _, err := e.Retrieve(t.Context()); err == nil || !strings.Contains(err.Error(), "no such file") {
			t.Error(err)
		}
	}
	if reads != 2 {
		t.Errorf("%d reads of the token's file, want 2", reads)
	}
}

// Keys that are valid stay in use where a refresh says that there are none.
func TestCacheNoneWhileValid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{life: time.Hour}
		c := &cache{source: src.Retrieve, keepNone: 5 * time.Second}
		c.Retrieve(t.Context())
		time.Sleep(50 * time.Minute)
		src.failWith(fmt.Errorf("%w: test", ErrNoCredentials))
		for range 100 {
			if keys, err := c.Retrieve(t.Context()); err != nil || keys.AccessKeyID != "KEY1" {
				t.Fatal(keys, err)
			}
			time.Sleep(time.Second)
		}
	})
}

// Other errors than ErrNoCredentials are not kept.
func TestCacheKeepsNoOtherError(t *testing.T) {
	src := &source{life: time.Hour}
	src.failWith(errors.New("status 503"))
	c := &cache{source: src.Retrieve, keepNone: time.Hour}
	if _, err := c.Retrieve(t.Context()); err == nil {
		t.Error("no error")
	}
	src.failWith(nil)
	if _, err := c.Retrieve(t.Context()); err != nil {
		t.Error(err)
	}
}

// A caller that waits near the end of the keys leaves with its own context.
func TestCacheCancelledNearTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{life: time.Hour}
		c := Cache(src)
		c.Retrieve(t.Context())
		time.Sleep(56 * time.Minute)
		src.slow = 30 * time.Second
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := c.Retrieve(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		time.Sleep(time.Minute)
	})
}

// Keys that expire while a caller waits are not what it gets.
func TestCacheExpiresWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{life: time.Hour}
		c := Cache(src)
		c.Retrieve(t.Context())
		time.Sleep(time.Hour - 2*time.Second)
		src.slow = 20 * time.Second
		start := time.Now()
		keys, err := c.Retrieve(t.Context())
		if err != nil || keys.AccessKeyID != "KEY2" || time.Since(start) != 20*time.Second {
			t.Errorf("%v, %v after %v", keys, err, time.Since(start))
		}
	})
}

// A fetch that was given up does not land in the place of a later one.
func TestCacheLateLanding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int32
		c := Cache(ProviderFunc(func(context.Context) (Credentials, error) {
			if n.Add(1) == 1 {
				time.Sleep(90 * time.Second) // past its bound, and deaf to it
				return Credentials{AccessKeyID: "LATE", SecretAccessKey: "S"}, nil
			}
			time.Sleep(50 * time.Second)
			return Credentials{AccessKeyID: "SECOND", SecretAccessKey: "S"}, nil
		}))
		if _, err := c.Retrieve(t.Context()); err == nil {
			t.Error("no error")
		}
		if keys, err := c.Retrieve(t.Context()); err != nil || keys.AccessKeyID != "SECOND" {
			t.Errorf("%v, %v", keys, err)
		}
	})
}

// The package functions share one default chain, and it follows the environment.
func TestDefaultChain(t *testing.T) {
	setenv(t, "AWS_EC2_METADATA_DISABLED", "true")
	req, _ := http.NewRequest("GET", "https://b.s3.eu-west-1.amazonaws.com/k", nil)
	err := Sign4(req)
	if !errors.Is(err, ErrNoCredentials) || !strings.Contains(err.Error(), "AWS_ACCESS_KEY_ID") || !strings.Contains(err.Error(), "AWS_EC2_METADATA_DISABLED") || strings.Contains(err.Error(), "AWS_PROFILE") {
		t.Error(err)
	}
	t.Setenv("AWS_PROFILE", "work")
	err = Sign4(req)
	if !errors.Is(err, ErrNoCredentials) || !strings.Contains(err.Error(), "AWS_PROFILE is set, which is read by github.com/go-awsauth/awsauth/profile") || !strings.Contains(err.Error(), "AWS_EC2_METADATA_DISABLED") {
		t.Error(err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "FROMENV")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "S")
	for _, sign := range []func(*http.Request) error{
		func(r *http.Request) error { return Sign4(r) },
		func(r *http.Request) error { return new(Signer).Sign4(r) },
		func(r *http.Request) error { return Sign4(r, Env{}, &EC2Role{}) },
	} {
		if err := sign(req); err != nil || !strings.Contains(req.Header.Get("Authorization"), "Credential=FROMENV/") {
			t.Error(err, req.Header)
		}
	}
	if err := Sign4(req, testKeys); err != nil || !strings.Contains(req.Header.Get("Authorization"), "Credential="+testID+"/") {
		t.Error(err, req.Header)
	}
}

// The default chain caches the role that the environment points at, and follows it.
func TestDefaultChainRole(t *testing.T) {
	fake := func(name string, requests *atomic.Int32) string {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			fmt.Fprintf(w, `{"AccessKeyId":"%s%s","SecretAccessKey":"S","Token":"T","Expiration":%q}`, name, r.Header.Get("Authorization"), time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
		}))
		t.Cleanup(srv.Close)
		return srv.URL
	}
	var a, b atomic.Int32
	setenv(t, "AWS_EC2_METADATA_DISABLED", "true", "AWS_CONTAINER_CREDENTIALS_FULL_URI", fake("A", &a))
	signs := func(want string, na, nb int32) {
		t.Helper()
		var wg sync.WaitGroup
		for _, sign := range []func(*http.Request) error{
			func(r *http.Request) error { return Sign4(r) },
			func(r *http.Request) error { return new(Signer).Sign4(r) },
			func(r *http.Request) error { return Sign4(r, Env{}, &EC2Role{}) },
			func(r *http.Request) error { return Presign(r, time.Minute) },
		} {
			wg.Go(func() {
				req, _ := http.NewRequest("GET", "https://b.s3.eu-west-1.amazonaws.com/k", nil)
				err := sign(req)
				if err != nil || !strings.Contains(req.Header.Get("Authorization")+"&Credential="+req.URL.Query().Get("X-Amz-Credential"), "Credential="+want+"/") {
					t.Error(err, req.Header)
				}
			})
		}
		wg.Wait()
		if a.Load() != na || b.Load() != nb {
			t.Errorf("%d and %d requests, want %d and %d", a.Load(), b.Load(), na, nb)
		}
	}
	signs("A", 1, 0)
	signs("A", 1, 0)
	t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "1")
	signs("A1", 2, 0)
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", fake("B", &b))
	signs("B1", 2, 1)
	t.Setenv("AWS_ACCESS_KEY_ID", "KEYS")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "S")
	signs("KEYS", 2, 1)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	signs("B1", 2, 1)

	// An Env with a field set shares nothing with it, and caches nothing.
	for range 3 {
		if keys, err := (Env{Getenv: os.Getenv}).Retrieve(t.Context()); err != nil || keys.AccessKeyID != "B1" {
			t.Error(keys, err)
		}
	}
	cached := Cache(Env{Getenv: os.Getenv})
	for range 3 {
		if keys, err := cached.Retrieve(t.Context()); err != nil || keys.AccessKeyID != "B1" {
			t.Error(keys, err)
		}
	}
	signs("B1", 2, 5)
}

// Where the environment means a role or keys and does not get them, nothing signs
// as the node.
func TestNeverAnotherIdentity(t *testing.T) {
	ec2 := &ec2Fake{}
	node := fakeEC2(t, ec2)
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		io.WriteString(w, `{"code":"AccessDenied","message":"BODY"}`)
	}))
	t.Cleanup(refusing.Close)
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	missing, empty := filepath.Join(t.TempDir(), "missing"), filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const arn = "arn:aws:iam::123456789012:role/r"

	sign := func(creds ...Provider) (*http.Request, error) {
		req, _ := http.NewRequest("GET", "https://b.s3.eu-west-1.amazonaws.com/k", nil)
		return req, Sign4(req, creds...)
	}
	for name, c := range map[string]struct {
		env []string
		err string
	}{
		"container refuses":              {[]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI", refusing.URL}, "status 403, AccessDenied"},
		"container gone":                 {[]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://" + gone.Addr().String()}, "connect"},
		"container URI not allowed":      {[]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://192.0.2.1/"}, "set it to an https URL"},
		"container URI malformed":        {[]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "169.254.170.2/x"}, "not a URL"},
		"container path malformed":       {[]string{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "x", "AWS_CONTAINER_CREDENTIALS_FULL_URI", refusing.URL}, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"},
		"container token file missing":   {[]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI", refusing.URL, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", missing, "AWS_CONTAINER_AUTHORIZATION_TOKEN", "x"}, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"},
		"web identity file missing":      {[]string{"AWS_WEB_IDENTITY_TOKEN_FILE", missing, "AWS_ROLE_ARN", arn}, missing},
		"web identity file empty":        {[]string{"AWS_WEB_IDENTITY_TOKEN_FILE", empty, "AWS_ROLE_ARN", arn}, "is empty"},
		"web identity before container":  {[]string{"AWS_WEB_IDENTITY_TOKEN_FILE", missing, "AWS_ROLE_ARN", arn, "AWS_CONTAINER_CREDENTIALS_FULL_URI", refusing.URL}, missing},
		"role without token file":        {[]string{"AWS_ROLE_ARN", arn}, "set AWS_WEB_IDENTITY_TOKEN_FILE"},
		"token file without role":        {[]string{"AWS_WEB_IDENTITY_TOKEN_FILE", empty}, "set AWS_ROLE_ARN"},
		"role of no partition":           {[]string{"AWS_WEB_IDENTITY_TOKEN_FILE", empty, "AWS_ROLE_ARN", "arn:x:iam::1:role/r"}, "AWS_ROLE_ARN is not"},
		"key ID alone":                   {[]string{"AWS_ACCESS_KEY_ID", "A"}, "set AWS_SECRET_ACCESS_KEY"},
		"key ID alone, and a role":       {[]string{"AWS_ACCESS_KEY_ID", "A", "AWS_CONTAINER_CREDENTIALS_FULL_URI", refusing.URL}, "set AWS_SECRET_ACCESS_KEY"},
		"secret alone":                   {[]string{"AWS_SECRET_ACCESS_KEY", "S"}, "set AWS_ACCESS_KEY_ID"},
		"expired keys, which are no one": {[]string{"AWS_ACCESS_KEY_ID", "A", "AWS_SECRET_ACCESS_KEY", "S", "AWS_CREDENTIAL_EXPIRATION", "2020-01-01T00:00:00Z"}, "expired"},
	} {
		t.Run(name, func(t *testing.T) {
			setenv(t, append(c.env, "AWS_EC2_METADATA_SERVICE_ENDPOINT", node.URL)...)
			for range 2 {
				req, err := sign()
				if err == nil || errors.Is(err, ErrNoCredentials) || !strings.HasPrefix(err.Error(), "awsauth: ") || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "BODY") {
					t.Errorf("%v, want an error with %q", err, c.err)
				}
				if len(req.Header) > 0 {
					t.Errorf("the request was changed: %v", req.Header)
				}
			}
			same(t, "requests to the node", ec2.requests(), "")
		})
	}
	// The node would have had keys.
	setenv(t, "AWS_EC2_METADATA_SERVICE_ENDPOINT", node.URL)
	if req, err := sign(Env{}, &EC2Role{}); err != nil || !strings.Contains(req.Header.Get("Authorization"), "Credential=ASIAROLE/") {
		t.Error(err, req.Header)
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	keys := Credentials{AccessKeyID: testID, SecretAccessKey: "sEcReTsEcReT", SessionToken: "tOkEntOkEn", Expires: time.Now().Add(time.Hour)}
	cached := Cache(keys)
	if _, err := cached.Retrieve(t.Context()); err != nil {
		t.Fatal(err)
	}
	role := &EC2Role{Endpoint: fakeEC2(t, &ec2Fake{keys: keys}).URL}
	signer := &Signer{Service: "s3", Region: "x", Credentials: keys}
	for _, p := range []Provider{keys, role, cached} {
		req, _ := http.NewRequest("GET", "https://b.example/k", nil)
		if err := signer.Sign4(req, p); err != nil {
			t.Fatal(err)
		}
	}
	type holder struct {
		Name  string
		Keys  Credentials
		Ptr   *Credentials
		Any   any
		List  []Credentials
		Chain Chain
	}
	chains := []*Chain{{keys, &keys}}
	values := []any{
		keys, &keys, []Credentials{keys}, map[string]Credentials{"a": keys}, Provider(keys),
		holder{"n", keys, &keys, keys, []Credentials{keys}, Chain{keys, &keys}}, &holder{Keys: keys},
		Chain{keys, cached, role}, chains, map[string]*Chain{"a": chains[0]}, cached, role, signer, []any{signer, cached, role}, struct{ S *Signer }{signer},
		fmt.Errorf("wrapped: %v", keys),
	}
	var out bytes.Buffer
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "%t", "%e", "%10.3v", "%T"} {
			fmt.Fprintf(&out, verb, v)
		}
		fmt.Fprint(&out, v)
		for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			l := slog.New(h)
			l.Info("m", "v", v)
			l.With("v", v).WithGroup("g").Info("m", slog.Any("v", v))
		}
		if data, err := json.Marshal(v); err == nil {
			out.Write(data)
		}
		if data, err := xml.Marshal(v); err == nil {
			out.Write(data)
		}
	}
	text := out.String()
	for _, secret := range []string{keys.SecretAccessKey, keys.SessionToken, fmt.Sprintf("%x", keys.SecretAccessKey), fmt.Sprintf("%X", keys.SessionToken), fmt.Sprint([]byte(keys.SecretAccessKey))} {
		if i := strings.Index(text, secret); i >= 0 {
			t.Errorf("a secret was printed: …%s…", text[max(0, i-200):i])
		}
	}
	if !strings.Contains(text, testID) {
		t.Error("the access key ID was not printed")
	}
}
