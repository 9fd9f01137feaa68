package main

import (
	"fmt"
	"os"
	"testing"

	"github.com/go-awsauth/awsauth/examples/internal/demo"
)

func Example() {
	if err := demonstrate(os.Stdout); err != nil {
		fmt.Println(err)
	}
	// Output:
	// received: resize cat.jpg
	// received: resize dog.jpg
	// another queue: SendMessage: awsauth: 400 QueueDoesNotExist: the signature is not the reason (The specified queue does not exist.)
}

func TestRefused(t *testing.T) {
	if err := demo.CheckRefused("sqs", walkThrough); err != nil {
		t.Error(err)
	}
}
