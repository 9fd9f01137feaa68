package awsauthtest

import (
	"net/http"
	"time"

	"github.com/go-awsauth/awsauth"
)

// Container is the credential endpoint of containers, as Amazon ECS, the EKS Pod
// Identity Agent and AWS IoT Greengrass have it. Make it with [NewContainer].
//
// Code under test finds it through the variable
// AWS_CONTAINER_CREDENTIALS_FULL_URI, set to URL + Path, and
// AWS_CONTAINER_AUTHORIZATION_TOKEN, set to AuthorizationToken.
type Container struct {
	Fake

	// Path is what it answers to. Other paths are 404.
	Path string

	// AuthorizationToken is what the Authorization header has to be: without it
	// the answer is 400, as of EKS, and with another one 403, as of EKS and
	// Greengrass. "": nothing is looked at, as on ECS.
	AuthorizationToken string

	// Credentials are the role's keys. Expires zero: the reply has no Expiration.
	Credentials awsauth.Credentials
}

// NewContainer starts a credential endpoint that wants an authorization token.
// Close it at the end.
func NewContainer() *Container {
	f := &Container{
		Path:               "/v1/credentials",
		AuthorizationToken: "container-token",
		Credentials:        testKeys("CONTAINER"),
	}
	f.Credentials.Expires = time.Now().Add(6 * time.Hour).Truncate(time.Second)
	f.start(f.answer)
	return f
}

func (f *Container) answer(w http.ResponseWriter, r *http.Request) {
	sent := r.Header.Values("Authorization")
	switch {
	case r.Method != http.MethodGet:
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
	case r.URL.Path != f.Path:
		http.Error(w, "404 page not found", http.StatusNotFound)
	case f.AuthorizationToken != "" && len(sent) == 0:
		http.Error(w, "Service account token cannot be empty", http.StatusBadRequest)
	case f.AuthorizationToken != "" && (len(sent) > 1 || sent[0] != f.AuthorizationToken):
		http.Error(w, "Access Denied.", http.StatusForbidden)
	default:
		w.Header().Set("Content-Type", "application/json")
		reply := map[string]string{
			"AccessKeyId":     f.Credentials.AccessKeyID,
			"SecretAccessKey": f.Credentials.SecretAccessKey,
		}
		if f.Credentials.SessionToken != "" {
			reply["Token"] = f.Credentials.SessionToken
		}
		if !f.Credentials.Expires.IsZero() {
			reply["Expiration"] = f.expiration(f.Credentials, 0)
		}
		writeJSON(w, reply)
	}
}
