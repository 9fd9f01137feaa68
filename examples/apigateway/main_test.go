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
	// order 1: tea
	// an order of nothing: awsauth: 400 BadRequest: the signature is not the reason (an order needs an item)
	// not signed: awsauth: 403 MissingAuthenticationTokenException: the request is not signed: call Sign or Presign before it is sent
}

func TestRefused(t *testing.T) {
	if err := demo.CheckRefused("execute-api", walkThrough); err != nil {
		t.Error(err)
	}
}
