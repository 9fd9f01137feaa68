package awsauth

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/go-awsauth/awsauth/internal/flat"
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

// readXML reads the answer of S3, of the query protocols or of EC2, whose elements
// have the same names at different depths. What comes before a fault in it may do.
func (a *answer) readXML(data []byte) {
	var code, hexCanonical, region, serverTime, requestTime string
	fields := []flat.Field{
		{Name: "Code", To: &code},
		{Name: "Message", To: &a.message},
		{Name: "CanonicalRequest", To: &a.canonical},
		{Name: "CanonicalRequestBytes", To: &hexCanonical},
		{Name: "StringToSign", To: &a.toSign},
		{Name: "SignatureProvided", To: &a.signature},
		{Name: "Region", To: &region},
		{Name: "Endpoint", To: &a.endpoint},
		{Name: "HeadersNotSigned", To: &a.unsigned},
		{Name: "S3ComputedContentSHA256", To: &a.bodyHash},
		{Name: "ServerTime", To: &serverTime},
		{Name: "RequestTime", To: &requestTime},
	}
	for i := range fields {
		fields[i].Name, fields[i].First = "*>"+fields[i].Name, true
	}
	flat.XML(data, "*", fields...)
	for _, f := range fields {
		*f.To = strings.TrimSpace(*f.To)
	}
	a.code = cmp.Or(code, a.code)
	// The same in hex, for characters that XML can't have.
	if b, err := hex.DecodeString(strings.ReplaceAll(hexCanonical, " ", "")); err == nil && len(b) > 0 {
		a.canonical = string(b)
	}
	a.region = cmp.Or(a.region, region)
	a.serverTime, a.requestTime = readTime(serverTime), readTime(requestTime)
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

// readJSON reads the answer of the JSON protocols and of gateways. Fields of another
// type stay empty.
func (a *answer) readJSON(data []byte) {
	var kind string
	var codes, messages [3]string
	fields := []flat.Field{{Name: "__type", To: &kind}}
	for i, in := range []string{"", "error>", "errors>"} {
		fields = append(fields,
			flat.Field{Name: in + "code", To: &codes[i], First: true},
			flat.Field{Name: in + "message", To: &messages[i], First: true})
	}
	flat.JSON(data, fields...)
	a.code = cmp.Or(a.code, kind, cmp.Or(codes[:]...))
	a.message = cmp.Or(messages[:]...)
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
