package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/go-awsauth/awsauth/awsauthtest"
)

// The SDK's own S3 client, which checks checksums and reads XML, takes
// awsauthtest.Server for S3.
func TestServerWithSDK(t *testing.T) {
	for name, start := range map[string]func() *awsauthtest.Server{"http": awsauthtest.NewServer, "https": awsauthtest.NewTLSServer} {
		t.Run(name, func(t *testing.T) {
			fake := start()
			defer fake.Close()
			keys := fake.Credentials
			for _, endpoint := range []string{"", fake.URL} { // AWS's own host, with the bucket in it; and the loopback address
				open := func(secret string) *s3.Client {
					return s3.New(s3.Options{
						Region:      "eu-west-1",
						Credentials: credentials.NewStaticCredentialsProvider(keys.AccessKeyID, secret, keys.SessionToken),
						HTTPClient:  &http.Client{Transport: fake.Transport()},
					}, func(o *s3.Options) {
						if endpoint != "" {
							o.BaseEndpoint, o.UsePathStyle = aws.String(endpoint), true
						}
					})
				}
				client := open(keys.SecretAccessKey)
				use(t, client, endpoint == "" || name == "https")

				_, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("photos"), Key: aws.String("none")})
				hasCode(t, err, "NoSuchKey")
				_, err = open("a guess").ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("photos")})
				hasCode(t, err, "SignatureDoesNotMatch")
				fake.Change(func() { fake.Now = func() time.Time { return time.Now().Add(time.Hour) } })
				// The SDK learns the time from the refusal, and is taken then.
				if _, err := client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("photos")}); err != nil {
					t.Error(err)
				}
				fake.Change(func() { fake.Now = nil })
			}
		})
	}
}

func hasCode(t *testing.T, err error, want string) {
	t.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// use puts a client through what the server has. A stream is a body that can't be
// read again, which the SDK sends over https alone.
func use(t *testing.T, client *s3.Client, streams bool) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	bucket := aws.String("photos")
	if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	odd := []string{"a b+c", "é/ü", "x//y", "100%", "a=b&c;d", "(1)*'!~"}
	for i := range 20 {
		odd = append(odd, fmt.Sprintf("dir/%02d", i))
	}
	for _, key := range odd {
		_, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: &key, Body: bytes.NewReader([]byte("content of " + key)),
			ContentType: aws.String("text/plain"), Metadata: map[string]string{"a": "b"}})
		if err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		out, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: &key, Range: aws.String("bytes=0-6")})
		if err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		if body, err := io.ReadAll(out.Body); string(body) != "content" || err != nil || out.Metadata["a"] != "b" || aws.ToString(out.ContentType) != "text/plain" {
			t.Errorf("%s: %q, %v, %v", key, body, err, out.Metadata)
		}
	}
	var keys, dirs []string
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: bucket, MaxKeys: aws.Int32(3)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			keys = append(keys, *o.Key)
		}
	}
	slices.Sort(odd)
	if !slices.Equal(keys, odd) {
		t.Errorf("listed %q, want %q", keys, odd)
	}
	pages = s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: bucket, MaxKeys: aws.Int32(2), Delimiter: aws.String("/")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range page.CommonPrefixes {
			dirs = append(dirs, *p.Prefix)
		}
	}
	if want := []string{"dir/", "x/", "é/"}; !slices.Equal(dirs, want) {
		t.Errorf("listed %q, want %q", dirs, want)
	}
	if streams { // with its checksum in a trailer
		body := struct{ io.Reader }{bytes.NewReader(make([]byte, 300<<10))}
		if _, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("stream"), Body: body, ContentLength: aws.Int64(300 << 10)}); err != nil {
			t.Error(err)
		}
		if head, err := client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: bucket, Key: aws.String("stream")}); err != nil || *head.ContentLength != 300<<10 {
			t.Errorf("stream: %v, %v", head, err)
		}
	}
	for _, key := range append(odd, "stream") {
		if _, err := client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: &key}); err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
	if _, err := client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: bucket}); err != nil {
		t.Error(err)
	}
}
