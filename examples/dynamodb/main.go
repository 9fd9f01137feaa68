// Dynamodb puts an item into a table of DynamoDB, gets it, and queries for what is
// beside it.
//
//	go run ./examples/dynamodb
//
// needs nothing: the table is on the loopback interface.
//
//	go run ./examples/dynamodb REGION TABLE ARTIST TITLE
//
// does so with a real table, whose partition key is Artist and whose sort key is
// Title, both strings, with the credentials of the environment or of the EC2
// instance. They need dynamodb:PutItem, dynamodb:GetItem and dynamodb:Query on the table.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"

	"github.com/go-awsauth/awsauth"
)

func main() {
	log.SetFlags(0)
	if err := run(os.Args[1:]); err != nil {
		log.Fatal("dynamodb: ", err)
	}
}

func run(args []string) error {
	switch len(args) {
	case 0:
		return demonstrate(os.Stdout)
	case 4:
		t := table{&http.Client{Transport: &awsauth.Transport{}}, args[0], args[1]}
		return t.add(os.Stdout, args[2], args[3])
	}
	return errors.New("usage: dynamodb [REGION TABLE ARTIST TITLE]")
}

// A table is one of DynamoDB's.
type table struct {
	client       *http.Client
	region, name string
}

// An item is a row. Its values say their type, as in {"S": "a string"}.
type item map[string]map[string]string

func text(s string) map[string]string   { return map[string]string{"S": s} }
func number(n string) map[string]string { return map[string]string{"N": n} }

// add puts a song, and prints what the table then has of it and of its artist.
func (t table) add(out io.Writer, artist, title string) error {
	key := item{"Artist": text(artist), "Title": text(title)}
	song := item{"Artist": text(artist), "Title": text(title), "Stars": number("5")}
	if err := t.call("PutItem", map[string]any{"TableName": t.name, "Item": song}, nil); err != nil {
		return err
	}
	var got struct{ Item item }
	if err := t.call("GetItem", map[string]any{"TableName": t.name, "Key": key, "ConsistentRead": true}, &got); err != nil {
		return err
	}
	fmt.Fprintf(out, "got: %s by %s, %s stars\n", got.Item["Title"]["S"], got.Item["Artist"]["S"], got.Item["Stars"]["N"])
	query := map[string]any{
		"TableName":                 t.name,
		"KeyConditionExpression":    "Artist = :artist",
		"ExpressionAttributeValues": item{":artist": text(artist)},
	}
	for {
		var page struct {
			Items            []item
			LastEvaluatedKey item
		}
		if err := t.call("Query", query, &page); err != nil {
			return err
		}
		for _, song := range page.Items {
			fmt.Fprintln(out, artist+":", song["Title"]["S"])
		}
		if len(page.LastEvaluatedKey) == 0 {
			return nil
		}
		query["ExclusiveStartKey"] = page.LastEvaluatedKey
	}
}

// call takes an action of DynamoDB. The answer is read into out, if it is not nil.
func (t table) call(action string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequest("POST", "https://dynamodb."+t.region+".amazonaws.com/", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	req.Header.Set("X-Amz-Target", "DynamoDB_20120810."+action)
	// All these actions may be taken twice, and so be tried again after an error of
	// the server's. A header without values is not sent.
	req.Header["Idempotency-Key"] = []string{}
	resp, err := t.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := awsauth.Diagnose(req, resp); err != nil {
		return fmt.Errorf("%s: %w", action, err)
	}
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("%s: reading the answer: %w", action, err)
	}
	return nil
}
