package awsauth_test

import (
	"context"
	"fmt"
	"time"

	"github.com/go-awsauth/awsauth"
)

// The hidden fields of a form with which a browser uploads one picture. The form has
// besides: Content-Type, as an input, and last of all the file.
func ExampleSigner_PresignPost() {
	signer := &awsauth.Signer{
		Credentials: keys, // leave it out for the default chain
		Now:         func() time.Time { return time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC) },
	}
	fields, err := signer.PresignPost(context.Background(), awsauth.PostPolicy{
		URL:       "https://examplebucket.s3.eu-west-1.amazonaws.com/",
		Bucket:    "examplebucket",
		KeyPrefix: "user/alice/",
		MaxLength: 1 << 20,
		Fields:    map[string]string{"success_action_status": "201"},
		Prefixes:  map[string]string{"Content-Type": "image/"},
		Expires:   15 * time.Minute,
	})
	if err != nil {
		panic(err)
	}
	for _, f := range fields {
		fmt.Printf("%s: %.40s\n", f.Name, f.Value)
	}
	// Output:
	// key: user/alice/${filename}
	// success_action_status: 201
	// x-amz-algorithm: AWS4-HMAC-SHA256
	// x-amz-credential: AKIAIOSFODNN7EXAMPLE/20130524/eu-west-1/
	// x-amz-date: 20130524T000000Z
	// policy: eyJleHBpcmF0aW9uIjoiMjAxMy0wNS0yNFQwMDox
	// x-amz-signature: 1a2030bcef60974e0cb91f57cfa306c00296a3b2
}
