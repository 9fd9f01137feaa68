// Package fetch asks credential endpoints. They may be anybody: a reply is read up
// to a bound, no redirect is followed, and no error has a part of a reply.
package fetch

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

var (
	ErrTooLong   = errors.New("the reply is too long")
	ErrNoAnswer  = errors.New("no answer in time")
	ErrNotHTTP   = errors.New("the connection broke or the reply is not HTTP")
	ErrUntrusted = errors.New("the TLS certificate is not trusted: are root certificates installed, and is the clock right?")
)

const maxReply = 64 << 10

// NewTransport returns a transport for metadata services: next door, behind no
// proxy, asked once in hours.
func NewTransport(connect time.Duration) *http.Transport {
	return &http.Transport{
		DialContext:            (&net.Dialer{Timeout: connect}).DialContext,
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: 16 << 10,
	}
}

// Do sends req and reads the reply, 64 KiB at most. A RoundTripper follows no
// redirect: one could lead a token away.
func Do(t http.RoundTripper, req *http.Request) (status int, body []byte, err error) {
	resp, err := t.RoundTrip(req)
	if err != nil {
		return 0, nil, withoutReply(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 {
		return 0, nil, ErrNotHTTP // the body of a 101 is the connection, and has no end
	}
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	if err != nil {
		return 0, nil, withoutReply(err)
	}
	if len(body) > maxReply {
		return 0, nil, ErrTooLong
	}
	return resp.StatusCode, body, nil
}

// Retry calls try until it no longer asks for another, three times at most, with
// pauses that double.
func Retry(ctx context.Context, pause time.Duration, try func() (again bool)) {
	for range 2 {
		if !try() {
			return
		}
		select {
		case <-time.After(pause):
			pause *= 2
		case <-ctx.Done():
			return
		}
	}
	try()
}

// Again reports whether an exchange that ended like this, with an error of [Do], may go
// better the next time.
func Again(status int, err error) bool {
	if err == nil {
		return Busy(status)
	}
	_, op := err.(*net.OpError)
	return op || err == ErrNoAnswer || err == ErrNotHTTP
}

// Busy reports whether a status asks to try again later.
func Busy(status int) bool { return status == http.StatusTooManyRequests || status >= 500 }

// IsWord reports whether s is an error code such as AssumeRoleUnauthorizedAccess,
// and not something else of a reply.
func IsWord(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i] | 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// withoutReply says why an exchange failed. What net/http says of a malformed
// reply quotes it. It goes without errors.As, whose reflection is 14 KB of a program.
func withoutReply(err error) error {
	var timeout, untrusted bool
	why := ErrNotHTTP
	var look func(err error)
	look = func(err error) {
		if e, ok := err.(net.Error); ok && e.Timeout() {
			timeout = true
		}
		switch e := err.(type) {
		case *tls.CertificateVerificationError: // it quotes the certificate
			untrusted = true
		case *net.OpError:
			if why == ErrNotHTTP {
				why = e
			}
		}
		switch e := err.(type) {
		case interface{ Unwrap() error }:
			look(e.Unwrap())
		case interface{ Unwrap() []error }:
			for _, err := range e.Unwrap() {
				look(err)
			}
		}
	}
	look(err)
	switch {
	case timeout:
		return ErrNoAnswer
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case untrusted:
		return ErrUntrusted
	}
	return why
}
