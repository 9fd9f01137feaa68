package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/go-awsauth/awsauth"
	"github.com/go-awsauth/awsauth/examples/internal/demo"
)

func demonstrate(out io.Writer) error {
	return demo.Run(out, "ses", outbound(), walkThrough)
}

func walkThrough(out io.Writer, t *awsauth.Transport) error {
	client := &http.Client{Transport: t}
	id, err := send(client, "eu-west-1", newEmail("shop@example.com", "jane@example.com", "Your order", "It is on its way."))
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "sent:", id)
	_, err = send(client, "eu-west-1", newEmail("stranger@example.net", "jane@example.com", "Your prize", "It is on its way."))
	fmt.Fprintln(out, "from a stranger:", err)
	return nil
}

// outbound stands for SES, to which shop@example.com is known.
func outbound() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v2/email/outbound-emails", func(w http.ResponseWriter, r *http.Request) {
		var m email
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil || len(m.Destination.ToAddresses) == 0 || m.Content.Simple.Subject.Data == "" {
			demo.Fail(w, http.StatusBadRequest, "BadRequestException", "not an email")
			return
		}
		if m.FromEmailAddress != "shop@example.com" {
			demo.Fail(w, http.StatusBadRequest, "MessageRejected", "Email address is not verified: %s", m.FromEmailAddress)
			return
		}
		json.NewEncoder(w).Encode(map[string]string{"MessageId": "0102018c-example"})
	})
	return mux
}
