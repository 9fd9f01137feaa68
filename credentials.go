package awsauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// ErrNoCredentials is what a source returns, wrapped with its reason, when it
// has no credentials to offer. A [Chain] then asks its next source; any other
// error stops the chain.
var ErrNoCredentials = errors.New("awsauth: no credentials")

// Credentials are an AWS access key. They are themselves a [Provider].
//
// The secret and the token do not print: fmt, log/slog, encoding/json and
// encoding/xml show the access key ID alone. No type can hold fmt back in three
// cases: the verbs %p and %w, which are errors here; an unexported field of another
// struct, whose methods fmt can't call; and a pointer inside another value under a
// verb that is not for pointers, such as %s, where fmt calls no methods at all. Keep
// what [Cache] returns there.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string    // "": long-term keys, no token is sent; to S3 Express: that of CreateSession
	Expires         time.Time // zero: they do not expire

	unsigned bool // what Anonymous returns
}

// A Provider is a source of credentials.
//
// Retrieve must be safe for many goroutines. It is called for every signature,
// so a source that is slow to ask belongs in a [Cache].
type Provider interface {
	Retrieve(ctx context.Context) (Credentials, error)
}

// A ProviderFunc is a function as a [Provider].
type ProviderFunc func(ctx context.Context) (Credentials, error)

// Retrieve calls f.
func (f ProviderFunc) Retrieve(ctx context.Context) (Credentials, error) { return f(ctx) }

// Retrieve returns c, or an error where the ID or the secret is empty or has what
// no key has, such as a line end: an empty explicit key is a mistake, never a reason
// to sign as somebody else.
func (c Credentials) Retrieve(context.Context) (Credentials, error) {
	if err := c.check(); err != nil {
		return Credentials{}, err
	}
	return c, nil
}

// Anonymous is the [Provider] of requests that are not to be signed, such as those
// for public data. A [Transport] sends them as they are. Sign4 and its like remove
// the headers of an earlier signature, and else do what they do to a request for a
// signature; a URL can't be presigned so. Nothing but Anonymous makes a request
// unsigned: empty credentials are an error. It may end a chain:
//
//	Chain{Env{}, &EC2Role{}, Anonymous{}}
type Anonymous struct{}

// Retrieve returns credentials that no signature is made with.
func (Anonymous) Retrieve(context.Context) (Credentials, error) {
	return Credentials{unsigned: true}, nil
}

func (c *Credentials) anonymous() bool { return c.unsigned && *c == Credentials{unsigned: true} }

// Format prints the access key ID and nothing else, whatever the verb.
func (c Credentials) Format(f fmt.State, verb rune) { io.WriteString(f, c.redacted()) }

// MarshalText returns what Format prints; encoding/json, encoding/xml and
// log/slog use it.
func (c Credentials) MarshalText() ([]byte, error) { return []byte(c.redacted()), nil }

func (c Credentials) redacted() string {
	if c.anonymous() {
		return "awsauth.Anonymous{}"
	}
	return "awsauth.Credentials{" + c.AccessKeyID + ", secret not shown}"
}

// check refuses keys that no request can be signed with.
func (c *Credentials) check() error {
	switch {
	case c.anonymous():
		return nil
	case c.AccessKeyID == "" && c.SecretAccessKey == "":
		return errors.New("awsauth: empty credentials: set AccessKeyID and SecretAccessKey")
	case c.AccessKeyID == "":
		return errors.New("awsauth: empty access key ID: set AccessKeyID")
	case c.SecretAccessKey == "":
		return errors.New("awsauth: empty secret access key: set SecretAccessKey")
	case !printable(c.AccessKeyID) || strings.Contains(c.AccessKeyID, ","):
		return errors.New("awsauth: the access key ID has a character that no key has: was it read with its line end?")
	case strings.TrimSpace(c.SecretAccessKey) != c.SecretAccessKey:
		return errors.New("awsauth: the secret access key has white space around it: was it read with its line end?")
	case !printable(c.SessionToken):
		return errors.New("awsauth: the session token has a character that no token has: was it read with its line end?")
	}
	return nil
}

// expired goes by the time of day: the monotonic clock stands still while a
// machine is suspended.
func (c *Credentials) expired(now time.Time) bool {
	return !c.Expires.IsZero() && !now.Round(0).Before(c.Expires)
}

// usable refuses keys that a source should not have returned.
func (c *Credentials) usable(now time.Time) error {
	if err := c.check(); err != nil {
		return err
	}
	if c.expired(now) {
		return fmt.Errorf("awsauth: the credential source returned keys that expired at %s: is the clock right?", c.Expires.UTC().Format(time.RFC3339))
	}
	return nil
}

// printable reports whether s is of visible ASCII characters, so that it can stand
// in a header.
func printable(s string) bool {
	for ; len(s) >= 32; s = s[32:] {
		if unseen(load8(s))|unseen(load8(s[8:]))|unseen(load8(s[16:]))|unseen(load8(s[24:])) != 0 {
			return false
		}
	}
	for ; len(s) >= 8; s = s[8:] {
		if unseen(load8(s)) != 0 {
			return false
		}
	}
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// load8 returns the first eight bytes of s.
func load8[S string | []byte](s S) uint64 {
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// unseen returns 0 where eight bytes are visible ASCII characters: tokens are long,
// and looked over at every signature.
func unseen(w uint64) uint64 {
	const each = 0x0101010101010101
	// The high bits tell a byte over 0x7f, one under 0x21, and 0x7f.
	return (w | (w - each*0x21) | (w + each)) & (each * 0x80)
}

// A Chain asks its sources in order and returns the first credentials found.
// It goes on past a source only on [ErrNoCredentials]. When no source has any,
// the error wraps ErrNoCredentials and gives the reason of each.
type Chain []Provider

// Retrieve returns the credentials of the first source that has some.
func (c Chain) Retrieve(ctx context.Context) (Credentials, error) {
	reasons := make([]string, 0, 4)
	for i, p := range c {
		if p == nil {
			return Credentials{}, fmt.Errorf("awsauth: source %d of the credential chain is nil", i)
		}
		creds, err := p.Retrieve(ctx)
		if err == nil {
			return creds, nil
		}
		if !errors.Is(err, ErrNoCredentials) {
			if len(reasons) > 0 {
				err = fmt.Errorf("%w (before it: %s)", err, strings.Join(reasons, "; "))
			}
			return Credentials{}, err
		}
		reasons = append(reasons, strings.TrimPrefix(err.Error(), ErrNoCredentials.Error()+": "))
	}
	if len(c) == 0 {
		reasons = append(reasons, "the chain has no sources")
	}
	// A profile that AWS_PROFILE names is never passed over where it is read.
	for _, p := range c {
		if e, ok := p.(Env); ok && e.first("AWS_PROFILE") != "" {
			reasons = append(reasons, "AWS_PROFILE is set, which is read by github.com/go-awsauth/awsauth/profile: "+
				"use awsauth.Chain{awsauth.Env{}, profile.Provider{}, &awsauth.EC2Role{}}")
		}
	}
	return Credentials{}, fmt.Errorf("%w: %s", ErrNoCredentials, strings.Join(reasons, "; "))
}

// Format prints the sources as they print themselves, whatever the verb.
func (c Chain) Format(f fmt.State, verb rune) { fmt.Fprintf(f, "awsauth.Chain%v", []Provider(c)) }

const (
	// From earlyRefresh before expiry one goroutine fetches new keys while
	// the others go on signing with the old; from lateRefresh on, all wait.
	earlyRefresh = 15 * time.Minute
	lateRefresh  = 5 * time.Minute

	// waitRefresh is how long callers wait while they have keys that are valid.
	waitRefresh = 5 * time.Second

	// retryRefresh passes between a failed refresh and the next.
	retryRefresh = 10 * time.Second

	// fetchTimeout ends a fetch whose source does not answer.
	fetchTimeout = time.Minute
)

// Cache returns a Provider that keeps what p returned until shortly before it
// expires.
//
// One fetch runs at a time, however many callers wait for it. A caller stops
// waiting when its own context ends; the fetch goes on for the others, for one
// minute at most. Fifteen minutes before expiry the keys are renewed in the
// background while callers go on with the old ones; in the last five minutes
// callers wait for that, up to five seconds. Keys that have less than an hour to
// live when a refresh brings them are renewed when a quarter of that is left, and
// waited for in its last twelfth. Where a refresh fails, keys that are still
// valid stay in use and the next try is ten seconds later. Keys without Expires
// are kept for good. Expired keys are never returned, and errors are not kept.
func Cache(p Provider) Provider {
	if p == nil {
		return Chain{nil} // an error at every call
	}
	return &cache{source: p.Retrieve}
}

type cache struct {
	source   ProviderFunc            // not a Provider: a print would show one's keys
	keepNone time.Duration           // how long an ErrNoCredentials stands; 0: not at all
	current  atomic.Pointer[current] // nil: none yet

	mu     sync.Mutex // guards the fields below, and changes of current
	retry  time.Time  // not before this, after a failed refresh
	none   error      // the last ErrNoCredentials
	noneTo time.Time  // until when it stands
	flight *flight    // nil: no fetch is running
}

// The current keys, and from when on to refresh them in the background and to
// wait for that.
type current struct {
	keys        Credentials
	early, late time.Time
}

// young reports whether the keys are far from their end.
func (c *current) young(now time.Time) bool {
	return c.keys.Expires.IsZero() || now.Round(0).Before(c.early)
}

// A flight is one fetch. Its result is written before done is closed.
type flight struct {
	done chan struct{}
	keys *Credentials
	err  error
}

func (c *cache) Retrieve(ctx context.Context) (Credentials, error) {
	now := time.Now()
	if cur := c.current.Load(); cur != nil && cur.young(now) {
		return cur.keys, nil
	}
	return c.refresh(ctx, now)
}

// Format prints no field: they change under other goroutines.
func (c *cache) Format(f fmt.State, verb rune) { io.WriteString(f, "awsauth.Cache") }

// refresh is Retrieve where the keys at hand, if any, are near their end.
func (c *cache) refresh(ctx context.Context, now time.Time) (Credentials, error) {
	c.mu.Lock()
	cur := c.current.Load()
	if cur != nil && cur.keys.expired(now) {
		cur = nil
	}
	switch {
	case cur != nil && (cur.young(now) || now.Before(c.retry)):
		c.mu.Unlock()
		return cur.keys, nil
	case cur == nil && now.Before(c.noneTo):
		defer c.mu.Unlock()
		return Credentials{}, c.none
	}
	f := c.fetch(ctx)
	failing := now.Sub(c.retry) < retryRefresh // goes on behind the callers' backs
	c.mu.Unlock()
	if cur == nil {
		return f.wait(ctx)
	}
	if failing || now.Round(0).Before(cur.late) {
		return cur.keys, nil
	}
	waiting, cancel := context.WithTimeout(ctx, waitRefresh)
	defer cancel()
	keys, err := f.wait(waiting)
	if err == nil || ctx.Err() != nil {
		return keys, err
	}
	if !cur.keys.expired(time.Now()) {
		return cur.keys, nil
	}
	return f.wait(ctx)
}

func (f *flight) wait(ctx context.Context) (Credentials, error) {
	select {
	case <-f.done:
	case <-ctx.Done():
		return Credentials{}, ctx.Err()
	}
	if f.err != nil {
		return Credentials{}, f.err
	}
	return *f.keys, nil
}

// fetch joins the fetch that is running, or starts one that outlives the
// caller. c.mu is held.
func (c *cache) fetch(ctx context.Context) *flight {
	if c.flight != nil {
		return c.flight
	}
	f := &flight{done: make(chan struct{})}
	c.flight = f
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	// A source that ignores its context is left behind.
	context.AfterFunc(ctx, func() {
		c.land(f, Credentials{}, errors.New("awsauth: the credential source gave no answer"))
	})
	go func() {
		defer cancel() // lands the flight also where the source ends its goroutine
		keys, err := c.source(ctx)
		c.land(f, keys, err)
	}()
	return f
}

// land ends flight f with what it brought, once.
func (c *cache) land(f *flight, keys Credentials, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flight != f {
		return
	}
	c.flight = nil
	defer close(f.done)

	now := time.Now()
	if err == nil {
		err = keys.usable(now)
	}
	if err != nil {
		f.err = err
		c.retry = now.Add(retryRefresh)
		if c.keepNone > 0 && errors.Is(err, ErrNoCredentials) {
			c.none, c.noneTo = err, now.Add(c.keepNone)
		}
		return
	}

	// The first keys may be near their end already, and say nothing of how
	// long the source's keys live. Those of a refresh do.
	early, late := earlyRefresh, lateRefresh
	keys.Expires = keys.Expires.Round(0)
	if life := keys.Expires.Sub(now); c.current.Load() != nil {
		early, late = min(early, life/4), min(late, life/12)
	}
	f.keys = &keys
	c.current.Store(&current{keys, keys.Expires.Add(-early), keys.Expires.Add(-late)})
	c.retry, c.noneTo = time.Time{}, time.Time{}
}
