package awsauth

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Diagnose says why a server refused a signed request. It reads the server's
// answer, holds what the server says it received against what was signed, and
// returns an error that names the cause, and what to do. The lines of the canonical
// request that differ follow, as signed and as received:
//
//	awsauth: 403 SignatureDoesNotMatch: on the way the header x-amz-meta-a was changed
//		signed:   x-amz-meta-a:1
//		received: x-amz-meta-a:2
//
// It is nil where the server did not refuse: for a status below 300, and for
// redirects but those of S3 to another region. A refusal that is not for the
// signature, such as a missing object or a policy, is an error that says so.
//
// req is the request as it was signed, in the header or in the URL, with either
// algorithm. It may also be one that the client signs on its way: what was sent
// is then taken from resp.Request, which also tells where a redirect led. req is not
// changed. Where the last line of the canonical request is not in a header, it is
// made of the body again, if GetBody gives it and it has 32 MiB at most.
//
// Call it before resp.Body is read or closed. It reads 1 MiB at most, and the body
// then reads from its beginning.
//
// How much can be told depends on the server. S3 and most services of AWS answer a
// wrong signature with the canonical request; others say no more than that it is
// wrong. A HEAD is answered with a status alone: diagnose a GET in its place.
//
// The text has no secret, no signature and no token. Of headers and parameters that
// are named like secrets it has the length. Access key IDs, hosts and paths are
// in it.
//
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
func Diagnose(req *http.Request, resp *http.Response) error {
	if resp == nil {
		return errors.New("awsauth: there is no response to diagnose: give the one that the request got")
	}
	if resp.StatusCode < 300 || resp.StatusCode == http.StatusNotModified {
		return nil
	}
	d := diagnosis{answer: readAnswer(resp), resp: resp}
	d.readRequests(req)
	if resp.StatusCode < 400 && !d.elsewhere() {
		return nil
	}
	cause := d.cause()
	status := strconv.Itoa(resp.StatusCode)
	if d.code != "" {
		status += " " + shown(d.code)
	}
	text := "awsauth: " + status + ": " + cause
	const most = 20
	for i, diff := range d.diffs {
		if i == most {
			text += fmt.Sprintf("\n\tand %d more", len(d.diffs)-most)
			break
		}
		if diff.signed != "" {
			text += "\n\tsigned:   " + diff.signed + "\n\treceived: " + diff.received
		}
	}
	return errors.New(text)
}

// A diagnosis is what is known of a refused request.
type diagnosis struct {
	answer
	resp  *http.Response
	req   *http.Request  // as it was signed; nil: unknown
	sent  *http.Request  // as it was sent last; nil: unknown, or req
	sig   *sentSignature // of req; nil: not signed
	diffs []difference
}

// readRequests finds out which request was signed: the one given or, where the
// client signs, the one that was sent.
func (d *diagnosis) readRequests(req *http.Request) {
	if req != nil && req.URL != nil {
		d.req, d.sig = req, readSignature(req)
	}
	sent := d.resp.Request
	if sent != nil && sent.URL != nil && sent != req {
		sig := readSignature(sent)
		switch {
		case d.req == nil, sig != nil && (d.sig == nil || sig.signature != d.sig.signature):
			d.req, d.sig = sent, sig // signed on its way, or for this hop
		default:
			d.sent = sent
		}
	}
	if d.sig != nil {
		d.hide(d.sig)
	}
}

// elsewhere reports whether S3 says that the bucket is in another region.
func (d *diagnosis) elsewhere() bool {
	switch d.code {
	case "PermanentRedirect", "TemporaryRedirect":
		return true
	}
	// A HEAD is answered with the header alone.
	return d.code == "" && d.resp.StatusCode <= http.StatusBadRequest &&
		d.sig != nil && d.region != "" && d.region != d.sig.region
}

// What a refusal is about.
type about int

const (
	aboutNothing  about = iota // that signing has to do with
	aboutMismatch              // the signature is not the one the server makes
	aboutTime                  // of the signature, or its end
	aboutScope                 // service and region
	aboutKey                   // an access key ID that is not known
	aboutToken                 // the session token
	aboutUnsigned              // a header that is not signed
	aboutMissing               // a signature that is not there, or cut
	aboutForm                  // something about the signature that the server's words tell
	aboutBody                  // its hash
	aboutPolicy                // a good signature, of somebody who may not
	aboutUnknown               // an answer that is not one of AWS's
)

// about tells what the refusal is about, by its code, which differs from service to
// service, and where a code has several meanings, or there is none, by its message.
func (d *diagnosis) about() about {
	says := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(d.message, part) })
	}
	switch {
	case says("Signature expired", "Signature not yet current"):
		return aboutTime
	case says("Credential should be scoped", "incorrect service", "Date in Credential scope"), says("the region", "the service") && says("; expecting"):
		return aboutScope
	}
	switch strings.TrimSuffix(d.code, "Exception") {
	case "SignatureDoesNotMatch", "InvalidSignature", "AuthFailure":
		return aboutMismatch
	case "RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture":
		return aboutTime
	case "InvalidAccessKeyId", "InvalidClientTokenId", "UnrecognizedClient", "XAdminUserNotFound":
		return aboutKey
	case "InvalidToken", "InvalidTokenId", "ExpiredToken", "TokenRefreshRequired":
		return aboutToken
	case "AuthorizationHeaderMalformed", "AuthorizationQueryParametersError", "AuthorizationParametersError",
		"IncompleteSignature", "MissingAuthenticationToken", "MissingFields":
		return aboutMissing
	case "XAmzContentSHA256Mismatch":
		return aboutBody
	case "InvalidArgument", "InvalidRequest":
		if says("uthoriz", "ignature", "ignV4", "x-amz-content-sha256", "auth mechanism") {
			return aboutForm
		}
		return aboutNothing
	case "AccessDenied":
		switch {
		case says("expired", "not valid yet"):
			return aboutTime
		case says("which were not signed"):
			return aboutUnsigned
		}
		return aboutPolicy
	case "Forbidden", "UnauthorizedOperation", "NotAuthorized", "AuthorizationError", "Unauthorized":
		return aboutPolicy
	case "":
		switch {
		case says("Missing Authentication Token"):
			return aboutMissing
		case says("security token") && says("expired"):
			return aboutToken
		case says("security token"):
			return aboutKey
		case says("not authorized"):
			return aboutPolicy
		case says("ignature"):
			return aboutMismatch
		}
		switch status := d.resp.StatusCode; {
		case status == http.StatusUnauthorized, status == http.StatusForbidden, d.empty && status == http.StatusBadRequest:
			return aboutUnknown
		}
	}
	return aboutNothing
}

// cause returns the cause in one sentence, and leaves the lines that differ in d.diffs.
func (d *diagnosis) cause() string {
	about := d.about()
	switch {
	case d.elsewhere():
		return d.wrongScope()
	case about == aboutNothing:
		return "the signature is not the reason" + d.quoted()
	case d.req == nil:
		return "the request is not known: give it to Diagnose" + d.quoted()
	case d.sig == nil:
		return "the request is not signed: call Sign or Presign before it is sent"
	}
	if cause := d.beforeSending(); cause != "" {
		return cause
	}
	switch about {
	case aboutTime:
		return d.wrongTime()
	case aboutScope:
		return d.wrongScope()
	case aboutKey:
		return d.wrongKey()
	case aboutToken:
		return d.wrongToken()
	case aboutUnsigned:
		if names := d.unsignedNames(); names != "" {
			return "headers that are not signed were added, on the way or after signing: " + names +
				": set them before signing, for servers want them signed, or see what adds them"
		}
		return "on the way a header beginning with X-Amz- was added, or one that is signed was removed"
	case aboutMissing:
		return "the signature did not arrive, or not whole, as when a proxy removes or changes " + d.sig.where() +
			"; API Gateway says this also of a path or a method that it does not have" + d.quoted()
	case aboutForm:
		return "the server does not take a signature of this form" + d.quoted()
	case aboutBody:
		if cause := d.bodyChanged(); cause != "" {
			return cause
		}
		if d.bodyHash != "" {
			d.diffs = []difference{{"the body", shown(d.sig.payload(d.req)), shown(d.bodyHash)}}
		}
		return "on the way the body was changed: its SHA-256 is not the one that was signed"
	case aboutPolicy:
		return "access is denied to " + shown(d.sig.keyID) + " by a policy, and not for the signature" + d.quoted() +
			"; S3 says this also where a proxy removes the signature"
	}
	return d.mismatch()
}

// beforeSending returns the cause where it can be seen in the requests at hand: what
// was sent is not what was signed.
func (d *diagnosis) beforeSending() string {
	if d.req.Header.Get("Authorization") != "" && d.req.URL.Query().Has("X-Amz-Signature") {
		return "the request has two signatures, in the Authorization header and in the URL: sign it in one way"
	}
	if d.sent != nil {
		redirected := d.sent.Response != nil
		sig := readSignature(d.sent)
		if sig != nil {
			theirs, _, _ := d.sig.stages(d.sent, "")
			ours, _, _ := d.sig.stages(d.req, lastLine(theirs))
			d.diffs = compare(ours, theirs)
		}
		switch changed := sig == nil || len(d.diffs) > 0; {
		case redirected && changed:
			return fmt.Sprintf("a redirect led from %s to %s, and the signature is for the first: ask the second itself, or sign anew in http.Client.CheckRedirect", address(d.req), address(d.sent))
		case sig == nil:
			return "between signing and sending " + d.sig.where() + " was removed: see what does that, such as an http.RoundTripper, or sign after it"
		case changed:
			return "between signing and sending " + changes(d.diffs) + ": see what does that, such as an http.RoundTripper, or sign after it"
		}
	}
	if d.sig.scope == "" || d.sig.names == nil || d.sig.signature == "" {
		return "the signature in " + d.sig.where() + " is not whole: sign last"
	}
	var gone []string
	for _, name := range d.sig.names {
		if name != "" && len(headerValues(d.req, name)) == 0 {
			gone = append(gone, name)
		}
	}
	switch names := shown(strings.Join(gone, ", ")); {
	case gone != nil && d.sig.presigned:
		return "the URL was presigned together with headers that the request does not have: set them as they were: " + names
	case gone != nil:
		return "headers were removed after signing: sign last: " + names
	case !d.sig.presigned && d.sig.date != "" && !strings.HasPrefix(d.sig.date, d.sig.day()):
		return "the header x-amz-date was changed after signing: sign last"
	}
	return ""
}

// bodyChanged returns the cause where the body is no longer the one that was signed.
func (d *diagnosis) bodyChanged() string {
	signed, now := d.sig.payload(d.req), bodySum(d.req)
	if !isHash(signed) || now == "" || now == signed {
		return ""
	}
	d.diffs = []difference{{"the body", signed, now}}
	return "the body was changed after signing, or X-Amz-Content-Sha256 was not its SHA-256: sign last"
}

// mismatch is the cause where the server makes another signature.
func (d *diagnosis) mismatch() string {
	canonical, toSign, err := d.sig.stages(d.req, lastLine(d.canonical))
	if err != nil {
		return "what was signed can't be made again from the request: " + strings.TrimPrefix(err.Error(), "awsauth: ")
	}
	if d.canonical != "" {
		d.diffs = compare(canonical, d.canonical)
	}
	// Without the body the last line, and so the hash of all, is not known.
	if len(d.diffs) == 0 && d.toSign != "" && (d.canonical != "" || d.sig.payload(d.req) != "") {
		d.diffs = compareToSign(toSign, d.toSign)
	}
	if len(d.diffs) > 0 {
		cause := "on the way " + changes(d.diffs)
		if slices.ContainsFunc(d.diffs, func(diff difference) bool { return diff.what == "the header host" }) {
			cause += ": have proxies keep the Host header, or sign for the host that arrives, with Request.Host"
		}
		return cause
	}
	if cause := d.bodyChanged(); cause != "" {
		return cause
	}
	id := shown(d.sig.keyID)
	secret := "the secret access key is not the one of " + id + ", or the program changed the request after signing"
	switch {
	case d.signature != "" && d.signature != d.sig.signature:
		return "on the way the signature itself was changed, or this is the answer to another request"
	case d.canonical != "" || d.toSign != "":
		return "all that was signed arrived as it was, so that " + secret
	}
	if ahead, server := d.ahead(); !d.sig.presigned && ahead.Abs() >= leastSkew {
		return d.sig.clock(ahead, server)
	}
	switch {
	case d.code == "AuthFailure":
		return "the access key ID " + id + ", its secret or its session token is wrong; the service does not say which" + d.quoted()
	case d.unreadable != nil:
		return "the answer can't be read: call Diagnose before the body is closed"
	case d.empty:
		return "the server gives no reason: where the request is a HEAD, diagnose a GET"
	case d.code == "" && !strings.Contains(d.message, "ignature"):
		return "the answer is not one of AWS's; it may be of a proxy" + d.quoted()
	}
	return "the server does not show what it received; " + secret + ", or a proxy changes host, path, query or signed headers"
}

// leastSkew is the least difference of clocks that a service refuses.
const leastSkew = 5 * time.Minute

// ahead returns how far the time of the signature is ahead of the server's, zero
// where that is not known.
func (d *diagnosis) ahead() (ahead time.Duration, server time.Time) {
	server = d.serverTime
	if server.IsZero() && d.resp.Header.Get("Age") == "" { // the Date of a cached answer is old
		server, _ = http.ParseTime(d.resp.Header.Get("Date"))
	}
	at, err := time.Parse(dateFormat, d.sig.date)
	if server.IsZero() || err != nil {
		return 0, server
	}
	return at.Sub(server), server
}

// wrongTime is the cause where the signature is too old or too new.
func (d *diagnosis) wrongTime() string {
	ahead, server := d.ahead()
	if d.sig.presigned && ahead <= 0 {
		cause := fmt.Sprintf("the presigned URL has expired: it was good for %s from %s", span(d.sig.expires), shown(d.sig.date))
		if over := -ahead - d.sig.expires; over > 0 {
			cause += ", which ended " + span(over) + " ago"
		}
		return cause + ": presign a new one"
	}
	if received := d.requestTime.UTC().Format(dateFormat); !d.requestTime.IsZero() && received != d.sig.date {
		d.diffs = []difference{{"the header x-amz-date", "x-amz-date:" + shown(d.sig.date), "x-amz-date:" + received}}
		return "on the way " + changes(d.diffs)
	}
	return d.sig.clock(ahead, server)
}

// clock is the cause where the time of the signature is not the server's.
func (s *sentSignature) clock(ahead time.Duration, server time.Time) string {
	const advice = ": set the clock, and sign shortly before sending"
	side := "ahead of"
	switch {
	case ahead == 0:
		return "the time of the signature, " + shown(s.date) + ", is too far from the server's" + advice
	case ahead < 0:
		side = "behind"
	}
	return fmt.Sprintf("the time of the signature, %s, is %s %s the server's, %s%s", shown(s.date), span(ahead.Abs()), side, server.UTC().Format(dateFormat), advice)
}

// span writes a duration to the minute, below two minutes to the second.
func span(d time.Duration) string {
	if d < 2*time.Minute {
		return fmt.Sprintf("%d seconds", d.Round(time.Second)/time.Second)
	}
	if minutes := d.Round(time.Minute) / time.Minute; minutes < 120 {
		return fmt.Sprintf("%d minutes", minutes)
	}
	return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
}

// wrongScope is the cause of a signature for another service or region.
func (d *diagnosis) wrongScope() string {
	region := cmp.Or(quotedAfter(d.message, "the region", "expecting"), d.region)
	service := cmp.Or(quotedAfter(d.message, "correct service:"), quotedAfter(d.message, "This endpoint belongs to"), quotedAfter(d.message, "the service", "expecting"))
	if d.sig == nil {
		return "the bucket is in another region, " + shown(cmp.Or(region, "which the answer does not name")) + ": ask there"
	}
	// Most services don't say which region they are in; the host does.
	hostService, hostRegion, _ := lookup(cmp.Or(d.req.Host, d.req.URL.Host), d.req.URL.Path)
	otherRegion := strings.Contains(d.message, "scoped to a valid ")
	if otherRegion {
		region = hostRegion
	}
	var wrong []string
	if service != "" && service != d.sig.service {
		wrong = append(wrong, fmt.Sprintf("service %q where the server is %q: set Signer.Service", shown(d.sig.service), shown(service)))
	}
	switch {
	case region != "" && region != d.sig.region && (otherRegion || service == ""):
		wrong = append(wrong, fmt.Sprintf("region %q where the server is in %q: set Signer.Region, or ask the endpoint of that region", shown(d.sig.region), shown(region)))
	case otherRegion:
		wrong = append(wrong, fmt.Sprintf("region %q, which is not the server's: set Signer.Region", shown(d.sig.region)))
	}
	switch {
	case wrong != nil:
		return "the request was signed for " + strings.Join(wrong, ", and for ")
	case d.elsewhere():
		return "the bucket is at another endpoint: ask " + shown(cmp.Or(d.endpoint, "there")) + d.quoted()
	case hostService != "" && hostService != d.sig.service:
		return fmt.Sprintf("the request was signed for service %q where the host is of %q: leave Signer.Service empty, or correct it", shown(d.sig.service), hostService)
	}
	return fmt.Sprintf("the credential scope is not the server's, or was changed on the way: the request was signed for service %q in region %q", shown(d.sig.service), shown(d.sig.region)) + d.quoted()
}

// wrongKey is the cause where the server does not know the access key.
func (d *diagnosis) wrongKey() string {
	id := shown(d.sig.keyID)
	switch {
	case d.sig.token != "":
		return "the server does not know the access key ID " + id + " together with this session token: take key, secret and token from one source, of this partition and for a region that is enabled"
	case strings.HasPrefix(d.sig.keyID, "ASIA"):
		return "the session token is missing, and " + id + " is a temporary key: set Credentials.SessionToken"
	}
	return "the server does not know the access key ID " + id + ": it is mistyped, deleted, disabled, or of another provider or partition"
}

// wrongToken is the cause where the server refuses the session token.
func (d *diagnosis) wrongToken() string {
	id := shown(d.sig.keyID)
	switch {
	case strings.Contains(d.code, "Expired") || strings.Contains(d.message, "expired"):
		return "the session token of " + id + " has expired: get new credentials; a Cache does so in time"
	case d.sig.token == "":
		return "the session token of " + id + " is missing: set Credentials.SessionToken"
	case strings.HasPrefix(d.sig.keyID, "AKIA"):
		return id + " is a long-term key, and a session token was sent with it: leave Credentials.SessionToken empty"
	}
	return "the session token is not the one of " + id + ": take key, secret and token from one source"
}

// unsignedNames returns the names of headers that should be signed and are not.
func (d *diagnosis) unsignedNames() string {
	if d.unsigned != "" {
		return shown(d.unsigned)
	}
	var names []string
	for key := range d.req.Header {
		if name := strings.ToLower(key); strings.HasPrefix(name, "x-amz-") && !slices.Contains(d.sig.names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return shown(strings.Join(names, ", "))
}

// quoted returns the server's own words in parentheses, "" where they can't be
// shown.
func (d *diagnosis) quoted() string {
	words, _, _ := strings.Cut(d.message, "\n")
	// Some servers repeat the whole header, with whatever somebody put there.
	if lower := strings.ToLower(words); words == "" || strings.Contains(lower, "authorization header") || strings.Contains(lower, "signature=") {
		return ""
	}
	return " (" + shown(hideLong(words)) + ")"
}

// hideLong puts a length in the place of words as long as signatures and tokens
// are: part of one, or one that is encoded, is none that hider knows.
func hideLong(text string) string {
	const long = 64
	var b strings.Builder
	start := 0 // of a word
	for i := 0; i <= len(text); i++ {
		if i < len(text) && (unreserved(text[i]) || strings.IndexByte("+/=%", text[i]) >= 0) {
			continue
		}
		if i-start < long {
			b.WriteString(text[start:i])
		} else {
			fmt.Fprintf(&b, "(%d bytes, not shown)", i-start)
		}
		b.WriteString(text[i:min(i+1, len(text))])
		start = i + 1
	}
	return b.String()
}

// address is where a request goes, without what its query may hold.
func address(req *http.Request) string {
	return shown(req.URL.Scheme + "://" + cmp.Or(req.Host, req.URL.Host) + req.URL.EscapedPath())
}

// quotedAfter returns what stands in quotes right after the words, which come in
// their order; "" if there is none.
func quotedAfter(s string, words ...string) string {
	for _, word := range words {
		_, s, _ = strings.Cut(s, word)
	}
	s = strings.TrimLeft(s, " :")
	if s == "" || s[0] != '\'' && s[0] != '"' {
		return ""
	}
	quoted, _, _ := strings.Cut(s[1:], s[:1])
	return quoted
}
