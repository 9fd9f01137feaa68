package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"github.com/go-awsauth/awsauth"
	"github.com/go-awsauth/awsauth/examples/internal/demo"
)

func demonstrate(out io.Writer) error {
	return demo.Run(out, "sqs", &jobs{}, walkThrough)
}

func walkThrough(out io.Writer, t *awsauth.Transport) error {
	q := queue{&http.Client{Transport: t}, "https://sqs.eu-west-1.amazonaws.com" + jobsPath}
	for _, message := range []string{"resize cat.jpg", "resize dog.jpg"} {
		if err := q.send(message); err != nil {
			return err
		}
	}
	if err := q.drain(out); err != nil {
		return err
	}
	other := queue{q.client, "https://sqs.eu-west-1.amazonaws.com/123456789012/none"}
	fmt.Fprintln(out, "another queue:", other.send("resize ant.jpg"))
	return nil
}

const jobsPath = "/123456789012/jobs"

// jobs stands for SQS with one queue.
type jobs struct {
	mu       sync.Mutex // guards all below
	sent     int
	messages []message
}

type message struct{ MessageId, Body, ReceiptHandle string }

func (j *jobs) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in struct{ QueueUrl, MessageBody, ReceiptHandle string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || r.URL.Path != jobsPath || in.QueueUrl != "https://"+r.Host+jobsPath {
		demo.Fail(w, http.StatusBadRequest, "com.amazonaws.sqs#QueueDoesNotExist", "The specified queue does not exist.")
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	switch action := r.Header.Get("X-Amz-Target"); action {
	case "AmazonSQS.SendMessage":
		j.sent++
		m := message{"id-" + strconv.Itoa(j.sent), in.MessageBody, "handle-" + strconv.Itoa(j.sent)}
		j.messages = append(j.messages, m)
		json.NewEncoder(w).Encode(map[string]string{"MessageId": m.MessageId})
	case "AmazonSQS.ReceiveMessage":
		json.NewEncoder(w).Encode(map[string][]message{"Messages": j.messages})
	case "AmazonSQS.DeleteMessage": // is answered with nothing
		j.messages = slices.DeleteFunc(j.messages, func(m message) bool { return m.ReceiptHandle == in.ReceiptHandle })
	default:
		demo.Fail(w, http.StatusBadRequest, "com.amazon.coral.service#UnknownOperationException", "there is no %s", action)
	}
}
