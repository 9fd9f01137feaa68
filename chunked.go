package awsauth

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
)

// chunkSize is how much of a body one chunk holds: what AWS recommends at least.
// Signing 64 KiB adds some two percent to hashing them, and they stay in the
// processor's cache from being read to being sent.
const chunkSize = 64 << 10

// maxFrame bounds what a chunk has beside its data, with what ends the stream.
const maxFrame = 1 << 10

// signature4A is the length of a SigV4A signature in a stream: of the longest one in
// hex. Shorter ones are filled up with asterisks, so that Content-Length is known
// beforehand.
const signature4A = 144

const (
	chunkSignature   = ";chunk-signature="
	trailerSignature = "x-amz-trailer-signature:"
	defaultChecksum  = "x-amz-checksum-crc32"
)

// stream reports whether p is a stream, and whether it has signatures and a trailer.
func (p Payload) stream() (signed, trailer, ok bool) {
	word, trailer := strings.CutSuffix(string(p), "-TRAILER")
	switch word {
	case "STREAMING-" + algorithm4 + "-PAYLOAD", "STREAMING-" + algorithm4A + "-PAYLOAD":
		return true, trailer, true
	case "STREAMING-UNSIGNED-PAYLOAD":
		return false, trailer, trailer
	}
	return false, false, false
}

// A stream is a body that is sent in chunks, as it is each time that it is sent.
type stream struct {
	payload Payload // as the Signer had it
	size    int64   // of the body itself
	getBody func() (io.ReadCloser, error)
	signed  bool
	trailer string // its name; "": there is none
	chosen  bool   // by the caller

	// What chunks are signed with.
	key                          *signingKey
	algorithm, date, scope, seed string
}

// readStream makes ready a body that is to be sent as a stream, by p or because it
// was before. It returns the Payload to sign with: "" where there is nothing to stream.
func (m *message) readStream(p Payload, presign bool) (Payload, error) {
	body := m.req.Body
	if p == "" && body == nil && m.callerPayload == "" {
		return "", nil
	}
	was, again := body.(*chunkedBody)
	if _, _, ok := p.stream(); again && !ok {
		p = was.payload
	}
	signed, trailer, ok := p.stream()
	_, _, named := Payload(m.callerPayload).stream()
	none := body == nil || body == http.NoBody
	switch {
	case named && none && m.dated():
		// What is left of a stream that a redirect made a GET.
		m.callerPayload = ""
		m.setStreamHeaders("", "", "")
		if ok {
			p = ""
		}
		return p, nil
	case !ok || m.callerPayload != "" && !named && !again:
		return p, nil
	}
	m.callerPayload = ""
	switch {
	case presign && none:
		return "", nil
	case presign:
		return p, errors.New("awsauth: whoever uses a presigned URL has no key to sign the chunks of a stream with: leave Signer.Payload empty, and presign a request that was not signed as a stream")
	case m.algorithm == algorithm4 && strings.Contains(string(p), algorithm4A):
		return p, fmt.Errorf("awsauth: Payload %q is for SigV4A: use StreamingPayload or StreamingPayloadTrailer, which follow the algorithm, or Sign4A", string(p))
	}

	s := &stream{payload: p, signed: signed}
	if again {
		s.size, s.getBody = was.size, was.getBody
	} else {
		var err error
		if s.size, err = m.decodedLength(); err != nil {
			return p, err
		}
	}
	if s.getBody == nil {
		s.getBody = m.req.GetBody
	}
	name := strings.ToLower(m.header("X-Amz-Trailer"))
	if again && !was.chosen && name == was.trailer {
		name = ""
	}
	switch {
	case s.size == 0 && name == "" && !again:
		m.setStreamHeaders("", "", "")
		return "", nil
	case trailer:
		s.trailer, s.chosen = name, name != ""
		if name == "" {
			s.trailer = defaultChecksum
		} else if newChecksum(name) == nil {
			return p, fmt.Errorf("awsauth: the trailer %q is not one that this package makes: set X-Amz-Trailer to x-amz-checksum-crc32, -crc32c, -crc64nvme, -sha1 or -sha256", name)
		}
	case name != "":
		return p, errors.New("awsauth: X-Amz-Trailer announces a trailer, and the Payload has none: use StreamingPayloadTrailer, or remove the header")
	}
	m.stream = s
	m.setStreamHeaders("aws-chunked", strconv.FormatInt(s.size, 10), s.trailer)
	if !signed {
		return StreamingUnsignedPayloadTrailer, nil
	}
	p = Payload("STREAMING-" + m.algorithm + "-PAYLOAD")
	if trailer {
		p += "-TRAILER"
	}
	return p, nil
}

// decodedLength returns the length of the body, which a stream says ahead.
func (m *message) decodedLength() (int64, error) {
	req := m.req
	if req.Body == nil || req.Body == http.NoBody {
		return 0, nil
	}
	size := req.ContentLength
	if size <= 0 {
		if size, ok, err := seekLength(req.Body); ok || err != nil {
			return size, err
		}
		text := m.header("X-Amz-Decoded-Content-Length")
		if text == "" {
			return 0, errors.New("awsauth: a stream says its length ahead, and this body's is not known: set ContentLength or the header X-Amz-Decoded-Content-Length, or give the body as an io.Seeker such as *os.File")
		}
		n, err := strconv.ParseUint(text, 10, 63)
		if err != nil {
			return 0, fmt.Errorf("awsauth: X-Amz-Decoded-Content-Length is %q: set it to the body's length in bytes", text)
		}
		size = int64(n)
	}
	if size > math.MaxInt64/2 {
		return 0, errors.New("awsauth: no body is as long as ContentLength or X-Amz-Decoded-Content-Length says: correct it")
	}
	return size, nil
}

// header returns the values of a header, in whatever spelling, as one.
func (m *message) header(name string) string {
	for key, values := range m.req.Header {
		if len(values) > 0 && http.CanonicalHeaderKey(key) == name {
			return strings.Trim(strings.Join(values, ","), " \t")
		}
	}
	return ""
}

// setStreamHeaders sets the headers of a stream, or with "" removes them. The
// Content-Encoding of the caller's own stays, behind that of the stream.
func (m *message) setStreamHeaders(encoding, length, trailer string) {
	for rest, more := m.header("Content-Encoding"), true; more; {
		var coding string
		coding, rest, more = strings.Cut(rest, ",")
		if coding = strings.Trim(coding, " \t"); coding == "" || strings.EqualFold(coding, "aws-chunked") {
			continue
		}
		if encoding != "" {
			encoding += ","
		}
		encoding += coding
	}
	m.streamHeaders = []field{
		{name: "Content-Encoding", value: encoding},
		{name: "X-Amz-Decoded-Content-Length", value: length},
		{name: "X-Amz-Trailer", value: trailer},
	}
	m.sameNames = false
	for _, f := range m.streamHeaders {
		m.removeField(f.name)
		if f.value != "" {
			m.fields = append(m.fields, f)
		}
	}
}

// assignStream puts a stream into the request, or takes what is left of one out.
func (m *message) assignStream(h http.Header) {
	for _, f := range m.streamHeaders {
		for key := range h {
			if http.CanonicalHeaderKey(key) == f.name {
				delete(h, key)
			}
		}
		if f.value != "" {
			h[f.name] = []string{f.value}
		}
	}
	s := m.stream
	if s == nil {
		return
	}
	s.key, s.algorithm, s.date = m.key, m.algorithm, m.date
	s.scope, s.seed = m.scope(), string(m.signature)

	req := m.req
	body := req.Body
	if was, again := body.(*chunkedBody); again {
		body = was.body
	} else if body == nil || body == http.NoBody {
		body = http.NoBody
		s.getBody = func() (io.ReadCloser, error) { return http.NoBody, nil }
	}
	req.Body = s.open(body)
	if s.getBody != nil {
		req.GetBody = s.openAgain
	}
	req.ContentLength = s.length()
	if len(req.Trailer) > 0 {
		req.ContentLength = -1 // see assignBody
	}
}

// frame returns the length of what stands before the n bytes of data of a chunk.
func (s *stream) frame(n int64) int64 {
	size := int64(len("\r\n"))
	for ; n > 0xf; n >>= 4 {
		size++
	}
	size++
	if s.signed {
		size += int64(len(chunkSignature)) + s.signatureLength()
	}
	return size
}

func (s *stream) signatureLength() int64 {
	if s.algorithm == algorithm4A {
		return signature4A
	}
	return 2 * sha256.Size
}

// length returns the length of the body as it is sent.
func (s *stream) length() int64 {
	const end = int64(len("\r\n"))
	size := s.size/chunkSize*(s.frame(chunkSize)+chunkSize+end) + s.frame(0) + end
	if rest := s.size % chunkSize; rest > 0 {
		size += s.frame(rest) + rest + end
	}
	if s.trailer != "" {
		sum := newChecksum(s.trailer)
		size += int64(len(s.trailer)+len(":")+base64.StdEncoding.EncodedLen(sum.Size())) + end
		if s.signed {
			size += int64(len(trailerSignature)) + s.signatureLength() + end
		}
	}
	return size
}

// openAgain is the request's GetBody.
func (s *stream) openAgain() (io.ReadCloser, error) {
	body, err := s.getBody()
	if err == nil && body == nil {
		err = errors.New("it returned no body")
	}
	if err != nil {
		return nil, fmt.Errorf("awsauth: GetBody: %w", err)
	}
	return s.open(body), nil
}

func (s *stream) open(body io.ReadCloser) *chunkedBody {
	c := &chunkedBody{stream: s, body: body, left: s.size, signature: []byte(s.seed)}
	if s.trailer != "" {
		c.checksum = newChecksum(s.trailer)
	}
	return c
}

// A chunkedBody reads as a body in aws-chunked encoding, and signs it as it is read.
//
// See https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
// and https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
type chunkedBody struct {
	*stream
	body   io.ReadCloser // the caller's
	closed atomic.Bool

	left      int64  // of body, to be read
	buf       []byte // a chunk; nil: none was read
	out       []byte // what of it is to be handed out
	err       error  // then
	checksum  hash.Hash
	sum       [sha256.Size]byte
	signature []byte // the last, in hex
	toSign    []byte
}

func (c *chunkedBody) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(c.out) == 0 {
		if c.err != nil {
			c.buf = nil
			return 0, c.err
		}
		size := int(min(c.left, chunkSize)) + maxFrame
		if len(p) >= size {
			n := len(c.next(p))
			return n, c.err
		}
		if c.buf == nil {
			c.buf = make([]byte, size) // the first chunk is the longest
		}
		c.out = c.next(c.buf)
		if len(c.out) == 0 {
			return 0, c.err
		}
	}
	n := copy(p, c.out)
	c.out = c.out[n:]
	return n, nil
}

// Close closes the caller's body, once.
func (c *chunkedBody) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	return c.body.Close()
}

// next makes the next chunk in b, which has room for it, and behind the data's last
// one what ends the stream. Then, or where it returns nothing, c.err is set.
func (c *chunkedBody) next(b []byte) []byte {
	n := min(c.left, chunkSize)
	at := c.frame(n)
	data := b[at : at+n]
	if c.err = c.fill(data); c.err != nil {
		return nil
	}
	c.left -= n
	b = b[:0]
	if n > 0 {
		b = c.appendFrame(b, data)[:at+n]
		b = append(b, "\r\n"...)
		if c.checksum != nil {
			c.checksum.Write(data)
		}
	}
	if c.left > 0 {
		return b
	}
	c.err = io.EOF
	b = c.appendFrame(b, nil)
	if c.checksum != nil {
		start := len(b)
		b = append(b, c.trailer...)
		b = append(b, ':')
		b = base64.StdEncoding.AppendEncode(b, c.checksum.Sum(c.sum[:0]))
		if c.signed {
			c.sum = sha256.Sum256(append(b[start:], '\n'))
			c.sign("-TRAILER", "")
			b = append(b, "\r\n"...)
			b = c.appendSignature(append(b, trailerSignature...))
		}
		b = append(b, "\r\n"...)
	}
	return append(b, "\r\n"...)
}

// appendFrame appends what stands before the data of a chunk.
func (c *chunkedBody) appendFrame(b, data []byte) []byte {
	b = strconv.AppendInt(b, int64(len(data)), 16)
	if c.signed {
		c.sum = sha256.Sum256(data)
		c.sign("-PAYLOAD", emptyHash+"\n")
		b = c.appendSignature(append(b, chunkSignature...))
	}
	return append(b, "\r\n"...)
}

// fill reads data from the body. Where nothing is left behind it, the body has to be
// at its end: of one that is longer the last data is held back, since there are servers
// that take data of the length announced for all of it, whatever comes then.
func (c *chunkedBody) fill(data []byte) error {
	got := c.size - c.left
	for empty := 0; ; empty++ {
		to := data
		if len(to) == 0 {
			if got < c.size {
				return nil
			}
			to = c.sum[:1]
		}
		n, err := c.body.Read(to)
		if got += int64(n); n > 0 {
			empty = 0
		}
		if len(data) > 0 {
			data = data[n:]
		}
		switch {
		case got > c.size:
			return fmt.Errorf("awsauth: the body is longer than the %d bytes announced: set ContentLength to its length", c.size)
		case err == io.EOF && got == c.size:
			return nil
		case err == io.EOF && len(data) > 0:
			return fmt.Errorf("awsauth: the body ended after %d of the %d bytes announced: set ContentLength to its length, and take the body from GetBody to send it again: %w", got, c.size, io.ErrUnexpectedEOF)
		case err != nil && err != io.EOF:
			return fmt.Errorf("awsauth: reading the body to sign it: %w", err)
		case empty == 100:
			return fmt.Errorf("awsauth: reading the body to sign it: %w", io.ErrNoProgress)
		}
	}
}

// sign signs c.sum, which is the last line of the string to sign.
func (c *chunkedBody) sign(kind, line string) {
	b := append(c.toSign[:0], c.algorithm...)
	b = append(b, kind...)
	b = append(b, '\n')
	b = append(b, c.date...)
	b = append(b, '\n')
	b = append(b, c.scope...)
	b = append(b, '\n')
	b = append(b, c.signature...)
	b = append(b, '\n')
	b = append(b, line...)
	b = appendHex(b, &c.sum)
	c.toSign = b
	c.signature = c.key.sign(c.signature[:0], b)
}

func (c *chunkedBody) appendSignature(b []byte) []byte {
	b = append(b, c.signature...)
	for i := len(c.signature); c.algorithm == algorithm4A && i < signature4A; i++ {
		b = append(b, '*')
	}
	return b
}
