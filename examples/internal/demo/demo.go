// Package demo lets the examples run without AWS.
package demo

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/go-awsauth/awsauth"
	"github.com/go-awsauth/awsauth/awsauthtest"
)

// Run calls example with a Transport whose requests reach a server on loopback,
// whatever host of AWS's they are for. The server refuses what is not signed, or is
// signed for another service than the one named or for another region than the
// host's; the rest gets to answer, or with nil to a store that speaks S3.
func Run(service string, answer http.Handler, example func(*awsauth.Transport) error) error {
	server := awsauthtest.NewServer()
	defer server.Close()
	server.Service, server.Handler = service, answer
	return example(&awsauth.Transport{
		Signer: &awsauth.Signer{Credentials: server.Credentials},
		Base:   server.Transport(),
	})
}

// Fail answers with an error as the JSON protocols write it.
func Fail(w http.ResponseWriter, status int, code, format string, args ...any) {
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"__type": code, "message": fmt.Sprintf(format, args...)})
}
