package awsauth_test

import (
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/go-awsauth/awsauth"
)

func ExampleSigner_Events() {
	signer := &awsauth.Signer{
		Credentials: keys, // leave it out for the default chain
		Payload:     awsauth.StreamingEvents,
		Now:         func() time.Time { return time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC) },
	}
	body, stream := io.Pipe()
	req, err := http.NewRequest("POST", "https://transcribestreaming.us-west-2.amazonaws.com/stream-transcription", body)
	if err != nil {
		panic(err)
	}
	req.Header.Set("Content-Type", "application/vnd.amazon.eventstream")
	if err := signer.Sign4(req); err != nil {
		panic(err)
	}
	events, err := signer.Events(req)
	if err != nil {
		panic(err)
	}

	go func() {
		defer stream.Close()
		for _, event := range []string{"an event, itself encoded", ""} { // the empty one ends the stream
			message, err := events.Message([]byte(event))
			if err != nil {
				panic(err)
			}
			if _, err := stream.Write(message); err != nil {
				return // nobody reads on
			}
		}
	}()
	// Now http.DefaultClient.Do(req), which reads the body as it is written.
	sent, err := io.ReadAll(req.Body)
	fmt.Println(len(sent), "bytes", err)
	// Output: 190 bytes <nil>
}
