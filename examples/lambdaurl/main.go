// Lambdaurl calls the function URL of one Lambda function from inside another.
//
//	go run ./examples/lambdaurl
//
// needs nothing: Lambda is on the loopback interface.
//
//	GOOS=linux GOARCH=arm64 go build -o bootstrap ./examples/lambdaurl
//
// makes the whole function, for the runtime provided.al2023: set its variable
// FUNCTION_URL, and it hands its event on to there and answers with the answer. It
// signs with the keys and the session token of its role, which Lambda puts into the environment.
//
//	go run ./examples/lambdaurl https://ID.lambda-url.REGION.on.aws/ '{"name": "jane"}'
//
// calls a function URL from anywhere, with the credentials of the environment.
//
// The role needs lambda:InvokeFunctionUrl and lambda:InvokeFunction on the function that is
// called, whose URL has the authorization type AWS_IAM.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"

	"github.com/go-awsauth/awsauth"
)

func main() {
	log.SetFlags(0)
	if err := run(os.Args[1:]); err != nil {
		log.Fatal("lambdaurl: ", err)
	}
}

func run(args []string) error {
	// Env alone: Lambda has no EC2 instance to ask.
	client := &http.Client{Transport: &awsauth.Transport{Signer: &awsauth.Signer{Credentials: awsauth.Env{}}}}
	switch runtime := os.Getenv("AWS_LAMBDA_RUNTIME_API"); {
	case runtime != "":
		for {
			err := serve(runtime, func(event []byte) ([]byte, error) { return call(client, os.Getenv("FUNCTION_URL"), event) })
			if err != nil {
				return err
			}
		}
	case len(args) == 0:
		return demonstrate(os.Stdout)
	case len(args) == 2:
		answer, err := call(client, args[0], []byte(args[1]))
		if err != nil {
			return err
		}
		fmt.Printf("%s\n", answer)
		return nil
	}
	return errors.New("usage: lambdaurl [URL JSON]")
}

// call posts an event to a function URL, and returns the answer.
func call(client *http.Client, url string, event []byte) ([]byte, error) {
	req, err := http.NewRequest("POST", url, bytes.NewReader(event))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if err := awsauth.Diagnose(req, resp); err != nil {
		return nil, err
	}
	return io.ReadAll(resp.Body)
}

// serve answers the next event of the function, with what handle makes of it.
// See https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
func serve(runtime string, handle func(event []byte) ([]byte, error)) error {
	invocation := "http://" + runtime + "/2018-06-01/runtime/invocation/"
	resp, err := http.Get(invocation + "next") // which waits for one, however long
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	event, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	invocation += resp.Header.Get("Lambda-Runtime-Aws-Request-Id")
	answer, err := handle(event)
	if err == nil {
		invocation += "/response"
	} else {
		invocation += "/error"
		if answer, err = json.Marshal(map[string]string{"errorMessage": err.Error()}); err != nil {
			return err
		}
	}
	resp, err = http.Post(invocation, "application/json", bytes.NewReader(answer))
	if err != nil {
		return err
	}
	return resp.Body.Close()
}
