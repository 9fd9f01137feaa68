package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"

	"github.com/go-awsauth/awsauth"
	"github.com/go-awsauth/awsauth/examples/internal/demo"
)

func demonstrate(out io.Writer) error {
	return demo.Run(out, "s3", nil, walkThrough)
}

func walkThrough(out io.Writer, t *awsauth.Transport) error {
	dir, err := os.MkdirTemp("", "s3")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "note.txt")
	if err := os.WriteFile(file, []byte("not really a note\n"), 0o600); err != nil {
		return err
	}
	large := filepath.Join(dir, "large.raw")
	if err := os.WriteFile(large, make([]byte, 1<<20), 0o600); err != nil {
		return err
	}

	b := newBucket(&url.URL{Scheme: "https", Host: "examplebucket.s3.eu-west-1.amazonaws.com"}, t)
	if err := b.put(out, "2026/a note.txt", file); err != nil {
		return err
	}
	if err := b.put(out, "2026/large.raw", large); err != nil {
		return err
	}
	if err := b.list(out, "2026/"); err != nil {
		return err
	}
	if err := b.get(out, "2026/a note.txt"); err != nil {
		return err
	}
	if err = b.get(out, "2026/none"); err == nil {
		return errors.New("got an object that is not there")
	}
	fmt.Fprintln(out, err)
	return nil
}
