package tokens

import (
	"context"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-awsauth/awsauth"
)

// The keys of AWS's documentation; temporary ones have a token.
var (
	keys = awsauth.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
	temp = awsauth.Credentials{AccessKeyID: keys.AccessKeyID, SecretAccessKey: keys.SecretAccessKey, SessionToken: "session/token+EXAMPLE=="}
)

// tokenTests have what botocore 1.43 makes of the same input at the same time, which
// is the midnight that a synctest bubble begins at; for EKS and CodeCommit, the AWS
// CLI; and for ElastiCache, MemoryDB, MSK and WebSockets, botocore's SigV4QueryAuth of
// the request that the service documents.
var tokenTests = []struct {
	name  string
	token func(ctx context.Context) (string, error)
	want  string
}{
	{"RDS", func(ctx context.Context) (string, error) {
		return RDS(ctx, "mydb.123456789012.us-east-2.rds.amazonaws.com:3306", "us-east-2", "jane_doe", keys)
	}, "mydb.123456789012.us-east-2.rds.amazonaws.com:3306/?Action=connect&DBUser=jane_doe&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20000101%2Fus-east-2%2Frds-db%2Faws4_request&X-Amz-Date=20000101T000000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature=fe9ad88208d39a88df24e84556142ee18614748ce17922e16a321619d509f349"},
	{"RDS, odd user, temporary keys, upper case, region from the host", func(ctx context.Context) (string, error) {
		return RDS(ctx, "MyDB.123456789012.us-east-2.rds.amazonaws.com:5432", "", "a b&c+%20#/ü", temp)
	}, "mydb.123456789012.us-east-2.rds.amazonaws.com:5432/?Action=connect&DBUser=a%20b%26c%2B%2520%23%2F%C3%BC&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20000101%2Fus-east-2%2Frds-db%2Faws4_request&X-Amz-Date=20000101T000000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Security-Token=session%2Ftoken%2BEXAMPLE%3D%3D&X-Amz-Signature=3f5e798a589ee11e1b138b67c7216382565b5517a1877e27f87fc4fe616562b1"},
	{"RDS on port 443", func(ctx context.Context) (string, error) {
		return RDS(ctx, "mydb.123456789012.us-east-2.rds.amazonaws.com:443", "us-east-2", "jane_doe", keys)
	}, "mydb.123456789012.us-east-2.rds.amazonaws.com:443/?Action=connect&DBUser=jane_doe&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20000101%2Fus-east-2%2Frds-db%2Faws4_request&X-Amz-Date=20000101T000000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature=a34e27e57c9de3dc85f6d468d2ca94d50add08cae3d94939cbf627d10b0692d0"},
	{"DSQL", func(ctx context.Context) (string, error) {
		return DSQL(ctx, "peccy.dsql.us-east-1.on.aws", "us-east-1", 0, temp)
	}, "peccy.dsql.us-east-1.on.aws/?Action=DbConnect&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20000101%2Fus-east-1%2Fdsql%2Faws4_request&X-Amz-Date=20000101T000000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Security-Token=session%2Ftoken%2BEXAMPLE%3D%3D&X-Amz-Signature=a2f0b01ad1e76e8ae18297b2ee42d1a0924390a96b7158cde76d87084960aa39"},
	{"DSQL, admin", func(ctx context.Context) (string, error) {
		return DSQLAdmin(ctx, "peccy.dsql.us-east-1.on.aws", "", time.Hour, temp)
	}, "peccy.dsql.us-east-1.on.aws/?Action=DbConnectAdmin&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20000101%2Fus-east-1%2Fdsql%2Faws4_request&X-Amz-Date=20000101T000000Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Security-Token=session%2Ftoken%2BEXAMPLE%3D%3D&X-Amz-Signature=c10776959d17287e33229f5494eabe6223e9fe00c7e003fc5c503cd7c834c959"},
	{"ElastiCache", func(ctx context.Context) (string, error) {
		return ElastiCache(ctx, "My-Cache", "eu-west-1", "iam-user-01", keys)
	}, "my-cache/?Action=connect&User=iam-user-01&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20000101%2Feu-west-1%2Felasticache%2Faws4_request&X-Amz-Date=20000101T000000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature=84dedc728c003f3b132d507364f2283119c0c24b15059e1c23242e4b89adc061"},
	{"ElastiCache, serverless", func(ctx context.Context) (string, error) {
		return ElastiCacheServerless(ctx, "my-cache", "eu-west-1", "iam-user-01", temp)
	}, "my-cache/?Action=connect&ResourceType=ServerlessCache&User=iam-user-01&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20000101%2Feu-west-1%2Felasticache%2Faws4_request&X-Amz-Date=20000101T000000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Security-Token=session%2Ftoken%2BEXAMPLE%3D%3D&X-Amz-Signature=465a9ab6f5a0756262fd0fc61f4843722fe072831dbf394eed9b340b4e8bb03f"},
	{"MemoryDB", func(ctx context.Context) (string, error) {
		return MemoryDB(ctx, "my-cluster", "eu-west-1", "iam-user-01", temp)
	}, "my-cluster/?Action=connect&User=iam-user-01&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20000101%2Feu-west-1%2Fmemorydb%2Faws4_request&X-Amz-Date=20000101T000000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Security-Token=session%2Ftoken%2BEXAMPLE%3D%3D&X-Amz-Signature=73faa63c67700f055b2ec2c124672c8e48f941ba4760dc0bcf8f1e6488fdf762"},
	{"EKS", func(ctx context.Context) (string, error) {
		return decoded(EKS(ctx, "my-cluster", "us-west-2", temp))
	}, "k8s-aws-v1.https://sts.us-west-2.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20000101%2Fus-west-2%2Fsts%2Faws4_request&X-Amz-Date=20000101T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host%3Bx-k8s-aws-id&X-Amz-Security-Token=session%2Ftoken%2BEXAMPLE%3D%3D&X-Amz-Signature=4fbfc9c7e9dd5930f422d7d99dce90ba1e7faf3ef13352be6159874fd64c3806"},
	{"EKS, China", func(ctx context.Context) (string, error) {
		return decoded(EKS(ctx, "my-cluster", "cn-north-1", temp))
	}, "k8s-aws-v1.https://sts.cn-north-1.amazonaws.com.cn/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20000101%2Fcn-north-1%2Fsts%2Faws4_request&X-Amz-Date=20000101T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host%3Bx-k8s-aws-id&X-Amz-Security-Token=session%2Ftoken%2BEXAMPLE%3D%3D&X-Amz-Signature=d85bbc6affcdae76f1218c8656226fbf5886bde6a6e59eec39e94100109918e1"},
	{"MSK", func(ctx context.Context) (string, error) {
		token, err := decoded(MSK(ctx, "us-east-1", temp))
		return strings.TrimSuffix(token, "&User-Agent=awsauth"), err
	}, "https://kafka.us-east-1.amazonaws.com/?Action=kafka-cluster%3AConnect&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20000101%2Fus-east-1%2Fkafka-cluster%2Faws4_request&X-Amz-Date=20000101T000000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Security-Token=session%2Ftoken%2BEXAMPLE%3D%3D&X-Amz-Signature=4112bef033994104bc7fa82ba9f71bb6048654d4949ee374a71ac1a6b6866aea"},
	{"IoT", func(ctx context.Context) (string, error) {
		return IoT(ctx, "a1b2c3-ats.iot.us-east-1.amazonaws.com", "us-east-1", 24*time.Hour, keys)
	}, "wss://a1b2c3-ats.iot.us-east-1.amazonaws.com/mqtt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20000101%2Fus-east-1%2Fiotdevicegateway%2Faws4_request&X-Amz-Date=20000101T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=689cf80940938e24cfb8321da4baeca0786eebe8e0a9f50bac795619e786be16"},
	{"IoT, temporary keys, region from the host", func(ctx context.Context) (string, error) {
		return IoT(ctx, "a1b2c3-ats.iot.us-east-1.amazonaws.com", "", 24*time.Hour, temp)
	}, "wss://a1b2c3-ats.iot.us-east-1.amazonaws.com/mqtt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20000101%2Fus-east-1%2Fiotdevicegateway%2Faws4_request&X-Amz-Date=20000101T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=689cf80940938e24cfb8321da4baeca0786eebe8e0a9f50bac795619e786be16&X-Amz-Security-Token=session%2Ftoken%2BEXAMPLE%3D%3D"},
	{"WebSocket", func(ctx context.Context) (string, error) {
		return WebSocket(ctx, "wss://transcribestreaming.us-west-2.amazonaws.com:8443/stream-transcription-websocket?language-code=en-US&media-encoding=pcm&sample-rate=16000", 0, temp)
	}, "wss://transcribestreaming.us-west-2.amazonaws.com:8443/stream-transcription-websocket?language-code=en-US&media-encoding=pcm&sample-rate=16000&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20000101%2Fus-west-2%2Ftranscribe%2Faws4_request&X-Amz-Date=20000101T000000Z&X-Amz-Expires=300&X-Amz-SignedHeaders=host&X-Amz-Security-Token=session%2Ftoken%2BEXAMPLE%3D%3D&X-Amz-Signature=7a781929e35a5630d25f31cd66bbcf3ab75707511dc1d99e329e0031a4bdee49"},
}

// decoded undoes the base64 of a token, with no padding and nothing before it but the
// prefix of EKS.
func decoded(token string, err error) (string, error) {
	if err != nil {
		return "", err
	}
	text, prefixed := strings.CutPrefix(token, "k8s-aws-v1.")
	b, err := base64.RawURLEncoding.DecodeString(text)
	if prefixed {
		return "k8s-aws-v1." + string(b), err
	}
	return string(b), err
}

// ordered returns a token with its parameters in order. Services read them in any; ours
// is that of Presign.
func ordered(t *testing.T, token string) string {
	t.Helper()
	before, query, _ := strings.Cut(token, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		t.Error(err)
	}
	return before + "?" + values.Encode()
}

func TestTokens(t *testing.T) {
	for _, c := range tokenTests {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got, err := c.token(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if ordered(t, got) != ordered(t, c.want) || strings.Contains(got, "+") {
					t.Errorf("got  %s\nwant %s", got, c.want)
				}
				// IoT's session token is not signed, and comes last.
				token, signature := strings.Index(got, "X-Amz-Security-Token"), strings.Index(got, "X-Amz-Signature")
				if token >= 0 && (token > signature) != strings.HasPrefix(c.name, "IoT") {
					t.Errorf("the session token is in the wrong place: %s", got)
				}
			})
		})
	}
}

func TestMSKUserAgent(t *testing.T) {
	token, err := decoded(MSK(t.Context(), "cn-north-1", keys))
	if err != nil || !strings.HasSuffix(token, "&User-Agent=awsauth") || !strings.HasPrefix(token, "https://kafka.cn-north-1.amazonaws.com/?") {
		t.Error(token, err)
	}
}

func TestCodeCommit(t *testing.T) {
	for _, c := range []struct {
		repository string
		keys       awsauth.Credentials
		user, want string
	}{
		{"https://git-codecommit.us-east-1.amazonaws.com/v1/repos/MyDemoRepo", keys, "AKIAIOSFODNN7EXAMPLE", "20000101T000000Z357c8fd39bb7f9e4b2005769f9af27fb8a625dd5a20d267cc36d1c9c5b700419"},
		{"https://git-codecommit-fips.us-gov-west-1.amazonaws.com:443/v1/repos/MyDemoRepo", temp, "AKIAIOSFODNN7EXAMPLE%session/token+EXAMPLE==", "20000101T000000Z5a1e438d16f77e97d1bbd1af68bab9d806f24bc0071ee71bd8a880825414e784"},
	} {
		synctest.Test(t, func(t *testing.T) {
			user, password, err := CodeCommit(t.Context(), c.repository, c.keys)
			if err != nil || user != c.user || password != c.want {
				t.Errorf("%s: %s %s %v, want %s %s", c.repository, user, password, err, c.user, c.want)
			}
		})
	}
}

// Without credentials given, the default chain is asked, and without a region the
// environment.
func TestDefaults(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDENV")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_SESSION_TOKEN", "")
	t.Setenv("AWS_REGION", " ")
	t.Setenv("AWS_DEFAULT_REGION", "eu-west-1")
	if user, _, err := CodeCommit(t.Context(), "https://git-codecommit.us-east-1.amazonaws.com/v1/repos/r"); user != "AKIDENV" || err != nil {
		t.Error(user, err)
	}
	for name, token := range map[string]func() (string, error){
		"MemoryDB": func() (string, error) { return MemoryDB(t.Context(), "c", "", "u") },
		"EKS":      func() (string, error) { return decoded(EKS(t.Context(), "c", "")) },
		"MSK":      func() (string, error) { return decoded(MSK(t.Context(), "")) },
	} {
		if got, err := token(); !strings.Contains(got, "=AKIDENV%2F") || !strings.Contains(got, "%2Feu-west-1%2F") || err != nil {
			t.Error(name, got, err)
		}
	}
}

// No token is promised a longer life than its credentials have.
func TestLifetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		soon := temp
		soon.Expires = time.Now().Add(30 * time.Second)
		const transcribe = "wss://transcribestreaming.us-west-2.amazonaws.com/"
		for name, c := range map[string]struct {
			token   func(keys awsauth.Credentials) (string, error)
			seconds string
		}{
			"RDS":  {func(keys awsauth.Credentials) (string, error) { return RDS(t.Context(), "h:1", "us-east-1", "u", keys) }, "900"},
			"DSQL": {func(keys awsauth.Credentials) (string, error) { return DSQL(t.Context(), "h", "us-east-1", 0, keys) }, "900"},
			"MemoryDB": {func(keys awsauth.Credentials) (string, error) {
				return MemoryDB(t.Context(), "c", "us-east-1", "u", keys)
			}, "900"},
			"EKS": {func(keys awsauth.Credentials) (string, error) {
				return decoded(EKS(t.Context(), "c", "us-east-1", keys))
			}, "60"},
			"MSK":       {func(keys awsauth.Credentials) (string, error) { return decoded(MSK(t.Context(), "us-east-1", keys)) }, "900"},
			"IoT":       {func(keys awsauth.Credentials) (string, error) { return IoT(t.Context(), "h", "us-east-1", 0, keys) }, "900"},
			"WebSocket": {func(keys awsauth.Credentials) (string, error) { return WebSocket(t.Context(), transcribe, 0, keys) }, "300"},
		} {
			if got, err := c.token(temp); err != nil || !strings.Contains(got, "X-Amz-Expires="+c.seconds+"&") {
				t.Error(name, got, err)
			}
			if got, err := c.token(soon); err != nil || !strings.Contains(got, "X-Amz-Expires=30&") {
				t.Error(name, got, err)
			}
		}
		time.Sleep(30 * time.Second)
		if _, _, err := CodeCommit(t.Context(), "https://git-codecommit.us-east-1.amazonaws.com/v1/repos/r", soon); err == nil || !strings.Contains(err.Error(), "expired at 2000-01-01T00:00:30Z") {
			t.Error(err)
		}
	})
}

func TestRefused(t *testing.T) {
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY",
		"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	ctx := t.Context()
	const repository = "https://git-codecommit.us-east-1.amazonaws.com/v1/repos/r"
	codeCommit := func(repository string, creds ...awsauth.Provider) func() (string, error) {
		return func() (string, error) {
			user, password, err := CodeCommit(ctx, repository, creds...)
			return user + password, err
		}
	}
	empty := awsauth.ProviderFunc(func(context.Context) (awsauth.Credentials, error) { return awsauth.Credentials{}, nil })
	for name, c := range map[string]struct {
		token func() (string, error)
		want  string
	}{
		"RDS without port":        {func() (string, error) { return RDS(ctx, "h", "us-east-1", "u", keys) }, "host:port"},
		"RDS with an odd port":    {func() (string, error) { return RDS(ctx, "h:x", "us-east-1", "u", keys) }, "host:port"},
		"RDS without user":        {func() (string, error) { return RDS(ctx, "h:1", "us-east-1", "", keys) }, "no user"},
		"RDS with path":           {func() (string, error) { return RDS(ctx, "h/p:1", "us-east-1", "u", keys) }, "without scheme and path"},
		"RDS with userinfo":       {func() (string, error) { return RDS(ctx, "u@h:1", "us-east-1", "u", keys) }, "without scheme and path"},
		"RDS without region":      {func() (string, error) { return RDS(ctx, "h:1", "", "u", keys) }, "give it, or set AWS_REGION"},
		"RDS for a set":           {func() (string, error) { return RDS(ctx, "h:1", "*", "u", keys) }, "for one region"},
		"RDS for a list":          {func() (string, error) { return RDS(ctx, "h:1", "us-east-1,us-east-2", "u", keys) }, "for one region"},
		"git, anonymous":          {codeCommit(repository, awsauth.Anonymous{}), "give credentials"},
		"RDS, anonymous":          {func() (string, error) { return RDS(ctx, "h:1", "us-east-1", "u", awsauth.Anonymous{}) }, "can't presign"},
		"RDS without keys":        {func() (string, error) { return RDS(ctx, "h:1", "us-east-1", "u") }, "no credentials"},
		"DSQL without host":       {func() (string, error) { return DSQL(ctx, "", "us-east-1", 0, keys) }, "no name of a host"},
		"DSQL with port":          {func() (string, error) { return DSQLAdmin(ctx, "h:5432", "us-east-1", 0, keys) }, "without its port"},
		"DSQL for too long":       {func() (string, error) { return DSQL(ctx, "h", "us-east-1", 8*24*time.Hour, keys) }, "seven days"},
		"ElastiCache with a host": {func() (string, error) { return ElastiCache(ctx, "c.x.cache.amazonaws.com", "us-east-1", "u", keys) }, "give the name"},
		"ElastiCache with a port": {func() (string, error) { return ElastiCacheServerless(ctx, "c:6379", "us-east-1", "u", keys) }, "give the name"},
		"MemoryDB without user":   {func() (string, error) { return MemoryDB(ctx, "c", "us-east-1", "", keys) }, "no user"},
		"MemoryDB without region": {func() (string, error) { return MemoryDB(ctx, "c", "", "u", keys) }, "give it, or set AWS_REGION"},
		"EKS without cluster":     {func() (string, error) { return EKS(ctx, "", "us-east-1", keys) }, "no cluster"},
		"EKS without region":      {func() (string, error) { return EKS(ctx, "c", "", keys) }, "is no region"},
		"EKS, no region":          {func() (string, error) { return EKS(ctx, "c", "evil.example/", keys) }, "is no region"},
		"EKS, an odd name":        {func() (string, error) { return EKS(ctx, "c\n", "us-east-1", keys) }, "control character"},
		"MSK, no region":          {func() (string, error) { return MSK(ctx, "x", keys) }, "is no region"},
		"IoT without host":        {func() (string, error) { return IoT(ctx, "", "us-east-1", 0, keys) }, "no name of a host"},
		"IoT with scheme":         {func() (string, error) { return IoT(ctx, "wss://h", "us-east-1", 0, keys) }, "no name of a host"},
		"IoT with space":          {func() (string, error) { return IoT(ctx, "h h", "us-east-1", 0, keys) }, "correct it"},
		"WebSocket over http":     {func() (string, error) { return WebSocket(ctx, "https://h/", 0, keys) }, "wss://"},
		"WebSocket of others":     {func() (string, error) { return WebSocket(ctx, "wss://h.example/", 0, keys) }, "with a Signer that has both"},
		"CodeCommit over http":    {codeCommit("http://git-codecommit.us-east-1.amazonaws.com/v1/repos/r", keys), "not a repository's"},
		"CodeCommit over ssh":     {codeCommit("git@git-codecommit.us-east-1.amazonaws.com:r", keys), "not a repository's"},
		"CodeCommit without path": {codeCommit("https://git-codecommit.us-east-1.amazonaws.com", keys), "not a repository's"},
		"CodeCommit with query":   {codeCommit(repository+"?a", keys), "not a repository's"},
		"CodeCommit of others":    {codeCommit("https://git.example/r", keys), "git.example"},
		"CodeCommit of S3":        {codeCommit("https://s3.us-east-1.amazonaws.com/r", keys), "not CodeCommit's"},
		"CodeCommit without keys": {codeCommit(repository), "no credentials"},
		"CodeCommit, empty keys":  {codeCommit(repository, empty), "empty credentials"},
		"CodeCommit, no provider": {codeCommit(repository, nil), "is nil"},
	} {
		got, err := c.token()
		if got != "" || err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "awsauth: ") {
			t.Errorf("%s: %q, %v; want an error with %q", name, got, err, c.want)
		}
	}
}
