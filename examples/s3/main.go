// S3 lists a bucket, gets objects, and uploads files and tells how far it is.
//
//	go run ./examples/s3
//
// needs nothing: it does all of it on a server on the loopback interface.
//
//	go run ./examples/s3 https://BUCKET.s3.REGION.amazonaws.com list [PREFIX]
//	go run ./examples/s3 https://BUCKET.s3.REGION.amazonaws.com get KEY >FILE
//	go run ./examples/s3 https://BUCKET.s3.REGION.amazonaws.com put KEY FILE
//
// works on a bucket, with the credentials of the environment or of the EC2
// instance. They need s3:ListBucket on the bucket, and s3:GetObject and s3:PutObject
// on its objects.
package main

import (
	"errors"
	"log"
	"net/url"
	"os"

	"github.com/go-awsauth/awsauth"
)

func main() {
	log.SetFlags(0)
	if err := run(os.Args[1:]); err != nil {
		log.Fatal("s3: ", err)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return demonstrate(os.Stdout)
	}
	u, err := url.Parse(args[0])
	if err != nil {
		return err
	}
	b := newBucket(u, &awsauth.Transport{Signer: &awsauth.Signer{}})
	switch rest := args[1:]; {
	case len(rest) == 1 && rest[0] == "list":
		return b.list(os.Stdout, "")
	case len(rest) == 2 && rest[0] == "list":
		return b.list(os.Stdout, rest[1])
	case len(rest) == 2 && rest[0] == "get":
		return b.get(os.Stdout, rest[1])
	case len(rest) == 3 && rest[0] == "put":
		return b.put(os.Stdout, rest[1], rest[2])
	}
	return errors.New("usage: s3 [URL list [PREFIX] | URL get KEY | URL put KEY FILE]")
}
