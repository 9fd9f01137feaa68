package awsauth

import (
	"errors"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/go-awsauth/awsauth/internal/partition"
)

// dataLines returns the lines of a file in testdata, without comments.
func dataLines(t testing.TB, name string) []string {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	return slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, "#") })
}

func TestScopeOfRuleSets(t *testing.T) {
	n := 0
	for _, line := range dataLines(t, "hosts.txt") {
		words := strings.Fields(line)
		for _, region := range words[2:] {
			n++
			wantScope(t, strings.Replace(words[0], "{}", region, 1), "/", words[1], region)
		}
	}
	if n != 3248 {
		t.Errorf("%d hosts, want 3248", n)
	}
}

func wantScope(t *testing.T, host, path, service, region string) {
	t.Helper()
	s, r, err := Scope(&url.URL{Scheme: "https", Host: host, Path: path})
	if err != nil || s != service || r != region {
		t.Errorf("Scope(%s%s) = %q, %q, %v; want %q, %q", host, path, s, r, err, service, region)
	}
}

func wantNoScope(t *testing.T, host string) {
	t.Helper()
	s, r, err := Scope(&url.URL{Scheme: "https", Host: host, Path: "/"})
	var unknown *UnknownEndpointError
	if !errors.As(err, &unknown) || unknown.Host != host || s != "" || r != "" {
		t.Errorf("Scope(%s) = %q, %q, %v; want an UnknownEndpointError", host, s, r, err)
		return
	}
	if text := err.Error(); !strings.Contains(text, "Signer.Service") || !strings.Contains(text, "Signer.Region") {
		t.Errorf("the error does not say what to set: %s", text)
	}
}

func TestScopeOfDocumentedHosts(t *testing.T) {
	count := map[string]int{}
	for _, line := range dataLines(t, "documented.tsv") {
		f := strings.Split(line, "\t")
		host, service, region, expect := f[0], f[1], f[2], f[3]
		count[expect]++
		switch {
		case expect == "none", strings.Contains(host, "s3-accelerate"):
			// S3 Accelerate goes to a bucket in any region of the partition.
			wantNoScope(t, host)
		default:
			// The other ambiguous rows: iot is settled by the path, as
			// TestScopeByPath has it; global.health is signed as botocore
			// does; a trailing dot names the same host.
			wantScope(t, host, "/", service, region)
		}
	}
	if count["sign"] != 229 || count["none"] != 36 || count["ambig"] != 10 || len(count) != 3 {
		t.Errorf("rows: %v, want 229 sign, 36 none, 10 ambig", count)
	}
}

func TestScopeByPath(t *testing.T) {
	for _, c := range []struct{ host, path, service string }{
		{"maps.geo.eu-west-1.amazonaws.com", "/maps/v0/maps/m/tiles/1/2/3", "geo"},
		{"maps.geo.eu-west-1.amazonaws.com", "/v2/tiles/raster/1/2/3", "geo-maps"},
		{"maps.geo.eu-west-1.amazonaws.com", "/v2", "geo-maps"},
		{"maps.geo.eu-west-1.amazonaws.com", "", "geo"},
		{"places.geo-fips.eu-west-1.api.aws", "/v2/geocode", "geo-places"},
		{"routes.geo.eu-west-1.amazonaws.com", "/v2/routes", "geo-routes"},
		{"a1b2-ats.iot.eu-west-1.amazonaws.com", "/mqtt", "iotdevicegateway"},
		{"a1b2-ats.iot.eu-west-1.amazonaws.com", "/topics/a", "iotdata"},
		{"a1b2.ats.iot.cn-north-1.amazonaws.com.cn", "/mqtt", "iotdevicegateway"},
	} {
		region := "eu-west-1"
		if strings.HasSuffix(c.host, ".cn") {
			region = "cn-north-1"
		}
		wantScope(t, c.host, c.path, c.service, region)
	}
}

// What is made from a partition is what lookup takes for it.
func TestPartitions(t *testing.T) {
	for name, region := range map[string]string{
		"aws": "us-east-1", "aws-cn": "cn-northwest-1", "aws-eusc": "eusc-de-east-1", "aws-iso": "us-iso-east-1",
		"aws-iso-b": "us-isob-east-1", "aws-iso-e": "eu-isoe-west-1", "aws-iso-f": "us-isof-south-1", "aws-us-gov": "us-gov-west-1",
	} {
		p := partition.Named(name)
		if got := p.Region(); p == 0 || got != region || partition.OfRegion(got) != p {
			t.Errorf("%s: partition %b, region %s", name, p, got)
		}
		if owners, dualStack := partition.OfSuffix(p.Suffix()); owners&p == 0 || dualStack {
			t.Errorf("%s: suffix %s is of %b", name, p.Suffix(), owners)
		}
		wantScope(t, "sts."+region+"."+p.Suffix(), "/", "sts", region)
	}
	for _, name := range []string{"", "AWS", "aws-", "aws-iso-g", "amazonaws.com"} {
		if p := partition.Named(name); p != 0 {
			t.Errorf("%q: partition %b", name, p)
		}
	}
}

func TestScopeForms(t *testing.T) {
	wantScope(t, "SQS.US-EAST-1.AmazonAWS.com", "/", "sqs", "us-east-1")
	wantScope(t, "sqs.us-east-1.amazonaws.com:443", "/", "sqs", "us-east-1")
	wantScope(t, "sqs.us-east-1.amazonaws.com.", "/", "sqs", "us-east-1")
	wantScope(t, "sqs.us-east-1.amazonaws.com.:8443", "/", "sqs", "us-east-1")
	wantScope(t, "sqs.eu-nowhere-7.amazonaws.com", "/", "sqs", "eu-nowhere-7") // a region of tomorrow
	wantScope(t, "s3.b.us-west-2.s3.eu-west-1.amazonaws.com", "/", "s3", "eu-west-1")
	wantScope(t, "us-west-2.s3.eu-west-1.amazonaws.com", "/", "s3", "eu-west-1")
	wantScope(t, "my.s3-bucket.s3.dualstack.eu-west-1.amazonaws.com", "/", "s3", "eu-west-1")
	wantScope(t, "a--use1-az4--x-s3.s3express-use1-az4.us-east-1.amazonaws.com", "/", "s3express", "us-east-1")
	wantScope(t, "m.mrap.accesspoint.s3-global.amazonaws.com", "/", "s3", "*")
	wantScope(t, "o.s3-outposts.us-east-1.api.aws", "/", "s3-outposts", "us-east-1")
	wantScope(t, "vpce-1a2b-3c4d.sqs.eu-west-1.vpce.amazonaws.com", "/", "sqs", "eu-west-1")

	for _, host := range []string{
		"", ".", "..", ":", ":443", "amazonaws.com", ".amazonaws.com", "com",
		"s3.amazonaws.com.evil.com", "evilamazonaws.com", "s3.evilamazonaws.com",
		"nosuchservice.us-east-1.amazonaws.com", "email-smtp.us-east-1.amazonaws.com",
		"sqs.cn-north-1.amazonaws.com", "sqs.us-east-1.amazonaws.com.cn", "s3.us-east-1.amazonaws.com.cn",
		"sqs..us-east-1.amazonaws.com", "..sqs.us-east-1.amazonaws.com", "sqs.us-east-1.amazonaws.com..",
		"us-east-1.amazonaws.com", "127.0.0.1", "[::1]:443", "169.254.169.254", "localhost:9000",
		"vpce-1.vpce-svc-2.us-east-1.vpce.amazonaws.com", "vpce-1.us-east-1.vpce.amazonaws.com", "vpce.amazonaws.com",
		"credentials.iot.us-east-1.amazonaws.com", "fips.us-east-1.amazonaws.com",
		":.sqs.us-east-1.amazonaws.com", "a b.s3.us-east-1.amazonaws.com", "é.s3.us-east-1.amazonaws.com", "*.iot.us-east-1.amazonaws.com",
		"a.b.neptune.us-east-1.amazonaws.com", "a.b.s3-accesspoint.us-east-1.amazonaws.com", "a.b.s3-control.us-east-1.amazonaws.com",
		"a.b.s3express-use1-az4.us-east-1.amazonaws.com", "m.other.accesspoint.s3-global.amazonaws.com", "budgets.us-gov.amazonaws.com.cn",
		"portal.sso.us-east-1.amazonaws.com", "signin.amazonaws.com", "us-east-1.signin.aws.amazon.com",
		strings.Repeat("a.", 200) + "s3.amazonaws.com", strings.Repeat("a", 5000) + ".sqs.us-east-1.amazonaws.com",
	} {
		wantNoScope(t, host)
	}
}

func TestTableIsSorted(t *testing.T) {
	kinds := map[string]int{}
	last := [2]string{}
	for line := range strings.Lines(table) {
		fields := strings.TrimSuffix(line, "\n")
		kind, name := word(&fields), word(&fields)
		if fields == "" || strings.Contains(line, "  ") {
			t.Errorf("malformed: %q", line)
		}
		if c := strings.Compare(kind, last[0]); c < 0 || c == 0 && name <= last[1] {
			t.Errorf("out of order or twice: %q", line)
		}
		last = [2]string{kind, name}
		kinds[kind]++
		if rest, ok := find(new(keyBuf).key(kind, name)); !ok || rest != fields {
			t.Errorf("find(%s, %s) = %q, %v", kind, name, rest, ok)
		}
	}
	for _, kind := range []string{"prefix", "customer", "customer-cn", "region-first", "on-aws", "global", "host"} {
		if kinds[kind] == 0 {
			t.Errorf("no line of kind %s", kind)
		}
		delete(kinds, kind)
	}
	if len(kinds) > 0 {
		t.Errorf("lines of unknown kinds: %v", kinds)
	}
	if len(table) > 20<<10 {
		t.Errorf("the table has %d bytes", len(table))
	}
}

func FuzzScope(f *testing.F) {
	for _, line := range dataLines(f, "documented.tsv") {
		host, _, _ := strings.Cut(line, "\t")
		f.Add(host, "/v2/")
	}
	f.Fuzz(func(t *testing.T, host, path string) {
		service, region, err := Scope(&url.URL{Host: host, Path: path})
		if err != nil {
			return
		}
		if service == "" || region == "" {
			t.Fatalf("Scope(%q) = %q, %q", host, service, region)
		}
		name := strings.ToLower(host)
		if i := strings.LastIndexByte(name, ':'); i >= 0 {
			name = name[:i]
		}
		name = "." + strings.TrimSuffix(name, ".")
		if !slices.ContainsFunc([]string{
			".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu", ".c2s.ic.gov", ".sc2s.sgov.gov",
			".cloud.adc-e.uk", ".csp.hci.ic.gov", ".api.aws", ".api.amazonwebservices.com.cn",
			".api.amazonwebservices.eu", ".api.aws.ic.gov", ".api.aws.scloud", ".api.cloud-aws.adc-e.uk",
			".api.aws.hci.ic.gov", ".on.aws",
		}, func(suffix string) bool { return strings.HasSuffix(name, suffix) }) {
			t.Fatalf("Scope(%q) = %q, %q: the host is not AWS's", host, service, region)
		}
		if strings.Contains(name, "..") {
			t.Fatalf("Scope(%q) = %q, %q: an empty label", host, service, region)
		}
	})
}

func BenchmarkScope(b *testing.B) {
	for _, host := range []string{
		"examplebucket.s3.us-east-1.amazonaws.com",
		"abc123.execute-api.us-east-1.amazonaws.com",
		"iam.amazonaws.com",
		"123456789012.control-kinesis-fips.ap-southeast-4.amazonaws.com",
	} {
		b.Run(host, func(b *testing.B) {
			u := &url.URL{Host: host, Path: "/"}
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := Scope(u); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestScopeAllocations(t *testing.T) {
	for _, host := range []string{
		"examplebucket.s3.us-east-1.amazonaws.com", "iam.amazonaws.com",
		"123456789012.control-kinesis-fips.ap-southeast-4.amazonaws.com:443",
	} {
		u := &url.URL{Host: host, Path: "/"}
		if n := testing.AllocsPerRun(100, func() { Scope(u) }); n != 0 {
			t.Errorf("Scope(%s) allocates %v times, want 0", host, n)
		}
	}
}
