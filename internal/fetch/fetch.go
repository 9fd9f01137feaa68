// Package fetch asks credential endpoints. They may be anybody: a reply is read up
// to a bound, no redirect is followed, and no error has a part of a reply.
package fetch

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

var (
	ErrTooLong  = errors.New("the reply is too long")
	ErrNoAnswer = errors.New("no answer in time")
	ErrNotHTTP  = errors.New("the connection broke or the reply is not HTTP")
)

const maxReply = 64 << 10

// NewTransport returns a transport for metadata services: next door, behind no
// proxy, asked once in hours.
func NewTransport() *http.Transport {
	return &http.Transport{
		DialContext:            (&net.Dialer{Timeout: 250 * time.Millisecond}).DialContext,
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

// Busy reports whether a status asks to try again later.
func Busy(status int) bool { return status == http.StatusTooManyRequests || status >= 500 }

// withoutReply says why an exchange failed. What net/http says of a malformed
// reply quotes it.
func withoutReply(err error) error {
	var op *net.OpError
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return ErrNoAnswer
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.As(err, &op):
		return op
	}
	return ErrNotHTTP
}
