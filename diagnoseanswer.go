package awsauth

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"strings"
	"time"
)

// maxAnswer is more than any answer that tells of a refusal.
const maxAnswer = 1 << 20

// An answer is what a server says of a refusal. What it does not say is empty.
type answer struct {
	code, message           string
	canonical, toSign       string // as the server made them of what it received
	signature               string // as it arrived
	region                  string // that the server is in
	endpoint                string // that should be asked
	unsigned                string // headers that should be signed
	bodyHash                string // of the body that arrived
	serverTime, requestTime time.Time
	empty                   bool
	unreadable              error
}

// hide hides the signature and the token of the request.
func (a *answer) hide(s *sentSignature) {
	hider := s.hider()
	for _, text := range []*string{&a.code, &a.message, &a.canonical, &a.toSign, &a.region, &a.endpoint, &a.unsigned, &a.bodyHash} {
		*text = hider.Replace(*text)
	}
}

// readAnswer reads the answer. The body can be read again afterwards.
func readAnswer(resp *http.Response) answer {
	a := answer{region: resp.Header.Get("X-Amz-Bucket-Region"), code: resp.Header.Get("X-Amzn-Errortype")}
	var data []byte
	if body := resp.Body; body != nil {
		data, a.unreadable = io.ReadAll(io.LimitReader(body, maxAnswer))
		resp.Body = bodyReader{io.MultiReader(bytes.NewReader(data), body), body}
	}
	data = bytes.TrimSpace(data)
	switch {
	case len(data) == 0:
		a.empty = true
	case data[0] == '<':
		a.readXML(data)
	case data[0] == '{':
		a.readJSON(data)
	default:
		a.message = string(data)
	}
	a.code = cmp.Or(a.code, resp.Header.Get("X-Minio-Error-Code")) // of a HEAD
	// The code comes as namespace#code, or as code:URL.
	a.code = a.code[strings.LastIndexByte(a.code, '#')+1:]
	a.code, _, _ = strings.Cut(a.code, ":")
	a.code = strings.TrimSpace(a.code)
	a.empty = a.empty && a.code == ""
	if a.canonical == "" {
		a.readMessage()
	}
	return a
}

// readXML reads the answer of S3 and of the query protocols, whose elements have
// the same names at different depths.
func (a *answer) readXML(data []byte) {
	d := xml.NewDecoder(bytes.NewReader(data))
	d.Strict = false
	found := make(map[string]string)
	var name string
	var text []byte
	for {
		t, err := d.Token()
		if err != nil {
			break // what came before it may do
		}
		switch t := t.(type) {
		case xml.StartElement:
			name, text = t.Name.Local, nil
		case xml.CharData:
			text = append(text, t...)
		case xml.EndElement:
			if _, ok := found[name]; !ok && name == t.Name.Local {
				found[name] = string(bytes.TrimSpace(text))
			}
			name = ""
		}
	}
	if found["Code"] == "" {
		return // another document
	}
	a.code, a.message = found["Code"], found["Message"]
	a.canonical, a.toSign = found["CanonicalRequest"], found["StringToSign"]
	// The same in hex, for characters that XML can't have.
	if b, err := hex.DecodeString(strings.ReplaceAll(found["CanonicalRequestBytes"], " ", "")); err == nil && len(b) > 0 {
		a.canonical = string(b)
	}
	a.signature = found["SignatureProvided"]
	a.region = cmp.Or(a.region, found["Region"])
	a.endpoint = found["Endpoint"]
	a.unsigned = found["HeadersNotSigned"]
	a.bodyHash = found["S3ComputedContentSHA256"]
	a.serverTime, a.requestTime = readTime(found["ServerTime"]), readTime(found["RequestTime"])
}

// readTime reads a time as S3 writes it, zero if it is none.
func readTime(text string) time.Time {
	for _, layout := range []string{time.RFC3339, dateFormat, http.TimeFormat} {
		if t, err := time.Parse(layout, text); err == nil {
			return t
		}
	}
	return time.Time{}
}

// readJSON reads the answer of the JSON protocols and of gateways.
func (a *answer) readJSON(data []byte) {
	type said struct{ Code, Message string }
	var doc struct {
		Type string `json:"__type"`
		said
		Error  said
		Errors []said
	}
	json.Unmarshal(data, &doc) // fields of another type stay empty
	a.code = cmp.Or(a.code, doc.Type)
	for _, s := range append([]said{doc.said, doc.Error}, doc.Errors...) {
		a.code, a.message = cmp.Or(a.code, s.Code), cmp.Or(a.message, s.Message)
	}
}

// readMessage takes the canonical request and the string to sign out of the message,
// where the JSON and the query protocols have them.
func (a *answer) readMessage() {
	message := strings.ReplaceAll(a.message, "\r\n", "\n")
	_, after, _ := strings.Cut(message, "The Canonical String for this request should have been\n'")
	canonical, toSign, ok := strings.Cut(after, "'\n\nThe String-to-Sign should have been\n'")
	if ok {
		a.canonical = strings.TrimPrefix(canonical, "\n")
		a.toSign, _, _ = strings.Cut(toSign, "'")
	}
}
