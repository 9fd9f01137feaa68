// Assumerole acts as another role, and lists a bucket of S3 with its keys.
//
//	go run ./examples/assumerole
//
// needs nothing: STS and S3 are on the loopback interface.
//
//	go run ./examples/assumerole arn:aws:iam::ACCOUNT:role/ROLE https://BUCKET.s3.REGION.amazonaws.com
//
// does so in AWS, with the credentials of the environment or of the EC2 instance.
// They need sts:AssumeRole on the role, and the role's trust policy has to allow
// them; the role needs s3:ListBucket on the bucket.
package main

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"

	"github.com/go-awsauth/awsauth"
	"github.com/go-awsauth/awsauth/sts"
)

func main() {
	log.SetFlags(0)
	if err := run(os.Args[1:]); err != nil {
		log.Fatal("assumerole: ", err)
	}
}

func run(args []string) error {
	switch len(args) {
	case 0:
		return demonstrate(os.Stdout)
	case 2:
		// The Cache asks STS once, and again shortly before the keys expire: keep it.
		role := awsauth.Cache(&sts.AssumeRole{RoleARN: args[0], SessionName: "example"})
		who, err := sts.GetCallerIdentity(context.Background(), role)
		if err != nil {
			return err
		}
		fmt.Println("acting as", who.ARN)
		client := &http.Client{Transport: &awsauth.Transport{Signer: &awsauth.Signer{Credentials: role}}}
		return list(os.Stdout, client, args[1])
	}
	return errors.New("usage: assumerole [ROLE-ARN BUCKET-URL]")
}

// list prints the keys of a bucket, the first thousand at most.
func list(out io.Writer, client *http.Client, bucket string) error {
	req, err := http.NewRequest("GET", strings.TrimSuffix(bucket, "/")+"/?list-type=2", nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := awsauth.Diagnose(req, resp); err != nil {
		return err
	}
	var page struct{ Contents []struct{ Key string } }
	if err := xml.NewDecoder(resp.Body).Decode(&page); err != nil {
		return fmt.Errorf("reading the list of %s: %w", bucket, err)
	}
	for _, object := range page.Contents {
		fmt.Fprintln(out, object.Key)
	}
	return nil
}
