package stsquery

import (
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-awsauth/awsauth/internal/fetch"
)

func TestCall(t *testing.T) {
	const good = `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
		<AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/r/s</Arn></AssumedRoleUser>
		<Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>S&amp;s</SecretAccessKey><SessionToken>T</SessionToken>
		<Expiration>2030-01-02T03:04:05Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`
	fault := func(code string) string {
		return `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>` + code + `</Code><Message>BODY</Message></Error></ErrorResponse>`
	}
	end := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range []struct {
		status int
		body   string
		err    string // the whole of it
		again  bool
		want   Credentials
	}{
		{status: 200, body: good, want: Credentials{"A", "S&s", "T", end}},
		{status: 200, body: `<?xml version="1.0"?>` + good, want: Credentials{"A", "S&s", "T", end}},
		{status: 200, body: `<AssumeRoleResponse/>`},
		{status: 200, body: ``, err: ErrNotXML.Error()},
		{status: 200, body: good[:200], err: ErrNotXML.Error()},
		{status: 200, body: `{"BODY": 1}`, err: ErrNotXML.Error()},
		{status: 200, body: `<html>BODY</html>`, err: ErrNotXML.Error()},
		{status: 200, body: strings.Replace(good, "2030-", "BODY", 1), err: ErrNotXML.Error()},
		{status: 200, body: strings.Replace(good, "T</S", "&BODY;</S", 1), err: ErrNotXML.Error()},
		{status: 200, body: strings.Repeat("<BODY>", 20_000), err: fetch.ErrTooLong.Error()},
		{status: 200, body: strings.Repeat("<a>", 20_000), err: ErrNotXML.Error()},
		{status: 403, body: fault("AccessDenied"), err: "status 403, AccessDenied"},
		{status: 400, body: fault("IDPCommunicationError"), err: "status 400, IDPCommunicationError", again: true},
		{status: 400, body: fault("InvalidIdentityToken"), err: "status 400, InvalidIdentityToken", again: true},
		{status: 400, body: fault("Throttling"), err: "status 400, Throttling", again: true},
		{status: 400, body: fault("ExpiredTokenException"), err: "status 400, ExpiredTokenException"},
		{status: 400, body: fault("BODY with words"), err: "status 400"},
		{status: 400, body: fault("BODY")[:120], err: "status 400"},
		{status: 403, body: `BODY`, err: "status 403"},
		{status: 307, body: `BODY`, err: "status 307"},
		{status: 429, body: ``, err: "status 429", again: true},
		{status: 503, body: `BODY`, err: "status 503", again: true},
		{status: 204, err: "status 204"},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if got := r.PostFormValue("Action") + " " + r.FormValue("Version") + " " + r.FormValue("RoleArn"); r.Method != "POST" || got != "AssumeRole 2011-06-15 a:b c&d" {
				t.Errorf("the server got %s %s", r.Method, got)
			}
			w.Header().Set("Location", "http://127.0.0.1:1/elsewhere")
			w.WriteHeader(c.status)
			io.WriteString(w, c.body)
		}))
		req, err := NewRequest(t.Context(), srv.URL, "AssumeRole", url.Values{"RoleArn": {"a:b c&d"}})
		if err != nil {
			t.Fatal(err)
		}
		var got Credentials
		err = Call(http.DefaultTransport, req, got.Of("AssumeRole"))
		srv.Close()
		text := ""
		if err != nil {
			text = err.Error()
		}
		if text != c.err || Again(err) != c.again || err == nil && got != c.want {
			t.Errorf("%d %.60s: %+v, %v, again %v", c.status, c.body, got, err, Again(err))
		}
	}
}

func TestCallUntrusted(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	defer srv.Close()
	req, _ := NewRequest(t.Context(), srv.URL, "AssumeRole", url.Values{})
	if err := Call(NewTransport(), req, new(Credentials).Of("AssumeRole")); !errors.Is(err, fetch.ErrUntrusted) || Again(err) {
		t.Error(err)
	}
}

// net/http proxies no request to loopback, so this can't be seen from outside.
func TestTransportHasAProxy(t *testing.T) {
	if NewTransport().Proxy == nil {
		t.Error("no proxy for STS")
	}
}
