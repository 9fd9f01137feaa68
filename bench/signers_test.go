package bench

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"net/url"
	"time"

	v1credentials "github.com/aws/aws-sdk-go/aws/credentials"
	v1signer "github.com/aws/aws-sdk-go/aws/signer/v4"

	"github.com/aws/aws-sdk-go-v2/aws"
	v2signer "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	smithycredentials "github.com/aws/smithy-go/aws-http-auth/credentials"
	"github.com/aws/smithy-go/aws-http-auth/sigv4"
	smithyv4 "github.com/aws/smithy-go/aws-http-auth/v4"

	minio "github.com/minio/minio-go/v7/pkg/signer"

	"github.com/go-awsauth/awsauth"
)

const (
	expires   = 15 * time.Minute
	unsigned  = "UNSIGNED-PAYLOAD"
	emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

var emptySum = sha256.Sum256(nil)

// A request is what all sign.
type request struct {
	method, url     string
	header          http.Header
	body            []byte // hashed within the time that is measured
	service, region string // both "": from the host, as awsauth alone can
	presign         bool
	keys            []*keys // taken in turn
}

// hash is the hash of the body, for the signers that want it from their caller.
func (r *request) hash() []byte {
	sum := sha256.Sum256(r.body)
	return sum[:]
}

func (r *request) hexHash() string {
	if r.body == nil {
		return emptyHash
	}
	return hex.EncodeToString(r.hash())
}

// keys are one key pair, as each signer wants it.
type keys struct {
	awsauth awsauth.Credentials
	v2      aws.Credentials
	smithy  smithycredentials.Credentials
	v1      *v1credentials.Credentials
}

func newKeys(id, secret, token string) *keys {
	return &keys{
		awsauth: awsauth.Credentials{AccessKeyID: id, SecretAccessKey: secret, SessionToken: token},
		v2:      aws.Credentials{AccessKeyID: id, SecretAccessKey: secret, SessionToken: token},
		smithy:  smithycredentials.Credentials{AccessKeyID: id, SecretAccessKey: secret, SessionToken: token},
		v1:      v1credentials.NewStaticCredentials(id, secret, token),
	}
}

// A signFunc signs a request in place. link is the presigned URL where the signer
// returns one in place of changing the request.
type signFunc func(req *http.Request, k *keys) (link string, err error)

// A signer makes a signFunc for requests like r, with all that its users keep
// between requests.
type signer struct {
	name string
	make func(r *request) signFunc
}

var signers = []signer{
	{"awsauth", func(r *request) signFunc { return byAWSAuth(r, nil) }},
	{"aws-sdk-go-v2", byV2},
	{"smithy-go", bySmithy},
	{"minio-go", byMinio},
	{"aws-sdk-go-v1", byV1},
}

func byAWSAuth(r *request, now func() time.Time) signFunc {
	s := &awsauth.Signer{Service: r.service, Region: r.region, Now: now}
	if len(r.keys) > 1 {
		return func(req *http.Request, k *keys) (string, error) { return "", s.Sign4(req, k.awsauth) }
	}
	s.Credentials = r.keys[0].awsauth
	if r.presign {
		return func(req *http.Request, _ *keys) (string, error) { return "", s.Presign(req, expires) }
	}
	return func(req *http.Request, _ *keys) (string, error) { return "", s.Sign4(req) }
}

func byV2(r *request) signFunc {
	s3 := r.service == "s3"
	s := v2signer.NewSigner(func(o *v2signer.SignerOptions) { o.DisableURIPathEscaping = s3 })
	if r.presign {
		return func(req *http.Request, k *keys) (string, error) {
			req.URL.RawQuery = "X-Amz-Expires=900"
			link, _, err := s.PresignHTTP(req.Context(), k.v2, req, unsigned, r.service, r.region, time.Now())
			return link, err
		}
	}
	return func(req *http.Request, k *keys) (string, error) {
		hash := r.hexHash()
		if s3 {
			req.Header.Set("X-Amz-Content-Sha256", hash)
		}
		return "", s.SignHTTP(context.Background(), k.v2, req, hash, r.service, r.region, time.Now())
	}
}

func bySmithy(r *request) signFunc {
	s := sigv4.New(func(o *smithyv4.SignerOptions) {
		o.HeaderRules = allHeaders{} // by default it signs X-Amz- and host alone
		o.DisableDoublePathEscape = r.service == "s3"
		o.AddPayloadHashHeader = r.service == "s3" && !r.presign
	})
	return func(req *http.Request, k *keys) (string, error) {
		in := sigv4.SignRequestInput{Request: req, Credentials: k.smithy, Service: r.service, Region: r.region, PayloadHash: emptySum[:]}
		if r.presign {
			req.URL.RawQuery = "X-Amz-Expires=900"
			in.SignatureType = smithyv4.SignatureTypeQueryString
			in.PayloadHash = smithyv4.UnsignedPayload()
		} else if r.body != nil {
			in.PayloadHash = r.hash()
		}
		return "", s.SignRequest(&in)
	}
}

type allHeaders struct{}

func (allHeaders) IsSigned(name string) bool { return name != "authorization" && name != "user-agent" }

func byMinio(r *request) signFunc {
	if r.presign {
		return func(req *http.Request, k *keys) (string, error) {
			c := &k.awsauth
			*req = *minio.PreSignV4(*req, c.AccessKeyID, c.SecretAccessKey, c.SessionToken, r.region, int64(expires/time.Second))
			return "", nil
		}
	}
	return func(req *http.Request, k *keys) (string, error) {
		c := &k.awsauth
		req.Header.Set("X-Amz-Content-Sha256", r.hexHash())
		*req = *minio.SignV4WithServiceType(*req, c.AccessKeyID, c.SecretAccessKey, c.SessionToken, r.region, r.service)
		return "", nil
	}
}

func byV1(r *request) signFunc {
	s := v1signer.NewSigner(nil, func(s *v1signer.Signer) {
		s.DisableURIPathEscaping = r.service == "s3"
		s.DisableRequestBodyOverwrite = true
	})
	return func(req *http.Request, k *keys) (link string, err error) {
		s := *s // with keys of its own
		s.Credentials = k.v1
		switch {
		case r.presign:
			_, err = s.Presign(req, nil, r.service, r.region, expires, time.Now())
		case r.body == nil:
			_, err = s.Sign(req, nil, r.service, r.region, time.Now())
		default:
			_, err = s.Sign(req, bytes.NewReader(r.body), r.service, r.region, time.Now())
		}
		return "", err
	}
}

// A fresh makes one request again and again as it was before a signature.
type fresh struct {
	base, req http.Request
	url       url.URL
	header    http.Header
}

func newFresh(r *request) *fresh {
	req, err := http.NewRequest(r.method, r.url, nil)
	if r.body != nil {
		req, err = http.NewRequest(r.method, r.url, bytes.NewReader(r.body))
	}
	if err != nil {
		panic(err)
	}
	return &fresh{base: *req, header: r.header}
}

// reset costs the same for all signers; impl=fresh measures it.
func (f *fresh) reset() *http.Request {
	f.req, f.url = f.base, *f.base.URL
	f.req.URL = &f.url
	if f.req.Header = maps.Clone(f.header); f.header == nil {
		f.req.Header = http.Header{}
	}
	return &f.req
}
