package awsauth

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The figures of aws-sdk-go-v2's own test of its StreamSigner.
func TestEventSignerVectors(t *testing.T) {
	e := &EventSigner{signer: new(Signer), keys: Credentials{SecretAccessKey: "SECRET"}, region: "us-east-1", service: "transcribestreaming",
		prior: []byte(hex.EncodeToString([]byte("foobarbazqux")))}
	for _, c := range []struct {
		data string
		unix int64
		want string
	}{
		{"foo", 10, "e3a136405ec1152f62136742efd41f8639cd647a1cf21fab12aedb22cccd8999"},
		{"bar", 20, "92a6ad677e839d3003672cb2cefc71ef80d42e8cb300fefce0807e8398c74068"},
		{"baz", 30, "46d6660bd40f2ff5d6246a347895cabe7f4e89d9e1f4c6dad6dabdc801923be1"},
		{"", 30, "492bcb3e21de447c85f8a9bef6c0eb833e992e405b9b3584be84edaccc5aad18"},
	} {
		same(t, c.data, hex.EncodeToString(e.Sign(time.Unix(c.unix, 0), []byte(c.data), []byte(c.data))), c.want)
	}
}

func eventRequest(t *testing.T) *http.Request {
	t.Helper()
	req, err := http.NewRequest("POST", "https://transcribestreaming.us-west-2.amazonaws.com/stream-transcription", io.NopCloser(unreadable{t}))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/vnd.amazon.eventstream")
	req.Header.Set("X-Amz-Target", "com.amazonaws.transcribe.Transcribe.StartStreamTranscription")
	req.Header.Set("X-Amzn-Transcribe-Language-Code", "en-US")
	return req
}

// unreadable is a body that signing has to leave alone.
type unreadable struct{ t *testing.T }

func (u unreadable) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

// The request's signature is botocore's, and its decoder took the messages, which
// were made without this package. The second is of another day.
func TestEvents(t *testing.T) {
	s := expressSigner()
	s.Payload = StreamingEvents
	now := time.Date(2024, 2, 29, 23, 59, 58, 123e6, time.UTC)
	s.Now = func() time.Time { return now }
	req := eventRequest(t)
	if err := s.Sign4(req); err != nil {
		t.Fatal(err)
	}
	_, signature, _ := strings.Cut(req.Header.Get("Authorization"), "Signature=")
	same(t, "request", signature, "5d8fb700242a5ecf143b5bea7bb4e24c531018e6eaf2a953b044cd0e713eb003")

	events, err := s.Events(req)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		at            time.Duration
		payload, want string
	}{
		{0, "an event", "0000005b00000043c5343199053a64617465080000018df74f7cab103a6368756e6b2d7369676e61747572650600200040078cfef32f8ec44c4b24d0ac74ddba643216d97b8f796c0d0c4f4b25b935616e206576656e74969f49b0"},
		{2877 * time.Millisecond, "", "0000005300000043f5447a58053a64617465080000018df74f87e8103a6368756e6b2d7369676e617475726506002001d93bfdc0952d534795cdf808fae1ecddf40c8718dbd92df1d70a5aed733ff60e4ac4a3"},
	} {
		now = now.Add(c.at)
		message, err := events.Message([]byte(c.payload))
		if err != nil {
			t.Fatal(err)
		}
		same(t, "message", hex.EncodeToString(message), c.want)
	}
	prior := string(events.prior)
	if message, err := events.Message(make([]byte, maxEvent+1)); message != nil || err == nil || string(events.prior) != prior {
		t.Errorf("a message that is too long: %v", err)
	}
	if _, err := events.Message(make([]byte, maxEvent)); err != nil {
		t.Error(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
		if got := fmt.Sprintf(verb, events); got != "awsauth.EventSigner" {
			t.Errorf("%s prints %s", verb, got)
		}
	}
}

// A presigned request begins a chain too.
func TestEventsPresigned(t *testing.T) {
	s := expressSigner()
	req := eventRequest(t)
	req.Body, req.Method = nil, "GET"
	if err := s.Presign(req, time.Minute); err != nil {
		t.Fatal(err)
	}
	events, err := s.Events(req)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "seed", string(events.prior), req.URL.Query().Get("X-Amz-Signature"))
	same(t, "scope", events.service+events.region, "transcribeus-west-2")
}

func TestEventsRefused(t *testing.T) {
	signed := func(s *Signer) *http.Request {
		req := eventRequest(t)
		if err := s.Sign4(req); err != nil {
			t.Fatal(err)
		}
		return req
	}
	streaming := expressSigner()
	streaming.Payload = StreamingEvents
	plain := expressSigner()
	plain.Payload = UnsignedPayload
	edited := func(header, from, to string) *http.Request {
		req := signed(streaming)
		req.Header.Set(header, strings.Replace(req.Header.Get(header), from, to, 1))
		return req
	}
	sigv4a := eventRequest(t)
	if err := plain.Sign4A(sigv4a); err != nil {
		t.Fatal(err)
	}
	sigv4a.Header.Set("X-Amz-Content-Sha256", string(StreamingEvents))
	none := ProviderFunc(func(context.Context) (Credentials, error) { return Credentials{}, ErrNoCredentials })
	for name, c := range map[string]struct {
		req  *http.Request
		keys Provider
		want string
	}{
		"nil":                 {nil, nil, "set Request.URL"},
		"no URL":              {&http.Request{}, nil, "set Request.URL"},
		"unsigned":            {eventRequest(t), nil, "call Sign4 or Presign before"},
		"signed for no event": {signed(plain), nil, "set Signer.Payload to StreamingEvents"},
		"SigV4A":              {sigv4a, nil, "no signature of Version 4"},
		"long signature":      {edited("Authorization", "Signature=", "Signature=00"), nil, "no signature of Version 4"},
		"no hex":              {edited("Authorization", "Signature=", "Signature=zz"), nil, "no signature of Version 4"},
		"short scope":         {edited("Authorization", "/aws4_request", ""), nil, "no signature of Version 4"},
		"other keys":          {signed(streaming), Credentials{AccessKeyID: "AKIDOTHER", SecretAccessKey: "x"}, "another access key"},
		"no keys":             {signed(streaming), none, "no credentials"},
	} {
		var keys []Provider
		if c.keys != nil {
			keys = []Provider{c.keys}
		}
		if e, err := streaming.Events(c.req, keys...); e != nil || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want an error with %q", name, err, c.want)
		}
	}
}
