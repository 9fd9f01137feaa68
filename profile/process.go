package profile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/go-awsauth/awsauth"
)

const (
	processTimeout = time.Minute
	maxOutput      = 64 << 10
)

var errTooLong = errors.New("its output is too long")

// process asks a credential_process.
func (s *shared) process(ctx context.Context, command string) (awsauth.Credentials, error) {
	ctx, cancel := context.WithTimeout(ctx, processTimeout)
	defer cancel()
	run := s.from.Run
	if run == nil {
		run = runShell
	}
	out, err := run(ctx, command)
	switch {
	case errors.Is(err, context.DeadlineExceeded) || err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return awsauth.Credentials{}, fmt.Errorf("the credential_process did not end in time: %w", context.DeadlineExceeded)
	case err != nil:
		return awsauth.Credentials{}, fmt.Errorf("the credential_process failed: %w", err)
	}
	var reply struct {
		Version                                                int
		AccessKeyID, SecretAccessKey, SessionToken, Expiration string
	}
	// The decoder's own error may quote the output.
	if json.Unmarshal(out, &reply) != nil {
		return awsauth.Credentials{}, errors.New("the output of the credential_process is not the JSON it should be")
	}
	if reply.Version != 1 {
		return awsauth.Credentials{}, fmt.Errorf("the output of the credential_process has Version %d, not 1", reply.Version)
	}
	if reply.AccessKeyID == "" || reply.SecretAccessKey == "" {
		return awsauth.Credentials{}, errors.New("the output of the credential_process lacks AccessKeyId or SecretAccessKey")
	}
	creds := awsauth.Credentials{
		AccessKeyID:     reply.AccessKeyID,
		SecretAccessKey: reply.SecretAccessKey,
		SessionToken:    reply.SessionToken,
	}
	if reply.Expiration != "" {
		if creds.Expires, err = time.Parse(time.RFC3339, reply.Expiration); err != nil {
			return awsauth.Credentials{}, errors.New("the Expiration in the output of the credential_process is not a time as RFC 3339 writes it")
		}
	}
	return usable(ctx, creds)
}

// usable refuses keys that no request can be signed with.
func usable(ctx context.Context, creds awsauth.Credentials) (awsauth.Credentials, error) {
	if !creds.Expires.IsZero() && !time.Now().Round(0).Before(creds.Expires) {
		return awsauth.Credentials{}, fmt.Errorf("it got keys that expired at %s: is the clock right?", creds.Expires.UTC().Format(time.RFC3339))
	}
	return creds.Retrieve(ctx)
}

// runShell runs command as a shell does, with this program's input, environment
// and standard error: a helper may ask for a password.
func runShell(ctx context.Context, command string) ([]byte, error) {
	if runtime.GOOS == "js" || runtime.GOOS == "wasip1" {
		return nil, errors.New("no process can be started on " + runtime.GOOS)
	}
	var out output
	cmd := shell(ctx, command)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, &out, os.Stderr
	cmd.WaitDelay = time.Second // for what the shell leaves behind
	err := cmd.Run()
	if out.over {
		return nil, errTooLong
	}
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	return out.buf.Bytes(), err
}

// An output takes maxOutput bytes and then fails, which ends the pipe.
type output struct {
	buf  bytes.Buffer
	over bool
}

func (o *output) Write(p []byte) (int, error) {
	if o.buf.Len()+len(p) > maxOutput {
		o.over = true
		return 0, errTooLong
	}
	return o.buf.Write(p)
}
