// net/http with awsauth: Sign4 alone, with the default chain.
package main

import (
	"log"
	"net/http"
	"os"

	"github.com/go-awsauth/awsauth"
)

func main() {
	req, err := http.NewRequest("GET", os.Args[1], nil)
	if err != nil {
		log.Fatal(err)
	}
	if err = awsauth.Sign4(req); err != nil {
		log.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		log.Fatal(err)
	}
	log.Print(resp.Status, resp.Header)
}
