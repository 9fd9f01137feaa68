package awsauth

import (
	"net/http"
	"strings"
)

// tokenName returns the name of the header or of the parameter that carries the
// session token.
//
// To S3 Express, that of a session (CreateSession) goes under a name of its own.
// Control requests, CreateSession itself, HeadBucket and the two copies are for IAM
// credentials even so, says the Amazon S3 API Reference of each, and their token
// has the usual name. See
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-express-create-session.html
func (m *message) tokenName() string {
	if m.service == "s3express" && !m.wantsIAM() {
		return "X-Amz-S3session-Token"
	}
	return "X-Amz-Security-Token"
}

// wantsIAM reports whether a request to S3 Express is one that no session may make.
func (m *message) wantsIAM() bool {
	first, rest, _ := strings.Cut(strings.ToLower(m.host), ".")
	second, _, _ := strings.Cut(rest, ".") // after an account
	for _, label := range []string{first, second} {
		if label == "s3express-control" || label == "s3express-control-fips" {
			return true
		}
	}
	switch bucket := string(m.path) == "/"; m.req.Method {
	case http.MethodHead:
		return bucket
	case http.MethodGet, "":
		return bucket && m.url.Query().Has("session")
	case http.MethodPut:
		for key := range m.req.Header {
			if strings.EqualFold(key, "X-Amz-Copy-Source") {
				return true
			}
		}
	}
	return false
}
