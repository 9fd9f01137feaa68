// Package demo lets the examples run without AWS.
package demo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/go-awsauth/awsauth"
	"github.com/go-awsauth/awsauth/awsauthtest"
)

// An Example sends requests by t, and says to out what came of them.
type Example func(out io.Writer, t *awsauth.Transport) error

// Run runs an example whose requests reach a server on loopback, whatever host of AWS's
// they are for. The server refuses what is not signed, or is signed for another
// service than the one named or for another region than the host's; the rest gets
// to answer, or with nil to a store that speaks S3.
func Run(out io.Writer, service string, answer http.Handler, example Example) error {
	server, t := start(service, answer)
	defer server.Close()
	return example(out, t)
}

func start(service string, answer http.Handler) (*awsauthtest.Server, *awsauth.Transport) {
	server := awsauthtest.NewServer()
	server.Service, server.Handler = service, answer
	return server, &awsauth.Transport{
		Signer: &awsauth.Signer{Credentials: server.Credentials},
		Base:   server.Transport(),
	}
}

// CheckRefused returns an error unless an example that signs for service fails, and
// tells why, where the server is of another service and where the secret is wrong.
func CheckRefused(service string, example Example) error {
	taken := false
	answer := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { taken = true })
	server, t := start("other", answer)
	defer server.Close()
	reason := fmt.Sprintf("signed for service %q where the server is %q", service, "other")
	if err := example(io.Discard, t); err == nil || !strings.Contains(err.Error(), reason) {
		return fmt.Errorf("signed for another service: %v", err)
	}
	server, t = start(service, answer)
	defer server.Close()
	guess := server.Credentials
	guess.SecretAccessKey = "a guess"
	t.Signer.Credentials = guess
	if err := example(io.Discard, t); err == nil || !strings.Contains(err.Error(), "the secret access key is not the one") {
		return fmt.Errorf("a wrong secret: %v", err)
	}
	if taken {
		return errors.New("the server took what it had to refuse")
	}
	return nil
}

// Fail answers with an error as the JSON protocols write it.
func Fail(w http.ResponseWriter, status int, code, format string, args ...any) {
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"__type": code, "message": fmt.Sprintf(format, args...)})
}
