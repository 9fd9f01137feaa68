// Package flat reads the few strings that are wanted of a reply in JSON or XML, as
// encoding/json and encoding/xml do, which would be most of what signing adds to a
// program.
package flat

// A Field is a string to read, and where to put it. It stays as it is where the
// reply lacks it.
type Field struct {
	Name  string // those on the way from the root, with > between them; in XML *>name is one anywhere
	To    *string
	First bool // of several, the first that is not empty; else the last
}

func (f *Field) set(text []byte) {
	if !f.First || *f.To == "" {
		*f.To = string(text)
	}
}

// A reader is at a place in a reply.
type reader struct {
	data []byte
	at   int
}

// peek returns the byte at hand, and at the end 0, which neither format has.
func (r *reader) peek() byte {
	if r.at < len(r.data) {
		return r.data[r.at]
	}
	return 0
}

// next returns the byte at hand and moves past it.
func (r *reader) next() byte {
	c := r.peek()
	if r.at < len(r.data) {
		r.at++
	}
	return c
}

// skip moves past s, and reports whether s was there.
func (r *reader) skip(s string) bool {
	if len(r.data)-r.at < len(s) || string(r.data[r.at:r.at+len(s)]) != s {
		return false
	}
	r.at += len(s)
	return true
}

func (r *reader) space() {
	for c := r.peek(); c == ' ' || c == '\t' || c == '\n' || c == '\r'; c = r.peek() {
		r.at++
	}
}
