package flat

import (
	"bytes"
	"encoding/xml"
	"testing"
	"unicode/utf8"
)

// What is read and what is refused is what encoding/xml reads and refuses, but
// for what XML says.
func checkXML(t *testing.T, data []byte) {
	var want struct {
		XMLName xml.Name `xml:"Reply"`
		A       string   `xml:"Result>Credentials>A"`
		B       string   `xml:"Result>Credentials>B"`
		Code    string
	}
	err := xml.Unmarshal(data, &want)
	got := want
	got.A, got.B, got.Code = "", "", ""
	ok := XML(data, "Reply", Field{Name: "Result>Credentials>A", To: &got.A}, Field{Name: "Result>Credentials>B", To: &got.B}, Field{Name: "Code", To: &got.Code})
	switch {
	case !ok && (bytes.Contains(data, []byte("<!")) || !ascii(data)):
		return
	case bytes.Contains(data, []byte("<?")) && err != nil:
		return
	}
	got.XMLName = want.XMLName
	if ok != (err == nil) || ok && got != want {
		t.Errorf("%q: got %q, %v, want %q, %v", data, got, ok, want, err)
	}
}

func ascii(data []byte) bool {
	return bytes.IndexFunc(data, func(c rune) bool { return c >= utf8.RuneSelf }) < 0
}

var xmlSeeds = []string{
	`<Reply xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Result><Credentials><A>a</A><B>b&amp;&lt;&gt;&quot;&apos;&#65;&#x42;&#x10FFFF;</B></Credentials></Result><Code/></Reply>`,
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<Reply>\r\n <Code>\r x \r\n y &#13;</Code>\t</Reply>",
	`<r:Reply xmlns:r='u' a = "&lt;'>]]>" b='"'><r:Code >x<Code>y</Code>z</r:Code ></r:Reply >after <`,
	`<Reply><!-- a - b --><Code>x<!---->y<![CDATA[<&]]z]]></Code></Reply>`,
	`<Reply><Result><Credentials><A>1</A></Credentials></Result><Result><A>no</A><Credentials><x><A>no</A></x><A>2</A><A/></Credentials></Result><Result/></Reply>`,
	`<Reply><Code>first</Code><Code>last</Code></Reply>`, `<Reply/>`, `text <Reply/>`, `<Other/>`, `<Reply/`, `<Reply`, `<`, ``, `</Reply>`, `<Reply></Other>`, `<Reply></Reply x>`, `<Reply><a></Reply></a>`,
	`<a:Reply></Reply>`, `<Reply></a:Reply>`, `<a:b:Reply/>`, `<:Reply/>`, `<Reply:/>`, `<Reply><:Code>x</:Code></Reply>`, `<1/>`, `<-/>`, `< Reply/>`, `<Reply / >`, `<Reply a/>`, `<Reply a=b/>`, `<Reply a="<"/>`, `<Reply a="&x;"/>`, `<Reply a="1"b="2"/>`, `<Reply a="1" a="2"/>`, `<Reply a="`,
	`<Reply>&</Reply>`, `<Reply>&;</Reply>`, `<Reply>&BODY;</Reply>`, `<Reply>&#;</Reply>`, `<Reply>&#x;</Reply>`, `<Reply>&#0;</Reply>`, `<Reply>&#xD800;</Reply>`, `<Reply>&#x110000;</Reply>`, `<Reply>&#99999999999999999999;</Reply>`, `<Reply>&#+1;</Reply>`, `<Reply>&#X41;</Reply>`, `<Reply>&x41;</Reply>`, `<Reply>&41;</Reply>`,
	`<Reply>]]></Reply>`, `<Reply>]&#93;></Reply>`, `<Reply>]]<Code/>></Reply>`, `<Reply><![CDATA[]]></Reply>`, `<Reply><![CDATA[]]>></Reply>`, `<Reply><![CDATA[`, `<Reply><!-- -- --></Reply>`, `<Reply><!--`, `<!DOCTYPE x><Reply/>`, `<Reply><![cdata[x]]></Reply>`,
	"<Reply>\x01</Reply>", "<Reply>\x00</Reply>", "<Reply>\xff</Reply>", "<Reply>\uffff</Reply>", "<Reply>\ufffd\u00e9</Reply>", "<Reply a='\x01'/>", "<Reply>&#1;</Reply>", "<Reply\u00e9/>", "<Reply><![CDATA[\x01\r\n\r]]></Reply>", "<Reply><Code><![CDATA[\r\n\r]]></Code></Reply>",
	`<?x?><Reply/>`, `<?`, `<?xml version="1.0"?>`,
}

func TestXML(t *testing.T) {
	for _, seed := range xmlSeeds {
		checkXML(t, []byte(seed))
	}
	for i := range xmlSeeds[0] {
		checkXML(t, []byte(xmlSeeds[0][:i]))
	}
	for _, refused := range []string{xmlSeeds[0][:60], `<!DOCTYPE Reply [<!ENTITY x "y">]><Reply/>`, `<Reply><!ELEMENT x></Reply>`} {
		if XML([]byte(refused), "Reply") {
			t.Errorf("%q is taken", refused)
		}
	}
	for _, taken := range []string{xmlSeeds[0], xmlSeeds[1], xmlSeeds[2], xmlSeeds[3], `<?xml version="1.0" encoding="us-ascii"?><Reply/>`} {
		if !XML([]byte(taken), "Reply") {
			t.Errorf("%q is refused", taken)
		}
	}
}

// Elements can be anywhere, and the first of several may be wanted.
func TestXMLAnywhere(t *testing.T) {
	var first, last string
	if !XML([]byte(`<x:a><Code/><b><x:Code>1</x:Code></b><Code>2</Code></x:a>`), "*", Field{Name: "*>Code", To: &first, First: true}, Field{Name: "*>Code", To: &last}) ||
		first != "1" || last != "2" {
		t.Errorf("got %q, %q", first, last)
	}
}

func FuzzXML(f *testing.F) {
	for _, seed := range xmlSeeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(checkXML)
}
