package tokens_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/go-awsauth/awsauth"
	"github.com/go-awsauth/awsauth/tokens"
)

// The keys of AWS's documentation. Leave them out for the default chain.
var keys = awsauth.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}

func ExampleRDS() {
	password, err := tokens.RDS(context.Background(), "mydb.123456789012.eu-west-1.rds.amazonaws.com:5432", "", "jane", keys)
	if err != nil {
		panic(err)
	}
	connect, _, _ := strings.Cut(password, "&X-Amz-") // the rest is another every second
	fmt.Println(connect)
	// Output: mydb.123456789012.eu-west-1.rds.amazonaws.com:5432/?Action=connect&DBUser=jane
}

func ExampleEKS() {
	token, err := tokens.EKS(context.Background(), "my-cluster", "eu-west-1", keys)
	if err != nil {
		panic(err)
	}
	version, _, _ := strings.Cut(token, ".")
	fmt.Println("Authorization: Bearer " + version + ".…")
	// Output: Authorization: Bearer k8s-aws-v1.…
}

// What a git credential helper prints.
func ExampleCodeCommit() {
	user, password, err := tokens.CodeCommit(context.Background(), "https://git-codecommit.us-east-1.amazonaws.com/v1/repos/MyDemoRepo", keys)
	if err != nil {
		panic(err)
	}
	fmt.Println("username=" + user)
	fmt.Println("password has", len(password), "characters")
	// Output:
	// username=AKIAIOSFODNN7EXAMPLE
	// password has 80 characters
}

func ExampleWebSocket() {
	url, err := tokens.WebSocket(context.Background(), "wss://transcribestreaming.us-west-2.amazonaws.com:8443/stream-transcription-websocket?language-code=en-US&media-encoding=pcm&sample-rate=16000", 0, keys)
	if err != nil {
		panic(err)
	}
	fmt.Println(strings.Contains(url, "&X-Amz-Expires=300&"))
	// Output: true
}

func ExampleDSQL() {
	password, err := tokens.DSQL(context.Background(), "abcdefghijklmnopqrstuvwxyz.dsql.eu-west-1.on.aws", "", 0, keys)
	if err != nil {
		panic(err)
	}
	connect, _, _ := strings.Cut(password, "&X-Amz-")
	fmt.Println(connect)
	// Output: abcdefghijklmnopqrstuvwxyz.dsql.eu-west-1.on.aws/?Action=DbConnect
}

func ExampleElastiCache() {
	password, err := tokens.ElastiCache(context.Background(), "my-cache", "eu-west-1", "jane", keys)
	if err != nil {
		panic(err)
	}
	connect, _, _ := strings.Cut(password, "&X-Amz-")
	fmt.Println(connect)
	// Output: my-cache/?Action=connect&User=jane
}

func ExampleMemoryDB() {
	password, err := tokens.MemoryDB(context.Background(), "my-cluster", "eu-west-1", "jane", keys)
	if err != nil {
		panic(err)
	}
	connect, _, _ := strings.Cut(password, "&X-Amz-")
	fmt.Println(connect)
	// Output: my-cluster/?Action=connect&User=jane
}

// The value of SASL/OAUTHBEARER.
func ExampleMSK() {
	token, err := tokens.MSK(context.Background(), "eu-west-1", keys)
	if err != nil {
		panic(err)
	}
	url, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		panic(err)
	}
	connect, _, _ := strings.Cut(string(url), "&X-Amz-")
	fmt.Println(connect)
	// Output: https://kafka.eu-west-1.amazonaws.com/?Action=kafka-cluster%3AConnect
}

func ExampleIoT() {
	url, err := tokens.IoT(context.Background(), "abcdefghijklmn-ats.iot.eu-west-1.amazonaws.com", "", 0, keys)
	if err != nil {
		panic(err)
	}
	connect, _, _ := strings.Cut(url, "X-Amz-")
	fmt.Println(connect)
	// Output: wss://abcdefghijklmn-ats.iot.eu-west-1.amazonaws.com/mqtt?
}
