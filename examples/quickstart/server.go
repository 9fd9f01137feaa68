package main

import (
	"bytes"
	"crypto/md5"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-awsauth/awsauth"
	"github.com/go-awsauth/awsauth/internal/reference"
)

// A Server is an http.Handler that behaves like the object part of S3. It keeps
// objects in memory, under path-style addresses (/bucket/key), and answers GET,
// HEAD, PUT and DELETE. Every request must carry a Signature Version 4, in its
// header or in its query; others are refused with S3's own error codes.
type Server struct {
	verifier reference.Verifier

	mu      sync.Mutex
	objects map[string]object // by decoded path
}

type object struct {
	data        []byte
	contentType string
	modified    time.Time
}

// NewServer returns a Server for one region that knows the given keys.
func NewServer(region string, keys ...awsauth.Credentials) *Server {
	known := make(map[string]awsauth.Credentials)
	for _, k := range keys {
		known[k.AccessKeyID] = k
	}
	return &Server{
		verifier: reference.Verifier{
			Secret: func(id string) (secret, sessionToken string, ok bool) {
				k, ok := known[id]
				return k.SecretAccessKey, k.SessionToken, ok
			},
			Service: "s3",
			Region:  region,
		},
		objects: make(map[string]object),
	}
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	res, err := s.verifier.Verify(r)
	if err != nil {
		code, message := "InternalError", err.Error()
		var refusal *reference.Error
		if errors.As(err, &refusal) {
			code, message = refusal.Code, refusal.Message
		}
		writeError(w, code, message, res)
		return
	}
	// r.URL.Path as it came: a ServeMux would tidy the "//" and ".." of keys away.
	key := r.URL.Path
	if _, name, ok := strings.Cut(strings.TrimPrefix(key, "/"), "/"); !ok || name == "" {
		writeError(w, "NotImplemented", "only objects are served here, not buckets", reference.Result{})
		return
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		s.get(w, r, key)
	case http.MethodPut:
		if strings.HasPrefix(res.PayloadHash, "STREAMING-") {
			writeError(w, "NotImplemented", "aws-chunked bodies are not read here", reference.Result{})
			return
		}
		s.put(w, r, key)
	case http.MethodDelete:
		s.mu.Lock()
		delete(s.objects, key)
		s.mu.Unlock()
		w.WriteHeader(http.StatusNoContent)
	default:
		writeError(w, "MethodNotAllowed", "the method is not allowed against an object", reference.Result{})
	}
}

func (s *Server) get(w http.ResponseWriter, r *http.Request, key string) {
	s.mu.Lock()
	o, ok := s.objects[key]
	s.mu.Unlock()
	if !ok {
		writeError(w, "NoSuchKey", "the key does not exist", reference.Result{})
		return
	}
	w.Header().Set("Content-Type", o.contentType)
	w.Header().Set("ETag", etag(o.data))
	http.ServeContent(w, r, "", o.modified, bytes.NewReader(o.data))
}

func (s *Server) put(w http.ResponseWriter, r *http.Request, key string) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		writeError(w, "IncompleteBody", err.Error(), reference.Result{})
		return
	}
	o := object{data, r.Header.Get("Content-Type"), time.Now()}
	if o.contentType == "" {
		o.contentType = "binary/octet-stream"
	}
	s.mu.Lock()
	s.objects[key] = o
	s.mu.Unlock()
	w.Header().Set("ETag", etag(data))
}

func etag(data []byte) string { return fmt.Sprintf(`"%x"`, md5.Sum(data)) }

func status(code string) int {
	switch code {
	case "AccessDenied", "InvalidAccessKeyId", "RequestTimeTooSkewed", "SignatureDoesNotMatch":
		return http.StatusForbidden
	case "NoSuchKey":
		return http.StatusNotFound
	case "MethodNotAllowed":
		return http.StatusMethodNotAllowed
	case "InternalError":
		return http.StatusInternalServerError
	case "NotImplemented":
		return http.StatusNotImplemented
	}
	return http.StatusBadRequest
}

// writeError answers as S3 does: with what the server made of the request, so
// that a client can be put right.
func writeError(w http.ResponseWriter, code, message string, res reference.Result) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status(code))
	io.WriteString(w, xml.Header)
	xml.NewEncoder(w).Encode(struct {
		XMLName          xml.Name `xml:"Error"`
		Code             string
		Message          string
		CanonicalRequest string `xml:",omitempty"`
		StringToSign     string `xml:",omitempty"`
	}{Code: code, Message: message, CanonicalRequest: res.CanonicalRequest, StringToSign: res.StringToSign})
}
