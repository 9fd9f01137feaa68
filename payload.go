package awsauth

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// A Payload says how the body is signed, in the words that the
// X-Amz-Content-Sha256 header has for it: [UnsignedPayload]; [StreamingPayload],
// [StreamingPayloadTrailer] or [StreamingUnsignedPayloadTrailer]; [StreamingEvents];
// or "" for the SHA-256 of the body. Another is an error.
type Payload string

// UnsignedPayload leaves the body out of the signature, so that it need not be
// read twice. S3 takes it, and some other services. Nothing but TLS then
// protects the body: signing refuses it for plain http to any host but loopback. For
// a presigned URL of S3 it is what goes anyhow. S3 wants to know the length: set
// ContentLength, or give the body as an io.Seeker such as *os.File.
const UnsignedPayload Payload = "UNSIGNED-PAYLOAD"

// A stream is signed in chunks as it is sent, so that a body of any length is read
// once, in constant memory. S3 takes it, and servers that follow S3.
//
// Signing sets the request's Body, GetBody where it had one, ContentLength, and the
// headers Content-Encoding, before whose own value it sets "aws-chunked", and
// X-Amz-Decoded-Content-Length; 64 KiB and some are needed while the body is sent.
// The length of the body has to be known: from ContentLength, from an io.Seeker,
// or from X-Amz-Decoded-Content-Length. Where the body turns out to be shorter or
// longer, reading it fails, and so does sending it. A request without a body is signed
// as any other. One that was signed as a stream is signed as a stream again.
//
// A trailer has a checksum, with which S3 verifies and keeps the object. The header
// X-Amz-Trailer chooses it: x-amz-checksum-crc32, which it is without the header,
// x-amz-checksum-crc32c, x-amz-checksum-crc64nvme, x-amz-checksum-sha1 or
// x-amz-checksum-sha256.
//
// These are for [Signer.Payload]. A word for a stream that the caller has set in
// X-Amz-Content-Sha256 where Signer.Payload has none is used as it stands: the body
// then has to be in chunks already. Presign has no streams.
//
// See https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
const (
	// StreamingPayload has a signature for each chunk. With SigV4A it is sent as
	// STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD.
	StreamingPayload Payload = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"

	// StreamingPayloadTrailer has one for the trailer too. With SigV4A it is sent
	// as STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER.
	StreamingPayloadTrailer Payload = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"

	// StreamingUnsignedPayloadTrailer has a trailer and no signature but the
	// request's. As UnsignedPayload it is refused for plain http to any host but
	// loopback.
	StreamingUnsignedPayloadTrailer Payload = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
)

// maxBuffer is how much of a body that can be read only once is kept in memory.
const maxBuffer = 32 << 20

const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// hashPayload sets m.payload, the last line of the canonical request, and
// m.sendPayload, whether a header says it too. Nothing that can fail comes after
// it, since a body may have been read into memory.
func (m *message) hashPayload(p Payload, presign bool) error {
	_, _, streams := p.stream()
	if p != "" && p != UnsignedPayload && p != StreamingEvents && !streams {
		return fmt.Errorf("awsauth: Payload %q is not one that this package signs: use \"\", UnsignedPayload, StreamingEvents or one of the streams", string(p))
	}
	own := m.s3 || m.service == "aoss" // signing sets the header itself
	if own && m.callerPayload != "" && m.leftover(presign || streams) {
		m.callerPayload = ""
	}
	p, err := m.readStream(p, presign)
	if err != nil {
		return err
	}
	switch {
	case m.callerPayload != "":
		m.payload, m.sendPayload = m.callerPayload, true
	case p != "":
		// S3 takes a presigned URL's body as it comes; others have to be told.
		m.payload, m.sendPayload = string(p), !presign || !m.s3
	case presign && m.s3:
		m.payload = string(UnsignedPayload)
	default:
		m.sendPayload = own && !presign
		return m.hashBody()
	}
	if strings.HasPrefix(m.payload, "STREAMING-AWS4-") && !strings.HasPrefix(m.payload, "STREAMING-"+m.algorithm+"-") {
		return fmt.Errorf("awsauth: X-Amz-Content-Sha256 is %s, which does not go with a signature by %s: sign with the other algorithm, or let Signer.Payload make the chunks", m.payload, m.algorithm)
	}
	s3URL := presign && m.s3 // which has no other payload
	if strings.Contains(m.payload, string(UnsignedPayload)) && !s3URL && !encrypted(m.url) && !loopback(m.url) {
		return errors.New("awsauth: an unsigned payload over plain http could be changed on its way: use https, or sign the body: leave Payload empty and X-Amz-Content-Sha256 unset")
	}
	if m.payload == string(UnsignedPayload) && m.req.ContentLength <= 0 {
		// net/http would send a file in HTTP's own chunks, which S3 refuses.
		m.size, m.sized, err = seekLength(m.req.Body)
	}
	return err
}

// seekLength returns the length of a body that seeks, from where it is.
func seekLength(body io.ReadCloser) (n int64, ok bool, err error) {
	seeker, ok := body.(io.Seeker)
	if !ok {
		return 0, false, nil
	}
	start, err := seeker.Seek(0, io.SeekCurrent)
	if err != nil { // a pipe is an *os.File too
		return 0, false, nil
	}
	end, err := seeker.Seek(0, io.SeekEnd)
	more := 0
	if err == nil {
		_, err = seeker.Seek(start, io.SeekStart)
	}
	if err == nil && end <= start {
		// Files as those in /proc do not tell their length.
		more, _ = body.Read(make([]byte, 1))
		_, err = seeker.Seek(start, io.SeekStart)
	}
	if err != nil {
		return 0, false, fmt.Errorf("awsauth: finding out the body's length: %w", err)
	}
	return max(0, end-start), more == 0, nil
}

// leftover reports whether the X-Amz-Content-Sha256 that the request has is one
// that an earlier signature left: a digest, beside a date. net/http keeps both on
// a redirect, when it drops Authorization and perhaps the body. A word stays, for
// it says how the body is to be signed, and so does the digest of a body that
// can't be read again.
func (m *message) leftover(presign bool) bool {
	if !m.dated() || len(m.callerPayload) != len(emptyHash) || strings.Trim(m.callerPayload, "0123456789abcdef") != "" {
		return false
	}
	body := m.req.Body
	_, seeks := body.(io.Seeker)
	return presign || body == nil || body == http.NoBody || m.req.GetBody != nil || seeks
}

// dated reports whether the request has what a signature leaves.
func (m *message) dated() bool {
	return m.req.Header["X-Amz-Date"] != nil || m.req.Header["Authorization"] != nil
}

func encrypted(u *url.URL) bool { return u.Scheme == "https" || u.Scheme == "wss" }

func loopback(u *url.URL) bool {
	name := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(name)
	return err == nil && addr.Unmap().IsLoopback()
}

// hashBody hashes the body that net/http will send, and leaves it to be read
// again.
func (m *message) hashBody() error {
	req := m.req
	m.payload = emptyHash
	if req.Body == nil || req.Body == http.NoBody {
		return nil
	}
	if m.hash.to == nil {
		m.hash.to = sha256.New()
	}
	m.hash.to.Reset()
	m.hash.ctx = req.Context()
	n, err := hashAgain(req, &m.hash)
	if errors.Is(err, errReadOnce) {
		m.buffered, err = readOnce(req)
		n = int64(len(m.buffered))
		m.hash.to.Write(m.buffered)
	}
	if err != nil {
		return err
	}
	if req.ContentLength > 0 && n != req.ContentLength {
		return fmt.Errorf("awsauth: the body has %d bytes and ContentLength says %d: set it to the body's length", n, req.ContentLength)
	}
	m.sized, m.size = true, n
	if n > 0 {
		m.payload = ""
		m.hash.to.Sum(m.sum[:0])
		m.digest = appendHex(m.digest[:0], &m.sum)
		if m.sendPayload {
			m.payload, m.digest = string(m.digest), m.digest[:0]
		}
	}
	return nil
}

// assignBody gives net/http what hashing found out: the length, and for a body
// that had to be read into memory a GetBody, so that it can be sent again.
func (m *message) assignBody() {
	req := m.req
	if req.Body == nil {
		req.ContentLength = 0 // net/http refuses any other
	}
	if !m.sized {
		return
	}
	// With a length known, net/http would send no trailers over HTTP/1.1.
	if len(req.Trailer) == 0 {
		req.ContentLength = m.size
	}
	switch data := m.buffered; {
	case m.size == 0 && len(req.Trailer) == 0:
		req.Body.Close()
		req.Body = http.NoBody
		req.GetBody = func() (io.ReadCloser, error) { return http.NoBody, nil }
	case data != nil:
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
	}
}

// A bodyHash hashes what is copied to it, until the context ends.
type bodyHash struct {
	ctx context.Context
	to  hash.Hash // nil: not needed so far
}

func (h *bodyHash) Write(b []byte) (int, error) {
	if err := h.ctx.Err(); err != nil {
		return 0, err
	}
	return h.to.Write(b)
}

// A contextReader does the same where what was read must not be lost.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(b)
}

var errReadOnce = errors.New("the body can be read only once")

// hashAgain hashes a body that can be had again, and returns its length.
func hashAgain(req *http.Request, w io.Writer) (int64, error) {
	if req.GetBody != nil {
		body, err := req.GetBody()
		if err == nil && body == nil {
			err = errors.New("it returned no body")
		}
		if err != nil {
			return 0, fmt.Errorf("awsauth: GetBody: %w", err)
		}
		defer body.Close()
		n, err := io.Copy(w, body)
		if err != nil {
			return 0, fmt.Errorf("awsauth: reading the body to hash it: %w", err)
		}
		return n, nil
	}
	body, ok := req.Body.(io.Seeker)
	if !ok {
		return 0, errReadOnce
	}
	start, err := body.Seek(0, io.SeekCurrent)
	if err != nil { // a pipe is an *os.File too
		return 0, errReadOnce
	}
	n, err := io.Copy(w, req.Body)
	if _, serr := body.Seek(start, io.SeekStart); err == nil {
		err = serr
	}
	if err != nil {
		return 0, fmt.Errorf("awsauth: reading the body to hash it: %w", err)
	}
	return n, nil
}

// A bodyReader is a body that is closed elsewhere than it is read.
type bodyReader struct {
	io.Reader
	io.Closer
}

// readOnce reads the whole body into memory. The body then reads as before,
// also where that failed.
func readOnce(req *http.Request) ([]byte, error) {
	if req.ContentLength > maxBuffer {
		return nil, tooLong()
	}
	body := req.Body
	var buf bytes.Buffer
	_, err := buf.ReadFrom(contextReader{req.Context(), io.LimitReader(body, maxBuffer+1)})
	if err == nil && buf.Len() > maxBuffer {
		err = tooLong()
	} else if err != nil {
		err = fmt.Errorf("awsauth: reading the body to hash it: %w", err)
	}
	rest := io.Reader(bytes.NewReader(buf.Bytes()))
	if err != nil {
		rest = io.MultiReader(rest, body)
	}
	req.Body = bodyReader{rest, body}
	return buf.Bytes(), err
}

func tooLong() error {
	return fmt.Errorf("awsauth: the body can be read only once and is longer than %d MiB: give it as an io.Seeker such as *os.File, set GetBody, use Payload: StreamingPayload for S3, or UnsignedPayload over https", maxBuffer>>20)
}
