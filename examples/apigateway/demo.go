package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/go-awsauth/awsauth"
	"github.com/go-awsauth/awsauth/examples/internal/demo"
)

type order struct {
	ID   int    `json:"id,omitempty"`
	Item string `json:"item"`
}

func demonstrate(out io.Writer) error {
	return demo.Run(out, "execute-api", api(), walkThrough)
}

func walkThrough(out io.Writer, t *awsauth.Transport) error {
	client := &http.Client{Transport: t}
	const url = "https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com/prod/orders"
	var placed order
	if err := post(client, url, order{Item: "tea"}, &placed); err != nil {
		return err
	}
	fmt.Fprintf(out, "order %d: %s\n", placed.ID, placed.Item)
	fmt.Fprintln(out, "an order of nothing:", post(client, url, order{}, &placed))

	// What is not signed is refused before the API sees it.
	anonymous := &http.Client{Transport: &awsauth.Transport{
		Signer: &awsauth.Signer{Credentials: awsauth.Anonymous{}}, Base: t.Base,
	}}
	fmt.Fprintln(out, "not signed:", post(anonymous, url, order{Item: "tea"}, &placed))
	return nil
}

// api is an API that takes orders.
func api() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /prod/orders", func(w http.ResponseWriter, r *http.Request) {
		var o order
		if err := json.NewDecoder(r.Body).Decode(&o); err != nil || o.Item == "" {
			demo.Fail(w, http.StatusBadRequest, "BadRequest", "an order needs an item")
			return
		}
		o.ID = 1
		json.NewEncoder(w).Encode(o)
	})
	return mux
}
