// net/http with aws-sdk-go-v2: header and query signatures, its default config
// for the keys.
package main

import (
	"context"
	"log"
	"net/http"
	"os"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"
)

const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func main() {
	ctx := context.Background()
	req, err := http.NewRequest("GET", os.Args[1], nil)
	if err != nil {
		log.Fatal(err)
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		log.Fatal(err)
	}
	keys, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		log.Fatal(err)
	}
	if len(os.Args) > 2 {
		var link string
		link, _, err = v4.NewSigner().PresignHTTP(ctx, keys, req, emptyHash, "s3", cfg.Region, time.Now())
		log.Print(link)
	} else {
		err = v4.NewSigner().SignHTTP(ctx, keys, req, emptyHash, "s3", cfg.Region, time.Now())
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
