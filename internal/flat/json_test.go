package flat

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// What is read and what is refused is what encoding/json reads and refuses, but
// for values of no interest that are nested too deep.
func checkJSON(t *testing.T, data []byte) {
	var want struct{ Code, AccessKeyID, Token string }
	err := json.Unmarshal(data, &want)
	got := want
	got.Code, got.AccessKeyID, got.Token = "", "", ""
	ok := JSON(data, Field{Name: "Code", To: &got.Code}, Field{Name: "AccessKeyId", To: &got.AccessKeyID}, Field{Name: "Token", To: &got.Token})
	if !ok && bytes.Count(data, []byte("["))+bytes.Count(data, []byte("{")) > maxDepth {
		return
	}
	if ok != (err == nil) || ok && got != want {
		t.Errorf("%q: got %q, %v, want %q, %v", data, got, ok, want, err)
	}
}

var jsonSeeds = []string{
	`{"Code":"Success","LastUpdated":"x","AccessKeyId":"A","SecretAccessKey":"S","Token":"T"}`,
	` { "code" : "a" , "TOKEN" : null , "Code" : "b" } ` + "\r\n\t",
	`{"\u0043ode":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\ud83d\ud83d\ude00\ud83dx\ude00"}`,
	`{"To` + "\u212a" + `en":"Kelvin","accessKeyId":"` + "\xff\xc3" + `"}`,
	`{"a":{"b":[1,-0.5e+10,1E-2,0,true,false,null,{}],"Code":1},"Code":"x","c":[]}`,
	`{}`, `null`, ` null `, `nullx`, `[]`, `"x"`, `1`, ``, ` `, `{`, `{"`, `{"Code`, `{"Code"`, `{"Code":`, `{"Code":"`, `{"Code":"x"`,
	`{"Code":"x",}`, `{,}`, `{"Code" "x"}`, `{"Code":1}`, `{"Code":nulL}`, `{"Code":["x"]}`, `{"Code":{}}`, `{"Code":true}`, `{x:1}`, `{"a":[1,]}`, `{"a":[1 2]}`, `{"a":[}`, `{"a":{]}`,
	`{"a":01}`, `{"a":-}`, `{"a":1.}`, `{"a":.1}`, `{"a":1e}`, `{"a":1e+}`, `{"a":+1}`, `{"a":-01}`, `{"a":tru}`, `{"a":NaN}`,
	`{"a":"\x"}`, `{"a":"\u12g4"}`, `{"a":"\u123"}`, "{\"a\":\"\\u\x10041\"}", `{"a":"\uD83D\u"}`, `{"a":"\uD83D\u12"}`, "{\"a\":\"\n\"}", "{\"a\":\"\x00\"}", "{\"a\x7f\":\"\x1f\"}", "{\"a\":1}\x00", `{"a":1}{}`, `{"Code":"a"}x`,
}

func TestJSON(t *testing.T) {
	for _, seed := range jsonSeeds {
		checkJSON(t, []byte(seed))
	}
	for i := range jsonSeeds[0] {
		checkJSON(t, []byte(jsonSeeds[0][:i]))
	}
	var code string
	nested := func(n int) []byte {
		return []byte(`{"a":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `,"Code":"x"}`)
	}
	if !JSON(nested(maxDepth-1), Field{Name: "Code", To: &code}) || code != "x" {
		t.Errorf("%d deep: got %q", maxDepth, code)
	}
	if JSON(nested(maxDepth)) || JSON(bytes.Repeat([]byte(`{"a":`), 1<<20)) || JSON(bytes.Repeat([]byte(`[`), 1<<20)) {
		t.Error("no bound to the depth")
	}
}

// Members can be in objects and arrays, and what is no string does not hide others.
func TestJSONPath(t *testing.T) {
	var first, second, third string
	fields := []Field{{Name: "code", To: &first}, {Name: "Error>Code", To: &second}, {Name: "errors>code", To: &third, First: true}}
	if !JSON([]byte(`{"error":{"code":"a","x":[{"code":"b"}],"":{"code":"c"}},"errors":[{"code":""},{"code":"d"},{"code":"e"},{"x":{"code":"e"}},"f"],"code":"g","":{"code":"h"},"x>code":"i"}`), fields...) ||
		first != "g" || second != "a" || third != "d" {
		t.Errorf("got %q, %q, %q", first, second, third)
	}
	if JSON([]byte(`{"code":403,"error":{"code":["x"]},"errors":{"code":"j","":"k"}}`), fields...) || first != "g" || second != "a" || third != "d" {
		t.Errorf("of other types: got %q, %q, %q", first, second, third)
	}
}

func FuzzJSON(f *testing.F) {
	for _, seed := range jsonSeeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(checkJSON)
}
