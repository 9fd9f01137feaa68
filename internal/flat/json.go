package flat

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is how deep the values in an object may be nested.
const maxDepth = 100

// JSON reads members of the object that data is, whose names may be in any case,
// and reports whether data is one, or null, and each field a string, or null. Other
// members may be nested 100 deep. Where it reports false some fields may be read.
func JSON(data []byte, fields ...Field) bool {
	r := jsonReader{reader: reader{data: data}, fields: fields}
	r.space()
	ok := r.peek() == '{' && r.value(0) || r.skip("null")
	r.space()
	return ok && r.at == len(data) && !r.other
}

type jsonReader struct {
	reader
	fields []Field
	in     []string // the names of the members that the reader is in
	text   []byte   // the last string
	other  bool     // a field is neither a string nor null
}

// value reads a value at a depth.
func (r *jsonReader) value(depth int) bool {
	switch c := r.peek(); c {
	case '"':
		return r.string()
	case '{', '[':
		return depth < maxDepth && r.members(depth, c)
	case 't':
		return r.skip("true")
	case 'f':
		return r.skip("false")
	case 'n':
		return r.skip("null")
	}
	return r.number()
}

// members reads an object or an array, which open begins.
func (r *jsonReader) members(depth int, open byte) bool {
	end := open + 2 // '}' and ']'
	r.at++
	r.space()
	if r.peek() == end {
		r.at++
		return true
	}
	for {
		var field *Field
		if open == '{' {
			if !r.string() {
				return false
			}
			r.in = append(r.in, string(r.text))
			field = r.field()
			r.space()
			if r.next() != ':' {
				return false
			}
			r.space()
		}
		kind := r.peek()
		if !r.value(depth + 1) {
			return false
		}
		if field != nil && kind == '"' {
			field.set(r.text)
		}
		r.other = r.other || field != nil && kind != '"' && kind != 'n'
		if open == '{' {
			r.in = r.in[:len(r.in)-1]
		}
		r.space()
		switch r.next() {
		case end:
			return true
		case ',':
			r.space()
		default:
			return false
		}
	}
}

// field returns the field that the innermost member is, or nil.
func (r *jsonReader) field() *Field {
	for i := range r.fields {
		if r.isIn(r.fields[i].Name) {
			return &r.fields[i]
		}
	}
	return nil
}

// isIn reports whether the innermost member is where path leads.
func (r *jsonReader) isIn(path string) bool {
	for _, member := range r.in {
		name, rest, _ := strings.Cut(path, ">")
		if path == "" || !strings.EqualFold(name, member) {
			return false
		}
		path = rest
	}
	return path == ""
}

// string reads a string into r.text.
func (r *jsonReader) string() bool {
	r.text = r.text[:0]
	if r.next() != '"' {
		return false
	}
	for {
		switch c := r.next(); {
		case c == '"':
			return true
		case c < ' ':
			return false
		case c == '\\':
			if !r.escape() {
				return false
			}
		case c < utf8.RuneSelf:
			r.text = append(r.text, c)
		default:
			char, size := utf8.DecodeRune(r.data[r.at-1:])
			r.text = utf8.AppendRune(r.text, char)
			r.at += size - 1
		}
	}
}

// escape reads what follows a backslash.
func (r *jsonReader) escape() bool {
	c := r.next()
	if c != 'u' {
		i := strings.IndexByte(`"\/bfnrt`, c)
		if i < 0 {
			return false
		}
		r.text = append(r.text, "\"\\/\b\f\n\r\t"[i])
		return true
	}
	char, ok := r.hex4()
	if utf16.IsSurrogate(char) {
		after := *r
		if after.skip(`\u`) {
			low, _ := after.hex4()
			if pair := utf16.DecodeRune(char, low); pair != utf8.RuneError {
				char, r.at = pair, after.at
			}
		}
	}
	r.text = utf8.AppendRune(r.text, char) // U+FFFD for half a pair
	return ok
}

func (r *jsonReader) hex4() (char rune, ok bool) {
	for range 4 {
		c := r.next()
		digit := strings.IndexByte("0123456789abcdef", c|0x20)
		if digit < 0 || c < '0' {
			return 0, false
		}
		char = char<<4 | rune(digit)
	}
	return char, true
}

// number moves past a number.
func (r *jsonReader) number() bool {
	r.skip("-")
	if !r.skip("0") && !r.digits() {
		return false
	}
	if r.skip(".") && !r.digits() {
		return false
	}
	if r.peek()|0x20 == 'e' {
		r.at++
		if !r.skip("+") {
			r.skip("-")
		}
		return r.digits()
	}
	return true
}

func (r *jsonReader) digits() bool {
	start := r.at
	for c := r.peek(); '0' <= c && c <= '9'; c = r.peek() {
		r.at++
	}
	return r.at > start
}
