package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"testing"

	"github.com/go-awsauth/awsauth"
	"github.com/go-awsauth/awsauth/examples/internal/demo"
)

func Example() {
	if err := demonstrate(os.Stdout); err != nil {
		fmt.Println(err)
	}
	// Output:
	// response: "hello jane"
	// error: {"errorMessage":"awsauth: 400 BadRequest: the signature is not the reason (no name)"}
	// without the token: awsauth: 403 UnrecognizedClientException: the session token is missing, and ASIASERVEREXAMPLE is a temporary key: set Credentials.SessionToken
}

func TestRefused(t *testing.T) {
	if err := demo.CheckRefused("lambda", func(_ io.Writer, t *awsauth.Transport) error {
		_, err := call(&http.Client{Transport: t}, greetURL, []byte("{}"))
		return err
	}); err != nil {
		t.Error(err)
	}
}
