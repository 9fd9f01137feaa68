package awsauth

import (
	"bytes"
	"cmp"
	"encoding/binary"
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
	switch method := m.req.Method; method {
	case "", "GET", "HEAD", "PUT", "POST", "DELETE": // most
	default:
		if method == http.MethodConnect || !isToken(method) {
			return fmt.Errorf("awsauth: the method %q can't be signed: correct Request.Method", method)
		}
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
	m.host, err = m.wireHost(m.url, m.req.Host)
	return err
}

// wireHost returns the host as it will be sent, without the scheme's own port.
func (m *message) wireHost(u *url.URL, host string) (string, error) {
	if host == "" {
		host = u.Host
	}
	if host != string(m.plainHost) {
		if plainHost(host) {
			m.plainHost = append(m.plainHost[:0], host...)
		} else {
			var err error
			if host, err = askNetHTTP(host); err != nil {
				return "", err
			}
		}
	}
	switch u.Scheme {
	case "https", "wss":
		host = strings.TrimSuffix(host, ":443")
	case "http", "ws":
		host = strings.TrimSuffix(host, ":80")
	}
	switch host = strings.TrimSuffix(host, ":"); {
	case host == "":
		return "", errors.New("awsauth: the request has no host: set URL.Host")
	case host[len(host)-1] == ':': // net/http would drop another one
		return "", fmt.Errorf("awsauth: the host %q ends in colons: correct URL.Host or Request.Host", host)
	}
	return host, nil
}

// plainHost reports whether net/http sends a host as it stands.
func plainHost(host string) bool {
	for i := 0; i < len(host); i++ {
		if c := host[i]; !unreserved(c) && c != ':' && c != '[' && c != ']' {
			return false
		}
	}
	return true
}

// askNetHTTP returns host as net/http writes it: in Punycode, and without the
// zone of an IPv6 address. It has to write that unchanged, since it will be set as
// Request.Host.
func askNetHTTP(host string) (string, error) {
	sent := written(host)
	if sent == "" || written(sent) != sent || !utf8.ValidString(host) {
		return "", fmt.Errorf("awsauth: net/http can't send the host %q: correct URL.Host or Request.Host", host)
	}
	return sent, nil
}

// written returns the Host header that net/http writes for host, or "".
func written(host string) string {
	var b bytes.Buffer
	if err := (&http.Request{Method: "GET", URL: &url.URL{Path: "/"}, Host: host}).Write(&b); err != nil {
		return ""
	}
	_, sent, _ := strings.Cut(b.String(), "\r\nHost: ")
	sent, _, _ = strings.Cut(sent, "\r\n")
	return sent
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
	for rest, more := path, true; more; {
		var segment string
		segment, rest, more = strings.Cut(rest, "/")
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
	m.query = append(m.query[:0], raw...)
	if m.splitQuery() {
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
	m.splitQuery()
	return nil
}

// splitQuery finds the parts of m.query, which is encoded. It reports whether it is,
// in the one form that is signed, and without a parameter of a signature.
func (m *message) splitQuery() bool {
	q := m.query
	m.params = m.params[:0]
	plain := true
	p := param{equals: -1}
	for i := 0; ; i++ {
		for i < len(q) && unreserved(q[i]) {
			i++
		}
		if i == len(q) {
			break
		}
		switch c := q[i]; {
		case c == '&' && i > p.start:
			plain = m.endParam(p, i) && plain
			p = param{start: i + 1, equals: -1}
		case c == '=' && p.equals < 0:
			p.equals = i
		case c == '%' && i+2 < len(q) && isUpperHex(q[i+1]) && isUpperHex(q[i+2]) && !unreserved(unhex(q[i+1])<<4|unhex(q[i+2])):
			i += 2
		default:
			return false
		}
	}
	if p.start < len(q) {
		return m.endParam(p, len(q)) && plain
	}
	return len(q) == 0
}

// endParam adds a parameter, and reports whether it belongs to no signature. Inlined,
// it would slow down the loop around it.
//
//go:noinline
func (m *message) endParam(p param, end int) bool {
	p.end = end
	if p.equals < 0 {
		p.equals = end
	}
	m.params = append(m.params, p)
	return !isSignatureParam(m.query[p.start:p.equals])
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

func isUpperHex(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

// readSame takes the headers where all of them have the names that the request
// before had. These are known to be good, sorted and listed.
func (m *message) readSame() bool {
	fields := m.fields[:m.known]
	if len(fields) != len(m.req.Header) {
		return false
	}
	for i := range fields {
		f := &fields[i]
		values := m.req.Header[f.name]
		if len(values) != 1 || !printable(values[0]) {
			return false
		}
		f.value, f.plain = values[0], true
	}
	m.fields, m.sameNames = fields, true
	return true
}

// readHeaders takes the headers that will be signed as they stand. Those that
// signing sets itself are left out.
func (m *message) readHeaders(skip func(string) bool, presign bool) error {
	if skip == nil && m.readSame() {
		return nil
	}
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
		fields = append(fields, field{name, values[0], values[1:], plain})
	}
	if connection != nil {
		fields = slices.DeleteFunc(fields, func(f field) bool {
			return !mustSign(f.name) && listed(connection, f.name)
		})
	}
	m.fields, m.known = fields, len(fields)
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
		for more := true; more; {
			var item string
			item, list, more = strings.Cut(list, ",")
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

// addField adds a signed header that signing sets. Inlined wherever it is called, it
// would be KBs of a program.
//
//go:noinline
func (m *message) addField(name, value string) {
	n := len(m.fields)
	m.sameNames = m.sameNames && n < cap(m.fields) && m.fields[:n+1][n].name == name
	if m.sameNames {
		m.fields = m.fields[:n+1]
		m.fields[n].value = value
		return
	}
	m.fields = append(m.fields, field{name: name, value: value, plain: true})
}

// removeField takes a header out of the signed ones.
func (m *message) removeField(name string) {
	m.fields = slices.DeleteFunc(m.fields, func(f field) bool { return f.name == name })
}

// sortFields sorts the signed headers by name, into m.order.
func (m *message) sortFields() {
	keys := make([]uint64, 0, fewKeys)
	for i := range m.fields {
		keys = append(keys, lower8(sortKey(m.fields[i].name)))
	}
	m.order = m.sort(m.order, keys, (*message).fieldLess)
}

func (m *message) fieldLess(i, j int) bool {
	return compareLower(m.fields[i].name, m.fields[j].name) < 0
}

// sortParams sorts the query as it is signed, by name, then by value, into
// m.paramOrder.
func (m *message) sortParams() {
	if len(m.params) == 0 {
		m.paramOrder = m.paramOrder[:0]
		return
	}
	keys := make([]uint64, 0, fewKeys)
	for _, p := range m.params {
		keys = append(keys, sortKey(m.query[p.start:p.equals]))
	}
	m.paramOrder = m.sort(m.paramOrder, keys, (*message).paramLess)
}

func (m *message) paramLess(i, j int) bool {
	p, q := m.params[i], m.params[j]
	if c := bytes.Compare(m.query[p.start:p.equals], m.query[q.start:q.equals]); c != 0 {
		return c < 0
	}
	return bytes.Compare(m.query[p.equals:p.end], m.query[q.equals:q.end]) < 0
}

// fewKeys is as many keys as most requests have at most.
const fewKeys = 24

// sort returns the places of keys in their order, and in that of less where they are
// equal. The order given is that of the request before, and most often right again.
// Else a processor can't guess how a comparison of keys ends, and has to guess next
// to none here: the place of one is the number of those before it.
func (m *message) sort(order []int, keys []uint64, less func(m *message, i, j int) bool) []int {
	if len(order) == len(keys) && ascend(order, keys) {
		return order
	}
	order = slices.Grow(order[:0], len(keys))[:len(keys)]
	if len(keys) > fewKeys {
		for i := range order {
			order[i] = i
		}
		sort.Sort(byLess{order, m, less})
		return order
	}
	var places [fewKeys]uint8
	for i, key := range keys {
		place := uint8(0)
		for j, other := range keys[:i] {
			before := uint8(0) // 1 where i is before j
			if key < other {
				before = 1
			}
			if key == other && less(m, i, j) {
				before = 1
			}
			places[j] += before
			place += 1 - before
		}
		places[i] = place
	}
	for i := range order {
		order[places[i]] = i
	}
	return order
}

// ascend reports whether keys are in that order, no two of them equal.
func ascend(order []int, keys []uint64) bool {
	for i := 1; i < len(order); i++ {
		if keys[order[i-1]] >= keys[order[i]] {
			return false
		}
	}
	return true
}

// byLess sorts as slices.SortFunc would, which is many KB for each type of element.
type byLess struct {
	order []int
	m     *message
	less  func(m *message, i, j int) bool
}

func (b byLess) Len() int           { return len(b.order) }
func (b byLess) Less(i, j int) bool { return b.less(b.m, b.order[i], b.order[j]) }
func (b byLess) Swap(i, j int)      { b.order[i], b.order[j] = b.order[j], b.order[i] }

// sortKey returns the first eight bytes of name as a number that sorts as they do.
func sortKey[S string | []byte](name S) uint64 {
	if len(name) >= 8 {
		return bits.ReverseBytes64(load8(name))
	}
	key := uint64(0)
	for i := 0; i < len(name); i++ {
		key |= uint64(name[i]) << (56 - 8*i)
	}
	return key
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
	for i, at := range m.paramOrder {
		if i > 0 {
			b = append(b, '&')
		}
		p := m.params[at]
		b = append(b, m.query[p.start:p.end]...)
		if p.equals == p.end {
			b = append(b, '=')
		}
	}
	b = append(b, '\n')
	names := m.signed
	for _, i := range m.order {
		f := &m.fields[i]
		b = append(b, names[:len(f.name)]...)
		names = names[min(len(f.name)+1, len(names)):]
		b = append(b, ':')
		if f.plain {
			b = append(b, f.value...)
		} else {
			b = appendFolded(b, f.value)
		}
		for _, v := range f.more {
			b = appendFolded(append(b, ','), v)
		}
		b = append(b, '\n')
	}
	b = append(b, '\n')
	b = append(b, m.signed...)
	b = append(b, '\n')
	b = append(b, m.payload...)
	return append(b, m.digest...)
}

// listSigned sorts the signed headers, and lists their names.
func (m *message) listSigned() {
	m.listed = true
	if m.sameNames && len(m.order) == len(m.fields) {
		return
	}
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

// appendHex appends a hash in hexadecimal, four bytes at once.
func appendHex(b []byte, sum *[32]byte) []byte {
	const each = 0x0101010101010101
	n := len(b)
	b = slices.Grow(b, 64)[:n+64]
	to := (*[64]byte)(b[n:])
	for i := range 8 {
		// Each half of a byte gets a byte.
		w := uint64(binary.BigEndian.Uint32(sum[4*i:]))
		w = (w | w<<16) & 0x0000ffff0000ffff
		w = (w | w<<8) & 0x00ff00ff00ff00ff
		w = (w | w<<4) & (each * 0x0f)
		letters := (w + each*6) >> 4 & each // a 1 where it is ten or more
		binary.BigEndian.PutUint64(to[8*i:], w+each*'0'+letters*('a'-'0'-10))
	}
	return b
}
