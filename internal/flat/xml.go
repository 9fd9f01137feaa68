package flat

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"
)

// XML reads elements below the one that data is, root, or * for any, by their names
// without prefix, and reports whether data is such an element. What comes after it is not
// looked at. A DOCTYPE and names beyond ASCII are refused; what an XML declaration
// says is passed over, for all is UTF-8.
func XML(data []byte, root string, fields ...Field) bool {
	r := xmlReader{reader: reader{data: data}}
	for {
		text, ok := r.chars('<')
		if !ok {
			return false
		}
		r.add(text)
		ended := false
		switch {
		case r.skip("/"):
			ended = true
			if name := r.name(); len(r.open) == 0 || name != r.open[len(r.open)-1].name {
				return false
			}
			if r.space(); r.next() != '>' {
				return false
			}
		case r.skip("?"):
			_, ok = r.until("?>")
		case r.skip("!--"):
			if _, ok = r.until("--"); ok {
				ok = r.next() == '>'
			}
		case r.skip("![CDATA["):
			if text, ok = r.until("]]>"); ok {
				r.add(normal(text))
				ok = valid(text)
			}
		default:
			name := r.name()
			if name == "" || len(r.open) == 0 && root != "*" && local(name) != root {
				return false
			}
			r.open = append(r.open, element{name: name})
			ended, ok = r.attributes()
		}
		if !ok {
			return false
		}
		if !ended {
			continue
		}
		last := len(r.open) - 1
		for i := range fields {
			if f := &fields[i]; r.in(f.Name) {
				f.set(r.open[last].text)
			}
		}
		if r.open = r.open[:last]; last == 0 {
			return true
		}
	}
}

type xmlReader struct {
	reader
	open []element // that the reader is in
}

type element struct {
	name string
	text []byte
}

// add adds text to the innermost element.
func (r *xmlReader) add(text []byte) {
	if n := len(r.open); n > 0 {
		r.open[n-1].text = append(r.open[n-1].text, text...)
	}
}

// in reports whether the innermost element is where path leads from the root.
func (r *xmlReader) in(path string) bool {
	if name, anywhere := strings.CutPrefix(path, "*>"); anywhere {
		return local(r.open[len(r.open)-1].name) == name
	}
	for _, e := range r.open[1:] {
		var name string
		if name, path, _ = strings.Cut(path, ">"); name != local(e.name) {
			return false
		}
	}
	return path == ""
}

// local returns a name without its prefix.
func local(name string) string {
	if prefix, rest, _ := strings.Cut(name, ":"); prefix != "" && rest != "" {
		return rest
	}
	return name
}

// name reads a name. "": there is none.
func (r *xmlReader) name() string {
	start := r.at
	for c := r.peek(); 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_' || c == ':' ||
		r.at > start && ('0' <= c && c <= '9' || c == '-' || c == '.'); c = r.peek() {
		r.at++
	}
	name := string(r.data[start:r.at])
	if strings.Count(name, ":") > 1 {
		return ""
	}
	return name
}

// attributes reads the rest of a start tag, and reports whether it is an end tag
// too.
func (r *xmlReader) attributes() (ended, ok bool) {
	for {
		r.space()
		switch {
		case r.skip("/>"):
			return true, true
		case r.skip(">"):
			return false, true
		case r.name() == "":
			return false, false
		}
		r.space()
		if !r.skip("=") {
			return false, false
		}
		r.space()
		quote := r.next()
		if quote != '"' && quote != '\'' {
			return false, false
		}
		if _, ok := r.chars(quote); !ok {
			return false, false
		}
	}
}

// until returns what comes before s, and moves past it.
func (r *xmlReader) until(s string) (before []byte, ok bool) {
	if before, _, ok = bytes.Cut(r.data[r.at:], []byte(s)); ok {
		r.at += len(before) + len(s)
	}
	return before, ok
}

// chars reads characters up to and past end: a quote, or the '<' of a tag.
func (r *xmlReader) chars(end byte) (text []byte, ok bool) {
	for start := r.at; ; {
		switch c := r.next(); c {
		case end:
			return text, valid(text)
		case '<', 0:
			return nil, false
		case '>':
			if end == '<' && bytes.HasSuffix(r.data[start:r.at], []byte("]]>")) {
				return nil, false // only CDATA sections end so
			}
			text = append(text, c)
		case '&':
			name, ok := r.until(";")
			if !ok {
				return nil, false
			}
			if text, ok = appendEntity(text, string(name)); !ok {
				return nil, false
			}
		case '\r':
			r.skip("\n")
			text = append(text, '\n')
		default:
			text = append(text, c)
		}
	}
}

func appendEntity(b []byte, name string) ([]byte, bool) {
	switch name {
	case "lt":
		return append(b, '<'), true
	case "gt":
		return append(b, '>'), true
	case "amp":
		return append(b, '&'), true
	case "apos":
		return append(b, '\''), true
	case "quot":
		return append(b, '"'), true
	}
	digits, ok := strings.CutPrefix(name, "#")
	base := 10
	if hex, isHex := strings.CutPrefix(digits, "x"); isHex {
		digits, base = hex, 16
	}
	char, err := strconv.ParseUint(digits, base, 64)
	return utf8.AppendRune(b, rune(char)), ok && err == nil && char <= utf8.MaxRune
}

// normal returns text with its line ends as XML has them.
func normal(text []byte) []byte {
	return bytes.ReplaceAll(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n"))
}

// valid reports whether text is of characters that XML may have.
func valid(text []byte) bool {
	for len(text) > 0 {
		c, size := utf8.DecodeRune(text)
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == utf8.RuneError && size == 1 || c > 0xfffd && c < 0x10000 {
			return false
		}
		text = text[size:]
	}
	return true
}
