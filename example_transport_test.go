package awsauth_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/go-awsauth/awsauth"
)

func ExampleTransport() {
	// A server that is busy at first, and says how what it then takes was signed.
	busy := true
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if busy {
			busy = false
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		fmt.Fprintln(w, r.Method, r.RequestURI, scheme)
	}))
	defer server.Close()

	client := &http.Client{Transport: &awsauth.Transport{
		Signer: &awsauth.Signer{Service: "s3", Region: "us-east-1", Credentials: keys},
	}}
	resp, err := client.Get(server.URL + "/bucket/photo (1).jpg")
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	fmt.Print(resp.Status, ": ", string(body))
	// Output: 200 OK: GET /bucket/photo%20%281%29.jpg AWS4-HMAC-SHA256
}

// Requests that are signed before they are sent need CheckRedirect, or a redirect
// may take their token to another host.
func ExampleCheckRedirect() {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Printf("another host sees the token %q\n", r.Header.Get("X-Amz-Security-Token"))
	}))
	defer other.Close()
	server := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer server.Close()

	temporary := keys
	temporary.SessionToken = "AQoDYXdzEXAMPLE"
	signer := &awsauth.Signer{Service: "s3", Region: "us-east-1", Credentials: temporary}
	for _, client := range []*http.Client{{}, {CheckRedirect: awsauth.CheckRedirect}} {
		req, err := http.NewRequest("GET", server.URL, nil)
		if err != nil {
			panic(err)
		}
		if err := signer.Sign4(req); err != nil {
			panic(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			panic(err)
		}
		resp.Body.Close()
	}
	// Output:
	// another host sees the token "AQoDYXdzEXAMPLE"
	// another host sees the token ""
}

func ExampleAnonymous() {
	// The environment's keys if there are some, else none at all.
	chain := awsauth.Chain{awsauth.Env{Getenv: func(string) string { return "" }}, awsauth.Anonymous{}}
	req, err := http.NewRequest("GET", "https://public-data.s3.eu-west-1.amazonaws.com/map.json", nil)
	if err != nil {
		panic(err)
	}
	fmt.Println(awsauth.Sign4(req, chain), len(req.Header))
	// Output: <nil> 0
}
