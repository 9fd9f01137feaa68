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
	// 100% of 18 bytes
	// 25% of 1048576 bytes
	// 50% of 1048576 bytes
	// 75% of 1048576 bytes
	// 100% of 1048576 bytes
	// 18 2026/a note.txt
	// 1048576 2026/large.raw
	// not really a note
	// GET 2026/none: awsauth: 404 NoSuchKey: the signature is not the reason (The specified key does not exist.)
}

func TestRefused(t *testing.T) {
	if err := demo.CheckRefused("s3", walkThrough); err != nil {
		t.Error(err)
	}
}
