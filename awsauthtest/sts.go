package awsauthtest

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/go-awsauth/awsauth"
)

// STS is the Security Token Service with the actions AssumeRole,
// AssumeRoleWithWebIdentity and GetCallerIdentity. Signatures are verified. Make
// it with [NewSTS].
//
// Code that you can't hand an endpoint reaches it through [Fake.Transport], or,
// if it is an AWS SDK, through the variable AWS_ENDPOINT_URL_STS, set to URL.
type STS struct {
	Fake

	// Caller may sign requests, as arn:aws:iam::123456789012:user/test. So may
	// the keys that the fake has given out, until they expire, as their role.
	Caller awsauth.Credentials

	// Region is what requests have to be signed for. "": any.
	Region string

	// Credentials are what roles get. Expires zero: DurationSeconds after each
	// request, and an hour where it says none.
	Credentials awsauth.Credentials

	// RoleARN is the role that may be assumed. "": any.
	RoleARN string

	// ExternalID is what AssumeRole has to say. "": what it likes.
	ExternalID string

	// WebIdentityToken is what AssumeRoleWithWebIdentity has to bring. "": anything.
	WebIdentityToken string

	issued map[string]session // by access key ID
	codes  map[string]bool    // MFA codes that were used
}

// A session is a use of keys that the fake gave out.
type session struct {
	keys    awsauth.Credentials
	expires time.Time
	who     identity
}

type identity struct {
	Arn     string
	UserID  string `xml:"UserId"`
	Account string
}

// NewSTS starts a Security Token Service. Close it at the end.
func NewSTS() *STS {
	f := &STS{
		Caller:           awsauth.Credentials{AccessKeyID: "AKIACALLEREXAMPLE", SecretAccessKey: "secret-of-CALLER"},
		Credentials:      testKeys("STSROLE"),
		WebIdentityToken: "web-identity-token",
		issued:           make(map[string]session),
		codes:            make(map[string]bool),
	}
	f.start(f.answer)
	return f
}

// STSError is the [Fault] that answers with an error as [STS] writes it, such as
// STSError(403, "AccessDenied").
func STSError(status int, code string) Fault {
	return func(w http.ResponseWriter, r *http.Request) bool {
		writeSTSError(w, &stsError{status, code, "FAULT"})
		return true
	}
}

type stsError struct {
	status        int
	code, message string
}

func (e *stsError) Error() string { return e.code }

func invalid(format string, args ...any) error {
	return &stsError{http.StatusBadRequest, "ValidationError", "1 validation error detected: " + fmt.Sprintf(format, args...)}
}

func denied(who identity, action, role string) error {
	return &stsError{http.StatusForbidden, "AccessDenied", "User: " + who.Arn + " is not authorized to perform: sts:" + action + " on resource: " + role}
}

const stsNamespace = "https://sts.amazonaws.com/doc/2011-06-15/"

type metadata struct {
	RequestID string `xml:"RequestId"`
}

const stsRequestID = "00000000-0000-0000-0000-000000000000"

func writeSTSError(w http.ResponseWriter, e *stsError) {
	kind := "Sender"
	if e.status >= 500 {
		kind = "Receiver"
	}
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(e.status)
	xml.NewEncoder(w).Encode(struct {
		XMLName xml.Name `xml:"ErrorResponse"`
		NS      string   `xml:"xmlns,attr"`
		Error   struct{ Type, Code, Message string }
		metadata
	}{NS: stsNamespace, Error: struct{ Type, Code, Message string }{kind, e.code, e.message}, metadata: metadata{stsRequestID}})
}

func (f *STS) answer(w http.ResponseWriter, r *http.Request) {
	if err := f.act(w, r); err != nil {
		e := &stsError{http.StatusInternalServerError, "InternalFailure", ""}
		errors.As(err, &e)
		writeSTSError(w, e)
	}
}

func (f *STS) act(w http.ResponseWriter, r *http.Request) error {
	if r.URL.Path != "/" || r.Method != http.MethodPost && r.Method != http.MethodGet {
		return &stsError{http.StatusNotFound, "InvalidAction", "STS is asked with GET or POST at /"}
	}
	action := r.Form.Get("Action")
	var do func(identity, url.Values) (any, error)
	signed := true
	switch action {
	case "AssumeRole":
		do = f.assumeRole
	case "AssumeRoleWithWebIdentity":
		do, signed = f.webIdentity, false
	case "GetCallerIdentity":
		do = func(who identity, _ url.Values) (any, error) { return who, nil }
	case "":
		return &stsError{http.StatusBadRequest, "MissingAction", "the request has no Action"}
	}
	if version := r.Form.Get("Version"); do == nil || version != "2011-06-15" {
		return &stsError{http.StatusBadRequest, "InvalidAction", fmt.Sprintf("Could not find operation %s for version %s", action, version)}
	}
	var who identity
	if signed {
		var err error
		if who, err = f.authenticate(r); err != nil {
			return err
		}
	}
	result, err := do(who, r.Form)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/xml")
	named := func(part string) xml.StartElement {
		return xml.StartElement{Name: xml.Name{Local: part}}
	}
	response := named(action + "Response")
	response.Attr = []xml.Attr{{Name: xml.Name{Local: "xmlns"}, Value: stsNamespace}}
	x := xml.NewEncoder(w)
	x.EncodeToken(response)
	x.EncodeElement(result, named(action+"Result"))
	x.EncodeElement(metadata{stsRequestID}, named("ResponseMetadata"))
	x.EncodeToken(response.End())
	return x.Flush()
}

// authenticate returns who signed r.
func (f *STS) authenticate(r *http.Request) (identity, error) {
	refuse := func(code, message string) (identity, error) {
		return identity{}, &stsError{http.StatusForbidden, code, message}
	}
	if r.Header.Get("Authorization") == "" && r.Form.Get("X-Amz-Signature") == "" {
		return refuse("MissingAuthenticationToken", "Request is missing Authentication Token")
	}
	var who identity
	verifier := awsauth.Verifier{Now: f.now, Lookup: func(_ context.Context, id string) (awsauth.Credentials, error) {
		if s, ok := f.issued[id]; ok {
			who = s.who
			s.keys.Expires = s.expires
			return s.keys, nil
		}
		if id != f.Caller.AccessKeyID {
			return awsauth.Credentials{}, awsauth.ErrNoCredentials
		}
		who = identity{"arn:aws:iam::123456789012:user/test", "AIDATESTEXAMPLE", "123456789012"}
		return f.Caller, nil
	}}
	got, err := verifier.Verify(r)
	if err == nil {
		_, err = io.Copy(io.Discard, r.Body) // it was read for r.Form, and is checked now
	}
	var refusal *awsauth.VerifyError
	switch errors.As(err, &refusal); {
	case err == nil:
	case refusal == nil:
		return identity{}, err
	case refusal.Code == "InvalidAccessKeyId", refusal.Code == "InvalidToken":
		return refuse("InvalidClientTokenId", "The security token included in the request is invalid.")
	case refusal.Code == "ExpiredToken":
		return refuse("ExpiredToken", "The security token included in the request is expired")
	case refusal.Code == "AuthorizationHeaderMalformed", refusal.Code == "AuthorizationQueryParametersError", refusal.Code == "InvalidRequest":
		return identity{}, &stsError{http.StatusBadRequest, "IncompleteSignature", refusal.Message}
	default:
		return refuse("SignatureDoesNotMatch", refusal.Message)
	}
	if got.Service != "sts" || f.Region != "" && got.Region != f.Region {
		return refuse("SignatureDoesNotMatch", "Credential should be scoped to a valid region and to the service sts.")
	}
	return who, nil
}

var (
	roleARN       = regexp.MustCompile(`^arn:(aws[a-z-]*):iam::([0-9]{12}):role/(?:[\x21-\x7e]+/)?([\w+=,.@-]{1,64})$`)
	sessionName   = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
	externalID    = regexp.MustCompile(`^[\w+=,.@:/-]{2,}$`)
	serialNumber  = regexp.MustCompile(`^[\w+=/:,.@-]{9,256}$`)
	mfaCode       = regexp.MustCompile(`^[0-9]{6}$`)
	policyARN     = regexp.MustCompile(`^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/[\x21-\x7e]+$`)
	maxSession    = 12 * time.Hour
	maxChained    = time.Hour
	minSession    = 15 * time.Minute
	usualSession  = time.Hour
	maxPolicy     = 2048
	maxTags       = 50
	maxPolicyARNs = 10
)

func (f *STS) assumeRole(who identity, form url.Values) (any, error) {
	life, err := f.checkRole(form)
	if err != nil {
		return nil, err
	}
	for name, form := range map[string]struct {
		value string
		rule  *regexp.Regexp
	}{
		"externalId":     {form.Get("ExternalId"), externalID},
		"sourceIdentity": {form.Get("SourceIdentity"), sessionName},
		"serialNumber":   {form.Get("SerialNumber"), serialNumber},
		"tokenCode":      {form.Get("TokenCode"), mfaCode},
	} {
		if form.value != "" && !form.rule.MatchString(form.value) {
			return nil, invalid("Value '%s' at '%s' failed to satisfy constraint: Member must satisfy regular expression pattern: %s", form.value, name, form.rule)
		}
	}
	if err := checkTags(form); err != nil {
		return nil, err
	}
	role := form.Get("RoleArn")
	if strings.Contains(who.Arn, ":assumed-role/") && life > maxChained {
		return nil, invalid("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
	}
	if f.RoleARN != "" && role != f.RoleARN || f.ExternalID != "" && form.Get("ExternalId") != f.ExternalID {
		return nil, denied(who, "AssumeRole", role)
	}
	serial, code := form.Get("SerialNumber"), form.Get("TokenCode")
	switch {
	case (serial == "") != (code == ""):
		return nil, &stsError{http.StatusForbidden, "AccessDenied", "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code."}
	case f.codes[serial+" "+code]:
		return nil, &stsError{http.StatusForbidden, "AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code."}
	case code != "":
		f.codes[serial+" "+code] = true
	}
	return f.issue(form, life), nil
}

func (f *STS) webIdentity(_ identity, form url.Values) (any, error) {
	life, err := f.checkRole(form)
	if err != nil {
		return nil, err
	}
	token := form.Get("WebIdentityToken")
	switch {
	case len(token) < 4:
		return nil, invalid("Value at 'webIdentityToken' failed to satisfy constraint: Member must have length greater than or equal to 4")
	case f.WebIdentityToken != "" && token != f.WebIdentityToken:
		return nil, &stsError{http.StatusBadRequest, "InvalidIdentityToken", "The web identity token that was passed could not be validated."}
	case f.RoleARN != "" && form.Get("RoleArn") != f.RoleARN:
		return nil, &stsError{http.StatusForbidden, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"}
	}
	return f.issue(form, life), nil
}

// checkRole checks what the two actions have in common, and returns how long the
// keys shall live.
func (f *STS) checkRole(form url.Values) (time.Duration, error) {
	if arn := form.Get("RoleArn"); !roleARN.MatchString(arn) {
		return 0, invalid("%s is invalid at 'roleArn'", arn)
	}
	if name := form.Get("RoleSessionName"); !sessionName.MatchString(name) {
		return 0, invalid("Value '%s' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: %s", name, sessionName)
	}
	if policy := form.Get("Policy"); len(policy) > maxPolicy {
		return 0, invalid("Value at 'policy' failed to satisfy constraint: Member must have length less than or equal to %d", maxPolicy)
	} else if policy != "" && !json.Valid([]byte(policy)) {
		return 0, &stsError{http.StatusBadRequest, "MalformedPolicyDocument", "The policy is not in the valid JSON format."}
	}
	arns := members(form, "PolicyArns", "arn")
	if len(arns) > maxPolicyARNs {
		return 0, invalid("Value at 'policyArns' failed to satisfy constraint: Member must have length less than or equal to %d", maxPolicyARNs)
	}
	for _, arn := range arns {
		if !policyARN.MatchString(arn) {
			return 0, invalid("ARN %s is not valid.", arn)
		}
	}
	if !form.Has("DurationSeconds") {
		return usualSession, nil
	}
	seconds, err := strconv.Atoi(form.Get("DurationSeconds"))
	life := time.Duration(seconds) * time.Second
	if err != nil || life < minSession || life > maxSession {
		return 0, invalid("Value '%s' at 'durationSeconds' failed to satisfy constraint: Member must have value between 900 and 43200", form.Get("DurationSeconds"))
	}
	return life, nil
}

// members returns the parts of a list, such as Tags.member.1.Key, up to the first
// number that is missing.
func members(form url.Values, list, part string) []string {
	var all []string
	for {
		name := fmt.Sprintf("%s.member.%d", list, len(all)+1)
		if part != "" {
			name += "." + part
		}
		if !form.Has(name) {
			return all
		}
		all = append(all, form.Get(name))
	}
}

func checkTags(form url.Values) error {
	names, values := members(form, "Tags", "Key"), members(form, "Tags", "Value")
	if len(names) > maxTags || len(values) != len(names) {
		return invalid("Value at 'tags' failed to satisfy constraint: Member must have length less than or equal to %d, and keys and values", maxTags)
	}
	seen := make(map[string]bool)
	for i, name := range names {
		if n := len([]rune(name)); n < 1 || n > 128 || len([]rune(values[i])) > 256 {
			return invalid("Value at 'tags.%d.member' failed to satisfy constraint: keys have 1 to 128 characters, values 256 at most", i+1)
		}
		if seen[strings.ToLower(name)] {
			return &stsError{http.StatusBadRequest, "InvalidParameterValue", "Duplicate tag keys found. Please note that Tag keys are case insensitive."}
		}
		seen[strings.ToLower(name)] = true
	}
	for _, name := range members(form, "TransitiveTagKeys", "") {
		if !seen[strings.ToLower(name)] {
			return invalid("The specified transitive tag key must be included in the requested tags.")
		}
	}
	return nil
}

// issue gives out the role's keys.
func (f *STS) issue(form url.Values, life time.Duration) any {
	arn := roleARN.FindStringSubmatch(form.Get("RoleArn"))
	partition, account, name := arn[1], arn[2], arn[3]
	session := session{keys: f.Credentials, expires: f.Credentials.Expires, who: identity{
		Arn:     fmt.Sprintf("arn:%s:sts::%s:assumed-role/%s/%s", partition, account, name, form.Get("RoleSessionName")),
		UserID:  "AROATESTEXAMPLE:" + form.Get("RoleSessionName"),
		Account: account,
	}}
	if session.expires.IsZero() {
		session.expires = f.now().Add(life)
	}
	f.issued[f.Credentials.AccessKeyID] = session

	type user struct{ Arn, AssumedRoleId string }
	type credentials struct{ AccessKeyId, SecretAccessKey, SessionToken, Expiration string }
	return struct {
		AssumedRoleUser user
		Credentials     credentials
		SourceIdentity  string `xml:",omitempty"`
	}{
		user{session.who.Arn, session.who.UserID},
		credentials{f.Credentials.AccessKeyID, f.Credentials.SecretAccessKey, f.Credentials.SessionToken, f.expiration(f.Credentials, life)},
		form.Get("SourceIdentity"),
	}
}
