package awsauth

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"
)

// What is done eight or four bytes at once is what is done byte by byte.
func TestManyBytesAtOnce(t *testing.T) {
	var all []byte
	for c := range 0x80 {
		all = append(all, byte(c))
	}
	for n := range 40 {
		for range 100 {
			rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			b := slices.Clone(all[:n])
			lowerAll(b)
			if want := strings.ToLower(string(all[:n])); string(b) != want {
				t.Fatalf("got %q, want %q", b, want)
			}
			var sum [32]byte
			for i := range sum {
				sum[i] = byte(rand.Uint32())
			}
			if got, want := string(appendHex([]byte("x"), &sum)), "x"+hex.EncodeToString(sum[:]); got != want {
				t.Fatalf("got %s, want %s", got, want)
			}
		}
	}
}

// Header names sort as they would in lower case, and few as many.
func TestSortFields(t *testing.T) {
	const chars = "AZaz09-!~_^|"
	for n := range 60 {
		for range 50 {
			m := new(message)
			var want []string
			for range n {
				b := []byte("X-Amz-")[:rand.IntN(7)]
				for range 1 + rand.IntN(6) {
					b = append(b, chars[rand.IntN(len(chars))])
				}
				name := http.CanonicalHeaderKey(string(b))
				m.fields = append(m.fields, field{name: name, value: name})
				want = append(want, strings.ToLower(name))
			}
			slices.Sort(want)
			m.listSigned()
			if got := string(m.signed); got != strings.Join(want, ";") {
				t.Fatalf("got  %s\nwant %s", got, strings.Join(want, ";"))
			}
			for i, at := range m.order {
				f := m.fields[at]
				if strings.ToLower(f.name) != want[i] || f.value != f.name {
					t.Fatalf("%d: %q has the value %q", i, f.name, f.value)
				}
			}
		}
	}
}

func TestSortParams(t *testing.T) {
	for n := range 60 {
		for range 20 {
			m := new(message)
			var want []string
			for range n {
				name, value := fmt.Sprint(rand.IntN(12)), fmt.Sprint(rand.IntN(3))
				m.addParam(name, value)
				want = append(want, name+"\x00"+value)
			}
			m.sortParams()
			slices.Sort(want)
			for i, at := range m.paramOrder {
				p := m.params[at]
				if got := string(m.query[p.start:p.equals]) + "\x00" + string(m.query[p.equals+1:p.end]); got != want[i] {
					t.Fatalf("%d: got %q, want %q", i, got, want[i])
				}
			}
		}
	}
}

// Between requests a message keeps memory, a bounded amount of it, and nothing else.
func TestFree(t *testing.T) {
	s := &Signer{Service: "dynamodb", Region: "us-east-1", Credentials: testKeys}
	request := func(headers, params, value int) *http.Request {
		req, err := http.NewRequest("PUT", "https://bucket.s3.us-east-1.amazonaws.com/"+strings.Repeat("a", value)+"?"+strings.Repeat("a=b&", params), strings.NewReader("body"))
		if err != nil {
			t.Fatal(err)
		}
		for i := range headers {
			req.Header.Set(fmt.Sprint("X-Amz-Meta-", i), "v")
		}
		return req
	}
	for _, c := range []struct {
		name                   string
		headers, params, value int
		kept                   bool
	}{
		{"small", 10, 10, 10, true},
		{"headers", 1100, 0, 0, false},
		{"parameters", 0, 1100, 0, false},
		{"path", 0, 0, 65 << 10, false},
	} {
		var st state
		st.messages.New = newMessage
		m := st.message()
		if err := m.signHeaders(s, request(c.headers, c.params, c.value), nil, algorithm4, nil); err != nil {
			t.Fatal(err)
		}
		m.assignHeaders()
		fields := m.fields
		st.messages.New = nil
		st.free(m)
		if raceEnabled {
			continue // sync.Pool drops items under the race detector
		}
		if got := st.messages.Get(); (got != nil) != c.kept {
			t.Errorf("%s: kept: %v", c.name, got != nil)
		} else if !c.kept {
			continue
		}
		if m.req != nil || m.creds != (Credentials{}) || m.hash.ctx != nil || len(m.fields)+len(m.digest)+len(m.params) > 0 ||
			slices.ContainsFunc(fields, func(f field) bool { return f.value != "" || f.more != nil }) {
			t.Errorf("%s: something of the request stays: %+v", c.name, m)
		}
	}
}

// A signing key is no other access key's, whose secret may be the same.
func TestOneSecretOfTwoKeys(t *testing.T) {
	now := time.Now()
	s := &Signer{Service: "s3", Region: "us-east-1", Now: func() time.Time { return now }}
	for range 2 {
		for _, id := range []string{"AKIDFIRST", "AKIDSECOND"} {
			keys := Credentials{AccessKeyID: id, SecretAccessKey: testSecret}
			req, _ := http.NewRequest("GET", "https://bucket.s3.us-east-1.amazonaws.com/", nil)
			if err := s.Sign4(req, keys); err != nil {
				t.Fatal(err)
			}
			if got := req.Header.Get("Authorization"); !strings.HasPrefix(got, algorithm4+" Credential="+id+"/") {
				t.Errorf("%s: %s", id, got)
			}
			if err := s.Presign(req, time.Minute, keys); err != nil {
				t.Fatal(err)
			}
			if got := req.URL.Query().Get("X-Amz-Credential"); !strings.HasPrefix(got, id+"/") {
				t.Errorf("%s: %s", id, got)
			}
		}
	}
}

// Values are signed with their white space folded, however long they are.
// Names of headers may be in memory that changes after the request.
func TestNamesInBorrowedMemory(t *testing.T) {
	s := &Signer{Service: "ec2", Region: "us-east-1", Credentials: testKeys}
	buffer := []byte("X-One")
	for _, name := range []string{"X-One", "X-Two", "X-One"} {
		copy(buffer, name)
		req, _ := http.NewRequest("GET", "https://h.example/", nil)
		req.Header = http.Header{unsafe.String(&buffer[0], len(buffer)): {"v"}}
		if err := s.Sign4(req); err != nil {
			t.Fatal(err)
		}
		if got := req.Header.Get("Authorization"); !strings.Contains(got, "SignedHeaders=host;x-amz-date;"+strings.ToLower(name)+",") {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// A Signer remembers what the request before had. What it makes of the next one is
// what a new Signer makes of it.
func TestRemembers(t *testing.T) {
	pick := func(of ...string) string { return of[rand.IntN(len(of))] }
	temporary := testKeys
	temporary.SessionToken = "token/=="
	other := Credentials{AccessKeyID: testID, SecretAccessKey: "another secret"}
	bad := Credentials{AccessKeyID: testID, SecretAccessKey: testSecret, SessionToken: "to\nken"}
	keys := []Provider{testKeys, testKeys, testKeys, temporary, other, bad, Anonymous{}, Credentials{AccessKeyID: "a,b", SecretAccessKey: "c"}}
	names := []string{"Range", "Accept", "X-Amz-Meta-A", "X-Amz-Meta-B", "Content-Type", "User-Agent", "x-amz-meta-a", "X-Amz-Date",
		"Authorization", "X-Amz-Content-Sha256", "Connection", "Content-Encoding", "X Bad", ""}
	values := [][]string{{"a"}, {"b"}, {"c d"}, {" e  f\t"}, {"a", "b"}, {"range"}, {emptyHash}, {}, nil, {"bad\n"}}

	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	random := func() *http.Request {
		u, err := url.Parse(pick("http", "https") + "://" + pick("b.s3.us-east-1.amazonaws.com", "b.s3.us-east-1.amazonaws.com",
			"B.s3.us-east-1.amazonaws.com:443", "s3.eu-west-1.amazonaws.com", "dynamodb.us-east-1.amazonaws.com", "localhost:80", "bücher.example") +
			pick("", "/", "/a/b", "/a b", "/a//../b") +
			pick("", "", "?", "?b=1&a=2", "?a=%2f&b", "?a=%2F&a=%20&", "?a=+", "?%", "?X-Amz-Signature=a&b", "?X-Amz-Date=a"))
		if err != nil {
			t.Fatal(err)
		}
		req := &http.Request{Method: pick("GET", "GET", "PUT", "PUT", "", "ODD", "CONNECT", "G T"), URL: u, Header: http.Header{}, Host: pick("", "", "", "example.com", "bücher.example")}
		for range rand.IntN(4) {
			name, value := rand.IntN(len(names)), rand.IntN(len(values))
			if rand.IntN(4) > 0 {
				name, value = rand.IntN(4), rand.IntN(5)
			}
			req.Header[names[name]] = values[value]
		}
		return req
	}
	for range 100 {
		template := Signer{Service: pick("", "", "s3", "s3", "dynamodb", "iotdevicegateway"), Region: pick("", "us-east-1", "us-east-1", "*", "a/b"),
			Payload: Payload(pick("", "", "", "UNSIGNED-PAYLOAD", string(StreamingPayload), string(StreamingPayloadTrailer)))}
		newSigner := func() *Signer {
			return &Signer{Service: template.Service, Region: template.Region, Payload: template.Payload, Now: func() time.Time { return now }}
		}
		var requests []*http.Request
		for range 10 {
			requests = append(requests, random())
		}
		s := newSigner()
		for range 300 {
			if rand.IntN(20) == 0 {
				now = now.Add(time.Duration(rand.IntN(2)) * 12 * time.Hour)
			}
			req, p, how, body := requests[rand.IntN(len(requests))], keys[rand.IntN(len(keys))], rand.IntN(5), pick("", "body")
			sign := func(s *Signer) (string, error) {
				req := req.Clone(t.Context())
				if body != "" {
					req.Body, req.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
				}
				var err error
				switch how {
				case 0:
					err = s.Presign(req, time.Hour, p)
				case 1:
					err = s.Sign4A(req, p)
				default:
					err = s.Sign4(req, p)
				}
				return fmt.Sprint(req.URL, req.Host, req.Header), err
			}
			got, err := sign(s)
			want, wantErr := sign(newSigner())
			if got != want || (err == nil) != (wantErr == nil) { // of two faults either may be told
				t.Fatalf("%s %s %s %v:\ngot  %s %v\nwant %s %v", req.Method, req.URL, req.Host, req.Header, got, err, want, wantErr)
			}
		}
	}
}

func TestAppendFolded(t *testing.T) {
	for n := range 40 {
		for range 200 {
			v := make([]byte, n)
			for i := range v {
				v[i] = "a \t,\xe9"[rand.IntN(5)]
			}
			words := bytes.FieldsFunc(v, func(c rune) bool { return c == ' ' || c == '\t' })
			if got, want := string(appendFolded(nil, string(v))), string(bytes.Join(words, []byte{' '})); got != want {
				t.Fatalf("%q: got %q, want %q", v, got, want)
			}
		}
	}
}
