package awsauth

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
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
			for i := range b {
				b[i] = byte(rand.Uint32())
			}
			if got, want := string(appendHex([]byte("x"), b)), "x"+hex.EncodeToString(b); got != want {
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
				m.fields = append(m.fields, field{name: name, values: []string{name}})
				want = append(want, strings.ToLower(name))
			}
			slices.Sort(want)
			m.listSigned()
			if got := string(m.signed); got != strings.Join(want, ";") {
				t.Fatalf("got  %s\nwant %s", got, strings.Join(want, ";"))
			}
			for i, at := range m.order {
				f := m.fields[at]
				if strings.ToLower(f.name) != want[i] || f.values[0] != f.name {
					t.Fatalf("%d: %q has the values %q", i, f.name, f.values)
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
			for i, p := range m.params {
				if got := string(p.name) + "\x00" + string(p.value); got != want[i] {
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
			slices.ContainsFunc(fields, func(f field) bool { return f.values != nil }) {
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
