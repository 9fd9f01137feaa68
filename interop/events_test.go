package interop

import (
	"bytes"
	"context"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream/eventstreamapi"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/go-awsauth/awsauth"
)

// TestEvents has the AWS SDK read the messages of event streams and sign them anew.
func TestEvents(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	messages := 0
	for range 50 {
		keys := awsauth.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
		if random.IntN(2) == 0 {
			keys.SessionToken = "session/token=="
		}
		now := time.Unix(random.Int64N(4e9), random.Int64N(1e9))
		s := &awsauth.Signer{Credentials: keys, Payload: awsauth.StreamingEvents, Now: func() time.Time { return now }}
		req := newRequest(t, "POST", "https://bedrock-runtime.us-east-1.amazonaws.com/model/m/invoke-with-bidirectional-stream", "not read")
		sign(t, s, req)
		events, err := s.Events(req)
		if err != nil {
			t.Fatal(err)
		}

		_, signature, _ := strings.Cut(req.Header.Get("Authorization"), "Signature=")
		seed, err := hex.DecodeString(signature)
		if err != nil {
			t.Fatal(err)
		}
		sdk := v4.NewStreamSigner(aws.Credentials{AccessKeyID: keys.AccessKeyID, SecretAccessKey: keys.SecretAccessKey, SessionToken: keys.SessionToken}, "bedrock", "us-east-1", seed)
		for i := range 20 {
			now = now.Add(time.Duration(random.Int64N(int64(24 * time.Hour))))
			payload := make([]byte, random.IntN(1000))
			if i == 19 {
				payload = nil
			}
			for j := range payload {
				payload[j] = byte(random.Uint32())
			}
			message, err := events.Message(payload)
			if err != nil {
				t.Fatal(err)
			}
			read, err := eventstream.NewDecoder().Decode(bytes.NewReader(message), nil)
			if err != nil {
				t.Fatal(err)
			}
			date, _ := read.Headers.Get(eventstreamapi.DateHeader).(eventstream.TimestampValue)
			ours, _ := read.Headers.Get(eventstreamapi.ChunkSignatureHeader).(eventstream.BytesValue)
			if len(read.Headers) != 2 || !time.Time(date).Equal(now.Truncate(time.Millisecond)) || !bytes.Equal(read.Payload, payload) {
				t.Fatalf("the SDK reads %v %q, want %v %q", read.Headers, read.Payload, now, payload)
			}
			var headers bytes.Buffer
			if err := eventstream.EncodeHeaders(&headers, eventstream.Headers{{Name: eventstreamapi.DateHeader, Value: date}}); err != nil {
				t.Fatal(err)
			}
			theirs, err := sdk.GetSignature(context.Background(), headers.Bytes(), payload, time.Time(date))
			if err != nil || !bytes.Equal(ours, theirs) {
				t.Fatalf("message %d is signed with %x, and by the SDK with %x (%v)", i, []byte(ours), theirs, err)
			}
			messages++
		}
	}
	t.Log(messages, "messages")
}
