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
	// got: My Dog Spot by No One You Know, 5 stars
	// No One You Know: My Dog Spot
	// got: Call Me Today by No One You Know, 5 stars
	// No One You Know: Call Me Today
	// No One You Know: My Dog Spot
	// another table: PutItem: awsauth: 400 ResourceNotFoundException: the signature is not the reason (Requested resource not found)
}

func TestRefused(t *testing.T) {
	if err := demo.CheckRefused("dynamodb", walkThrough); err != nil {
		t.Error(err)
	}
}
