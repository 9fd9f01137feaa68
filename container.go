package awsauth

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/go-awsauth/awsauth/internal/fetch"
)

// A container is what the environment says of a container's role, on ECS, EKS
// (Pod Identity) and Greengrass.
type container struct {
	relativeURI, fullURI string
	token, tokenFile     string // for the Authorization header
}

const (
	containerTimeout = 10 * time.Second // a whole fetch
	containerTry     = 5 * time.Second  // one try
	containerConnect = 2 * time.Second
	containerPause   = 200 * time.Millisecond
)

// A resolver is [net.Resolver.LookupNetIP].
type resolver func(ctx context.Context, network, host string) ([]netip.Addr, error)

func (c container) fetch(ctx context.Context, e Env) (Credentials, error) {
	return c.ask(ctx, e, net.DefaultResolver.LookupNetIP)
}

// ask is fetch with a resolver.
func (c container) ask(parent context.Context, e Env, resolve resolver) (Credentials, error) {
	ctx, cancel := context.WithTimeout(parent, containerTimeout)
	defer cancel()
	keys, err := c.try(ctx, e, resolve)
	if parent.Err() != nil && err != nil {
		err = parent.Err()
	}
	if err != nil {
		return Credentials{}, fmt.Errorf("awsauth: container role: %w", err)
	}
	return keys, nil
}

func (c container) try(ctx context.Context, e Env, resolve resolver) (Credentials, error) {
	u, err := c.endpoint()
	if err != nil {
		return Credentials{}, err
	}
	hosts, err := checkedHosts(ctx, u, resolve)
	if err != nil {
		return Credentials{}, err
	}
	token, err := c.authorization(e)
	if err != nil {
		return Credentials{}, err
	}
	t := e.Transport
	if t == nil {
		t = fetch.NewTransport(containerConnect)
	}

	var status int
	var body []byte
	fetch.Retry(ctx, containerPause, func() bool {
		for _, host := range hosts {
			if status, body, err = getContainer(ctx, t, u, host, token); err == nil {
				break
			}
		}
		return fetch.Again(status, err)
	})
	if err != nil {
		return Credentials{}, err
	}
	return parseContainer(status, body)
}

// endpoint returns the URL to ask.
func (c container) endpoint() (*url.URL, error) {
	if c.relativeURI != "" {
		u, err := url.Parse("http://169.254.170.2" + c.relativeURI)
		if err != nil || c.relativeURI[0] != '/' { // without the slash it could go on with the host
			return nil, errors.New("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is not a path: set it to one that begins with /")
		}
		return u, nil
	}
	u, err := url.Parse(c.fullURI)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return nil, errors.New("AWS_CONTAINER_CREDENTIALS_FULL_URI is not a URL: set it to one like https://host/path")
	case u.User != nil:
		return nil, errors.New("AWS_CONTAINER_CREDENTIALS_FULL_URI has a user name in it: set it to a URL without, and AWS_CONTAINER_AUTHORIZATION_TOKEN")
	}
	return u, nil
}

// checkedHosts returns what to connect to for u, one after the other. Over plain
// http keys and token must not leave the machine. There it returns the addresses
// that were checked: a name could stand for others by the time of the request.
func checkedHosts(ctx context.Context, u *url.URL, resolve resolver) ([]string, error) {
	if u.Scheme == "https" {
		return []string{u.Host}, nil
	}
	name, port := u.Hostname(), u.Port()
	if port == "" {
		port = "80"
	}
	addr, err := netip.ParseAddr(name)
	addrs := []netip.Addr{addr}
	if err != nil {
		if addrs, err = resolve(ctx, "ip", name); err != nil {
			return nil, fmt.Errorf("the host of AWS_CONTAINER_CREDENTIALS_FULL_URI has no address: %v", err)
		}
	}
	hosts := make([]string, 0, len(addrs))
	for _, addr := range addrs {
		if addr = addr.Unmap(); !isNear(addr) {
			return nil, fmt.Errorf("AWS_CONTAINER_CREDENTIALS_FULL_URI leads over plain http to %q: set it to an https URL, or to loopback, 169.254.170.2, 169.254.170.23 or fd00:ec2::23", name)
		}
		hosts = append(hosts, net.JoinHostPort(addr.String(), port))
	}
	if len(hosts) == 0 {
		return nil, errors.New("the host of AWS_CONTAINER_CREDENTIALS_FULL_URI has no address")
	}
	return hosts, nil
}

// isNear reports whether addr is this machine or a container agent's.
func isNear(addr netip.Addr) bool {
	switch addr.String() {
	case "169.254.170.2", "169.254.170.23", "fd00:ec2::23":
		return true
	}
	return addr.IsLoopback() && addr.Zone() == ""
}

// authorization returns the Authorization header, "" for none. A token in a file
// is replaced every few hours.
func (c container) authorization(e Env) (string, error) {
	token, from := c.token, "AWS_CONTAINER_AUTHORIZATION_TOKEN"
	if c.tokenFile != "" {
		from = "the file of AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
		var err error
		if token, err = e.readToken("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", c.tokenFile); err != nil {
			return "", err
		}
	}
	if strings.ContainsFunc(token, unicode.IsControl) {
		return "", fmt.Errorf("%s has a line end or another control character in it: the token is sent as it stands, set it without", from)
	}
	return token, nil
}

// getContainer asks one host for u.
func getContainer(ctx context.Context, t http.RoundTripper, u *url.URL, host, token string) (int, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, containerTry)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return 0, nil, err
	}
	req.URL.Host = host // req.Host stays what the URL says
	req.Header.Set("Accept", "application/json")
	if token != "" {
		req.Header.Set("Authorization", token)
	}
	return fetch.Do(t, req)
}

func parseContainer(status int, body []byte) (Credentials, error) {
	var reply roleKeys
	ok := reply.read(body)
	if status != http.StatusOK {
		if ok && fetch.IsWord(reply.code) {
			return Credentials{}, fmt.Errorf("status %d, %s", status, reply.code)
		}
		return Credentials{}, fmt.Errorf("status %d", status)
	}
	if !ok {
		return Credentials{}, errors.New("the reply is not the JSON it should be")
	}
	if reply.accessKeyID == "" || reply.secretAccessKey == "" {
		return Credentials{}, errors.New("the reply lacks AccessKeyId or SecretAccessKey")
	}
	keys := Credentials{AccessKeyID: reply.accessKeyID, SecretAccessKey: reply.secretAccessKey, SessionToken: reply.token}
	if reply.expiration != "" {
		var err error
		if keys.Expires, err = time.Parse(time.RFC3339, reply.expiration); err != nil {
			return Credentials{}, errors.New("the Expiration of the reply is not a time")
		}
	}
	return keys, nil
}
