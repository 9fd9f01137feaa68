package awsauth

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const (
	maxChunk     = 16 << 20 // of a signed chunk: it is checked before it is handed out
	maxChunkLine = 4 << 10  // of a chunk's header, and of a trailer
	maxTrailers  = 20
)

// readPayload settles the last line of the canonical request, where no body has to
// be read for it.
func (c *verification) readPayload() *VerifyError {
	sent := c.req.Header["X-Amz-Content-Sha256"]
	if sent == nil && c.Presigned {
		sent = c.values("X-Amz-Content-Sha256")
	}
	switch {
	case len(sent) > 1:
		return refuse(codeArgument, "x-amz-content-sha256 must be sent once.")
	case len(sent) == 1:
		c.Payload = Payload(strings.Trim(sent[0], " \t"))
	case !s3Family(c.Service):
		return nil // hashBody
	case c.Presigned:
		c.Payload = UnsignedPayload
		return nil
	default:
		return refuse(codeRequest, "Missing required header for this request: x-amz-content-sha256")
	}
	switch c.Payload {
	case UnsignedPayload:
		return nil
	case "STREAMING-" + algorithm4 + "-EVENTS":
		return refuse(codeNotImplemented, "Event streams are not verified here.")
	case "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
		Payload("STREAMING-" + c.Algorithm + "-PAYLOAD"), Payload("STREAMING-" + c.Algorithm + "-PAYLOAD-TRAILER"):
		return c.readChunked()
	}
	if digest, err := hex.DecodeString(string(c.Payload)); err != nil || len(digest) != sha256.Size {
		return refuse(codeArgument, "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-%s-PAYLOAD, STREAMING-%[1]s-PAYLOAD-TRAILER or a valid sha256 value.", c.Algorithm)
	}
	return nil
}

// hashBody reads the body of a request that does not say its hash.
func (c *verification) hashBody() *VerifyError {
	if c.Payload != "" {
		return nil
	}
	c.Payload = emptyHash
	if c.noBody() {
		return nil
	}
	data, err := readOnce(c.req) // after which the body reads as before
	tooLarge := (*http.MaxBytesError)(nil)
	switch {
	case len(data) > maxBuffer || c.req.ContentLength > maxBuffer || errors.As(err, &tooLarge):
		return refuse(codeTooLarge, "Your proposed upload exceeds the maximum allowed size")
	case err != nil:
		return refuseIncomplete("You did not provide the number of bytes specified by the Content-Length HTTP header", err)
	}
	sum := sha256.Sum256(data)
	c.Payload = Payload(hex.EncodeToString(sum[:]))
	c.hashed = true
	return nil
}

func (c *verification) noBody() bool { return c.req.Body == nil || c.req.Body == http.NoBody }

func refuseIncomplete(message string, cause error) *VerifyError {
	return &VerifyError{Code: codeIncompleteBody, Message: message, cause: cause}
}

func refusePayload() *VerifyError {
	return refuse(codePayload, "The provided 'x-amz-content-sha256' header does not match what was computed.")
}

// wrapBody makes the body that checks itself, once the signature is known to be
// right.
func (c *verification) wrapBody() *VerifyError {
	body := c.req.Body
	if c.noBody() {
		body = http.NoBody
	}
	switch {
	case c.hashed:
	case c.chunks != nil:
		c.chunks.start(c, body)
		c.body = bodyReader{c.chunks, body}
	case c.Payload == UnsignedPayload:
	case body == http.NoBody: // and nobody may read it
		if !strings.EqualFold(string(c.Payload), emptyHash) {
			return refusePayload()
		}
	default:
		d := &digestReader{r: body, hash: sha256.New(), left: c.req.ContentLength}
		d.want, _ = hex.DecodeString(string(c.Payload)) // as in readPayload
		c.body = bodyReader{d, body}
	}
	return nil
}

// assign gives the request its new body, after the last error.
func (c *verification) assign() {
	req := c.req
	if c.body != nil {
		req.Body = c.body
	}
	if c.chunks == nil {
		return
	}
	req.ContentLength, req.TransferEncoding = c.chunks.left, nil
	if req.Header["Content-Length"] != nil {
		req.Header["Content-Length"] = []string{strconv.FormatInt(c.chunks.left, 10)}
	}
	var encodings []string
	for _, list := range req.Header["Content-Encoding"] {
		for encoding := range strings.SplitSeq(list, ",") {
			if encoding = strings.Trim(encoding, " \t"); encoding != "" && !strings.EqualFold(encoding, "aws-chunked") {
				encodings = append(encodings, encoding)
			}
		}
	}
	if delete(req.Header, "Content-Encoding"); encodings != nil {
		req.Header["Content-Encoding"] = []string{strings.Join(encodings, ",")}
	}
}

// A digestReader holds what is read against a hash. It hands out the last bytes once
// all are known to be right: whoever passes on, or reads, just the length announced
// would never get to the refusal.
type digestReader struct {
	r    io.Reader
	hash hash.Hash
	want []byte
	left int64 // of the length announced; negative: not known
	err  error
}

func (d *digestReader) Read(b []byte) (int, error) {
	if d.err != nil {
		return 0, d.err
	}
	n, err := d.r.Read(b)
	d.hash.Write(b[:n])
	if d.left -= int64(n); d.left == 0 && err == nil {
		if _, err = io.ReadFull(d.r, make([]byte, 1)); err == nil {
			err = refusePayload() // it is longer
		}
	}
	if err == io.EOF && subtle.ConstantTimeCompare(d.hash.Sum(nil), d.want) != 1 {
		err = refusePayload()
	}
	if d.err = err; err != nil && err != io.EOF {
		n = 0
	}
	return n, err
}

// A chunkDecoder decodes an aws-chunked body:
//
//	SIZE;chunk-signature=SIGNATURE\r\n
//	…\r\n
//	0;chunk-signature=SIGNATURE\r\n
//	x-amz-checksum-crc32:…\r\n
//	x-amz-trailer-signature:SIGNATURE\r\n
//	\r\n
//
// without the signatures where the chunks are not signed, and without trailers where
// none are promised. Each signature goes over the one before.
//
// See https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
type chunkDecoder struct {
	signed   bool
	key      verifyKey
	scope    string // the second and third line of the strings to sign
	previous string // the signature before

	promised []string // the trailers, in lower case
	sums     []checksum
	trailer  http.Header // takes the trailers

	r     *bufio.Reader
	left  int64  // of the decoded body, not yet seen
	chunk int64  // of an unsigned chunk, not yet read
	data  []byte // of a signed chunk, not yet handed out
	buf   []byte // backs data
	err   error
}

// A checksum is one that a trailer promises.
type checksum struct {
	name string
	hash hash.Hash
}

// newChecksum returns the hash of a checksum trailer, or nil if it is another trailer.
func newChecksum(name string) hash.Hash {
	switch name {
	case "x-amz-checksum-crc32":
		return crc32.NewIEEE()
	case "x-amz-checksum-crc32c":
		return crc32.New(crc32.MakeTable(crc32.Castagnoli))
	case "x-amz-checksum-crc64nvme":
		return crc64.New(crc64.MakeTable(0x9a6c9329ac4bc9b5)) // the polynomial, its bits reversed
	case "x-amz-checksum-sha1":
		return sha1.New()
	case "x-amz-checksum-sha256":
		return sha256.New()
	}
	return nil
}

// readChunked reads what the headers promise of an aws-chunked body.
func (c *verification) readChunked() *VerifyError {
	lengths := c.req.Header["X-Amz-Decoded-Content-Length"]
	if len(lengths) != 1 {
		return refuse(codeMissingLength, "You must provide the x-amz-decoded-content-length HTTP header.")
	}
	length, err := strconv.ParseUint(strings.Trim(lengths[0], " \t"), 10, 63)
	if err != nil {
		return refuse(codeArgument, "x-amz-decoded-content-length must be a number of bytes.")
	}
	d := &chunkDecoder{left: int64(length), signed: !strings.HasPrefix(string(c.Payload), "STREAMING-UNSIGNED-")}
	if strings.HasSuffix(string(c.Payload), "-TRAILER") {
		for _, list := range c.req.Header["X-Amz-Trailer"] {
			for name := range strings.SplitSeq(list, ",") {
				name = strings.ToLower(strings.Trim(name, " \t"))
				if name == "" {
					continue
				}
				if len(d.promised) == maxTrailers || slices.Contains(d.promised, name) || !isToken(name) || name == trailerSignatureName {
					return refuse(codeTrailer, "The x-amz-trailer header does not name trailers, each of them once, and up to %d.", maxTrailers)
				}
				d.promised = append(d.promised, name)
				if h := newChecksum(name); h != nil {
					d.sums = append(d.sums, checksum{name, h})
				}
			}
		}
		slices.Sort(d.promised)
	}
	c.chunks = d
	return nil
}

const trailerSignatureName = "x-amz-trailer-signature"

// start begins to decode a body, after the signature of the request.
func (d *chunkDecoder) start(c *verification, body io.Reader) {
	d.r = bufio.NewReaderSize(body, maxChunkLine)
	d.key, d.previous = c.key, c.signature
	d.scope = c.date + "\n" + c.scope()
	if len(d.promised) > 0 {
		if c.req.Trailer == nil {
			c.req.Trailer = make(http.Header)
		}
		d.trailer = c.req.Trailer
	}
}

func (d *chunkDecoder) Read(b []byte) (int, error) {
	for len(b) > 0 && len(d.data) == 0 && d.chunk == 0 && d.err == nil {
		d.err = d.next()
	}
	switch {
	case len(d.data) > 0:
		n := copy(b, d.data)
		d.data = d.data[n:]
		return n, nil
	case d.chunk > 0 && d.err == nil:
		n, err := d.r.Read(b[:min(int64(len(b)), d.chunk)])
		d.sum(b[:n])
		d.chunk -= int64(n)
		if err == nil && d.chunk == 0 {
			err = d.lineEnd()
		}
		d.err = d.incomplete(err)
		if d.chunk == 0 && d.left == 0 { // the last data goes out with the end, as in next
			if d.err == nil {
				d.err = d.next()
			}
			if d.err != io.EOF {
				return 0, d.err
			}
		}
		return n, d.err
	}
	return 0, d.err
}

func (d *chunkDecoder) sum(b []byte) {
	for _, s := range d.sums {
		s.hash.Write(b)
	}
}

// incomplete turns the body's end where more is to come, and what net/http says of a
// connection that ended, into AWS's words.
func (d *chunkDecoder) incomplete(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return refuseIncomplete("The request body terminated unexpectedly", err)
	}
	return err
}

func refuseChunk() error {
	return refuse(codeIncompleteBody, "The request body is not well-formed aws-chunked data.")
}

// next reads a chunk's header, and all of a signed chunk, and with the last data what
// comes after it. Then it returns io.EOF.
func (d *chunkDecoder) next() error {
	line, err := d.line()
	if err != nil {
		return err
	}
	digits, signature, _ := strings.Cut(line, ";")
	if d.signed != strings.HasPrefix(signature, "chunk-signature=") || !d.signed && len(digits) < len(line) {
		return refuseChunk()
	}
	signature = strings.TrimPrefix(signature, "chunk-signature=")
	size, err := strconv.ParseUint(digits, 16, 63)
	switch {
	case err != nil:
		return refuseChunk()
	case int64(size) > d.left || size == 0 && d.left > 0:
		return refuse(codeIncompleteBody, "You did not provide the number of bytes specified by the x-amz-decoded-content-length HTTP header")
	case d.signed && size > maxChunk:
		return refuse(codeChunkSize, "Signed chunks are taken up to %d bytes.", maxChunk)
	}
	d.left -= int64(size)
	if d.signed {
		if err := d.readSigned(int(size), signature); err != nil {
			return err
		}
	}
	switch {
	case size == 0:
		return d.end()
	case !d.signed:
		d.chunk = int64(size)
	case d.left == 0:
		// Who reads the length announced reads no further: the trailer has to be
		// right before the last data is handed out.
		last := d.data
		d.data = nil
		if err := d.next(); err != io.EOF {
			return err
		}
		d.data = last
		return io.EOF
	}
	return nil
}

// readSigned reads a chunk of size bytes and checks its signature.
func (d *chunkDecoder) readSigned(size int, signature string) error {
	// The memory grows with what came, whatever the chunk's header promises.
	d.buf = d.buf[:0]
	for len(d.buf) < size {
		n := len(d.buf)
		d.buf = slices.Grow(d.buf, min(size-n, max(n, 64<<10)))
		d.buf = d.buf[:min(size, cap(d.buf))]
		if _, err := io.ReadFull(d.r, d.buf[n:]); err != nil {
			return d.incomplete(err)
		}
	}
	if size > 0 {
		if err := d.lineEnd(); err != nil {
			return err
		}
	}
	sum := sha256.Sum256(d.buf)
	if err := d.check("-PAYLOAD\n", emptyHash+"\n"+hex.EncodeToString(sum[:]), signature); err != nil {
		return err
	}
	d.sum(d.buf)
	d.data = d.buf
	return nil
}

// check checks the signature of a chunk or of the trailer, by the end of its string
// to sign.
func (d *chunkDecoder) check(kind, what, signature string) error {
	if d.key.algorithm == algorithm4A {
		signature = strings.TrimRight(signature, "*") // which brings it to a constant length
	}
	toSign := d.key.algorithm + kind + d.scope + "\n" + d.previous + "\n" + what
	if !d.key.made(signature, []byte(toSign)) {
		err := refuseSignature()
		err.StringToSign = toSign
		return err
	}
	d.previous = signature
	return nil
}

// end reads what comes after the last chunk.
func (d *chunkDecoder) end() error {
	got := make(map[string]string, len(d.promised))
	signature := ""
	for {
		line, err := d.line()
		if err != nil {
			return err
		}
		if line == "" {
			break
		}
		name, value, ok := strings.Cut(line, ":")
		// minio-go ends a value in \n\r\n, which S3 takes.
		name, value = strings.ToLower(name), strings.Trim(value, " \t\n")
		_, again := got[name]
		if !ok || again || signature != "" || !isFieldValue(value) {
			return refuseTrailer()
		}
		if name == trailerSignatureName && d.signed {
			signature = value
			continue
		}
		if _, ok := slices.BinarySearch(d.promised, name); !ok {
			return refuseTrailer()
		}
		got[name] = value
	}
	if _, err := d.r.ReadByte(); err == nil {
		return refuseChunk()
	} else if err != io.EOF {
		return d.incomplete(err)
	}

	if len(got) != len(d.promised) {
		return refuseTrailer()
	}
	if d.signed && (len(d.promised) > 0 || signature != "") {
		h := sha256.New()
		for _, name := range d.promised {
			io.WriteString(h, name+":"+got[name]+"\n")
		}
		if err := d.check("-TRAILER\n", hex.EncodeToString(h.Sum(nil)), signature); err != nil {
			return err
		}
	}
	for _, s := range d.sums {
		if base64.StdEncoding.EncodeToString(s.hash.Sum(nil)) != got[s.name] {
			return refuse(codeBadDigest, "The %s you specified did not match the calculated checksum.", strings.ToUpper(strings.TrimPrefix(s.name, "x-amz-checksum-")))
		}
	}
	clear(d.trailer) // what came below the chunks, as trailers of HTTP, is not signed
	for name, value := range got {
		d.trailer.Set(name, value)
	}
	return io.EOF
}

func refuseTrailer() error {
	return refuse(codeTrailer, "The request contained trailing data that was not well-formed or did not conform to our published schema.")
}

// line reads a line up to its \r\n, which it leaves out.
func (d *chunkDecoder) line() (string, error) {
	var line []byte
	for {
		part, err := d.r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == bufio.ErrBufferFull || len(line) > maxChunkLine:
			return "", refuseChunk()
		case err != nil:
			return "", d.incomplete(err)
		case bytes.HasSuffix(line, []byte("\r\n")):
			return string(line[:len(line)-2]), nil
		}
	}
}

// lineEnd reads the end of a chunk.
func (d *chunkDecoder) lineEnd() error {
	var end [2]byte
	if _, err := io.ReadFull(d.r, end[:]); err != nil {
		return d.incomplete(err)
	}
	if string(end[:]) != "\r\n" {
		return refuseChunk()
	}
	return nil
}
