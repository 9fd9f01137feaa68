// Ekstoken is a credential plugin of kubectl for the clusters of Amazon EKS: it prints
// the token as the ExecCredential that kubectl wants.
//
//	go run ./examples/ekstoken
//
// needs nothing: it makes a token, and asks a server on the loopback interface whose it
// is, as a cluster does.
//
//	go build ./examples/ekstoken && ./ekstoken REGION CLUSTER
//
// makes one with the credentials of the environment, of the AWS profile or of the EC2
// instance. They need no permission of IAM: the cluster decides who may do what, by
// its access entries. In the kubeconfig:
//
//	users:
//	- name: my-cluster
//	  user:
//	    exec:
//	      apiVersion: client.authentication.k8s.io/v1
//	      command: ekstoken
//	      args: [eu-west-1, my-cluster]
//	      interactiveMode: Never
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/go-awsauth/awsauth"
	"github.com/go-awsauth/awsauth/profile"
	"github.com/go-awsauth/awsauth/tokens"
)

func main() {
	log.SetFlags(0)
	if err := run(os.Args[1:]); err != nil {
		log.Fatal("ekstoken: ", err)
	}
}

func run(args []string) error {
	switch len(args) {
	case 0:
		return demonstrate(os.Stdout)
	case 2:
		source := awsauth.Chain{awsauth.Env{}, profile.Provider{}, &awsauth.EC2Role{}}
		credential, err := newCredential(context.Background(), args[0], args[1], source)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(credential)
	}
	return errors.New("usage: ekstoken [REGION CLUSTER]")
}

// An execCredential is what kubectl reads.
// See https://kubernetes.io/docs/reference/config-api/client-authentication.v1/
type execCredential struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Spec       struct{} `json:"spec"`
	Status     struct {
		ExpirationTimestamp time.Time `json:"expirationTimestamp"`
		Token               string    `json:"token"`
	} `json:"status"`
}

func newCredential(ctx context.Context, region, cluster string, source awsauth.Provider) (*execCredential, error) {
	keys, err := source.Retrieve(ctx)
	if err != nil {
		return nil, fmt.Errorf("looking for keys: %w", err)
	}
	c := &execCredential{APIVersion: "client.authentication.k8s.io/v1", Kind: "ExecCredential"}
	// The cluster takes a token for 15 minutes, and no longer than the keys live.
	// kubectl is to come back before that.
	c.Status.ExpirationTimestamp = time.Now().Add(14 * time.Minute).UTC().Truncate(time.Second)
	if !keys.Expires.IsZero() && keys.Expires.Before(c.Status.ExpirationTimestamp) {
		c.Status.ExpirationTimestamp = keys.Expires.UTC().Truncate(time.Second)
	}
	c.Status.Token, err = tokens.EKS(ctx, cluster, region, keys)
	if err != nil {
		return nil, err
	}
	return c, nil
}
