// Apigateway calls an API of API Gateway whose authorization is AWS_IAM: it posts
// JSON, and prints the answer.
//
//	go run ./examples/apigateway
//
// needs nothing: it calls an API on the loopback interface.
//
//	go run ./examples/apigateway https://ID.execute-api.REGION.amazonaws.com/STAGE/orders '{"item": "tea"}'
//
// calls a real one, with the credentials of the environment or of the EC2 instance.
// They need execute-api:Invoke on arn:aws:execute-api:REGION:ACCOUNT:ID/STAGE/POST/orders.
// The URL may have a domain name of your own; the region is then that of AWS_REGION.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/go-awsauth/awsauth"
)

func main() {
	log.SetFlags(0)
	if err := run(os.Args[1:]); err != nil {
		log.Fatal("apigateway: ", err)
	}
}

func run(args []string) error {
	switch len(args) {
	case 0:
		return demonstrate(os.Stdout)
	case 2:
		// The host tells the service, but for a domain name of one's own.
		client := &http.Client{Transport: &awsauth.Transport{Signer: &awsauth.Signer{Service: "execute-api"}}}
		var answer json.RawMessage
		if err := post(client, args[0], json.RawMessage(args[1]), &answer); err != nil {
			return err
		}
		fmt.Printf("%s\n", answer)
		return nil
	}
	return errors.New("usage: apigateway [URL JSON]")
}

// post sends in as JSON, and reads the answer into out.
func post(client *http.Client, url string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	// Of a bytes.Reader NewRequest knows how to read it again: it is hashed, and sent
	// again where the API was busy.
	req, err := http.NewRequest("POST", url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := awsauth.Diagnose(req, resp); err != nil {
		return err
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("reading the answer of %s: %w", url, err)
	}
	return nil
}
