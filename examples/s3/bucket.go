package main

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/go-awsauth/awsauth"
)

// A bucket is one of S3's, by its URL.
type bucket struct {
	url    *url.URL
	client *http.Client
}

// newBucket returns a bucket that is sent to by t. What is uploaded is signed in chunks, as
// it is sent: a file of any length is read once.
func newBucket(u *url.URL, t *awsauth.Transport) bucket {
	t.Signer.Payload = awsauth.StreamingPayload
	return bucket{u, &http.Client{Transport: t}}
}

// do sends a request for one key, or with "" for the bucket.
func (b bucket) do(method, key string, query url.Values, body io.Reader) (*http.Response, error) {
	u := *b.url
	u.Path = strings.TrimSuffix(u.Path, "/") + "/" + key
	u.RawQuery = query.Encode()
	req, err := http.NewRequest(method, u.String(), body)
	if err != nil {
		return nil, err
	}
	resp, err := b.client.Do(req)
	if err != nil {
		return nil, err
	}
	if err := awsauth.Diagnose(req, resp); err != nil {
		resp.Body.Close()
		return nil, fmt.Errorf("%s %s: %w", method, key, err)
	}
	return resp, nil
}

// list prints the sizes and keys of the objects whose keys begin with prefix.
func (b bucket) list(out io.Writer, prefix string) error {
	query := url.Values{"list-type": {"2"}, "prefix": {prefix}}
	for {
		resp, err := b.do("GET", "", query, nil)
		if err != nil {
			return err
		}
		var page struct {
			NextContinuationToken string
			Contents              []struct {
				Key  string
				Size int64
			}
		}
		err = xml.NewDecoder(resp.Body).Decode(&page)
		resp.Body.Close()
		if err != nil {
			return fmt.Errorf("listing the bucket: %w", err)
		}
		for _, object := range page.Contents {
			fmt.Fprintln(out, object.Size, object.Key)
		}
		if page.NextContinuationToken == "" {
			return nil
		}
		query.Set("continuation-token", page.NextContinuationToken)
	}
}

// get writes an object to out.
func (b bucket) get(out io.Writer, key string) error {
	resp, err := b.do("GET", key, nil, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(out, resp.Body)
	return err
}

// put uploads a file, and tells out how far it is.
func (b bucket) put(out io.Writer, key, name string) error {
	file, err := os.Open(name) // the client closes it
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return err
	}
	resp, err := b.do("PUT", key, nil, &upload{file: file, size: info.Size(), out: out})
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// An upload is a file as the body of a request, which tells how far it was read. It
// is an io.Seeker, as the file is, so that its length is known, and so that it can
// be sent again from the beginning, which counts from there again.
type upload struct {
	file     *os.File
	size     int64
	at, told int64 // in bytes; in quarters of the size
	out      io.Writer
}

func (u *upload) Read(b []byte) (int, error) {
	n, err := u.file.Read(b)
	u.at += int64(n)
	if quarters := 4 * u.at / max(u.size, 1); quarters > u.told {
		u.told = quarters
		fmt.Fprintf(u.out, "%d%% of %d bytes\n", 25*quarters, u.size)
	}
	return n, err
}

func (u *upload) Seek(offset int64, whence int) (int64, error) {
	at, err := u.file.Seek(offset, whence)
	u.at, u.told = at, 4*at/max(u.size, 1)
	return at, err
}

func (u *upload) Close() error { return u.file.Close() }
