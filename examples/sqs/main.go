// SQS sends a message to a queue, receives what is in it, and deletes that.
//
//	go run ./examples/sqs
//
// needs nothing: the queue is on the loopback interface.
//
//	go run ./examples/sqs https://sqs.REGION.amazonaws.com/ACCOUNT/QUEUE MESSAGE
//
// does so with a real queue, whose messages it deletes, with the credentials of the
// environment or of the EC2 instance. They need sqs:SendMessage, sqs:ReceiveMessage
// and sqs:DeleteMessage on the queue.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"

	"github.com/go-awsauth/awsauth"
)

func main() {
	log.SetFlags(0)
	if err := run(os.Args[1:]); err != nil {
		log.Fatal("sqs: ", err)
	}
}

func run(args []string) error {
	switch len(args) {
	case 0:
		return demonstrate(os.Stdout)
	case 2:
		q := queue{&http.Client{Transport: &awsauth.Transport{}}, args[0]}
		if err := q.send(args[1]); err != nil {
			return err
		}
		return q.drain(os.Stdout)
	}
	return errors.New("usage: sqs [QUEUE-URL MESSAGE]")
}

// A queue is one of SQS's, by its URL.
type queue struct {
	client *http.Client
	url    string
}

func (q queue) send(message string) error {
	return q.call("SendMessage", map[string]any{"QueueUrl": q.url, "MessageBody": message}, nil)
}

// drain prints and deletes messages until none comes for some seconds.
func (q queue) drain(out io.Writer) error {
	for {
		var received struct {
			Messages []struct{ Body, ReceiptHandle string }
		}
		if err := q.call("ReceiveMessage", map[string]any{"QueueUrl": q.url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 5}, &received); err != nil {
			return err
		}
		if len(received.Messages) == 0 {
			return nil
		}
		for _, m := range received.Messages {
			fmt.Fprintln(out, "received:", m.Body)
			// What is not deleted comes again, so do it after the work.
			if err := q.call("DeleteMessage", map[string]any{"QueueUrl": q.url, "ReceiptHandle": m.ReceiptHandle}, nil); err != nil {
				return err
			}
		}
	}
}

// call takes an action of SQS. The answer is read into out, if it is not nil.
func (q queue) call(action string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequest("POST", q.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	req.Header.Set("X-Amz-Target", "AmazonSQS."+action)
	resp, err := q.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := awsauth.Diagnose(req, resp); err != nil {
		return fmt.Errorf("%s: %w", action, err)
	}
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("%s: reading the answer: %w", action, err)
	}
	return nil
}
