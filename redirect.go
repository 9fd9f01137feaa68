package awsauth

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-awsauth/awsauth/internal/partition"
)

// CheckRedirect is for [http.Client].CheckRedirect, where requests are signed
// before they are sent. On a redirect net/http sends the first request's headers
// again, and leaves out Authorization for another domain alone, not the others that
// a signature has. CheckRedirect removes them all, and every other X-Amz- header
// (the keys of SSE-C are such), from a request to another host or port, or one from
// https to http, and from what follows it. It stops after ten redirects, as net/http
// does by itself.
//
// What stays on the first request's host keeps its headers, whose signature is good
// for the first URL alone. Sign it again after CheckRedirect, or use a [Transport],
// which needs no CheckRedirect.
func CheckRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return errors.New("awsauth: stopped after 10 redirects")
	}
	if strayed(append(slices.Clip(via), req), sameServer) {
		strip(req.Header)
	}
	return nil
}

// hops returns the requests that led to req by redirects, the first of them first,
// and req as the last. It returns none where somebody has hidden one.
func hops(req *http.Request) []*http.Request {
	chain := []*http.Request{req}
	for resp := req.Response; resp != nil; resp = resp.Request.Response {
		if resp.Request == nil || resp.Request.URL == nil {
			return nil
		}
		chain = append(chain, resp.Request)
	}
	slices.Reverse(chain)
	return chain
}

// strayed reports whether redirects left, at the end or on the way, what the first
// request was signed for. Who has been out is not let in again: it would be for a
// stranger to choose what is signed.
func strayed(chain []*http.Request, in func(first, hop *url.URL) bool) bool {
	for _, hop := range chain {
		if !in(chain[0].URL, hop.URL) {
			return true
		}
	}
	return len(chain) == 0
}

// sameServer reports whether hop is on the host and port of first, or, over https,
// where http has its own port.
func sameServer(first, hop *url.URL) bool {
	if encrypted(first) && !encrypted(hop) {
		return false
	}
	a, err := new(message).wireHost(first, "")
	b, berr := new(message).wireHost(hop, "")
	return err == nil && berr == nil && strings.EqualFold(a, b) && zone(first) == zone(hop)
}

// zone returns the zone of an IPv6 address. A Host header has none, and each has
// machines of its own.
func zone(u *url.URL) string {
	_, zone, _ := strings.Cut(u.Hostname(), "%")
	return zone
}

// sameScope reports whether hop is on the server of first, or both are S3 in one
// partition, which sends requests on to a bucket's region. Of other services the
// hosts may be those of different customers.
func sameScope(first, hop *url.URL) bool {
	if sameServer(first, hop) {
		return true
	}
	if encrypted(first) && !encrypted(hop) {
		return false
	}
	from, fromRegion, err := Scope(first)
	to, toRegion, terr := Scope(hop)
	return err == nil && terr == nil && from == "s3" && to == "s3" &&
		partition.OfRegion(fromRegion)&partition.OfRegion(toRegion) != 0
}

// strip removes what tells anything of a signature or of the keys behind it.
func strip(h http.Header) {
	for key, values := range h {
		switch name := http.CanonicalHeaderKey(key); {
		case strings.HasPrefix(name, "X-Amz-"):
			delete(h, key)
		case name == "Authorization" && slices.ContainsFunc(values, func(v string) bool { return strings.HasPrefix(v, "AWS4-") }):
			delete(h, key)
		case name == "Referer" && slices.ContainsFunc(values, ofPresigned):
			delete(h, key) // whole
		}
	}
}

// ofPresigned reports whether a Referer is, or may be, a presigned URL.
func ofPresigned(referer string) bool {
	text, err := url.QueryUnescape(referer)
	return err != nil || strings.Contains(text, "X-Amz-")
}
