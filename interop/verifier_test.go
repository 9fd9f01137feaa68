package interop

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/minio/minio-go/v7"
	miniocredentials "github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/go-awsauth/awsauth"
)

func init() {
	servers = append(servers, sync.OnceValues(startVerifier))
	gaps["Verifier"] = maps.Clone(gaps["versitygw"]) // which is behind it
	delete(gaps["Verifier"], "refused, presigned: clock 16 minutes fast")
	delete(gaps["Verifier"], "put, presigned: digest of another body")
}

// lookup knows the keys that the servers know.
func lookup(_ context.Context, id string) (awsauth.Credentials, error) {
	for _, keys := range []awsauth.Credentials{serverKeys, sessionKeys} {
		if keys.AccessKeyID == id {
			return keys, nil
		}
	}
	return awsauth.Credentials{}, awsauth.ErrNoCredentials
}

// startVerifier puts awsauth.Verifier before versitygw, over plain http and over
// HTTP/2: what it refuses is refused in its words, and what it accepts goes on as it
// came, so that both have to accept it. Where it refuses what versitygw accepts, one
// of the two is wrong; versitygw's gaps say when it is that one.
func startVerifier() ([]*server, error) {
	all, err := servers[0]()
	if err != nil {
		return nil, err
	}
	behind := all[0]
	v := &awsauth.Verifier{Service: "s3", Region: serverRegion, Lookup: lookup}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		out := r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(raw))
		if _, err = v.Verify(r); err == nil {
			_, err = io.Copy(io.Discard, r.Body)
		}
		if err != nil {
			var refusal *awsauth.VerifyError
			if !errors.As(err, &refusal) {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			w.WriteHeader(refusal.StatusCode())
			xml.NewEncoder(w).Encode(struct {
				XMLName       xml.Name `xml:"Error"`
				Code, Message string
			}{Code: refusal.Code, Message: refusal.Message})
			return
		}

		// The same bytes go on: an opaque URL is sent as it stands.
		path, query, _ := strings.Cut(r.RequestURI, "?")
		out.URL = &url.URL{Scheme: "http", Host: strings.TrimPrefix(behind.URL, "http://"), Opaque: path, RawQuery: query}
		if strings.HasPrefix(path, "//") {
			out.URL.Opaque = "//" + r.Host + path
		}
		out.RequestURI, out.Body = "", io.NopCloser(bytes.NewReader(raw))
		if len(raw) == 0 && r.ContentLength >= 0 {
			out.Body = http.NoBody
		}
		resp, err := behind.Client.Transport.RoundTrip(out)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		for name, values := range resp.Header {
			if name != "Connection" {
				w.Header()[name] = values
			}
		}
		w.Header().Set(acceptedHeader, "true")
		w.WriteHeader(resp.StatusCode)
		io.Copy(w, resp.Body)
	})

	plain, tls := httptest.NewServer(handler), httptest.NewUnstartedServer(handler)
	tls.EnableHTTP2 = true
	tls.StartTLS()
	processes.mu.Lock()
	processes.stop = append(processes.stop, plain.Close, tls.Close)
	processes.mu.Unlock()
	servers := []*server{
		{Name: "Verifier", URL: plain.URL, Client: plain.Client()},
		{Name: "Verifier, HTTP/2", Few: true, URL: tls.URL, Client: tls.Client()},
	}
	for _, s := range servers {
		s.Kind, s.Region, s.Keys, s.Session = "Verifier", serverRegion, serverKeys, sessionKeys
		s.Client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	return servers, nil
}

// acceptedHeader is on the answers of versitygw, to what Verifier has accepted.
const acceptedHeader = "X-Verifier-Accepted"

// received is a signed request as a server gets it.
func received(t *testing.T, req *http.Request, body string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), req.Method, req.URL.String(), strings.NewReader(body))
	r.RequestURI, r.Host, r.Header = req.URL.RequestURI(), req.Host, req.Header.Clone()
	return r
}

// Verifier accepts what the others sign, and awsauth: random requests of the common
// ground, by both algorithms. With one digit of the signature changed, it does not.
func TestVerifierAccepts(t *testing.T) {
	type signer struct {
		name string
		n    int
		make func(dice) *sample
		sign func(*sample, *http.Request) error
	}
	var all []signer
	for _, by := range signers {
		all = append(all, signer{by.name, 5_000, dice.sample, by.sign})
	}
	all = append(all, signer{"awsauth, SigV4A", 2_000, dice.sample4A, by4A}, signer{"smithy-go, SigV4A", 2_000, dice.sample4A, bySmithy4A})
	for _, by := range all {
		t.Run(by.name, func(t *testing.T) {
			t.Parallel()
			n := by.n
			if testing.Short() {
				n /= 10
			}
			d := dice{rand.New(rand.NewPCG(5, 6))}
			var s *sample
			v := &awsauth.Verifier{
				Now:    func() time.Time { return s.now.Add(time.Minute) },
				Lookup: func(context.Context, string) (awsauth.Credentials, error) { return s.keys, nil },
			}
			for range n {
				s = by.make(d)
				body := ""
				if by.name == "awsauth" || by.name == "awsauth, SigV4A" {
					body = s.body
				}
				req := s.request(t, body)
				if err := by.sign(s, req); err != nil {
					t.Fatalf("%v: %v", err, s)
				}
				got, err := v.Verify(received(t, req, s.body))
				if err != nil {
					t.Fatalf("%v: %v", s, err)
				}
				if got.AccessKeyID != s.keys.AccessKeyID || got.Service != s.service || got.Region != s.region || !got.Time.Equal(s.now.Truncate(time.Second)) || got.Presigned != s.presign {
					t.Fatalf("%v: %+v", s, got)
				}

				change := func(text string) string { return text[:len(text)-1] + string(hexDigit(text[len(text)-1])) }
				if s.presign {
					q := req.URL.Query()
					q.Set("X-Amz-Signature", change(q.Get("X-Amz-Signature")))
					req.URL.RawQuery = q.Encode()
				} else {
					req.Header.Set("Authorization", change(req.Header.Get("Authorization")))
				}
				var refusal *awsauth.VerifyError
				if _, err := v.Verify(received(t, req, s.body)); !errors.As(err, &refusal) || refusal.Code != "SignatureDoesNotMatch" {
					t.Fatalf("%v: another signature: %v", s, err)
				}
			}
			t.Logf("%d accepted, %d refused", n, n)
		})
	}
}

// hexDigit is another hexadecimal digit.
func hexDigit(c byte) byte {
	if c == '0' {
		return '1'
	}
	return '0'
}

// The clients of AWS and of minio, before Verifier and versitygw: every request that
// they make of themselves, with their own ways to sign a body.
func TestClients(t *testing.T) {
	all, err := servers[len(servers)-1]()
	if err != nil {
		t.Fatal(err)
	}
	large := strings.Repeat("0123456789abcdef", 6<<16) // 6 MiB
	objects := map[string]string{"plain": "data", "empty": "", "ä b+c%/d": "odd", "x*y'(z)": "odd too", "large": large}
	for _, s := range all {
		for _, keys := range []awsauth.Credentials{s.Keys, s.Session} {
			t.Run("aws-sdk-go-v2, "+s.Name+", "+keys.AccessKeyID, func(t *testing.T) {
				counting := &counter{t: t, server: s, kind: "aws-sdk-go-v2's S3 client", base: s.Client.Transport}
				client := s3.New(s3.Options{
					Region: s.Region, BaseEndpoint: aws.String(s.URL), UsePathStyle: true,
					HTTPClient:  &http.Client{Transport: counting},
					Credentials: credentials.NewStaticCredentialsProvider(keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken),
				})
				_, bucket, _ := strings.Cut(s.bucket(t)[len("https://"):], "/")
				for key, content := range objects {
					if _, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(content), Metadata: map[string]string{"a": "b  c"}}); err != nil {
						t.Errorf("put %q: %v", key, err)
						continue
					}
					for _, algorithm := range []s3types.ChecksumAlgorithm{"CRC32C", "CRC64NVME", "SHA1", "SHA256"} {
						if _, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(content), ChecksumAlgorithm: algorithm}); err != nil {
							t.Errorf("put %q, %s: %v", key, algorithm, err)
						}
					}
					out, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
					if err != nil {
						t.Errorf("get %q: %v", key, err)
						continue
					}
					got, err := io.ReadAll(out.Body)
					out.Body.Close()
					if err != nil || string(got) != content {
						t.Errorf("get %q: %d bytes, %v", key, len(got), err)
					}
					link, err := s3.NewPresignClient(client).PresignGetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
					if err != nil {
						t.Fatal(err)
					}
					if a := s.accept(t, "aws-sdk-go-v2's presigned URLs", key, newRequest(t, link.Method, link.URL, "")); string(a.Body) != content {
						t.Errorf("get %q: %d bytes", link.URL, len(a.Body))
					}
				}
				listed, err := client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: aws.String("ä b+")})
				if err != nil || len(listed.Contents) != 1 {
					t.Errorf("list: %v, %v", listed, err)
				}

				upload, err := client.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &bucket, Key: aws.String("parts")})
				if err != nil {
					t.Fatal(err)
				}
				var parts []s3types.CompletedPart
				for i, content := range []string{large, "the last"} {
					part, err := client.UploadPart(t.Context(), &s3.UploadPartInput{Bucket: &bucket, Key: upload.Key, UploadId: upload.UploadId, PartNumber: aws.Int32(int32(i + 1)), Body: strings.NewReader(content)})
					if err != nil {
						t.Fatal(err)
					}
					parts = append(parts, s3types.CompletedPart{PartNumber: aws.Int32(int32(i + 1)), ETag: part.ETag, ChecksumCRC32: part.ChecksumCRC32})
				}
				if _, err := client.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{Bucket: &bucket, Key: upload.Key, UploadId: upload.UploadId, MultipartUpload: &s3types.CompletedMultipartUpload{Parts: parts}}); err != nil {
					t.Error(err)
				}
				var ids []s3types.ObjectIdentifier
				for key := range objects {
					ids = append(ids, s3types.ObjectIdentifier{Key: &key})
				}
				if out, err := client.DeleteObjects(t.Context(), &s3.DeleteObjectsInput{Bucket: &bucket, Delete: &s3types.Delete{Objects: ids}}); err != nil || len(out.Deleted) != len(ids) {
					t.Errorf("delete: %v", err)
				}
				t.Logf("payloads: %v", counting.payloads)
			})

			t.Run("minio-go, "+s.Name+", "+keys.AccessKeyID, func(t *testing.T) {
				counting := &counter{t: t, server: s, kind: "minio-go", base: s.Client.Transport}
				u, err := url.Parse(s.URL)
				if err != nil {
					t.Fatal(err)
				}
				client, err := minio.New(u.Host, &minio.Options{
					Creds: miniocredentials.NewStaticV4(keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken), Region: s.Region,
					Secure: u.Scheme == "https", Transport: counting, BucketLookup: minio.BucketLookupPath, TrailingHeaders: true,
				})
				if err != nil {
					t.Fatal(err)
				}
				_, bucket, _ := strings.Cut(s.bucket(t)[len("https://"):], "/")
				for key, content := range objects {
					for _, o := range []minio.PutObjectOptions{
						{UserMetadata: map[string]string{"a": "b"}}, {DisableContentSha256: true}, {SendContentMd5: true}, {Checksum: minio.ChecksumSHA256}, {Checksum: minio.ChecksumCRC64NVME},
					} {
						_, err := client.PutObject(t.Context(), bucket, key, strings.NewReader(content), int64(len(content)), o)
						if err != nil && !(s.URL[:5] == "http:" && o.Checksum.IsSet() && minio.ToErrorResponse(err).Code == "BadDigest") { // see counter
							t.Errorf("put %q, %+v: %v", key, o, err)
						}
					}
					object, err := client.GetObject(t.Context(), bucket, key, minio.GetObjectOptions{})
					if err != nil {
						t.Fatal(err)
					}
					got, err := io.ReadAll(object)
					object.Close()
					if err != nil || string(got) != content {
						t.Errorf("get %q: %d bytes, %v", key, len(got), err)
					}
					link, err := client.PresignedGetObject(t.Context(), bucket, key, time.Minute, url.Values{"response-content-type": {"text/x-odd; a=b"}})
					if err != nil {
						t.Fatal(err)
					}
					if a := s.accept(t, "minio-go's presigned URLs", key, newRequest(t, "GET", link.String(), "")); string(a.Body) != content {
						t.Errorf("get %q: %d bytes", link, len(a.Body))
					}
				}
				// Of unknown length, in parts.
				if _, err := client.PutObject(t.Context(), bucket, "unknown", onlyReader{strings.NewReader(large)}, -1, minio.PutObjectOptions{PartSize: 5 << 20}); err != nil {
					t.Error(err)
				}
				var keys []string
				for object := range client.ListObjects(t.Context(), bucket, minio.ListObjectsOptions{Recursive: true}) {
					keys = append(keys, object.Key)
					if err := client.RemoveObject(t.Context(), bucket, object.Key, minio.RemoveObjectOptions{}); err != nil {
						t.Error(err)
					}
				}
				if len(keys) != len(objects)+1 || !slices.Contains(keys, "ä b+c%/d") {
					t.Errorf("listed %q", keys)
				}
				t.Logf("payloads: %v", counting.payloads)
			})
		}
	}
}

// A counter counts the requests of a client, and how they say that bodies are signed.
type counter struct {
	t      *testing.T
	server *server
	kind   string
	base   http.RoundTripper

	mu       sync.Mutex // guards payloads
	payloads map[string]int
}

func (c *counter) RoundTrip(req *http.Request) (*http.Response, error) {
	payload := req.Header.Get("X-Amz-Content-Sha256")
	if len(payload) == 64 {
		payload = "a digest"
	}
	c.mu.Lock()
	if c.payloads == nil {
		c.payloads = map[string]int{}
	}
	c.payloads[payload]++
	c.mu.Unlock()
	resp, err := c.base.RoundTrip(req)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", c.kind, err)
	case resp.StatusCode < 300:
		count(c.server, c.kind, asAccepted)
	case c.kind == "minio-go" && payload == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" && resp.Header.Get(acceptedHeader) != "":
		// minio-go ends a trailer with one line end more than S3 wants, which
		// versitygw takes for a part of the checksum.
		count(c.server, c.kind, asGap)
	default:
		count(c.server, c.kind, asWrong)
		c.t.Errorf("%s: %s %s: status %d", c.kind, req.Method, req.URL, resp.StatusCode)
	}
	return resp, nil
}
