package awsauth

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-awsauth/awsauth/internal/reference"
)

// Judges are a Verifier and the reference, which expect the same.
type judges struct {
	v   *Verifier
	ref *reference.Verifier

	accepted, refused, beyond int
	codes                     map[string]int // pairs that differ
}

func newJudges(token, service, region string) *judges {
	ref := &reference.Verifier{Service: service, Region: region, Now: func() time.Time { return docsTime }, Secret: func(id string) (string, string, bool) {
		if docs := docsKeys(); id == docs.AccessKeyID {
			return docs.SecretAccessKey, "", true
		}
		return testSecret, token, id == testID
	}}
	return &judges{v: verifierLike(ref), ref: ref, codes: make(map[string]int)}
}

// judge has both judge a request as it came over the wire, and returns where they
// disagree, and the signature that the reference holds for right.
func (j *judges) judge(wire []byte) (signature string, err error) {
	read := func() (*http.Request, error) { return http.ReadRequest(bufio.NewReader(bytes.NewReader(wire))) }
	r, err := read()
	if err != nil {
		return "", nil // the server of net/http answers it
	}
	got, body, err := verifyAll(j.v, r)
	if len(body) > len(wire) {
		return "", fmt.Errorf("read %d bytes of %d", len(body), len(wire))
	}
	var refusal *VerifyError
	if errors.As(err, &refusal) {
		if s := refusal.Message + refusal.CanonicalRequest + refusal.StringToSign + err.Error(); strings.Contains(s, testSecret) {
			return "", fmt.Errorf("the secret is in %q", s)
		}
	}

	again, _ := read()
	res, rerr := j.ref.Verify(again)
	if beyondReference(r, res) {
		j.beyond++
		return res.Signature, nil
	}
	switch {
	case err == nil && rerr == nil:
		j.accepted++
		return res.Signature, agree(got, res)
	case err != nil && rerr != nil:
		j.refused++
		var theirs *reference.Error
		if errors.As(rerr, &theirs) && codeOf(err) != theirs.Code {
			j.codes[codeOf(err)+" | "+theirs.Code]++
		}
		return res.Signature, nil
	}
	if refusal == nil {
		refusal = new(VerifyError)
	}
	return "", fmt.Errorf("Verifier: %v\nreference: %v\n%s\n%s", err, rerr, refusal.CanonicalRequest, res.CanonicalRequest)
}

// beyondReference reports whether a request is of a kind that the reference does not
// know, or sees otherwise for a reason.
func beyondReference(r *http.Request, res reference.Result) bool {
	head := strings.Join(r.Header["Authorization"], "") + r.RequestURI
	return strings.Contains(head, algorithm4A) ||
		strings.Contains(strings.Join(r.Header["X-Amz-Content-Sha256"], ""), "STREAMING-") ||
		res.Presigned && strings.Contains(r.RequestURI, "Sha256") || // a payload in the query
		res.Service == "s3express" || // takes the usual token too
		!res.Presigned && s3Family(res.Service) && r.Header["X-Amz-Content-Sha256"] == nil || // which S3 demands
		r.Header["X-Amz-Date"] == nil && r.Header["Date"] != nil || // taken in its place
		strings.Count(head, "/") > 5 && len(strings.Split(res.AccessKeyID, "/")) != 1 ||
		slices.Contains(res.SignedHeaders, "transfer-encoding") ||
		strings.Contains(r.URL.RawQuery, ";") || // refused, as is x:y://host/
		!strings.HasPrefix(r.RequestURI, "/") && !strings.HasPrefix(r.RequestURI, "http") ||
		len(r.RequestURI) > maxURI || strings.Count(r.RequestURI, "&") >= maxVerifyParams || len(head) > maxCredential
}

// signedWire returns a random request, signed, in the bytes of the wire.
func signedWire(r *rand.Rand, token string) []byte {
	for {
		f := randomRequest(r)
		req := f.request("https")
		s := &Signer{Service: []string{"s3", "execute-api", "aoss", "iotdevicegateway"}[f.service%4], Region: "eu-west-1",
			Credentials: Credentials{AccessKeyID: testID, SecretAccessKey: testSecret, SessionToken: token}, Now: func() time.Time { return docsTime }}
		sign := signHeader
		if f.again {
			sign = signQuery
		}
		var b bytes.Buffer
		if sign(s, req) == nil && req.Write(&b) == nil {
			return b.Bytes()
		}
	}
}

// mutate changes a request somewhere, as an attacker or a proxy might.
func mutate(r *rand.Rand, wire []byte) []byte {
	at := r.IntN(len(wire))
	pick := func(s ...string) string { return s[r.IntN(len(s))] }
	switch r.IntN(9) {
	case 0:
		b := bytes.Clone(wire)
		b[at] ^= 1 << r.IntN(8)
		return b
	case 1:
		return slices.Delete(bytes.Clone(wire), at, min(len(wire), at+1+r.IntN(3)))
	case 2:
		return slices.Insert(bytes.Clone(wire), at, []byte(pick("%", "%20", "+", "&", "=", ";", ",", "/", "//", "..", "/./", " ", "\t", "a", "0", "\r\n", "é", "X-Amz-"))...)
	case 3: // a line more
		line := pick("X-Amz-Date: 20130524T000000Z", "x-amz-acl: private", "X-Amz-Security-Token: t", "Host: b.example", "Date: Fri, 24 May 2013 00:00:00 GMT",
			"Authorization: AWS4-HMAC-SHA256 x", "X-Amz-Content-Sha256: UNSIGNED-PAYLOAD", "X-Amz-Content-Sha256: x", "Content-Type: a/b", "Connection: x")
		i := bytes.Index(wire, []byte("\r\n"))
		return slices.Concat(wire[:i+2], []byte(line+"\r\n"), wire[i+2:])
	case 4: // a line less, twice, or elsewhere
		lines := bytes.SplitAfter(wire, []byte("\r\n"))
		i := r.IntN(len(lines))
		lines = slices.Insert(slices.Delete(slices.Clone(lines), i, i+1), r.IntN(len(lines)), slices.Repeat([][]byte{lines[i]}, r.IntN(3))...)
		return bytes.Join(lines, nil)
	case 5: // a parameter more
		param := pick("X-Amz-Signature=0", "X-Amz-Expires=1", "X-Amz-Algorithm=x", "X%2dAmz-Date=20130524T000000Z", "a=b", "X-Amz-Security-Token=t", "x-amz-acl=private", "", "=", "%zz")
		first, rest, _ := bytes.Cut(wire, []byte(" HTTP/"))
		separator := "?"
		if bytes.Contains(first, []byte("?")) {
			separator = "&"
		}
		return slices.Concat(first, []byte(separator+param+" HTTP/"), rest)
	case 6: // a parameter less or elsewhere
		first, rest, _ := bytes.Cut(wire, []byte(" HTTP/"))
		path, query, _ := bytes.Cut(first, []byte("?"))
		params := bytes.Split(query, []byte("&"))
		r.Shuffle(len(params), func(i, j int) { params[i], params[j] = params[j], params[i] })
		params = params[r.IntN(2):]
		return slices.Concat(path, []byte("?"), bytes.Join(params, []byte("&")), []byte(" HTTP/"), rest)
	case 7: // another scope, name, time or payload
		words := []string{"20130524", "eu-west-1", "/s3/", "aws4_request", testID, "SignedHeaders", "host", "AWS4-HMAC-SHA256", "000000Z", "3600", emptyHash, "x-amz-date", ";", ", "}
		word := pick(words...)
		return bytes.Replace(wire, []byte(word), []byte(pick("", "x", "20130525", "us-east-1", "1", "0", "604801", "Host", "000001Z", "001600Z", "235959Z", "UNSIGNED-PAYLOAD", word+";"+word, word+word)), 1)
	default: // the body
		return append(bytes.Clone(wire), pick("x", "\r\n", "0\r\n\r\n")...)
	}
}

// resigned puts a signature in the place of the one that the request claims.
func resigned(wire []byte, signature string) []byte {
	i := bytes.LastIndex(wire, []byte("Signature="))
	if i < 0 || signature == "" {
		return nil
	}
	i += len("Signature=")
	end := i
	for end < len(wire) && isHex(wire[end]) {
		end++
	}
	return slices.Concat(wire[:i], []byte(signature), wire[end:])
}

// Thousands of requests, as they were signed, mutated, and mutated and then signed by
// the reference: the two judges agree on all, and on the code of nearly all.
func TestVerifyAgreesWithReference(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	all := []*judges{newJudges("", "", ""), newJudges(testToken, "", "eu-west-1"), newJudges("", "s3", "eu-west-1")}
	tokens := []string{"", testToken, ""}
	n := 3000
	if testing.Short() {
		n = 500
	}
	for i := range n {
		j := all[i%len(all)]
		wire := signedWire(r, tokens[i%len(all)])
		if _, err := j.judge(wire); err != nil {
			t.Fatalf("%v\n%q", err, wire)
		}
		for range 4 {
			mutated := mutate(r, wire)
			signature, err := j.judge(mutated)
			if err != nil {
				t.Fatalf("%v\n%q", err, mutated)
			}
			if again := resigned(mutated, signature); again != nil {
				if _, err := j.judge(again); err != nil {
					t.Fatalf("signed by the reference: %v\n%q", err, again)
				}
			}
		}
	}
	for _, j := range all {
		t.Logf("accepted %d, refused %d, beyond the reference %d, of other codes %v", j.accepted, j.refused, j.beyond, j.codes)
		if !testing.Short() && (j.accepted < 1000 || j.refused < 2000) {
			t.Error("too few")
		}
		for pair := range j.codes {
			ours, theirs, _ := strings.Cut(pair, " | ")
			if !slices.Contains(otherCodes[theirs], ours) && theirs != "IncompleteBody" { // it reads the body first
				t.Errorf("%s: not explained", pair)
			}
		}
	}
}

// otherCodes are Verifier's codes, by the reference's, that differ for a reason.
var otherCodes = map[string][]string{
	// Host is unsigned, which S3 words as other unsigned headers; the mechanism is not
	// known; an access key ID may have slashes.
	codeHeaderMalformed: {codeAccessDenied, codeRequest, codeUnknownKey},
	codeQueryMalformed:  {codeAccessDenied, codeUnknownKey},
	// Verifier looks at the headers before the key and at the scope before the payload.
	codeToken:    {codeAccessDenied},
	codeArgument: {codeAccessDenied, codeHeaderMalformed, codeQueryMalformed, codeSkewed},
}

// Garbage and mutated requests: no panic, and agreement with the reference, as they
// are and with the signature that the reference holds for right.
func FuzzVerify(f *testing.F) {
	r := rand.New(rand.NewPCG(7, 8))
	for i := range 60 {
		wire := signedWire(r, []string{"", testToken}[i%2])
		if i > 20 {
			wire = mutate(r, wire)
		}
		f.Add(wire, uint8(i))
	}
	for _, text := range []string{docsGet, docsPut, docsPresigned, sqsPost} {
		f.Add(wireOf(text), uint8(0))
	}
	all := []*judges{newJudges("", "", ""), newJudges(testToken, "", "eu-west-1"), newJudges("", "s3", "")}
	f.Fuzz(func(t *testing.T, wire []byte, kind uint8) {
		j := all[int(kind)%len(all)]
		signature, err := j.judge(wire)
		if err != nil {
			t.Fatal(err)
		}
		if again := resigned(wire, signature); again != nil {
			if _, err := j.judge(again); err != nil {
				t.Fatalf("signed by the reference: %v", err)
			}
		}
	})
}

// Garbage and mutated aws-chunked bodies: no panic, no more memory than came, and
// what is accepted has the length that was promised.
func FuzzVerifyChunks(f *testing.F) {
	for i, payload := range chunkedPayloads {
		_, c := chunkedRequest(f, payload, "11", "x-amz-checksum-crc32")
		f.Add([]byte(c.encode(checksumsOf("hello world"), "hello ", "world")), uint8(i), uint16(11), "x-amz-checksum-crc32,x-amz-checksum-crc32c,x-amz-checksum-sha1,x-amz-checksum-sha256")
		f.Add([]byte(c.encode(nil)), uint8(i), uint16(0), "")
	}
	v := docsVerifier()
	f.Fuzz(func(t *testing.T, body []byte, kind uint8, length uint16, trailer string) {
		if !isFieldValue(trailer) || string(appendFolded(nil, trailer)) != trailer {
			trailer = ""
		}
		r, _ := chunkedRequest(t, chunkedPayloads[int(kind)%len(chunkedPayloads)], fmt.Sprint(length), trailer)
		r = withBody(r, string(body))
		if _, err := v.Verify(r); err != nil {
			if codeOf(err) != codeTrailer {
				t.Fatal(err)
			}
			return
		}
		data, err := io.ReadAll(r.Body)
		if len(data) > len(body) || err == nil && len(data) != int(length) || strings.HasPrefix(codeOf(err), "not a") {
			t.Errorf("%d bytes of %d, %d promised: %v", len(data), len(body), length, err)
		}
		if d := r.Body.(bodyReader).Reader.(*chunkDecoder); cap(d.buf) > 4*(64<<10+len(body)) {
			t.Errorf("a buffer of %d bytes for a body of %d", cap(d.buf), len(body))
		}
	})
}
