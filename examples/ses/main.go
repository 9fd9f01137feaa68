// SES sends an email through Amazon SES, with the action SendEmail of its API
// version 2.
//
//	go run ./examples/ses
//
// needs nothing: it sends to a server on the loopback interface that stands for SES.
//
//	go run ./examples/ses REGION FROM TO SUBJECT TEXT
//
// sends, with the credentials of the environment or of the EC2 instance. They need
// ses:SendEmail on the identity of FROM, which SES has to have verified; while the account
// is in the sandbox, that of TO too.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/go-awsauth/awsauth"
)

func main() {
	log.SetFlags(0)
	if err := run(os.Args[1:]); err != nil {
		log.Fatal("ses: ", err)
	}
}

func run(args []string) error {
	switch len(args) {
	case 0:
		return demonstrate(os.Stdout)
	case 5:
		client := &http.Client{Transport: &awsauth.Transport{}}
		id, err := send(client, args[0], newEmail(args[1], args[2], args[3], args[4]))
		if err != nil {
			return err
		}
		fmt.Println("sent:", id)
		return nil
	}
	return errors.New("usage: ses [REGION FROM TO SUBJECT TEXT]")
}

// An email is what SendEmail takes. Only a part of it is here.
// See https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html
type email struct {
	FromEmailAddress string
	Destination      struct{ ToAddresses []string }
	Content          struct {
		Simple struct {
			Subject text
			Body    struct{ Text text }
		}
	}
}

type text struct{ Data string }

func newEmail(from, to, subject, body string) email {
	m := email{FromEmailAddress: from}
	m.Destination.ToAddresses = []string{to}
	m.Content.Simple.Subject.Data = subject
	m.Content.Simple.Body.Text.Data = body
	return m
}

// send sends an email, and returns its ID. It may be sent twice if it is called
// again after an error.
func send(client *http.Client, region string, m email) (id string, err error) {
	body, err := json.Marshal(m)
	if err != nil {
		return "", err
	}
	// The host begins with email, and is signed for as ses.
	req, err := http.NewRequest("POST", "https://email."+region+".amazonaws.com/v2/email/outbound-emails", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if err := awsauth.Diagnose(req, resp); err != nil {
		return "", err
	}
	var sent struct{ MessageId string }
	if err := json.NewDecoder(resp.Body).Decode(&sent); err != nil {
		return "", fmt.Errorf("reading the answer of SES: %w", err)
	}
	return sent.MessageId, nil
}
