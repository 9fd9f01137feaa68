package awsauthtest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-awsauth/awsauth"
)

// EC2Metadata is the part of the EC2 instance metadata service that has to do
// with credentials: tokens of version 2, the role's name, and its keys. Make it
// with [NewEC2Metadata].
//
// Code that you can't hand an endpoint finds it through the variable
// AWS_EC2_METADATA_SERVICE_ENDPOINT, set to URL.
type EC2Metadata struct {
	Fake

	// Role is the name of the instance's role. "": it has none, and the service
	// answers 404.
	Role string

	// Credentials are the role's keys. Expires zero: six hours after each
	// request, as it is on EC2 right after a change of keys.
	Credentials awsauth.Credentials

	// Code is what the service says of the role's keys; anything but "Success" is
	// a failure, which it reports with status 200. "": Success.
	Code string

	// V1Disabled makes the service refuse requests without a token with 401, as
	// an instance with "HttpTokens: required" does.
	V1Disabled bool

	// TokenStatus is the answer to requests for a token, where it should
	// not have version 2: 403, 404 or 405. Tokens are then not looked at. 0: it
	// has.
	TokenStatus int

	tokens map[string]time.Time // until when each is good
}

// NewEC2Metadata starts an instance metadata service with both versions and a
// role named test-role. Close it at the end.
func NewEC2Metadata() *EC2Metadata {
	f := &EC2Metadata{
		Role:        "test-role",
		Credentials: testKeys("EC2ROLE"),
		tokens:      make(map[string]time.Time),
	}
	f.Credentials.Expires = time.Now().Add(6 * time.Hour).Truncate(time.Second)
	f.start(f.answer)
	return f
}

// ForgetTokens makes the service refuse the tokens that it gave out.
func (f *EC2Metadata) ForgetTokens() {
	f.Change(func() { clear(f.tokens) })
}

const (
	ec2TokenPath = "/latest/api/token"
	ec2RolePath  = "/latest/meta-data/iam/security-credentials/"
	ec2TTLHeader = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
	ec2MaxTTL    = 21600
)

func (f *EC2Metadata) answer(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Server", "EC2ws")
	w.Header().Set("Content-Type", "text/plain")
	switch {
	case r.URL.Path == ec2TokenPath:
		f.token(w, r)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		http.Error(w, "405 - Method Not Allowed", http.StatusMethodNotAllowed)
	case !f.allowed(r.Header.Values("X-Aws-Ec2-Metadata-Token")):
		http.Error(w, "401 - Unauthorized", http.StatusUnauthorized)
	case r.URL.Path == ec2RolePath && f.Role != "":
		io.WriteString(w, f.Role)
	case r.URL.Path == ec2RolePath+f.Role && f.Role != "":
		f.keys(w)
	default:
		http.Error(w, "404 - Not Found", http.StatusNotFound)
	}
}

// token answers a request for a token.
func (f *EC2Metadata) token(w http.ResponseWriter, r *http.Request) {
	ttl, err := strconv.Atoi(r.Header.Get(ec2TTLHeader))
	switch {
	case f.TokenStatus != 0:
		http.Error(w, http.StatusText(f.TokenStatus), f.TokenStatus)
	case r.Method != http.MethodPut:
		http.Error(w, "405 - Method Not Allowed", http.StatusMethodNotAllowed)
	case r.Header.Values("X-Forwarded-For") != nil: // it came through a proxy
		http.Error(w, "403 - Forbidden", http.StatusForbidden)
	case err != nil || ttl < 1 || ttl > ec2MaxTTL:
		http.Error(w, "400 - Bad Request", http.StatusBadRequest)
	default:
		token := fmt.Sprintf("ec2-token-%d-%d==", time.Now().UnixNano(), len(f.tokens))
		f.tokens[token] = f.now().Add(time.Duration(ttl) * time.Second)
		w.Header().Set(ec2TTLHeader, strconv.Itoa(ttl))
		io.WriteString(w, token)
	}
}

// allowed reports whether a request with these tokens gets an answer.
func (f *EC2Metadata) allowed(tokens []string) bool {
	switch {
	case f.TokenStatus != 0 || len(tokens) == 0:
		return f.TokenStatus != 0 || !f.V1Disabled
	case len(tokens) > 1:
		return false
	}
	end, ok := f.tokens[tokens[0]]
	return ok && f.now().Before(end)
}

func (f *EC2Metadata) keys(w http.ResponseWriter) {
	now := f.now().UTC().Format(time.RFC3339)
	code := cmp.Or(f.Code, "Success")
	var reply any = struct{ Code, LastUpdated, Type, AccessKeyId, SecretAccessKey, Token, Expiration string }{
		code, now, "AWS-HMAC",
		f.Credentials.AccessKeyID, f.Credentials.SecretAccessKey, f.Credentials.SessionToken,
		f.expiration(f.Credentials, 6*time.Hour),
	}
	if !strings.EqualFold(code, "Success") {
		reply = struct{ Code, Message, LastUpdated string }{code, "EC2 cannot assume the role " + f.Role, now}
	}
	writeJSON(w, reply)
}

func writeJSON(w http.ResponseWriter, reply any) {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	enc.Encode(reply)
}
