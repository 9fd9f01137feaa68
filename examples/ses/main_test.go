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
	// sent: 0102018c-example
	// from a stranger: awsauth: 400 MessageRejected: the signature is not the reason (Email address is not verified: stranger@example.net)
}

func TestRefused(t *testing.T) {
	if err := demo.CheckRefused("ses", walkThrough); err != nil {
		t.Error(err)
	}
}
