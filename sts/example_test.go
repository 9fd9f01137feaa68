package sts_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/go-awsauth/awsauth"
	"github.com/go-awsauth/awsauth/awsauthtest"
	"github.com/go-awsauth/awsauth/sts"
)

func ExampleAssumeRole() {
	fake := awsauthtest.NewSTS() // in place of AWS
	defer fake.Close()
	fake.ExternalID = "customer-7"

	role := awsauth.Cache(&sts.AssumeRole{
		RoleARN:    "arn:aws:iam::123456789012:role/reader",
		ExternalID: "customer-7", // as the role's trust policy asks
		Source:     fake.Caller,  // leave it out for the default chain
		Endpoint:   fake.URL,     // and this for AWS
	})
	for range 3 {
		req, err := http.NewRequest("GET", "https://examplebucket.s3.eu-west-1.amazonaws.com/photo.jpg", nil)
		if err != nil {
			panic(err)
		}
		if err := awsauth.Sign4(req, role); err != nil {
			panic(err)
		}
		fmt.Println(req.Header.Get("X-Amz-Security-Token"))
	}
	fmt.Println(len(fake.Requests()), "request")

	who, err := sts.Client{Endpoint: fake.URL}.GetCallerIdentity(context.Background(), role)
	fmt.Println(who.ARN, err)
	// Output:
	// token-of-STSROLE
	// token-of-STSROLE
	// token-of-STSROLE
	// 1 request
	// arn:aws:sts::123456789012:assumed-role/reader/awsauth <nil>
}

// A role that only another role may act as.
func ExampleAssumeRole_chained() {
	fake := awsauthtest.NewSTS() // in place of AWS
	defer fake.Close()

	first := awsauth.Cache(&sts.AssumeRole{
		RoleARN:  "arn:aws:iam::123456789012:role/entry",
		Source:   fake.Caller,
		Endpoint: fake.URL,
	})
	second := awsauth.Cache(&sts.AssumeRole{
		RoleARN:  "arn:aws:iam::210987654321:role/reader",
		Source:   first,
		Endpoint: fake.URL,
	})
	_, err := second.Retrieve(context.Background())
	fmt.Println(err)
	// Output: <nil>
}

func ExampleClient_GetCallerIdentity() {
	fake := awsauthtest.NewSTS() // in place of AWS
	defer fake.Close()

	client := sts.Client{Endpoint: fake.URL} // sts.GetCallerIdentity(ctx) for AWS and the default chain
	who, err := client.GetCallerIdentity(context.Background(), fake.Caller)
	fmt.Println(who.Account, who.ARN, err)
	// Output: 123456789012 arn:aws:iam::123456789012:user/test <nil>
}
