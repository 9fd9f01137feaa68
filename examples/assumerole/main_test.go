package main

import (
	"fmt"
	"os"
)

func Example() {
	if err := demonstrate(os.Stdout); err != nil {
		fmt.Println(err)
	}
	// Output:
	// acting as arn:aws:sts::123456789012:assumed-role/reader/example
	// note.txt
	// as oneself: awsauth: 403 InvalidAccessKeyId: the server does not know the access key ID AKIACALLEREXAMPLE: it is mistyped, deleted, disabled, or of another provider or partition
	// as another role: Get "https://examplebucket.s3.eu-west-1.amazonaws.com/?list-type=2": awsauth: assuming role arn:aws:iam::123456789012:role/writer: status 403, AccessDenied
}
