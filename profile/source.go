package profile

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-awsauth/awsauth"
	"github.com/go-awsauth/awsauth/sts"
)

// errNothing says that a profile has no word about credentials.
var errNothing = errors.New("it has no credentials")

// A source is where keys come from.
type source struct {
	awsauth.Provider
	remote bool // it asks somebody
	id     id   // of everything that it is made from
}

// An id stands for settings and secrets, and shows none.
type id [sha256.Size]byte

func makeID(parts ...string) (sum id) {
	h := sha256.New()
	for _, p := range parts {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(p))))
		h.Write([]byte(p))
	}
	h.Sum(sum[:0])
	return sum
}

// source makes the source of a profile. via are the profiles whose source_profile
// led here, from the one that is wanted on.
func (s *shared) source(name string, via []string) (source, error) {
	prof := s.profiles[name]
	if prof == nil {
		return source{}, about(via[len(via)-1], fmt.Errorf("its source_profile %q is not there", name))
	}
	keys := awsauth.Credentials{
		AccessKeyID:     prof.get("aws_access_key_id"),
		SecretAccessKey: prof.get("aws_secret_access_key"),
		SessionToken:    prof.get("aws_session_token"),
	}
	switch {
	case keys.AccessKeyID == "" && keys.SecretAccessKey != "":
		return source{}, about(name, errors.New("it has a secret key but no key ID: set aws_access_key_id"))
	case keys.AccessKeyID != "" && keys.SecretAccessKey == "":
		return source{}, about(name, errors.New("it has a key ID but no secret key: set aws_secret_access_key"))
	}
	static := keys.AccessKeyID != ""

	if i := slices.Index(via, name); i >= 0 && (i < len(via)-1 || !static) {
		return source{}, about(name, fmt.Errorf("its source_profile leads back to it: %s", strings.Join(append(via[i:], name), ", ")))
	}
	if static && len(via) > 0 {
		return keySource(keys), nil
	}

	var src source
	var err error
	command := prof.get("credential_process")
	switch {
	case prof.has("role_arn", "source_profile", "credential_source", "web_identity_token_file"):
		src, err = s.role(name, prof, via)
	case static:
		src = keySource(keys)
	case prof.has("sso_session", "sso_start_url", "sso_account_id", "sso_role_name"):
		var login *ssoLogin
		if login, err = s.sso(name, prof); err == nil {
			src = source{login, true, makeID("sso", name, login.account, login.role, login.region, login.tokenFile)}
		}
	case command != "":
		src = source{awsauth.ProviderFunc(func(ctx context.Context) (awsauth.Credentials, error) {
			return s.process(ctx, command)
		}), true, makeID(append(os.Environ(), "process", command)...)} // it may read any variable
	case prof.has("login_session"):
		err = errors.New("login_session is not supported: use SSO, a role or a credential_process")
	default:
		if len(via) == 0 {
			return source{}, errNothing
		}
		err = errNothing
	}
	if err != nil {
		if f := (*failure)(nil); errors.As(err, &f) {
			return source{}, err // it names a profile already, further down
		}
		return source{}, about(name, err)
	}
	return src, nil
}

func keySource(keys awsauth.Credentials) source {
	return source{Provider: keys, id: makeID("keys", keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken)}
}

// has reports whether one of the properties is set.
func (s settings) has(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return s.get(name) != "" })
}

// role makes the source of a profile with a role.
func (s *shared) role(name string, prof settings, via []string) (source, error) {
	arn, session := prof.get("role_arn"), prof.get("role_session_name")
	from, kind, tokenFile := prof.get("source_profile"), prof.get("credential_source"), prof.get("web_identity_token_file")
	set := 0
	for _, v := range []string{from, kind, tokenFile} {
		if v != "" {
			set++
		}
	}
	switch {
	case arn == "":
		return source{}, errors.New("it has source_profile, credential_source or web_identity_token_file, and no role: set role_arn")
	case set == 0:
		return source{}, errors.New("role_arn does not tell with which keys to ask for the role: set source_profile, credential_source or web_identity_token_file")
	case set > 1:
		return source{}, errors.New("role_arn goes with exactly one of source_profile, credential_source and web_identity_token_file: remove the others")
	}
	region := cmp.Or(s.from.getenv("AWS_REGION"), s.from.getenv("AWS_DEFAULT_REGION"), s.profiles[s.name].get("region"), prof.get("region"))

	if tokenFile != "" {
		getenv, id := environ(
			"AWS_WEB_IDENTITY_TOKEN_FILE", tokenFile,
			"AWS_ROLE_ARN", arn,
			"AWS_ROLE_SESSION_NAME", session,
			"AWS_REGION", region,
		)
		return source{s.env(getenv), true, makeID("web identity", string(id[:]))}, nil
	}

	base, err := source{}, error(nil)
	if from != "" {
		base, err = s.source(from, append(via, name))
	} else {
		base, err = s.credentialSource(kind)
	}
	if err != nil {
		return source{}, err
	}
	role := sts.AssumeRole{
		RoleARN:     arn,
		SessionName: session,
		ExternalID:  prof.get("external_id"),
		MFASerial:   prof.get("mfa_serial"),
		Source:      base.Provider,
		Region:      region,
		Getenv:      s.from.Getenv,
		Transport:   s.from.Transport,
	}
	duration := prof.get("duration_seconds")
	if duration != "" {
		n, err := strconv.Atoi(duration)
		if err != nil || n < 900 || n > 43200 {
			return source{}, errors.New("duration_seconds must be a number from 900 to 43200")
		}
		role.Duration = time.Duration(n) * time.Second
	}
	if serial := role.MFASerial; serial != "" {
		ask := s.from.TokenCode
		if ask == nil {
			return source{}, errors.New("mfa_serial: the role wants a code of an MFA device: set Provider.TokenCode")
		}
		role.TokenCode = func(ctx context.Context) (string, error) { return ask(ctx, serial) }
	}
	return source{role, true, makeID("role", arn, session, role.ExternalID, role.MFASerial, duration, region, string(base.id[:]))}, nil
}

// credentialSource makes the source that a credential_source names. What it needs
// of the environment is read now, so that its id stands for it.
func (s *shared) credentialSource(kind string) (source, error) {
	var names []string
	switch kind {
	case "Environment":
		names = []string{
			"AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY",
			"AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_CREDENTIAL_EXPIRATION",
		}
	case "EcsContainer":
		names = []string{
			"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
			"AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
		}
	case "Ec2InstanceMetadata":
		names = []string{
			"AWS_EC2_METADATA_DISABLED", "AWS_EC2_METADATA_V1_DISABLED",
			"AWS_EC2_METADATA_SERVICE_ENDPOINT", "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
		}
	default:
		return source{}, errors.New("credential_source must be Environment, Ec2InstanceMetadata or EcsContainer")
	}
	var pairs []string
	for _, name := range names {
		pairs = append(pairs, name, s.from.getenv(name))
	}
	getenv, id := environ(pairs...)
	if kind == "EcsContainer" && getenv(names[0]) == "" && getenv(names[1]) == "" {
		return source{}, fmt.Errorf("credential_source EcsContainer: this is no container with a role: neither %s nor %s is set", names[0], names[1])
	}
	if kind == "Ec2InstanceMetadata" {
		return source{&awsauth.EC2Role{Getenv: getenv, Transport: s.from.Transport}, true, id}, nil
	}
	return source{s.env(getenv), true, id}, nil
}

// env is awsauth.Env of an environment of our own.
func (s *shared) env(getenv func(string) string) awsauth.Env {
	return awsauth.Env{Getenv: getenv, ReadFile: s.from.ReadFile, Transport: s.from.Transport}
}

// environ makes an environment of names and values in turn, and its id.
func environ(pairs ...string) (getenv func(string) string, sum id) {
	values := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		values[pairs[i]] = pairs[i+1]
	}
	return func(name string) string { return values[name] }, makeID(pairs...)
}
