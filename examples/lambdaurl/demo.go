package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"

	"github.com/go-awsauth/awsauth"
	"github.com/go-awsauth/awsauth/examples/internal/demo"
)

func demonstrate(out io.Writer) error {
	return demo.Run(out, "lambda", http.HandlerFunc(greet), walkThrough)
}

const greetURL = "https://a1b2c3d4e5.lambda-url.eu-west-1.on.aws/"

// greet is the function that is called.
func greet(w http.ResponseWriter, r *http.Request) {
	var in struct{ Name string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.Name == "" {
		demo.Fail(w, http.StatusBadRequest, "BadRequest", "no name")
		return
	}
	json.NewEncoder(w).Encode("hello " + in.Name)
}

func walkThrough(out io.Writer, t *awsauth.Transport) error {
	keys, err := t.Signer.Credentials.Retrieve(context.Background())
	if err != nil {
		return err
	}
	env := map[string]string{ // as Lambda sets it
		"AWS_ACCESS_KEY_ID":     keys.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY": keys.SecretAccessKey,
		"AWS_SESSION_TOKEN":     keys.SessionToken,
	}
	t.Signer.Credentials = awsauth.Env{Getenv: func(name string) string { return env[name] }}
	client := &http.Client{Transport: t}

	// The runtime's end of the function, with two events.
	events := make(chan string, 2)
	events <- `{"name": "jane"}`
	events <- `{}`
	runtime := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch outcome := path.Base(r.URL.Path); outcome {
		case "next":
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", "id")
			io.WriteString(w, <-events)
		default:
			answer, _ := io.ReadAll(r.Body)
			fmt.Fprintf(out, "%s: %s\n", outcome, strings.TrimSpace(string(answer)))
		}
	}))
	defer runtime.Close()
	for range cap(events) {
		err := serve(runtime.Listener.Addr().String(), func(event []byte) ([]byte, error) { return call(client, greetURL, event) })
		if err != nil {
			return err
		}
	}

	delete(env, "AWS_SESSION_TOKEN")
	_, err = call(client, greetURL, []byte(`{"name": "jane"}`))
	fmt.Fprintln(out, "without the token:", err)
	return nil
}
