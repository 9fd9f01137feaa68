// Package tokens makes the passwords and URLs that services other than HTTP APIs
// take in place of a signed request: databases, caches, Kubernetes, Kafka, git and
// WebSockets.
//
//	password, err := tokens.RDS(ctx, "mydb.123456789012.eu-west-1.rds.amazonaws.com:5432", "", "jane")
//
// Nothing is sent to anybody: a token is a signature, made on the spot. Make a new
// one for each connection. It is as good as a password for its lifetime, counts for
// the connecting alone, and does not outlive the credentials.
//
// Credentials are given as to [awsauth.Sign4]: one Provider, several that are asked in
// order, or none for the default chain. A region "" is taken from the endpoint, or
// where that does not tell it, from AWS_REGION or AWS_DEFAULT_REGION.
package tokens

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/go-awsauth/awsauth"
	"github.com/go-awsauth/awsauth/internal/partition"
)

// lifetime is how long most tokens are good for, at most.
const lifetime = 15 * time.Minute

// RDS returns the password with which user connects to a database of RDS or Aurora
// whose endpoint is host:port, over TLS. It is good for 15 minutes, and has the form
//
//	host:port/?Action=connect&DBUser=…&X-Amz-…
//
// The host has to be the one that RDS gave the database, and no alias of it.
//
// See https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.Connecting.html
func RDS(ctx context.Context, endpoint, region, user string, creds ...awsauth.Provider) (string, error) {
	if _, port, _ := strings.Cut(endpoint, ":"); !isPort(port) {
		return "", fmt.Errorf("awsauth: the endpoint %q has no port: give it as host:port", endpoint)
	}
	if user == "" {
		return "", errNoUser
	}
	return connect(ctx, "rds-db", endpoint, region, "Action=connect&DBUser="+url.QueryEscape(user), lifetime, creds)
}

// DSQL returns the password with which a custom database role connects to the Aurora
// DSQL cluster whose endpoint is host, without a port. It is good for the time given,
// up to seven days; 0 is 15 minutes. It has the form
//
//	host/?Action=DbConnect&X-Amz-…
//
// See https://docs.aws.amazon.com/aurora-dsql/latest/userguide/SECTION_authentication-token.html
func DSQL(ctx context.Context, endpoint, region string, expires time.Duration, creds ...awsauth.Provider) (string, error) {
	return dsql(ctx, "DbConnect", endpoint, region, expires, creds)
}

// DSQLAdmin is [DSQL] for the role admin: the form has DbConnectAdmin.
func DSQLAdmin(ctx context.Context, endpoint, region string, expires time.Duration, creds ...awsauth.Provider) (string, error) {
	return dsql(ctx, "DbConnectAdmin", endpoint, region, expires, creds)
}

func dsql(ctx context.Context, action, endpoint, region string, expires time.Duration, creds []awsauth.Provider) (string, error) {
	if strings.Contains(endpoint, ":") {
		return "", fmt.Errorf("awsauth: a token for DSQL is for a host alone: give the endpoint %q without its port", endpoint)
	}
	return connect(ctx, "dsql", endpoint, region, "Action="+action, cmp.Or(expires, lifetime), creds)
}

// ElastiCache returns the password with which user connects to a cache or replication
// group of ElastiCache, by its name (not its host), over TLS. It is good for 15
// minutes, and has the form
//
//	name/?Action=connect&User=…&X-Amz-…
//
// Give the region, or have it in AWS_REGION: the name does not tell it.
//
// See https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/auth-iam.html
func ElastiCache(ctx context.Context, name, region, user string, creds ...awsauth.Provider) (string, error) {
	return cache(ctx, "elasticache", name, region, user, "", creds)
}

// ElastiCacheServerless is [ElastiCache] for a serverless cache: the form has
// ResourceType=ServerlessCache besides.
func ElastiCacheServerless(ctx context.Context, name, region, user string, creds ...awsauth.Provider) (string, error) {
	return cache(ctx, "elasticache", name, region, user, "&ResourceType=ServerlessCache", creds)
}

// MemoryDB is [ElastiCache] for a cluster of MemoryDB.
//
// See https://docs.aws.amazon.com/memorydb/latest/devguide/auth-iam.html
func MemoryDB(ctx context.Context, name, region, user string, creds ...awsauth.Provider) (string, error) {
	return cache(ctx, "memorydb", name, region, user, "", creds)
}

func cache(ctx context.Context, service, name, region, user, kind string, creds []awsauth.Provider) (string, error) {
	if strings.ContainsAny(name, ".:") {
		return "", fmt.Errorf("awsauth: %q is a host: give the name of the cache or cluster", name)
	}
	if user == "" {
		return "", errNoUser
	}
	return connect(ctx, service, name, region, "Action=connect&User="+url.QueryEscape(user)+kind, lifetime, creds)
}

var errNoUser = errors.New("awsauth: the token has no user: give the name of the one who connects")

// connect presigns a request to connect, and returns it without its scheme.
func connect(ctx context.Context, service, endpoint, region, query string, expires time.Duration, creds []awsauth.Provider) (string, error) {
	endpoint = strings.ToLower(endpoint) // as services compare it
	if endpoint == "" || strings.Trim(endpoint, "abcdefghijklmnopqrstuvwxyz0123456789-_.:") != "" {
		return "", fmt.Errorf("awsauth: the endpoint %q is no name of a host: give it without scheme and path", endpoint)
	}
	u, err := presign(ctx, service, region, "https://"+endpoint+"/?"+query, nil, expires, creds)
	if err != nil {
		return "", err
	}
	// Not u.Host: a port is part of the token, also where https has it.
	return endpoint + "/?" + u.RawQuery, nil
}

// presign presigns a GET.
func presign(ctx context.Context, service, region, target string, header http.Header, expires time.Duration, creds []awsauth.Provider) (*url.URL, error) {
	if strings.ContainsAny(region, "*,") {
		return nil, fmt.Errorf("awsauth: a token is for one region, and %q is a set: give one", region)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, errors.New("awsauth: the endpoint or URL is none: correct it")
	}
	req.Header = header
	s := &awsauth.Signer{Service: service, Region: region}
	err = s.Presign(req, expires, creds...)
	var unknown *awsauth.UnknownEndpointError
	switch {
	case err == nil:
		return req.URL, nil
	case errors.As(err, &unknown) && service != "":
		return nil, fmt.Errorf("awsauth: nothing tells the region of %q: give it, or set AWS_REGION", unknown.Host)
	case errors.As(err, &unknown):
		return nil, fmt.Errorf("awsauth: the host %q does not tell the service and the region: presign the URL with a Signer that has both", unknown.Host)
	}
	return nil, err
}

// EKS returns the bearer token for the Kubernetes API of an EKS cluster, by its name.
// The cluster takes it for 15 minutes; get a new one a minute before. It has the form
//
//	k8s-aws-v1.<base64 of https://sts.REGION…/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-…>
//
// The region is that of the STS to ask, usually the cluster's: give it, or have it in
// AWS_REGION.
//
// See https://docs.aws.amazon.com/cli/latest/reference/eks/get-token.html
func EKS(ctx context.Context, cluster, region string, creds ...awsauth.Provider) (string, error) {
	if cluster == "" {
		return "", errors.New("awsauth: the token has no cluster: give its name")
	}
	region, host, err := regional("sts", region)
	if err != nil {
		return "", err
	}
	// STS itself does not look at the 60 seconds.
	u, err := presign(ctx, "sts", region, "https://"+host+"/?Action=GetCallerIdentity&Version=2011-06-15",
		http.Header{"X-K8s-Aws-Id": {cluster}}, time.Minute, creds)
	if err != nil {
		return "", err
	}
	return "k8s-aws-v1." + base64.RawURLEncoding.EncodeToString([]byte(u.String())), nil
}

// MSK returns the token with which a client connects to the Kafka clusters of MSK in a
// region, by SASL/OAUTHBEARER. It is good for 15 minutes, and has the form
//
//	<base64 of https://kafka.REGION.amazonaws.com/?Action=kafka-cluster%3AConnect&X-Amz-…&User-Agent=…>
//
// Give the region, or have it in AWS_REGION.
//
// See https://docs.aws.amazon.com/msk/latest/developerguide/configure-clients-for-iam-access-control.html
func MSK(ctx context.Context, region string, creds ...awsauth.Provider) (string, error) {
	region, _, err := regional("kafka", region)
	if err != nil {
		return "", err
	}
	// In all partitions alike: the host is not asked, and the clusters expect this one.
	u, err := presign(ctx, "kafka-cluster", region, "https://kafka."+region+".amazonaws.com/?Action=kafka-cluster%3AConnect", nil, lifetime, creds)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString([]byte(u.String() + "&User-Agent=awsauth")), nil
}

// regional returns the region, by default that of the environment, and the host that
// a service has there.
func regional(service, region string) (_, host string, err error) {
	region = strings.TrimSpace(cmp.Or(region, strings.TrimSpace(os.Getenv("AWS_REGION")), os.Getenv("AWS_DEFAULT_REGION")))
	if host = partition.Host(service, region); host == "" {
		return "", "", fmt.Errorf("awsauth: %q is no region: give one, or set AWS_REGION", region)
	}
	return region, host, nil
}

// IoT returns the URL at which an MQTT client connects to AWS IoT over WebSocket. It
// is good for the time given, up to seven days; 0 is 15 minutes. It has the form
//
//	wss://host/mqtt?X-Amz-…&X-Amz-Signature=…&X-Amz-Security-Token=…
//
// The session token, if any, comes after the signature and is not signed. The endpoint
// is the account's own, as iot:DescribeEndpoint tells it for iot:Data-ATS, or a custom
// domain.
//
// See https://docs.aws.amazon.com/iot/latest/developerguide/protocols.html
func IoT(ctx context.Context, endpoint, region string, expires time.Duration, creds ...awsauth.Provider) (string, error) {
	if endpoint == "" || strings.ContainsAny(endpoint, "/?#@") {
		return "", fmt.Errorf("awsauth: the endpoint %q is no name of a host: give it without scheme and path", endpoint)
	}
	u, err := presign(ctx, "iotdevicegateway", region, "wss://"+endpoint+"/mqtt", nil, cmp.Or(expires, lifetime), creds)
	if err != nil {
		return "", err
	}
	return u.String(), nil
}

// WebSocket returns a wss URL of AWS's, presigned, such as Transcribe's:
//
//	wss://transcribestreaming.us-west-2.amazonaws.com:8443/stream-transcription-websocket?language-code=en-US&…
//
// The service and the region come from its host. It is good for the time given; 0 is
// five minutes, which is the most for Transcribe.
//
// See https://docs.aws.amazon.com/transcribe/latest/dg/streaming-setting-up.html
func WebSocket(ctx context.Context, target string, expires time.Duration, creds ...awsauth.Provider) (string, error) {
	if !strings.HasPrefix(target, "wss://") {
		return "", errors.New("awsauth: the URL of a WebSocket begins with wss://: correct it")
	}
	u, err := presign(ctx, "", "", target, nil, cmp.Or(expires, 5*time.Minute), creds)
	if err != nil {
		return "", err
	}
	return u.String(), nil
}

// CodeCommit returns the user and the password for git over HTTPS at the URL of a
// repository of CodeCommit, https://git-codecommit.REGION.amazonaws.com/v1/repos/NAME;
// a git credential helper prints them. They are good for 15 minutes, and have the forms
//
//	ACCESSKEYID  or  ACCESSKEYID%SESSIONTOKEN
//	20060102T150405Z<signature>
//
// Without creds, the EC2 instance role is asked at every call: in a process that
// lives on, give an [awsauth.EC2Role] of its own, which caches.
//
// See https://docs.aws.amazon.com/codecommit/latest/userguide/setting-up-https-unixes.html
func CodeCommit(ctx context.Context, repository string, creds ...awsauth.Provider) (user, password string, err error) {
	u, err := url.Parse(repository)
	if err != nil || u.Scheme != "https" || u.RawQuery != "" || u.Path == "" {
		return "", "", errors.New("awsauth: the URL is not a repository's: give it like https://git-codecommit.us-east-1.amazonaws.com/v1/repos/NAME")
	}
	service, region, err := awsauth.Scope(u)
	if err != nil {
		return "", "", err
	}
	if service != "codecommit" {
		return "", "", fmt.Errorf("awsauth: the host %q is not CodeCommit's, but of %s: give the URL of a repository", u.Host, service)
	}
	if len(creds) == 0 {
		creds = []awsauth.Provider{awsauth.Env{}, &awsauth.EC2Role{}}
	}
	keys, err := awsauth.Chain(creds).Retrieve(ctx)
	if err == nil {
		keys, err = keys.Retrieve(ctx) // refuses empty ones
	}
	if err != nil {
		return "", "", err
	}
	if keys.AccessKeyID == "" { // Anonymous
		return "", "", errors.New("awsauth: Anonymous can't sign a password: give credentials")
	}
	now := time.Now().Round(0)
	if !keys.Expires.IsZero() && !now.Before(keys.Expires) {
		return "", "", fmt.Errorf("awsauth: the credentials expired at %s: get new ones", keys.Expires.UTC().Format(time.RFC3339))
	}
	user = keys.AccessKeyID
	if keys.SessionToken != "" {
		user += "%" + keys.SessionToken
	}
	return user, codeCommit(u, region, keys.SecretAccessKey, now), nil
}

// codeCommit signs the URL of a repository as CodeCommit has it: with a method of its
// own, the host alone, no hash of a body, and a time without its Z.
func codeCommit(u *url.URL, region, secret string, now time.Time) string {
	date := now.UTC().Format("20060102T150405")
	sum := sha256.Sum256([]byte("GIT\n" + u.EscapedPath() + "\n\nhost:" + u.Hostname() + "\n\nhost\n"))
	key := []byte("AWS4" + secret)
	for _, part := range []string{date[:8], region, "codecommit", "aws4_request"} {
		key = mac(key, part)
	}
	return date + "Z" + hex.EncodeToString(mac(key, "AWS4-HMAC-SHA256\n"+date+"\n"+
		date[:8]+"/"+region+"/codecommit/aws4_request\n"+hex.EncodeToString(sum[:])))
}

func mac(key []byte, data string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(data))
	return h.Sum(nil)
}

func isPort(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
