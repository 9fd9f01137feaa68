package awsauthtest

import (
	"bytes"
	"cmp"
	"crypto/md5"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxObject is the longest body, in bytes.
const maxObject = 64 << 20

// A store is the objects of a Server.
type store struct {
	mu      sync.Mutex // guards buckets
	buckets map[string]map[string]object
}

// An object does not change once it is stored.
type object struct {
	data     []byte
	header   http.Header // that came with it
	etag     string
	modified time.Time
}

const storeNamespace = "http://s3.amazonaws.com/doc/2006-03-01/"

// serveObjects answers as S3 does.
func (x *exchange) serveObjects(w http.ResponseWriter, r *http.Request) {
	store := &x.server.store
	bucket, key := address(r)
	for name := range r.URL.Query() {
		switch name {
		case "accelerate", "acl", "analytics", "attributes", "cors", "delete", "encryption", "inventory", "legal-hold", "lifecycle",
			"location", "logging", "metrics", "notification", "object-lock", "ownershipControls", "partNumber", "policy",
			"policyStatus", "publicAccessBlock", "replication", "requestPayment", "restore", "retention", "select", "tagging",
			"torrent", "uploadId", "uploads", "versionId", "versioning", "versions", "website":
			failNotImplemented(w, r, name)
			return
		}
	}
	switch {
	case bucket == "" && key == "" && r.Method == http.MethodGet:
		writeXML(w, r, http.StatusOK, store.list())
	case bucket == "":
		fail(w, r, http.StatusBadRequest, "InvalidBucketName", "The specified bucket is not valid.")
	case key == "":
		x.serveBucket(w, r, bucket)
	default:
		x.serveObject(w, r, bucket, key)
	}
}

func (x *exchange) serveBucket(w http.ResponseWriter, r *http.Request, bucket string) {
	store := &x.server.store
	switch r.Method {
	case http.MethodPut:
		store.make(bucket)
		w.Header().Set("Location", "/"+bucket)
	case http.MethodHead:
		w.Header().Set("X-Amz-Bucket-Region", cmp.Or(x.region, readClaim(r).region))
	case http.MethodGet:
		listObjects(w, r, bucket, store.objects(bucket))
	case http.MethodDelete:
		if !store.remove(bucket) {
			fail(w, r, http.StatusConflict, "BucketNotEmpty", "The bucket you tried to delete is not empty")
			return
		}
		w.WriteHeader(http.StatusNoContent)
	default:
		failMethod(w, r)
	}
}

func (x *exchange) serveObject(w http.ResponseWriter, r *http.Request, bucket, key string) {
	store := &x.server.store
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		o, ok := store.get(bucket, key)
		if !ok {
			fail(w, r, http.StatusNotFound, "NoSuchKey", "The specified key does not exist.")
			return
		}
		o.serve(w, r)
	case http.MethodPut:
		if r.Header.Get("X-Amz-Copy-Source") != "" {
			failNotImplemented(w, r, "x-amz-copy-source")
			return
		}
		o := newObject(r, x.now)
		if !store.put(bucket, key, o, r.Header) {
			fail(w, r, http.StatusPreconditionFailed, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
			return
		}
		w.Header().Set("ETag", o.etag)
	case http.MethodDelete:
		store.delete(bucket, key)
		w.WriteHeader(http.StatusNoContent)
	default:
		failMethod(w, r)
	}
}

// address returns the bucket and the key. Either may be in the host, as in
// bucket.s3.eu-west-1.amazonaws.com, and both in the path.
func address(r *http.Request) (bucket, key string) {
	path := strings.TrimPrefix(r.URL.Path, "/") // not cleaned: keys have any form
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if strings.Contains(host, ".amazonaws.com") {
		// A bucket's name may look like the beginning of an endpoint, too.
		for at := len(host); ; {
			if at = strings.LastIndexByte(host[:at], '.'); at < 0 {
				break
			}
			for _, endpoint := range []string{"s3.", "s3-", "s3express-"} {
				if strings.HasPrefix(host[at+1:], endpoint) {
					return host[:at], path
				}
			}
		}
	}
	bucket, key, _ = strings.Cut(path, "/")
	return bucket, key
}

func fail(w http.ResponseWriter, r *http.Request, status int, code, message string) {
	writeS3Error(w, r, status, s3Error{Code: code, Message: message})
}

func failNotImplemented(w http.ResponseWriter, r *http.Request, what string) {
	fail(w, r, http.StatusNotImplemented, "NotImplemented", "A header or query you provided implies functionality that is not implemented: "+what)
}

func failMethod(w http.ResponseWriter, r *http.Request) {
	fail(w, r, http.StatusMethodNotAllowed, "MethodNotAllowed", "The specified method is not allowed against this resource.")
}

// make makes a bucket, if it is not there.
func (s *store) make(bucket string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open(bucket)
}

// open returns a bucket, which it makes if it is not there. s.mu is held.
func (s *store) open(bucket string) map[string]object {
	if s.buckets == nil {
		s.buckets = make(map[string]map[string]object)
	}
	if s.buckets[bucket] == nil {
		s.buckets[bucket] = make(map[string]object)
	}
	return s.buckets[bucket]
}

// objects returns what a bucket has now.
func (s *store) objects(bucket string) map[string]object {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.buckets[bucket])
}

func (s *store) get(bucket, key string) (object, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.buckets[bucket][key]
	return o, ok
}

// put stores an object, if the conditions in header hold.
func (s *store) put(bucket, key string, o object, header http.Header) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	objects := s.open(bucket)
	old, ok := objects[key]
	if ok && header.Get("If-None-Match") == "*" || header.Get("If-Match") != "" && header.Get("If-Match") != old.etag {
		return false
	}
	objects[key] = o
	return true
}

func (s *store) delete(bucket, key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.buckets[bucket], key)
}

// remove removes a bucket, if it is empty.
func (s *store) remove(bucket string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.buckets[bucket]) > 0 {
		return false
	}
	delete(s.buckets, bucket)
	return true
}

type bucketName struct{ Name string }

func (s *store) list() any {
	s.mu.Lock()
	defer s.mu.Unlock()
	answer := struct {
		XMLName xml.Name     `xml:"ListAllMyBucketsResult"`
		NS      string       `xml:"xmlns,attr"`
		Buckets []bucketName `xml:"Buckets>Bucket"`
	}{NS: storeNamespace}
	for _, name := range slices.Sorted(maps.Keys(s.buckets)) {
		answer.Buckets = append(answer.Buckets, bucketName{name})
	}
	return answer
}

func newObject(r *http.Request, now time.Time) object {
	data, _ := io.ReadAll(r.Body) // from memory
	o := object{data: data, etag: fmt.Sprintf(`"%x"`, md5.Sum(data)), modified: now.Truncate(time.Second), header: http.Header{
		"Content-Type": {"binary/octet-stream"},
	}}
	for name, values := range r.Header {
		switch name {
		case "Content-Type", "Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Expires":
			o.header[name] = values
		default:
			if strings.HasPrefix(name, "X-Amz-Meta-") {
				o.header[name] = values
			}
		}
	}
	return o
}

func (o object) serve(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	maps.Copy(header, o.header)
	for name, values := range r.URL.Query() {
		if name, ok := strings.CutPrefix(name, "response-"); ok {
			header.Set(name, values[0])
		}
	}
	header.Set("ETag", o.etag)
	http.ServeContent(w, r, "", o.modified, bytes.NewReader(o.data))
}

// A listing is the answer to ListObjectsV2.
// See https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
type listing struct {
	XMLName               xml.Name `xml:"ListBucketResult"`
	NS                    string   `xml:"xmlns,attr"`
	Name, Prefix          string
	Delimiter, StartAfter string `xml:",omitempty"`
	EncodingType          string `xml:",omitempty"`
	ContinuationToken     string `xml:",omitempty"`
	NextContinuationToken string `xml:",omitempty"`
	MaxKeys, KeyCount     int
	IsTruncated           bool
	Contents              []listed
	CommonPrefixes        []commonPrefix
}

type listed struct {
	Key, LastModified, ETag string
	Size                    int
	StorageClass            string
}

type commonPrefix struct{ Prefix string }

func listObjects(w http.ResponseWriter, r *http.Request, bucket string, objects map[string]object) {
	query := r.URL.Query()
	l := listing{
		NS: storeNamespace, Name: bucket, Prefix: query.Get("prefix"), Delimiter: query.Get("delimiter"), MaxKeys: 1000,
		StartAfter: query.Get("start-after"), EncodingType: query.Get("encoding-type"), ContinuationToken: query.Get("continuation-token"),
	}
	if query.Get("list-type") != "2" {
		failNotImplemented(w, r, "listing without list-type=2")
		return
	}
	if text := query.Get("max-keys"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			fail(w, r, http.StatusBadRequest, "InvalidArgument", "Argument max-keys must be an integer between 0 and 2147483647")
			return
		}
		l.MaxKeys = min(n, l.MaxKeys)
	}
	after, skip := l.StartAfter, "" // the last key, or the last common prefix
	if l.ContinuationToken != "" {
		token, err := base64.URLEncoding.DecodeString(l.ContinuationToken)
		switch {
		case err != nil || len(token) == 0:
			fail(w, r, http.StatusBadRequest, "InvalidArgument", "The continuation token provided is incorrect")
			return
		case token[0] == 'p':
			after, skip = string(token[1:]), string(token[1:])
		default:
			after = string(token[1:])
		}
	}
	encode := func(text string) string {
		if l.EncodingType == "url" {
			return strings.ReplaceAll(url.QueryEscape(text), "%2F", "/")
		}
		return text
	}
	last := ""
	for _, key := range slices.Sorted(maps.Keys(objects)) {
		rest, ok := strings.CutPrefix(key, l.Prefix)
		if !ok || key <= after || skip != "" && strings.HasPrefix(key, skip) {
			continue
		}
		common := ""
		if at := strings.Index(rest, l.Delimiter); l.Delimiter != "" && at >= 0 {
			common = l.Prefix + rest[:at+len(l.Delimiter)]
			if last == "p"+common {
				continue
			}
		}
		if l.KeyCount == l.MaxKeys {
			if l.IsTruncated = l.MaxKeys > 0; l.IsTruncated {
				l.NextContinuationToken = base64.URLEncoding.EncodeToString([]byte(last))
			}
			break
		}
		l.KeyCount++
		if common != "" {
			last = "p" + common
			l.CommonPrefixes = append(l.CommonPrefixes, commonPrefix{encode(common)})
			continue
		}
		last = "k" + key
		o := objects[key]
		l.Contents = append(l.Contents, listed{encode(key), o.modified.UTC().Format("2006-01-02T15:04:05.000Z"), o.etag, len(o.data), "STANDARD"})
	}
	l.Prefix, l.Delimiter, l.StartAfter = encode(l.Prefix), encode(l.Delimiter), encode(l.StartAfter)
	writeXML(w, r, http.StatusOK, l)
}
