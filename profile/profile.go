// Package profile reads credentials and the region from the config files that
// the AWS CLI and the AWS SDKs share. It is opt-in, a Provider among others:
//
//	chain := awsauth.Chain{awsauth.Env{}, profile.Provider{}, &awsauth.EC2Role{}}
//	err := awsauth.Sign4(req, chain)
//
// What the files can hold is in the documentation of AWS:
//
//   - https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html
//   - https://docs.aws.amazon.com/sdkref/latest/guide/file-location.html
//   - https://docs.aws.amazon.com/sdkref/latest/guide/feature-assume-role-credentials.html
//   - https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
//   - https://docs.aws.amazon.com/sdkref/latest/guide/feature-sso-credentials.html
package profile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-awsauth/awsauth"
)

// Provider is the [awsauth.Provider] of one profile of the shared config files:
// ~/.aws/config or AWS_CONFIG_FILE, and ~/.aws/credentials or
// AWS_SHARED_CREDENTIALS_FILE. The zero value is ready to use, by value.
//
// A profile may have, in this order:
//
//   - role_arn with one of source_profile, credential_source (Environment,
//     Ec2InstanceMetadata or EcsContainer) and web_identity_token_file;
//     role_session_name, and, but for a web identity, external_id,
//     duration_seconds and mfa_serial
//   - aws_access_key_id, aws_secret_access_key, aws_session_token; in a profile
//     that is the source_profile of another, they go before a role
//   - sso_account_id and sso_role_name with sso_session, or with sso_start_url
//     and sso_region; the token is the one that `aws sso login` left
//   - credential_process, on systems that have processes
//
// Roles are asked for in the region of AWS_REGION, else of AWS_DEFAULT_REGION,
// else of the profile.
//
// Where no profile is named, and there is no profile "default" or it has no
// credentials, Retrieve returns [awsauth.ErrNoCredentials]. Anything else that is
// wrong is an error that ends a Chain: who names a profile does not want to sign
// as another.
//
// The files are read at every call. What a role, SSO or a process gives is
// fetched once and kept, as [awsauth.Cache] keeps it, in a cache that the
// Providers of a program share; it goes by everything in the files and the
// environment that the keys were made from, and has room for 64. A Provider that
// has a field other than Name set is not kept there, and fetches at every call:
// wrap it in [awsauth.Cache].
type Provider struct {
	// Name is the profile. "": AWS_PROFILE, else "default".
	Name string

	// TokenCode asks the user for a code of the MFA device, for roles with
	// mfa_serial. nil: those are an error.
	TokenCode func(ctx context.Context, serial string) (string, error)

	Getenv   func(name string) string          // nil: os.Getenv
	ReadFile func(name string) ([]byte, error) // nil: os.ReadFile

	// Run runs a credential_process and returns what it wrote to its standard
	// output. nil: sh -c or, on Windows, cmd.exe /C.
	Run func(ctx context.Context, command string) ([]byte, error)

	// Transport makes the requests. nil: one that uses the environment's
	// proxy, and one without a proxy for metadata services.
	Transport http.RoundTripper
}

// Retrieve returns the credentials of the profile.
func (p Provider) Retrieve(ctx context.Context) (awsauth.Credentials, error) {
	s, err := p.load()
	if err != nil {
		return awsauth.Credentials{}, err
	}
	src, err := s.source(s.name, nil)
	if err == errNothing {
		return awsauth.Credentials{}, s.nothing("has no credentials: set aws_access_key_id and aws_secret_access_key, role_arn, sso_session or credential_process")
	}
	if err != nil {
		return awsauth.Credentials{}, err
	}
	provider := src.Provider
	if src.remote && p.TokenCode == nil && p.Getenv == nil && p.ReadFile == nil && p.Run == nil && p.Transport == nil {
		provider = kept.cache(src.id, provider)
	}
	creds, err := provider.Retrieve(ctx)
	if err != nil {
		return awsauth.Credentials{}, about(s.name, err)
	}
	return creds, nil
}

// Region returns the region of the profile, for use as Signer.Region; "" where
// it has none, or where no profile is named and there is no profile "default".
// It does not look at AWS_REGION.
func (p Provider) Region() (string, error) {
	s, err := p.load()
	if errors.Is(err, awsauth.ErrNoCredentials) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return s.profiles[s.name].get("region"), nil
}

// getenv returns a variable without the white space around it. Blank is unset.
func (p Provider) getenv(name string) string {
	get := p.Getenv
	if get == nil {
		get = os.Getenv
	}
	return strings.TrimSpace(get(name))
}

func (p Provider) readFile(name string) ([]byte, error) {
	if p.ReadFile != nil {
		return p.ReadFile(name)
	}
	return os.ReadFile(name)
}

// absent reports whether a file is not there. On js/wasm there may be no files.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, errors.ErrUnsupported)
}

// shared is what both files say, and whose keys are wanted.
type shared struct {
	sections
	from                        Provider
	name                        string
	named                       bool // by the caller or by AWS_PROFILE
	home                        string
	configFile, credentialsFile string
}

// load reads the files. A profile that is not in them is an error.
func (p Provider) load() (*shared, error) {
	s := &shared{from: p, name: p.Name, named: true}
	if s.name == "" {
		s.name = p.getenv("AWS_PROFILE")
	}
	if s.name == "" {
		s.name, s.named = "default", false
	}
	if s.home = p.getenv("HOME"); s.home == "" {
		s.home = p.getenv("USERPROFILE")
	}
	s.configFile = s.path("AWS_CONFIG_FILE", "config")
	s.credentialsFile = s.path("AWS_SHARED_CREDENTIALS_FILE", "credentials")

	var err error
	if s.sections, err = s.parse(s.configFile, parseConfig); err != nil {
		return nil, err
	}
	credentials, err := s.parse(s.credentialsFile, parseCredentials)
	if err != nil {
		return nil, err
	}
	s.add(credentials)
	if s.profiles[s.name] == nil {
		return nil, s.nothing("is not there")
	}
	return s, nil
}

// path returns where a file is, "" where nothing tells.
func (s *shared) path(variable, name string) string {
	path := s.from.getenv(variable)
	if path == "" {
		path = "~/.aws/" + name
	}
	rest, ok := strings.CutPrefix(path, "~")
	if !ok || rest == "" || !os.IsPathSeparator(rest[0]) {
		return path
	}
	if s.home == "" {
		return ""
	}
	return filepath.Join(s.home, rest)
}

func (s *shared) parse(path string, parse func(string) (sections, error)) (sections, error) {
	var text []byte
	if path != "" {
		var err error
		if text, err = s.from.readFile(path); err != nil && !absent(err) {
			return sections{}, fmt.Errorf("awsauth: a shared config file can't be read: %w", err)
		}
	}
	found, err := parse(string(text))
	if err != nil {
		return sections{}, fmt.Errorf("awsauth: %s, %w", path, err)
	}
	return found, nil
}

// nothing is the error about the profile that is wanted: fatal if somebody named it.
func (s *shared) nothing(what string) error {
	files := "with neither HOME nor AWS_CONFIG_FILE set"
	switch {
	case s.configFile != "" && s.credentialsFile != "":
		files = "in " + s.configFile + " and " + s.credentialsFile
	case s.configFile+s.credentialsFile != "":
		files = "in " + s.configFile + s.credentialsFile
	}
	if s.named {
		return fmt.Errorf("awsauth: profile %q, %s, %s", s.name, files, what)
	}
	return fmt.Errorf("%w: profile %q, %s, %s", awsauth.ErrNoCredentials, s.name, files, what)
}

// A failure is an error about a profile that has been found. It is never
// ErrNoCredentials: what is configured and fails must not lead on to other keys.
type failure struct {
	profile string
	err     error
}

func about(profile string, err error) error { return &failure{profile, err} }

func (f *failure) Error() string {
	return fmt.Sprintf("awsauth: profile %q: %s", f.profile, strings.TrimPrefix(f.err.Error(), "awsauth: "))
}

func (f *failure) Unwrap() error {
	if errors.Is(f.err, awsauth.ErrNoCredentials) {
		return nil
	}
	return f.err
}
