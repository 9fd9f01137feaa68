package interop

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-awsauth/awsauth"
)

// A server is a real server that verifies signatures: a process of its own, on
// loopback, for as long as the tests run.
type server struct {
	Name string // such as "versitygw, TLS"
	Kind string // "versitygw" or "minio": gaps go by it
	URL  string // without a slash at its end

	// STS is the URL of the server's Security Token Service, and IAM that of its
	// Identity and Access Management. "": it has none.
	STS, IAM string

	Region  string
	Keys    awsauth.Credentials // of the administrator
	Session awsauth.Credentials // temporary ones; zero: the server has none to hand out beforehand

	Client *http.Client // knows the server's certificate, and follows no redirect

	Few bool // another server gets the same bytes: of very many requests a few will do
}

const serverRegion = "us-east-1"

var serverKeys = awsauth.Credentials{AccessKeyID: "AKIAINTEROPEXAMPLE01", SecretAccessKey: "interop/secret+EXAMPLE/KEY/0123456789abc"}

// sessionKeys are of a role that may do everything.
var sessionKeys = awsauth.Credentials{AccessKeyID: "ASIAINTEROPEXAMPLE02", SecretAccessKey: "session/secret+EXAMPLE/KEY/0123456789abc",
	SessionToken: "FwoGZXIvYXdzEBYaDInterop+session/token=="}

// servers starts each server when it is first asked for, and all of one kind at
// once. AWSAUTH_INTEROP=minio in the environment adds minio, whose build takes some
// ten minutes and 2 GB the first time.
var servers = []func() ([]*server, error){sync.OnceValues(startVersitygw)}

func init() {
	for name := range strings.FieldsFuncSeq(os.Getenv("AWSAUTH_INTEROP"), func(r rune) bool { return r == ',' || r == ' ' }) {
		if name != "minio" {
			panic("interop: AWSAUTH_INTEROP names " + strconv.Quote(name) + ": there is minio")
		}
		servers = append(servers, sync.OnceValues(startMinio))
	}
}

// eachServer runs a test against every server.
func eachServer(t *testing.T, test func(t *testing.T, s *server)) {
	for _, start := range servers {
		all, err := start()
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range all {
			t.Run(s.Name, func(t *testing.T) { test(t, s) })
		}
	}
}

// signer signs for the server's S3, with the administrator's keys.
func (s *server) signer() *awsauth.Signer {
	return &awsauth.Signer{Service: "s3", Region: s.Region, Credentials: s.Keys}
}

var buckets atomic.Int64

// bucket makes a new bucket, and returns its URL, without a slash at its end.
func (s *server) bucket(t *testing.T) string {
	t.Helper()
	url := s.URL + "/bucket-" + strconv.FormatInt(buckets.Add(1), 10)
	req := newRequest(t, "PUT", url, "")
	sign(t, s.signer(), req)
	s.accept(t, "bucket", "create", req)
	return url
}

// newRequest makes a request with a body, or without where it is "".
func newRequest(t *testing.T, method, url, body string) *http.Request {
	t.Helper()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, r)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// sign signs req in the header.
func sign(t *testing.T, s *awsauth.Signer, req *http.Request) {
	t.Helper()
	if err := s.Sign4(req); err != nil {
		t.Fatal(err)
	}
}

// presign signs req in the query, for a quarter of an hour.
func presign(t *testing.T, s *awsauth.Signer, req *http.Request) {
	t.Helper()
	if err := s.Presign(req, 15*time.Minute); err != nil {
		t.Fatal(err)
	}
}

// An answer is what a server said.
type answer struct {
	*http.Response
	Body []byte
	Code string // of an error, such as "SignatureDoesNotMatch"; "HTTP 403" where there is none to read
}

func (s *server) send(t *testing.T, req *http.Request) *answer {
	t.Helper()
	resp, err := s.Client.Do(req)
	for tries := 0; err != nil && tries < 3 && req.GetBody != nil; tries++ {
		// A server that refuses before it has read the body may break the connection.
		if req.Body, err = req.GetBody(); err == nil {
			resp, err = s.Client.Do(req)
		}
	}
	if err != nil {
		t.Fatalf("%s: %v", s.Name, err)
	}
	defer resp.Body.Close()
	a := &answer{Response: resp}
	if a.Body, err = io.ReadAll(resp.Body); err != nil {
		t.Fatalf("%s: reading the answer: %v", s.Name, err)
	}
	if resp.StatusCode >= 300 {
		// S3 has the code at the root, the query protocols have it in Error.
		var e struct {
			Code  string
			Error struct{ Code string }
		}
		xml.Unmarshal(a.Body, &e) // what is no XML has no code
		switch {
		case e.Code != "":
			a.Code = e.Code
		case e.Error.Code != "":
			a.Code = e.Error.Code
		default:
			a.Code = "HTTP " + strconv.Itoa(resp.StatusCode)
		}
	}
	return a
}

// gap returns what the server does otherwise with a request than S3, if anything. A
// kind such as "list, presigned" has the gaps of "list" too.
func (s *server) gap(kind, name string) *otherwise {
	group, _, _ := strings.Cut(kind, ",")
	for _, kind := range []string{kind, group} {
		if o, ok := gaps[s.Kind][kind+": "+name]; ok {
			return &o
		}
	}
	return nil
}

// accept sends a signed request that has to be accepted. It is counted under kind;
// kind and name together say which of the server's gaps it may meet.
func (s *server) accept(t *testing.T, kind, name string, req *http.Request) *answer {
	t.Helper()
	return s.expect(t, kind, name, req, asAccepted, func(a *answer) bool { return a.StatusCode < 300 })
}

// refuse sends a request that has to be refused, with one of the codes. It is
// counted as in accept.
func (s *server) refuse(t *testing.T, kind, name string, req *http.Request, codes ...string) *answer {
	t.Helper()
	return s.expect(t, kind, name, req, asRefused, func(a *answer) bool {
		return a.StatusCode >= 400 && a.StatusCode < 500 && slices.Contains(codes, a.Code)
	})
}

func (s *server) expect(t *testing.T, kind, name string, req *http.Request, outcome int, right func(*answer) bool) *answer {
	t.Helper()
	a := s.send(t, req)
	o := s.gap(kind, name)
	switch {
	case o == nil && right(a):
	case o != nil && !right(a) && a.Code == o.code:
		outcome = asGap
	case o != nil && right(a):
		outcome = asWrong
		t.Errorf("%s: %s: %s: this is among the gaps and is none (%s)", s.Name, kind, name, o.why)
	default:
		outcome = asWrong
		t.Errorf("%s: %s: %s: %d %q: %s %s\n%.500s", s.Name, kind, name, a.StatusCode, a.Code, req.Method, req.URL, a.Body)
	}
	count(s, kind, outcome)
	return a
}

// outcomes of a request.
const (
	asAccepted = iota // as it should be
	asRefused         // as it should be
	asGap             // one of the server's known ones
	asWrong
)

// counts are the requests by server, kind and outcome.
var counts = struct {
	mu sync.Mutex // guards by
	by map[[2]string]*[4]int
}{by: map[[2]string]*[4]int{}}

func count(s *server, kind string, outcome int) {
	counts.mu.Lock()
	defer counts.mu.Unlock()
	row := counts.by[[2]string{s.Name, kind}]
	if row == nil {
		row = new([4]int)
		counts.by[[2]string{s.Name, kind}] = row
	}
	row[outcome]++
}

// report prints the counts.
func report(w io.Writer) {
	if len(counts.by) == 0 {
		return
	}
	line := func(server, kind string, n [4]int) {
		fmt.Fprintf(w, "%-16s %-32s %6d %9d %8d %6d %6d\n", server, kind, n[0]+n[1]+n[2]+n[3], n[asAccepted], n[asRefused], n[asGap], n[asWrong])
	}
	fmt.Fprintf(w, "%-16s %-32s %6s %9s %8s %6s %6s\n", "server", "kind", "sent", "accepted", "refused", "gaps", "wrong")
	keys := slices.SortedFunc(maps.Keys(counts.by), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	var sum [4]int
	for i, key := range keys {
		row := counts.by[key]
		line(key[0], key[1], *row)
		for j := range sum {
			sum[j] += row[j]
		}
		if i+1 == len(keys) || keys[i+1][0] != key[0] {
			line(key[0], "all", sum)
			sum = [4]int{}
		}
	}
}

func TestMain(m *testing.M) {
	code := m.Run()
	stopAll()
	if testing.Verbose() {
		report(os.Stdout)
	}
	os.Exit(code)
}

// processes are what runs, with the folder for all of it.
var processes struct {
	mu   sync.Mutex // guards the rest
	dir  string
	stop []func()
}

func stopAll() {
	processes.mu.Lock()
	defer processes.mu.Unlock()
	for _, stop := range slices.Backward(processes.stop) {
		stop()
	}
	if processes.dir != "" {
		os.RemoveAll(processes.dir)
	}
}

// folder makes a folder that goes with the servers. Its name is short, for sockets.
func folder(name string) (string, error) {
	processes.mu.Lock()
	defer processes.mu.Unlock()
	if processes.dir == "" {
		dir, err := os.MkdirTemp("", "interop")
		if err != nil {
			return "", err
		}
		processes.dir = dir
	}
	dir := filepath.Join(processes.dir, name)
	return dir, os.MkdirAll(dir, 0o700)
}

// tool builds a server as the go.mod in dir pins it, and returns its path: what
// ends "go tool" would leave the server running.
func tool(dir, name, slow string) (string, error) {
	defer time.AfterFunc(5*time.Second, func() {
		fmt.Fprintf(os.Stderr, "interop: building %s: %s the first time\n", name, slow)
	}).Stop()
	cmd := exec.Command("go", "tool", "-n", name)
	cmd.Dir = dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := run(cmd); err != nil {
		return "", fmt.Errorf("building %s: %w\n%s", name, err, &stderr)
	}
	return strings.TrimSpace(stdout.String()), nil
}

// run is cmd.Run for a process that ends with this one.
func run(cmd *exec.Cmd) error {
	_, ended := spawn(cmd)
	return <-ended
}

// spawn starts a process that ends with this one, where the system can see to
// that. It goes by the thread that started it, which therefore stays.
func spawn(cmd *exec.Cmd) (started, ended <-chan error) {
	dieWithParent(cmd)
	start, end := make(chan error, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		start <- err
		if err == nil {
			err = cmd.Wait()
		}
		end <- err
	}()
	return start, end
}

// launch starts a server in dir that listens on the given address of loopback, and
// waits until it answers there.
func launch(dir, address string, env []string, path string, args ...string) error {
	cmd := exec.Command(path, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	var said bytes.Buffer // read after its end alone
	cmd.Stdout, cmd.Stderr = &said, &said
	started, ended := spawn(cmd)
	if err := <-started; err != nil {
		return err
	}
	stop := sync.OnceFunc(func() {
		cmd.Process.Kill()
		<-ended
	})
	for range 600 { // 30 seconds
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			processes.mu.Lock()
			processes.stop = append(processes.stop, stop)
			processes.mu.Unlock()
			return nil
		}
		select {
		case err := <-ended:
			return fmt.Errorf("%s ended: %v\n%s", filepath.Base(path), err, &said)
		case <-time.After(50 * time.Millisecond):
		}
	}
	stop()
	return fmt.Errorf("%s does not listen on %s\n%s", filepath.Base(path), address, &said)
}

// freeAddress returns an address of loopback that nobody listens on.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// newClient makes a server's client, which trusts the certificates in roots.
func newClient(roots []byte) *http.Client {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(roots)
	return &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ClientSessionCache: tls.NewLRUClientSessionCache(0)}},
		Timeout:       time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// certificate writes a certificate for loopback and its key, and returns the former.
func certificate(certFile, keyFile string) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:        true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return cert, errors.Join(
		os.WriteFile(certFile, cert, 0o600),
		os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600))
}

// iamStore is what versitygw's IAM service starts from: a role that may do
// everything, and a session of it.
const iamStore = `{
	"roles": {"interop": {
		"Path": "/", "RoleName": "interop", "RoleID": "AROAINTEROPEXAMPLE03", "Arn": "arn:aws:iam::000000000000:role/interop",
		"CreateDate": %[1]q, "MaxSessionDuration": 43200,
		"AssumeRolePolicyDocument": "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"sts.amazonaws.com\"},\"Action\":\"sts:AssumeRole\"}]}",
		"Policies": {"inline": [{"policyName": "all", "policyDocument": "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"}]}"}]}
	}},
	"sessions": {%[3]q: {
		"accessKeyId": %[3]q, "secretAccessKey": %[4]q, "sessionToken": %[5]q,
		"roleArn": "arn:aws:iam::000000000000:role/interop", "roleName": "interop", "roleId": "AROAINTEROPEXAMPLE03", "roleSessionName": "me",
		"createDate": %[1]q, "expiration": %[2]q
	}}
}`

// startVersitygw starts versitygw's IAM service, and its gateway over plain http and
// over TLS.
func startVersitygw() ([]*server, error) {
	path, err := tool(".", "versitygw", "this takes some 200 s")
	if err != nil {
		return nil, err
	}
	dir, err := folder("versitygw")
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"data", "tls", "iam"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			return nil, err
		}
	}
	now := time.Now().UTC()
	store := fmt.Sprintf(iamStore, now.Format(time.RFC3339), now.Add(12*time.Hour).Format(time.RFC3339),
		sessionKeys.AccessKeyID, sessionKeys.SecretAccessKey, sessionKeys.SessionToken)
	if err := os.WriteFile(filepath.Join(dir, "iam", "iam.json"), []byte(store), 0o600); err != nil {
		return nil, err
	}
	cert, err := certificate(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	if err != nil {
		return nil, err
	}

	// The gateway leaves its folder for that of the data, so paths are absolute.
	socket := filepath.Join(dir, "iam.sock")
	var address [3]string
	for i, args := range [][]string{
		{"iam", "--dir", "iam", "--private-ports", socket},
		{"--iam-standalone-endpoint", socket, "posix", "data"},
		{"--cert", filepath.Join(dir, "cert.pem"), "--key", filepath.Join(dir, "key.pem"), "--iam-standalone-endpoint", socket, "posix", "tls"},
	} {
		if address[i], err = freeAddress(); err != nil {
			return nil, err
		}
		args = append([]string{"-q", "-p", address[i], "-a", serverKeys.AccessKeyID, "-s", serverKeys.SecretAccessKey, "-r", serverRegion}, args...)
		if err := launch(dir, address[i], nil, path, args...); err != nil {
			return nil, err
		}
	}
	iam := "http://" + address[0]
	return []*server{
		{Name: "versitygw", Kind: "versitygw", URL: "http://" + address[1], STS: iam, IAM: iam, Region: serverRegion, Keys: serverKeys, Session: sessionKeys, Client: newClient(nil)},
		{Name: "versitygw, TLS", Few: true, Kind: "versitygw", URL: "https://" + address[2], Region: serverRegion, Keys: serverKeys, Session: sessionKeys, Client: newClient(cert)},
	}, nil
}

// startMinio starts minio over plain http and over TLS, where it speaks HTTP/2.
func startMinio() ([]*server, error) {
	path, err := tool("minio", "minio", "this takes some ten minutes, so give go test -timeout 40m,")
	if err != nil {
		return nil, err
	}
	dir, err := folder("minio")
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"data", "tls", "certs", "none"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			return nil, err
		}
	}
	cert, err := certificate(filepath.Join(dir, "certs", "public.crt"), filepath.Join(dir, "certs", "private.key"))
	if err != nil {
		return nil, err
	}
	env := []string{"MINIO_UPDATE=off", "MINIO_BROWSER=off", "CI=true", "MINIO_SITE_REGION=" + serverRegion,
		"MINIO_ROOT_USER=" + serverKeys.AccessKeyID, "MINIO_ROOT_PASSWORD=" + serverKeys.SecretAccessKey}

	var address [2]string
	for i, args := range [][]string{{"--certs-dir", "none", "data"}, {"--certs-dir", "certs", "tls"}} {
		if address[i], err = freeAddress(); err != nil {
			return nil, err
		}
		args = append([]string{"server", "--quiet", "--address", address[i]}, args...)
		if err := launch(dir, address[i], env, path, args...); err != nil {
			return nil, err
		}
	}
	all := []*server{
		{Name: "minio", Kind: "minio", URL: "http://" + address[0], Client: newClient(nil)},
		{Name: "minio, HTTP/2", Kind: "minio", URL: "https://" + address[1], Client: newClient(cert)},
	}
	// Where it may choose, it takes HTTP/1.1.
	transport := all[1].Client.Transport.(*http.Transport)
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetHTTP2(true)
	for _, s := range all {
		s.STS, s.Region, s.Keys = s.URL, serverRegion, serverKeys
		// It listens before it can tell keys.
		for i := 0; ; i++ {
			resp, err := s.Client.Get(s.URL + "/minio/health/cluster")
			if err == nil {
				resp.Body.Close()
			}
			if err == nil && resp.StatusCode == http.StatusOK {
				break
			}
			if i == 600 {
				return nil, fmt.Errorf("%s is not ready: %v", s.Name, err)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	return all, nil
}

func hexSHA256(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
