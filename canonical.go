package awsauth

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
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
	m.query = m.query[:0]
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue // neither a name nor a value: servers differ on it
		}
		name, value, hasValue := strings.Cut(part, "=")
		before := len(m.query)
		if before > 0 {
			m.query = append(m.query, '&')
		}
		start := len(m.query)
		if m.query, err = appendReescaped(m.query, name); err != nil {
			return false, err
		}
		presigned = presigned || string(m.query[start:]) == "X-Amz-Signature"
		unsigned := unsign && isSignatureParam(m.query[start:])
		if hasValue {
			if m.query, err = appendReescaped(append(m.query, '='), value); err != nil {
				return false, err
			}
		}
		if unsigned {
			m.query = m.query[:before]
		}
	}
	return presigned, nil
}

// addParams adds the parts of an encoded query. They stay slices of it.
func (m *message) addParams(query []byte) {
	for len(query) > 0 {
		var part []byte
		part, query, _ = bytes.Cut(query, []byte{'&'})
		name, value, _ := bytes.Cut(part, []byte{'='})
		m.params = append(m.params, param{name, value})
	}
}

// appendReescaped decodes s once, as servers do, and appends it encoded.
func appendReescaped(b []byte, s string) ([]byte, error) {
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch c {
		case '+':
			c = ' '
		case '%':
			if i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
				return b, errors.New("awsauth: the query has a % that begins no escape: write %25 for it in URL.RawQuery")
			}
			c = unhex(s[i+1])<<4 | unhex(s[i+2])
			i += 2
		}
		b = appendEscapedByte(b, c)
	}
	return b, nil
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
	for key, values := range m.req.Header {
		name, ok := headerName(key)
		if !ok {
			return fmt.Errorf("awsauth: %q is not a header name: correct Request.Header", key)
		}
		if len(values) == 0 {
			continue // nothing is sent
		}
		switch name {
		case "Authorization", "X-Amz-Date", "X-Amz-Region-Set", "X-Amz-Security-Token", "X-Amz-S3session-Token":
			m.replaces = true
			m.oddNames = m.oddNames || key != name
			continue
		}
		if key != name && len(m.req.Header[name]) > 0 {
			return twoSpellings(name)
		}
		for _, v := range values {
			if !isFieldValue(v) {
				return fmt.Errorf("awsauth: the header %s has a line end or a control character in its value: remove it", key)
			}
		}
		switch name {
		case "Connection":
			connection = slices.Concat(connection, values)
			continue
		case "Host", "Content-Length", "Transfer-Encoding", "Trailer":
			// Over HTTP/1.1 net/http would send it beside its own.
			if key != name {
				return fmt.Errorf("awsauth: the header %s is net/http's to write: remove it, or set the field of Request", key)
			}
			continue
		case "X-Amz-Content-Sha256":
			if len(values) > 1 || m.callerPayload != "" {
				return errors.New("awsauth: X-Amz-Content-Sha256 is set more than once: set it once, with Header.Set")
			}
			m.replaces = true
			m.oddNames = m.oddNames || key != name
			m.callerPayload = strings.Trim(values[0], " \t")
			continue
		}
		if skipped(name) || skip != nil && !mustSign(name) && skip(name) {
			continue
		}
		m.order = append(m.order, int32(len(m.fields)))
		m.fields = append(m.fields, field{name, values})
	}
	if connection != nil {
		m.order = slices.DeleteFunc(m.order, func(i int32) bool {
			name := m.fields[i].name
			return !mustSign(name) && listed(connection, name)
		})
	}
	if len(m.order) > 1 {
		slices.SortFunc(m.order, func(i, j int32) int { return compareLower(m.fields[i].name, m.fields[j].name) })
	}
	for i := 1; i < len(m.order); i++ {
		if name := m.fields[m.order[i]].name; m.fields[m.order[i-1]].name == name {
			return twoSpellings(name)
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
		if c != '-' && !(first && 'A' <= c && c <= 'Z' || !first && 'a' <= c && c <= 'z') {
			return http.CanonicalHeaderKey(key), isToken(key) // not as plain as most
		}
		first = c == '-'
	}
	return key, key != ""
}

// skipped reports whether a header is not signed: it belongs to the connection,
// or net/http or proxies write and change it.
func skipped(name string) bool {
	switch name {
	case "Accept-Encoding", "Cache-Control", "Cookie", "Expect", "Forwarded", "From",
		"Keep-Alive", "Max-Forwards", "Pragma", "Referer", "Te", "Upgrade",
		"User-Agent", "Via", "X-Amzn-Trace-Id", "Traceparent", "Tracestate":
		return true
	}
	return strings.HasPrefix(name, "Proxy-") || strings.HasPrefix(name, "Sec-") || strings.HasPrefix(name, "X-Forwarded-")
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

func appendLower(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		b = append(b, lower(s[i]))
	}
	return b
}

// compareLower compares s and t by their lower case, in which they are sent to be
// signed.
func compareLower(s, t string) int {
	for i := 0; i < len(s) && i < len(t); i++ {
		if s[i] != t[i] {
			return cmp.Compare(lower(s[i]), lower(t[i]))
		}
	}
	return cmp.Compare(len(s), len(t))
}

// addField adds a signed header that signing sets, in its place.
func (m *message) addField(name, value string) {
	m.values[m.added] = value
	m.insertField(field{name, m.values[m.added : m.added+1]})
	m.added++
}

func (m *message) insertField(f field) {
	at := len(m.order)
	for at > 0 && compareLower(m.fields[m.order[at-1]].name, f.name) > 0 {
		at--
	}
	m.order = slices.Insert(m.order, at, int32(len(m.fields)))
	m.fields = append(m.fields, f)
}

// removeField takes a header out of the signed ones.
func (m *message) removeField(name string) {
	m.order = slices.DeleteFunc(m.order, func(i int32) bool { return m.fields[i].name == name })
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
	if len(m.params) > 1 {
		slices.SortFunc(m.params, compareParams)
	}
	for i, p := range m.params {
		if i > 0 {
			b = append(b, '&')
		}
		b = append(b, p.name...)
		b = append(b, '=')
		b = append(b, p.value...)
	}
	b = append(b, '\n')
	m.signed = m.appendSignedHeaders(m.signed[:0])
	names := m.signed
	for _, i := range m.order {
		f := &m.fields[i]
		b = append(b, names[:len(f.name)]...)
		names = names[min(len(f.name)+1, len(names)):]
		separator := byte(':')
		for _, v := range f.values {
			b = appendFolded(append(b, separator), v)
			separator = ','
		}
		b = append(b, '\n')
	}
	b = append(b, '\n')
	b = append(b, m.signed...)
	b = append(b, '\n')
	return append(b, m.payload...)
}

func compareParams(p, q param) int {
	if c := bytes.Compare(p.name, q.name); c != 0 {
		return c
	}
	return bytes.Compare(p.value, q.value)
}

// appendSignedHeaders appends the names of the signed headers.
func (m *message) appendSignedHeaders(b []byte) []byte {
	for i, at := range m.order {
		if i > 0 {
			b = append(b, ';')
		}
		b = appendLower(b, m.fields[at].name)
	}
	return b
}

// appendFolded appends a header value without white space around it, and with
// one space for each run of it inside.
func appendFolded(b []byte, v string) []byte {
	for v != "" && (v[0] == ' ' || v[0] == '\t') {
		v = v[1:]
	}
	for v != "" && (v[len(v)-1] == ' ' || v[len(v)-1] == '\t') {
		v = v[:len(v)-1]
	}
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
