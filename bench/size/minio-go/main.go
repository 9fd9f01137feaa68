// net/http with minio-go: header and query signatures, its environment and IAM
// sources for the keys.
package main

import (
	"log"
	"net/http"
	"os"

	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/signer"
)

func main() {
	req, err := http.NewRequest("GET", os.Args[1], nil)
	if err != nil {
		log.Fatal(err)
	}
	chain := credentials.NewChainCredentials([]credentials.Provider{&credentials.EnvAWS{}, &credentials.IAM{}})
	keys, err := chain.GetWithContext(nil)
	if err != nil {
		log.Fatal(err)
	}
	if len(os.Args) > 2 {
		req = signer.PreSignV4(*req, keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken, "us-east-1", 900)
	} else {
		req = signer.SignV4(*req, keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken, "us-east-1")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		log.Fatal(err)
	}
	log.Print(resp.Status, resp.Header)
}
