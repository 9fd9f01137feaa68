package awsauth

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"time"
)

// StreamingEvents is the Payload of a request whose body is a stream of events,
// each signed on its own: see [Signer.Events]. The request's signature does not
// cover the body, and signing does not read it.
const StreamingEvents Payload = "STREAMING-AWS4-HMAC-SHA256-EVENTS"

// maxEvent is the longest payload that a reader of event streams need take.
const maxEvent = 24 << 20

// An EventSigner signs the messages of one event stream, as Transcribe, Lex and
// Bedrock have them over HTTP/2: each signature covers the one before it, so they
// have to be sent in the order in which they were signed. It belongs to one
// goroutine at a time.
//
// See https://docs.aws.amazon.com/transcribe/latest/dg/streaming-setting-up.html
type EventSigner struct {
	signer          *Signer
	keys            Credentials
	region, service string
	prior           []byte // the signature before, in hex
}

// Format prints no field: one is a secret.
func (e *EventSigner) Format(f fmt.State, verb rune) { io.WriteString(f, "awsauth.EventSigner") }

// Events returns the signer of the events that req will have as its body. Call it
// after req was signed with the Payload [StreamingEvents], or presigned, with the
// same s and creds; the chain begins at that signature:
//
//	s := &awsauth.Signer{Payload: awsauth.StreamingEvents}
//	err := s.Sign4(req) // req.Body is the reading end of an io.Pipe
//	…
//	events, err := s.Events(req)
//	go func() {
//		message, err := events.Message(event)
//		…
//		_, err = pipe.Write(message)
//	}()
//	resp, err := client.Do(req)
//
// It fails where the keys are not those that req was signed with any more. Then
// sign req again. The client must not sign req once more, as one with a [Transport]
// does: the events would follow another signature.
func (s *Signer) Events(req *http.Request, creds ...Provider) (*EventSigner, error) {
	if req == nil || req.URL == nil {
		return nil, errors.New("awsauth: the request has no URL: set Request.URL")
	}
	sig := readSignature(req)
	switch {
	case sig == nil || sig.algorithm != algorithm4 || sig.scope == "" || !isHash(sig.signature):
		return nil, errors.New("awsauth: the request has no signature of Version 4 for events to follow: call Sign4 or Presign before Events")
	case !sig.presigned && req.Header.Get("X-Amz-Content-Sha256") != string(StreamingEvents):
		return nil, errors.New("awsauth: the request is not signed for a stream of events: set Signer.Payload to StreamingEvents before signing it")
	}
	var m message
	if err := m.retrieve(s, req, creds); err != nil {
		return nil, err
	}
	if m.creds.AccessKeyID != sig.keyID {
		return nil, errors.New("awsauth: the request was signed with another access key than there is now: sign it again, then call Events")
	}
	return &EventSigner{signer: s, keys: m.creds, region: sig.region, service: sig.service, prior: []byte(sig.signature)}, nil
}

// Sign returns the signature of a message with these headers, encoded, and this
// payload, as of t, and makes it the one that the next follows. Most need
// [EventSigner.Message] alone, which calls it.
func (e *EventSigner) Sign(t time.Time, headers, payload []byte) []byte {
	st := e.signer.state()
	m := message{job: job{algorithm: algorithm4, derive: deriveKey, creds: e.keys, date: st.date(t), region: e.region, service: e.service}}
	m.setKey(st)
	b := append(make([]byte, 0, 512), algorithm4+"-PAYLOAD\n"...)
	b = append(b, m.date...)
	b = append(append(b, '\n'), m.scope()...)
	b = append(append(b, '\n'), e.prior...)
	for _, part := range [][]byte{headers, payload} {
		sum := sha256.Sum256(part)
		b = appendHex(append(b, '\n'), &sum)
	}
	e.prior = m.key.sign(e.prior[:0], b)
	sum, _ := hex.DecodeString(string(e.prior)) // made here
	return sum
}

// Message returns the message to send that carries payload, signed: in the event
// stream encoding, with the headers :date and :chunk-signature. The payload is
// itself a message in that encoding, the event, of 24 MiB at most; after the last
// event comes a message with an empty payload, which ends the stream.
//
// See https://docs.aws.amazon.com/transcribe/latest/dg/streaming-setting-up.html
func (e *EventSigner) Message(payload []byte) ([]byte, error) {
	if len(payload) > maxEvent {
		return nil, fmt.Errorf("awsauth: the event has %d bytes, and a message %d at most: send it in parts", len(payload), maxEvent)
	}
	const (
		date      = "\x05:date\x08"                    // a timestamp: eight bytes, in milliseconds
		signature = "\x10:chunk-signature\x06\x00\x20" // 32 bytes
		headers   = len(date) + 8 + len(signature) + sha256.Size
	)
	now := e.signer.now()
	b := make([]byte, 0, 12+headers+len(payload)+4)
	b = binary.BigEndian.AppendUint32(b, uint32(cap(b)))
	b = binary.BigEndian.AppendUint32(b, uint32(headers))
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	b = append(b, date...)
	b = binary.BigEndian.AppendUint64(b, uint64(now.UnixMilli()))
	sum := e.Sign(now, b[12:], payload)
	b = append(b, signature...)
	b = append(b, sum...)
	b = append(b, payload...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b)), nil
}
