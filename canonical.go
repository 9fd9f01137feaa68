package awsauth

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/bits"
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"
)

// readURL reads the method, an opaque URL and the host.
func (m *message) readURL() error {
	if method := m.req.Method; method == http.MethodConnect || method != "" && !isToken(method) {
		return fmt.Errorf("awsauth: the method %q can't be signed: correct Request.Method", method)
	}
	if u := m.req.URL; u.Opaque != "" {
		// Over HTTP/1.1 net/http sends an opaque URL whole, over HTTP/2 its path.
		parsed, err := url.Parse((&url.URL{Scheme: u.Scheme, Opaque: u.Opaque}).String())
		if err != nil || parsed.Opaque != "" || parsed.RawQuery != "" || parsed.Fragment != "" ||
			parsed.Host != "" && parsed.Host != u.Host && parsed.Host != m.req.Host {
			return errors.New("awsauth: URL.Opaque is not //host/path with the URL's own host: use URL.Path and URL.RawPath")
		}
		e := m.edit()
		e.Opaque, e.Path, e.RawPath = "", parsed.Path, parsed.RawPath
	}
	var err error
	m.host, err = wireHost(m.url, m.req.Host)
	return err
}

// wireHost returns the host as it will be sent, without the scheme's own port.
func wireHost(u *url.URL, host string) (string, error) {
	if host == "" {
		host = u.Host
	}
	for i := 0; i < len(host); i++ {
		if c := host[i]; !unreserved(c) && c != ':' && c != '[' && c != ']' {
			sent, err := askNetHTTP(host)
			if err != nil {
				return "", err
			}
			host = sent
			break
		}
	}
	switch u.Scheme {
	case "https", "wss":
		host = strings.TrimSuffix(host, ":443")
	case "http", "ws":
		host = strings.TrimSuffix(host, ":80")
	}
	if host = strings.TrimSuffix(host, ":"); host == "" {
		return "", errors.New("awsauth: the request has no host: set URL.Host")
	}
	return host, nil
}

// askNetHTTP returns host as net/http writes it: in Punycode, and without the
// zone of an IPv6 address.
func askNetHTTP(host string) (string, error) {
	var b bytes.Buffer
	err := (&http.Request{Method: "GET", URL: &url.URL{Path: "/"}, Host: host}).Write(&b)
	_, sent, _ := strings.Cut(b.String(), "\r\nHost: ")
	sent, _, _ = strings.Cut(sent, "\r\n")
	if err != nil || sent == "" || !utf8.ValidString(host) {
		return "", fmt.Errorf("awsauth: net/http can't send the host %q: correct URL.Host or Request.Host", host)
	}
	return sent, nil
}

// readPath makes the canonical URI. For the S3 family the URL is set to it:
// servers agree on the encoded form alone.
func (m *message) readPath() error {
	path := m.url.Path
	if path == "" {
		m.path = append(m.path, '/')
		return nil
	}
	if path[0] != '/' {
		return fmt.Errorf("awsauth: the path %q does not begin with a slash: set URL.Path to %q", path, "/"+path)
	}
	if !m.s3 {
		m.path = appendCleanPath(m.path, m.url.EscapedPath())
		return nil
	}
	m.path = appendEscaped(m.path, path, '/')
	if m.url.RawPath == "" && len(m.path) == len(path) {
		return nil // nothing to escape
	}
	if string(m.path) != m.url.EscapedPath() {
		m.edit().RawPath = string(m.path)
	}
	return nil
}

// appendCleanPath appends the canonical URI of services other than S3: without
// dot segments and repeated slashes, and encoded again.
func appendCleanPath(b []byte, path string) []byte {
	start := len(b)
	for segment := range strings.SplitSeq(path, "/") {
		switch segment {
		case "", ".":
		case "..":
			b = b[:start+max(0, bytes.LastIndexByte(b[start:], '/'))]
		default:
			b = append(b, '/')
			b = appendEscaped(b, segment, 0)
		}
	}
	if len(b) == start || strings.HasSuffix(path, "/") {
		b = append(b, '/')
	}
	return b
}

// readQuery makes the query that will be sent: every part encoded, in the
// caller's order, and without an earlier signature.
func (m *message) readQuery(presign bool) error {
	raw := m.url.RawQuery
	if raw == "" {
		return nil
	}
	presigned, err := m.encodeQuery(raw, presign)
	if presigned && !presign {
		_, err = m.encodeQuery(raw, true)
	}
	if err != nil {
		return err
	}
	if string(m.query) != raw {
		m.edit().RawQuery = string(m.query)
	}
	m.addParams(m.query)
	return nil
}

// encodeQuery encodes the parts of a query, and reports whether a signature is
// among them. The parameters of a signature can be left out.
func (m *message) encodeQuery(raw string, unsign bool) (presigned bool, err error) {
	q := m.query[:0]
	for raw != "" {
		var part string
		part, raw, _ = strings.Cut(raw, "&")
		if part == "" {
			continue // neither a name nor a value: servers differ on it
		}
		name, value, hasValue := strings.Cut(part, "=")
		before := len(q)
		if before > 0 {
			q = append(q, '&')
		}
		start := len(q)
		if q, err = appendReescaped(q, name); err != nil {
			return false, err
		}
		signature := isSignatureParam(q[start:])
		presigned = presigned || signature && string(q[start:]) == "X-Amz-Signature"
		if hasValue {
			if q, err = appendReescaped(append(q, '='), value); err != nil {
				return false, err
			}
		}
		if signature && unsign {
			q = q[:before]
		}
	}
	m.query = q
	return presigned, nil
}

// addParams adds the parts of an encoded query. They stay slices of it.
func (m *message) addParams(query []byte) {
	for len(query) > 0 {
		end := bytes.IndexByte(query, '&')
		if end < 0 {
			end = len(query)
		}
		part := query[:end]
		query = query[min(end+1, len(query)):]
		name, value, _ := bytes.Cut(part, []byte{'='})
		m.params = append(m.params, param{name, value})
	}
}

// sortParams sorts the query as it is signed: by name, then by value.
func (m *message) sortParams() {
	p := m.params
	if len(p) > 24 {
		sort.Sort(byNameAndValue(p))
		return
	}
	for i := 1; i < len(p); i++ {
		for j := i; j > 0 && compareParams(p[j], p[j-1]) < 0; j-- {
			p[j], p[j-1] = p[j-1], p[j]
		}
	}
}

type byNameAndValue []param

func (p byNameAndValue) Len() int           { return len(p) }
func (p byNameAndValue) Less(i, j int) bool { return compareParams(p[i], p[j]) < 0 }
func (p byNameAndValue) Swap(i, j int)      { p[i], p[j] = p[j], p[i] }

// appendReescaped decodes s once, as servers do, and appends it encoded.
func appendReescaped(b []byte, s string) ([]byte, error) {
	start := 0 // of what is not appended yet
	for i := 0; i < len(s); i++ {
		c := s[i]
		if unreserved(c) {
			continue
		}
		end, next := i, i+1
		switch c {
		case '+':
			c = ' '
		case '%':
			if i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
				return b, errors.New("awsauth: the query has a % that begins no escape: write %25 for it in URL.RawQuery")
			}
			c = unhex(s[i+1])<<4 | unhex(s[i+2])
			next = i + 3
		}
		b = appendEscapedByte(append(b, s[start:end]...), c)
		start, i = next, next-1
	}
	return append(b, s[start:]...), nil
}

// appendEscaped appends s percent-encoded, but for unreserved characters and keep.
func appendEscaped(b []byte, s string, keep byte) []byte {
	start := 0
	for i := 0; i < len(s); i++ {
		if c := s[i]; !unreserved(c) && (c != keep || keep == 0) {
			b = append(b, s[start:i]...)
			b = appendEscapedByte(b, c)
			start = i + 1
		}
	}
	return append(b, s[start:]...)
}

func appendEscapedByte(b []byte, c byte) []byte {
	const upper = "0123456789ABCDEF"
	if unreserved(c) {
		return append(b, c)
	}
	return append(b, '%', upper[c>>4], upper[c&15])
}

// unreserved reports whether c is never percent-encoded (RFC 3986, section 2.3).
func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~'
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

// readHeaders takes the headers that will be signed as they stand. Those that
// signing sets itself are left out.
func (m *message) readHeaders(skip func(string) bool, presign bool) error {
	var connection []string
	fields, odd := m.fields, false // odd: a name stands under another spelling
	for key, values := range m.req.Header {
		name, ok := headerName(key)
		if !ok {
			return fmt.Errorf("awsauth: %q is not a header name: correct Request.Header", key)
		}
		if len(values) == 0 {
			continue // nothing is sent
		}
		kind := kindOf(name)
		if kind == replaced {
			m.replaces = true
			m.oddNames = m.oddNames || key != name
			continue
		}
		if key != name && len(m.req.Header[name]) > 0 {
			return twoSpellings(name)
		}
		plain := true
		for _, v := range values {
			if !printable(v) {
				plain = false
				if !isFieldValue(v) {
					return fmt.Errorf("awsauth: the header %s has a line end or a control character in its value: remove it", key)
				}
			}
		}
		switch kind {
		case unsigned:
			continue
		case connectionList:
			connection = slices.Concat(connection, values)
			continue
		case ofNetHTTP:
			// Over HTTP/1.1 net/http would send it beside its own.
			if key != name {
				return fmt.Errorf("awsauth: the header %s is net/http's to write: remove it, or set the field of Request", key)
			}
			continue
		case payloadHash:
			if len(values) > 1 || m.callerPayload != "" {
				return errors.New("awsauth: X-Amz-Content-Sha256 is set more than once: set it once, with Header.Set")
			}
			m.replaces = true
			m.oddNames = m.oddNames || key != name
			m.callerPayload = strings.Trim(values[0], " \t")
			continue
		}
		if skip != nil && !mustSign(name) && skip(name) {
			continue
		}
		odd = odd || key != name
		fields = append(fields, field{name, values, plain})
	}
	if connection != nil {
		fields = slices.DeleteFunc(fields, func(f field) bool {
			return !mustSign(f.name) && listed(connection, f.name)
		})
	}
	m.fields = fields
	if odd {
		m.sortFields()
		for i := 1; i < len(fields); i++ {
			if name := fields[m.order[i]].name; fields[m.order[i-1]].name == name {
				return twoSpellings(name)
			}
		}
	}
	return nil
}

func twoSpellings(name string) error {
	return fmt.Errorf("awsauth: the header %s is set under two spellings: use Header.Set and Header.Add", name)
}

// headerName returns key in canonical form, and whether it is a header name at all.
func headerName(key string) (name string, ok bool) {
	first := true // of its word
	for i := 0; i < len(key); i++ {
		c := key[i]
		if c != '-' && !(first && 'A' <= c && c <= 'Z' || !first && 'a' <= c && c <= 'z') && !('0' <= c && c <= '9') {
			return http.CanonicalHeaderKey(key), isToken(key) // not as plain as most
		}
		first = c == '-'
	}
	return key, key != ""
}

// A headerKind is what becomes of a header.
type headerKind int

const (
	signed headerKind = iota
	unsigned
	replaced  // by signing
	ofNetHTTP // it writes the header itself
	connectionList
	payloadHash
)

// kindOf tells the kind of a header. Unsigned is what belongs to the connection, or
// what net/http or proxies write and change.
func kindOf(name string) headerKind {
	switch name {
	case "Authorization", "X-Amz-Date", "X-Amz-Region-Set", "X-Amz-Security-Token", "X-Amz-S3session-Token":
		return replaced
	case "X-Amz-Content-Sha256":
		return payloadHash
	case "Connection":
		return connectionList
	case "Host", "Content-Length", "Transfer-Encoding", "Trailer":
		return ofNetHTTP
	case "Accept-Encoding", "Cache-Control", "Cookie", "Expect", "Forwarded", "From",
		"Keep-Alive", "Max-Forwards", "Pragma", "Referer", "Te", "Upgrade",
		"User-Agent", "Via", "X-Amzn-Trace-Id", "Traceparent", "Tracestate":
		return unsigned
	}
	if strings.HasPrefix(name, "Proxy-") || strings.HasPrefix(name, "Sec-") || strings.HasPrefix(name, "X-Forwarded-") {
		return unsigned
	}
	return signed
}

// mustSign reports whether a header is signed whatever the caller or a
// Connection header says: servers demand it.
func mustSign(name string) bool {
	return strings.HasPrefix(name, "X-Amz-") || name == "Content-Type" || name == "Content-Md5"
}

// listed reports whether one of the comma-separated lists has name.
func listed(lists []string, name string) bool {
	for _, list := range lists {
		for item := range strings.SplitSeq(list, ",") {
			if strings.EqualFold(strings.Trim(item, " \t"), name) {
				return true
			}
		}
	}
	return false
}

// isToken reports whether s is a token (RFC 9110, section 5.6.2), as methods
// and header names are.
func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '-' || '0' <= c && c <= '9' ||
			strings.IndexByte("!#$%&'*+.^_`|~", c) >= 0) {
			return false
		}
	}
	return s != ""
}

// isFieldValue reports whether net/http sends s as a header value.
func isFieldValue(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c |= 0x20
	}
	return c
}

// lower8 returns eight ASCII characters in lower case.
func lower8(w uint64) uint64 {
	const each = 0x0101010101010101
	// The high bits tell a byte that is A or more, and one beyond Z.
	upper := (w + each*(0x80-'A')) &^ (w + each*(0x80-'Z'-1)) & (each * 0x80)
	return w | upper>>2
}

// lowerAll changes b, which is ASCII, to lower case.
func lowerAll(b []byte) {
	for ; len(b) >= 8; b = b[8:] {
		binary.LittleEndian.PutUint64(b, lower8(binary.LittleEndian.Uint64(b)))
	}
	for i, c := range b {
		b[i] = lower(c)
	}
}

// compareLower compares two names in canonical form by their lower case, in which
// they are signed.
func compareLower(s, t string) int {
	for i := 0; i < len(s) && i < len(t); i++ {
		if s[i] != t[i] {
			return cmp.Compare(lower(s[i]), lower(t[i]))
		}
	}
	return cmp.Compare(len(s), len(t))
}

// addField adds a signed header that signing sets.
func (m *message) addField(name, value string) {
	m.values[m.added] = value
	m.fields = append(m.fields, field{name, m.values[m.added : m.added+1], true})
	m.added++
}

// removeField takes a header out of the signed ones.
func (m *message) removeField(name string) {
	m.fields = slices.DeleteFunc(m.fields, func(f field) bool { return f.name == name })
}

// sortFields sorts the signed headers by name, into m.order: maps yield them in any
// order, so that a processor can't guess how a comparison ends. It has to guess next
// to none here: a header's place is the number of those before it, and most names
// differ in their first eight bytes, which are compared as one number.
func (m *message) sortFields() {
	var keys [24]uint64
	var places [len(keys)]uint8
	f := m.fields
	m.order = slices.Grow(m.order[:0], len(f))[:len(f)]
	if len(f) > len(keys) {
		for i := range m.order {
			m.order[i] = i
		}
		sort.Sort(byName{m})
		return
	}
	for i := range f {
		key, place := sortKey(f[i].name), uint8(0)
		for j, other := range keys[:i] {
			before := uint8(0) // 1 where i is before j
			if key < other {
				before = 1
			}
			if key == other && compareLower(f[i].name, f[j].name) < 0 {
				before = 1
			}
			places[j] += before
			place += 1 - before
		}
		keys[i], places[i] = key, place
	}
	for i := range f {
		m.order[places[i]] = i
	}
}

// byName sorts as slices.SortFunc would, which is many KB for each type of element.
type byName struct{ *message }

func (m byName) Len() int { return len(m.order) }
func (m byName) Less(i, j int) bool {
	return compareLower(m.fields[m.order[i]].name, m.fields[m.order[j]].name) < 0
}
func (m byName) Swap(i, j int) { m.order[i], m.order[j] = m.order[j], m.order[i] }

// sortKey returns the first eight bytes of name, in lower case.
func sortKey(name string) uint64 {
	if len(name) >= 8 {
		return lower8(bits.ReverseBytes64(load8(name)))
	}
	key := uint64(0)
	for i := 0; i < len(name); i++ {
		key |= uint64(name[i]) << (56 - 8*i)
	}
	return lower8(key)
}

// appendCanonical appends the canonical request.
func (m *message) appendCanonical(b []byte) []byte {
	if m.req.Method == "" {
		b = append(b, http.MethodGet...)
	}
	b = append(b, m.req.Method...)
	b = append(b, '\n')
	b = append(b, m.path...)
	b = append(b, '\n')
	m.sortParams()
	for i := range m.params {
		p := &m.params[i]
		if i > 0 {
			b = append(b, '&')
		}
		b = append(b, p.name...)
		b = append(b, '=')
		b = append(b, p.value...)
	}
	b = append(b, '\n')
	names := m.signed
	for _, i := range m.order {
		f := &m.fields[i]
		b = append(b, names[:len(f.name)]...)
		names = names[min(len(f.name)+1, len(names)):]
		separator := byte(':')
		for _, v := range f.values {
			b = append(b, separator)
			if f.plain {
				b = append(b, v...)
			} else {
				b = appendFolded(b, v)
			}
			separator = ','
		}
		b = append(b, '\n')
	}
	b = append(b, '\n')
	b = append(b, m.signed...)
	b = append(b, '\n')
	b = append(b, m.payload...)
	return append(b, m.digest...)
}

func compareParams(p, q param) int {
	if c := bytes.Compare(p.name, q.name); c != 0 {
		return c
	}
	return bytes.Compare(p.value, q.value)
}

// listSigned sorts the signed headers, and lists their names.
func (m *message) listSigned() {
	m.sortFields()
	b := m.signed[:0]
	for _, i := range m.order {
		b = append(b, m.fields[i].name...)
		b = append(b, ';')
	}
	m.signed = b[:max(len(b)-1, 0)]
	lowerAll(m.signed)
}

// appendFolded appends a header value without white space around it, and with
// one space for each run of it inside.
func appendFolded(b []byte, v string) []byte {
	v = strings.Trim(v, " \t")
	if strings.IndexByte(v, '\t') < 0 && !strings.Contains(v, "  ") {
		return append(b, v...)
	}
	for i := 0; i < len(v); i++ {
		c := v[i]
		if c == '\t' {
			c = ' '
		}
		if c == ' ' && v[i-1] <= ' ' {
			continue
		}
		b = append(b, c)
	}
	return b
}

// appendHex appends src in hexadecimal, four bytes at once.
func appendHex(b, src []byte) []byte {
	const each = 0x0101010101010101
	for ; len(src) >= 4; src = src[4:] {
		// Each half of a byte gets a byte.
		w := uint64(binary.BigEndian.Uint32(src))
		w = (w | w<<16) & 0x0000ffff0000ffff
		w = (w | w<<8) & 0x00ff00ff00ff00ff
		w = (w | w<<4) & (each * 0x0f)
		letters := (w + each*6) >> 4 & each // a 1 where it is ten or more
		b = binary.BigEndian.AppendUint64(b, w+each*'0'+letters*('a'-'0'-10))
	}
	return hex.AppendEncode(b, src)
}
