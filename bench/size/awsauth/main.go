// net/http with awsauth: header and query signatures, the default chain.
package main

import (
	"log"
	"net/http"
	"os"
	"time"

	"github.com/go-awsauth/awsauth"
)

func main() {
	req, err := http.NewRequest("GET", os.Args[1], nil)
	if err != nil {
		log.Fatal(err)
	}
	if len(os.Args) > 2 {
		err = awsauth.Presign(req, 15*time.Minute)
	} else {
		err = awsauth.Sign4(req)
	}
	if err != nil {
		log.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		log.Fatal(err)
	}
	log.Print(resp.Status, resp.Header)
}
