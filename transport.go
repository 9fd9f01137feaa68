package awsauth

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-awsauth/awsauth/internal/partition"
)

// A Transport is an [http.RoundTripper] that signs every request, as [Signer.Sign]
// does, and sends it. The zero value signs as the package functions do and sends
// with http.DefaultTransport:
//
//	client := &http.Client{Transport: &awsauth.Transport{}}
//
// The caller's request is not changed; the one that was signed and sent is
// Response.Request. A presigned URL (X-Amz-Signature in the query) is sent as it
// is, and so is a request for which the Signer's credentials are [Anonymous].
//
// Every attempt is signed anew, with credentials and a date of its own. A body with
// GetBody or an io.Seeker (a file) is read again for each; any other is handled as
// [Signer.Sign4] says, and so is kept in memory up to 32 MiB, or, left unsigned, is
// sent once.
//
// A request is sent again, after a pause, where the server asked for that without
// doing anything (429, 503, an error code of throttling) or the connection could not
// be made; and, if its method is idempotent or it has an Idempotency-Key, also after
// 500, 502, 504, and a connection that broke. An Idempotency-Key with an empty list of
// values is not sent, and says so too. The pause grows from 100 ms, with
// jitter, or is what Retry-After says. What would take longer than 20 seconds, or
// than the context lasts, is not waited for: the reply at hand is returned.
//
// When an [http.Client] follows a redirect, the request is signed for its new host.
// One that leads out of what the first request was signed for, now or on the way,
// is not signed, and all its X-Amz- headers are removed. In there are the first
// request's host, on the same port, without a step from https to http; and from
// S3, by its endpoint's name, S3 in the same partition. Where S3 answers that a
// bucket is in another region, and Signer.Region is empty, the request is sent there, once,
// and the region is remembered.
//
// Where the server refuses the time of a signature and its Date header shows that
// the clocks differ by more than four minutes, the difference is learnt for that
// host, used for the time of signatures and for the expiry of credentials, and the
// request is sent again, once. Later replies correct it. Sources that judge expiry
// themselves, such as [Cache], go by the local clock.
//
// Requests that a correction of region or clock sends again are no attempts that
// Attempts counts.
//
// A Transport is safe for many goroutines; its fields must not change after the first
// use. It keeps up to 1,024 regions and as many clock differences.
type Transport struct {
	// Signer signs. nil: as the package functions do.
	Signer *Signer

	// Base sends. nil: http.DefaultTransport.
	Base http.RoundTripper

	// Attempts is how many times a request is sent at most, where attempts
	// fail that may be repeated. 0: 3. 1: once.
	Attempts int

	// NoSkewCorrection leaves the clock as it is. So does the environment
	// variable AWS_DISABLE_CLOCK_SKEW_CORRECTION=true.
	NoSkewCorrection bool

	skews   places[time.Duration] // what to add to the local time
	regions places[string]        // of buckets
}

// CloseIdleConnections calls the method of that name of Base, if there is one.
func (t *Transport) CloseIdleConnections() {
	if c, ok := t.base().(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

func (t *Transport) base() http.RoundTripper {
	if t.Base != nil {
		return t.Base
	}
	return http.DefaultTransport
}

func (t *Transport) signer() *Signer {
	if t.Signer != nil {
		return t.Signer
	}
	return &standard
}

// RoundTrip implements [http.RoundTripper].
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL == nil {
		closeBody(req.Body)
		return nil, errors.New("awsauth: the request has no URL: set Request.URL")
	}
	e := exchange{t: t, s: t.signer(), req: req, body: req.Body, again: req.GetBody, sign: !presigned(req.URL)}
	if chain := hops(req); len(chain) != 1 {
		e.stray = strayed(chain, sameScope)
		e.sign = e.sign && !e.stray && !presigned(chain[0].URL)
	}
	if shared := share(req); shared != nil {
		e.body, e.again = shared.reader(), shared.open
		defer shared.release()
	}
	for {
		resp, err, final := e.send()
		if final {
			return resp, err
		}
		pause, again := e.judge(resp, err)
		if !again || !e.rewind() {
			return resp, err
		}
		discard(resp)
		if err := sleep(req.Context(), pause); err != nil {
			closeBody(e.body)
			return nil, err
		}
	}
}

// An exchange is a request on its way through all its attempts.
type exchange struct {
	t     *Transport
	s     *Signer
	req   *http.Request // the caller's
	sign  bool          // it is to be signed
	stray bool          // it must not carry anything of a signature

	body  io.ReadCloser                 // of the next attempt
	again func() (io.ReadCloser, error) // nil: the body can't be had again

	out    *http.Request // the last attempt
	signed bool          // it was signed
	began  time.Time     // when it was sent, by the local clock
	tries  int           // attempts, but for those that a correction asked for

	region string // of the bucket, as the server told; "": the Signer's
	moved  bool   // the region was corrected

	skew      time.Duration // what the last attempt added to the local time
	corrected bool          // the skew was corrected
	unproven  bool          // and no reply has borne it out so far
}

// send makes one attempt. It is final where nothing was sent.
func (e *exchange) send() (resp *http.Response, err error, final bool) {
	// A shallow copy: the caller writes to Trailer while the body is read.
	out := e.req.WithContext(e.req.Context())
	out.Header = e.req.Header.Clone()
	out.Body, out.GetBody = e.body, e.again
	if e.stray {
		strip(out.Header)
	}
	if e.sign {
		if err := e.prepare(out); err != nil {
			closeBody(out.Body)
			return nil, err, true
		}
	}
	// Signing may have read the body into memory.
	e.out, e.again = out, out.GetBody
	e.began = e.s.now().Round(0)
	resp, err = e.t.base().RoundTrip(out)
	if err != nil {
		return nil, err, false
	}
	if resp.Request == nil {
		resp.Request = out // the next redirect is judged by it
	}
	if resp.Body == nil {
		resp.Body = http.NoBody
	}
	return resp, nil, false
}

// prepare signs out, for the region and with the time that its server told.
func (e *exchange) prepare(out *http.Request) error {
	p := e.s.Credentials
	if p == nil {
		p = standard.Credentials
	}
	creds, err := p.Retrieve(out.Context())
	if err != nil {
		return err
	}
	if !e.moved {
		e.region, _ = e.t.regions.get(bucketOf(out))
	}
	if e.region != "" {
		moveTo(out, e.region)
	}
	if e.signed = !creds.anonymous(); !e.signed {
		return nil
	}
	if !e.unproven && !e.t.NoSkewCorrection {
		server := serverOf(out.URL)
		e.skew, _ = e.t.skews.get(server)
		if now := e.s.now(); creds.expired(now.Add(e.skew)) && !creds.expired(now) {
			// Ask by the local clock: were nothing sent, no reply could
			// correct what was learnt.
			e.t.skews.drop(server)
			e.skew = 0
		}
	}
	s := e.s
	if e.region != "" || e.skew != 0 {
		s = s.like(e.region, e.skew)
	}
	return s.Sign(out, creds)
}

// like returns a Signer that signs as s does, but for another region, if one is
// given, and as of another time. It shares what s keeps.
func (s *Signer) like(region string, skew time.Duration) *Signer {
	if region == "" {
		region = s.Region
	}
	l := &Signer{
		Credentials: s.Credentials,
		Service:     s.Service,
		Region:      region,
		Payload:     s.Payload,
		SkipHeader:  s.SkipHeader,
		Now:         func() time.Time { return s.now().Add(skew) },
	}
	l.lazy.Store(s.state())
	return l
}

// judge learns from the outcome of an attempt, and reports whether to make
// another, and after what pause.
func (e *exchange) judge(resp *http.Response, err error) (pause time.Duration, again bool) {
	if err != nil {
		return e.retry(nil, e.req.Context().Err() == nil && (failedDial(err) || idempotent(e.req) && brokenConn(err)))
	}
	code, region := "", ""
	switch resp.StatusCode {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
		code, region = refusal(resp)
	}
	if e.sign && (e.follow(resp, code, region) || e.signed && e.correct(resp, code)) {
		return 0, true
	}
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return e.retry(resp, true)
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusGatewayTimeout:
		return e.retry(resp, idempotent(e.req))
	}
	return e.retry(resp, throttled(code) || code == "RequestTimeout" && idempotent(e.req))
}

const maxPause = 20 * time.Second

// retry says whether an attempt that may be repeated will be.
func (e *exchange) retry(resp *http.Response, may bool) (pause time.Duration, again bool) {
	most := e.t.Attempts
	if most == 0 {
		most = 3
	}
	e.tries++
	if !may || e.tries >= most {
		return 0, false
	}
	pause = min(maxPause, 100*time.Millisecond<<min(e.tries-1, 10))
	pause = pause/2 + rand.N(pause/2)
	if resp != nil {
		if after, ok := retryAfter(resp.Header.Get("Retry-After")); ok {
			pause = after
		}
	}
	deadline, ok := e.req.Context().Deadline()
	return pause, pause <= maxPause && (!ok || time.Until(deadline) > pause)
}

func retryAfter(v string) (time.Duration, bool) {
	if seconds, err := strconv.ParseUint(v, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second, true
	}
	if t, err := http.ParseTime(v); err == nil {
		return time.Until(t), true
	}
	return 0, false
}

// rewind makes the body ready for another attempt, or reports that it can't.
func (e *exchange) rewind() bool {
	if !e.replayable() {
		return false
	}
	if e.out.Body == nil || e.out.Body == http.NoBody {
		e.body = e.out.Body
		return true
	}
	body, err := e.again()
	if err != nil || body == nil {
		return false // the outcome at hand says more
	}
	e.body = body
	return true
}

func (e *exchange) replayable() bool {
	return e.out.Body == nil || e.out.Body == http.NoBody || e.again != nil
}

// follow learns the region of a bucket from a reply that S3 gives elsewhere, and
// reports whether to send the request there.
//
// See https://docs.aws.amazon.com/AmazonS3/latest/API/UsingRouting.html
func (e *exchange) follow(resp *http.Response, code, region string) bool {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusBadRequest:
	default:
		return false
	}
	if e.s.Region != "" || e.moved {
		return false
	}
	host := e.out.URL.Host
	if e.out.Host != "" {
		host = e.out.Host
	}
	service, current, unknown := lookup(host, e.out.URL.Path)
	aws := unknown == nil || unknown.AWS
	if e.s.Service != "" {
		service = e.s.Service
	}
	malformed := code == "AuthorizationHeaderMalformed"
	if v := resp.Header.Get("X-Amz-Bucket-Region"); v != "" && aws {
		region = v
	} else if !malformed {
		region = ""
	}
	switch {
	case service != "s3" || region == "" || region == current || region == e.region:
		return false
	case aws && regional(host, region) == "":
		return false
	case !aws && (!printable(region) || strings.ContainsAny(region, "/,*")):
		return false
	}
	if resp.StatusCode != http.StatusTemporaryRedirect { // which is not to be remembered
		e.t.regions.put(bucketOf(e.req), region)
	}
	e.moved, e.region = true, region
	return true
}

// regional returns what a host of S3 is called in another region, or "".
func regional(host, region string) string {
	var h hostName
	service, current, err := lookup(host, "/")
	if err != nil || service != "s3" || !h.split(host) {
		return ""
	}
	front, port := strings.TrimSuffix(h.name, "."+h.suffix), ""
	if i := strings.LastIndexByte(host, ':'); i >= 0 {
		port = host[i:]
	}
	// The names of buckets end before the last label.
	cut := strings.LastIndexByte(front, '.') + 1
	switch front[cut:] {
	case current:
		front = front[:cut] + region
	case "s3", "s3-external-1", "s3-" + current:
		front = front[:cut] + "s3." + region
	case "s3-fips-" + current:
		front = front[:cut] + "s3-fips." + region
	default:
		return ""
	}
	moved := front + "." + h.suffix
	// The region is the server's word: the table has to know it, in this partition.
	if s, r, err := lookup(moved, "/"); err != nil || s != "s3" || r != region ||
		partition.OfRegion(region)&partition.OfRegion(current) == 0 {
		return ""
	}
	return moved + port
}

// moveTo leads a request for a host of S3 to another region.
func moveTo(out *http.Request, region string) {
	if host := regional(out.Host, region); host != "" {
		out.Host = host
	}
	if host := regional(out.URL.Host, region); host != "" {
		u := *out.URL
		u.Host = host
		out.URL = &u
	}
}

const (
	minSkew  = 4 * time.Minute // what services bear, with a minute to spare
	maxDrift = time.Minute     // of a skew that is known

	// maxReply is the longest that a reply may have taken to tell the time.
	maxReply = 15 * time.Minute
)

// correct learns the server's time, and reports whether to sign again with it.
// A server can shift only the signatures that are made for it.
func (e *exchange) correct(resp *http.Response, code string) bool {
	if e.t.NoSkewCorrection {
		return false
	}
	server := serverOf(e.out.URL)
	if refused, certain := skewed(resp.StatusCode, code); refused {
		measured, ok := e.measure(resp)
		if !ok || e.corrected || (measured-e.skew).Abs() <= minSkew ||
			strings.EqualFold(Env{}.trimmed("AWS_DISABLE_CLOCK_SKEW_CORRECTION"), "true") {
			return false
		}
		e.corrected = true
		if !e.replayable() {
			if certain {
				e.t.learn(server, measured)
			}
			return false
		}
		// Not learnt before the server has taken it: its Date may be that of
		// a proxy.
		e.skew, e.unproven = measured, true
		return true
	}
	if e.unproven {
		if resp.StatusCode < http.StatusInternalServerError {
			e.unproven = false
			e.t.learn(server, e.skew)
		}
	} else if e.skew != 0 {
		if measured, ok := e.measure(resp); ok && (measured-e.skew).Abs() > maxDrift {
			e.t.learn(server, measured)
		}
	}
	return false
}

func (t *Transport) learn(server place, skew time.Duration) {
	if skew.Abs() <= minSkew {
		t.skews.drop(server)
	} else {
		t.skews.put(server, skew)
	}
}

// measure returns by how much the server's clock is before the local one: the least
// that explains its Date, which was written at some time since the request began.
func (e *exchange) measure(resp *http.Response) (skew time.Duration, ok bool) {
	now := e.s.now().Round(0)
	date, err := http.ParseTime(resp.Header.Get("Date"))
	took := now.Sub(e.began)
	if err != nil || resp.Header["Age"] != nil || took < 0 || took > maxReply {
		return 0, false
	}
	switch {
	case date.After(now):
		skew = date.Sub(now)
	case date.Before(e.began):
		skew = date.Sub(e.began)
	}
	return skew, true
}

// skewed reports whether a refusal may be about the time of the signature, and
// whether it is certain to be.
func skewed(status int, code string) (maybe, certain bool) {
	switch code {
	case "RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture":
		return true, true
	case "InvalidSignatureException", "SignatureDoesNotMatch", "AuthFailure", "AccessDeniedException":
		return true, false
	case "": // as in the reply to a HEAD, which has no body
		return status == http.StatusUnauthorized || status == http.StatusForbidden, false
	}
	return false, false
}

// throttled reports whether an error code asks to try again later.
//
// See https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
func throttled(code string) bool {
	switch code {
	case "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottledException",
		"RequestThrottled", "TooManyRequestsException", "ProvisionedThroughputExceededException",
		"TransactionInProgressException", "RequestLimitExceeded", "BandwidthLimitExceeded",
		"LimitExceededException", "SlowDown", "PriorRequestNotComplete", "EC2ThrottledException":
		return true
	}
	return false
}

// refusal reads the error code from a reply, and the region from one of S3's. The
// body reads as before.
func refusal(resp *http.Response) (code, region string) {
	const most = 16 << 10 // codes come first
	start, _ := io.ReadAll(io.LimitReader(resp.Body, most))
	resp.Body = bodyReader{io.MultiReader(strings.NewReader(string(start)), resp.Body), resp.Body}

	text := string(start)
	if code = resp.Header.Get("X-Amzn-Errortype"); code == "" {
		if code = between(text, "<Code>", "</Code>"); code == "" {
			_, after, _ := strings.Cut(text, `"__type"`)
			code = between(after, `"`, `"`)
		}
	}
	code, _, _ = strings.Cut(code, ":")
	return code[strings.LastIndexByte(code, '#')+1:], between(text, "<Region>", "</Region>")
}

func between(s, before, after string) string {
	_, s, _ = strings.Cut(s, before)
	s, _, ok := strings.Cut(s, after)
	if !ok {
		return ""
	}
	return strings.TrimSpace(s)
}

// idempotent reports whether it does no harm that req is carried out twice.
func idempotent(req *http.Request) bool {
	switch req.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodTrace:
		return true
	}
	// The names that net/http goes by.
	return req.Header["Idempotency-Key"] != nil || req.Header["X-Idempotency-Key"] != nil
}

// failedDial reports whether a connection could not be made, so that nothing was
// sent. A name that does not exist will not exist at the next attempt.
func failedDial(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(err, &op) && op.Op == "dial" && !(errors.As(err, &dns) && dns.IsNotFound)
}

// brokenConn reports whether a connection ended, or its time ran out, before the
// reply.
func brokenConn(err error) bool {
	var op *net.OpError
	var stream streamError
	var timeout net.Error
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.As(err, &op) && (op.Op == "read" || op.Op == "write") ||
		errors.As(err, &stream) || errors.As(err, &timeout) && timeout.Timeout()
}

// A streamError has the fields of golang.org/x/net/http2.StreamError, by which
// net/http lets its own be found with errors.As.
type streamError struct {
	StreamID, Code uint32
	Cause          error
}

func (streamError) Error() string { return "awsauth: an HTTP/2 stream was reset" }

// discard ends a reply that is not used. A connection can serve again only if its
// reply was read to the end.
func discard(resp *http.Response) {
	const most = 64 << 10
	if resp == nil {
		return
	}
	if resp.ContentLength <= most {
		io.CopyN(io.Discard, resp.Body, most)
	}
	resp.Body.Close()
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func closeBody(body io.ReadCloser) {
	if body != nil {
		body.Close()
	}
}

// presigned reports whether u has a signature in its query.
func presigned(u *url.URL) bool {
	for part := range strings.SplitSeq(u.RawQuery, "&") {
		name, _, _ := strings.Cut(part, "=")
		if strings.Contains(name, "%") {
			name, _ = url.QueryUnescape(name)
		}
		if name == "X-Amz-Signature" {
			return true
		}
	}
	return false
}

// A sharedBody is a body that is read anew by seeking. It is closed, once, when
// RoundTrip and every reader are done with it: net/http may still read for one
// attempt when the next has begun.
type sharedBody struct {
	body  io.ReadCloser
	seek  io.Seeker // the same
	start int64
	users atomic.Int32

	// Not held to close the body, which may be what ends a Read.
	mu sync.Mutex    // guards at, and the reading
	at *sharedReader // whose place the body is at
}

// share returns the body of req as one that is read anew by seeking, or nil.
func share(req *http.Request) *sharedBody {
	if req.Body == nil || req.GetBody != nil {
		return nil
	}
	seeker, ok := req.Body.(io.Seeker)
	if !ok {
		return nil
	}
	start, err := seeker.Seek(0, io.SeekCurrent)
	if err != nil { // a pipe is an *os.File too
		return nil
	}
	s := &sharedBody{body: req.Body, seek: seeker, start: start}
	s.users.Store(1)
	return s
}

func (s *sharedBody) reader() *sharedReader {
	s.users.Add(1)
	return &sharedReader{shared: s}
}

func (s *sharedBody) open() (io.ReadCloser, error) { return s.reader(), nil }

func (s *sharedBody) release() error {
	if s.users.Add(-1) == 0 {
		return s.body.Close()
	}
	return nil
}

// A sharedReader reads a sharedBody from its start.
type sharedReader struct {
	shared *sharedBody
	read   int64
	closed atomic.Bool
}

func (r *sharedReader) Read(b []byte) (int, error) {
	s := r.shared
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.closed.Load() {
		return 0, http.ErrBodyReadAfterClose
	}
	if s.at != r {
		if _, err := s.seek.Seek(s.start+r.read, io.SeekStart); err != nil {
			return 0, err
		}
		s.at = r
	}
	n, err := s.body.Read(b)
	r.read += int64(n)
	return n, err
}

// Seek is how signing finds out how long a stream's body is.
func (r *sharedReader) Seek(offset int64, whence int) (int64, error) {
	s := r.shared
	s.mu.Lock()
	defer s.mu.Unlock()
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += r.read
	default:
		end, err := s.seek.Seek(0, whence)
		if err != nil {
			return 0, err
		}
		offset += end - s.start
	}
	r.read, s.at = offset, nil // the next reader seeks
	return offset, nil
}

func (r *sharedReader) Close() error {
	if r.closed.Swap(true) {
		return nil
	}
	return r.shared.release()
}

// A place is a server, or a bucket on it. The scheme is part of it: what was learnt
// over plain http, where anybody may have said it, is not good for https.
type place struct{ scheme, host, bucket string }

func serverOf(u *url.URL) place { return place{scheme: u.Scheme, host: u.Host} }

// bucketOf returns the bucket that a request to S3 is about.
func bucketOf(req *http.Request) place {
	p := serverOf(req.URL)
	if req.Host != "" {
		p.host = req.Host
	}
	// Where the host names the bucket, the path begins with a folder in it.
	if !strings.Contains(p.host, ".s3.") && !strings.Contains(p.host, ".s3-") {
		p.bucket, _, _ = strings.Cut(strings.TrimPrefix(req.URL.Path, "/"), "/")
	}
	return p
}

const maxPlaces = 1024

// places keeps a value for each of some places.
type places[V any] struct {
	mu sync.RWMutex // guards m
	m  map[place]V
}

func (p *places[V]) get(at place) (V, bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	v, ok := p.m[at]
	return v, ok
}

func (p *places[V]) put(at place, v V) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.m == nil {
		p.m = make(map[place]V)
	}
	if _, ok := p.m[at]; !ok && len(p.m) >= maxPlaces {
		for other := range p.m { // any
			delete(p.m, other)
			break
		}
	}
	// The strings may be parts of larger ones.
	p.m[place{strings.Clone(at.scheme), strings.Clone(at.host), strings.Clone(at.bucket)}] = v
}

func (p *places[V]) drop(at place) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.m, at)
}
