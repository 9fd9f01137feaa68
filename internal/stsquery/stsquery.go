// Package stsquery speaks the query protocol of the Security Token Service: a form
// is posted, XML comes back.
package stsquery

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-awsauth/awsauth/internal/fetch"
	"github.com/go-awsauth/awsauth/internal/flat"
)

// Credentials are those of a reply. What the reply lacks is zero.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string
	Expiration      time.Time
}

// Of returns what reads c from the reply to an action, for [Call].
func (c *Credentials) Of(action string) func(body []byte) bool {
	return func(body []byte) bool {
		in, expiration := action+"Result>Credentials>", ""
		ok := flat.XML(body, action+"Response",
			flat.Field{Name: in + "AccessKeyId", To: &c.AccessKeyID},
			flat.Field{Name: in + "SecretAccessKey", To: &c.SecretAccessKey},
			flat.Field{Name: in + "SessionToken", To: &c.SessionToken},
			flat.Field{Name: in + "Expiration", To: &expiration})
		return ok && (expiration == "" || c.Expiration.UnmarshalText([]byte(expiration)) == nil)
	}
}

// An Error is a reply other than 200.
type Error struct {
	Status int
	Code   string // such as AccessDenied; "": the reply has none, or none that is a word
}

func (e *Error) Error() string {
	if e.Code == "" {
		return fmt.Sprintf("status %d", e.Status)
	}
	return fmt.Sprintf("status %d, %s", e.Status, e.Code)
}

// ErrNotXML is a reply of 200 that is something else than it should be.
var ErrNotXML = errors.New("the reply is not the XML it should be")

// NewTransport returns a transport for STS. It is on the internet, so the
// environment's proxy is used.
func NewTransport() *http.Transport {
	t := fetch.NewTransport(5 * time.Second)
	t.Proxy = http.ProxyFromEnvironment
	return t
}

// NewRequest returns the unsigned request for an action. It adds Action and
// Version to params.
func NewRequest(ctx context.Context, endpoint, action string, params url.Values) (*http.Request, error) {
	params.Set("Action", action)
	params.Set("Version", "2011-06-15")
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(params.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return req, nil
}

// Call sends req and has the reply read, which read reports whether it could. No
// error has more of the reply than its status and the code of [Error].
func Call(t http.RoundTripper, req *http.Request, read func(body []byte) bool) error {
	status, body, err := fetch.Do(t, req)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		e := &Error{Status: status}
		if !flat.XML(body, "ErrorResponse", flat.Field{Name: "Error>Code", To: &e.Code}) || !fetch.IsWord(e.Code) {
			e.Code = ""
		}
		return e
	}
	if !read(body) {
		return ErrNotXML
	}
	return nil
}

// Again reports whether a call that failed with err, as it was returned, may go better
// the next time.
func Again(err error) bool {
	e, ok := err.(*Error)
	if !ok {
		return err != nil && fetch.Again(0, err)
	}
	switch e.Code {
	case "IDPCommunicationError", "InvalidIdentityToken", "Throttling": // these have status 400
		return true
	}
	return fetch.Busy(e.Status)
}

// IsSessionName reports whether STS takes s as the name of a session.
func IsSessionName(s string) bool {
	for _, c := range []byte(s) {
		if !('a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("_+=,.@-", c) >= 0) {
			return false
		}
	}
	return len(s) >= 2 && len(s) <= 64
}
