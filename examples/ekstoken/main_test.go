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
	// ExecCredential client.authentication.k8s.io/v1
	// good for 14m0s
	// token: k8s-aws-v1.…
	// my-cluster: arn:aws:iam::123456789012:user/test
	// your-cluster: SignatureDoesNotMatch
	// with brief keys good for 5m0s
	// without keys: looking for keys: awsauth: no credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set, nor a role
}
