package awsauth

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

const zonalBucket = "https://amzn-s3-demo-bucket--usw2-az1--x-s3.s3express-usw2-az1.us-west-2.amazonaws.com"

// expressSigner has the keys of AWS's documentation, and a token.
func expressSigner() *Signer {
	return &Signer{
		Credentials: Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", SessionToken: "session/token+EXAMPLE=="},
		Now:         func() time.Time { return time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC) },
	}
}

func expressRequest(t *testing.T, method, url string) *http.Request {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// The signatures are botocore's.
func TestExpressVectors(t *testing.T) {
	s := expressSigner()
	const scope = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20240229/us-west-2/s3express/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date;"

	req := expressRequest(t, "GET", zonalBucket+"/dir/key%20one.txt")
	if err := s.Sign4(req); err != nil {
		t.Fatal(err)
	}
	same(t, "header", req.Header.Get("Authorization"), scope+"x-amz-s3session-token, Signature=5bdc016a848dd8e28bc962f33c41755587238d59d2a360ec81b74db2171b6ed9")
	same(t, "token", req.Header.Get("x-amz-s3session-token"), "session/token+EXAMPLE==")

	req = expressRequest(t, "GET", zonalBucket+"/?session")
	if err := s.Sign4(req); err != nil {
		t.Fatal(err)
	}
	same(t, "CreateSession", req.Header.Get("Authorization"), scope+"x-amz-security-token, Signature=6a8e10bfe706e20752369ff91df88a2bc5527c3bb4834d3bc39180acc9c60f07")

	req = expressRequest(t, "GET", zonalBucket+"/dir/key%20one.txt")
	if err := s.Presign(req, 5*time.Minute); err != nil {
		t.Fatal(err)
	}
	want := mustParse(t, zonalBucket+"/dir/key%20one.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20240229%2Fus-west-2%2Fs3express%2Faws4_request&X-Amz-Date=20240229T120000Z&X-Amz-Expires=300&X-Amz-SignedHeaders=host&X-Amz-S3session-Token=session%2Ftoken%2BEXAMPLE%3D%3D&X-Amz-Signature=680fbcfae7725fac99dfaf0197d9ca5655ee538ca0c4227c75d27f43115e07c3")
	same(t, "presigned", req.URL.Query().Encode(), want.Query().Encode())
}

func TestExpressTokenName(t *testing.T) {
	const session, iam = "X-Amz-S3session-Token", "X-Amz-Security-Token"
	control := "https://s3express-control.us-west-2.amazonaws.com/"
	for _, c := range []struct {
		method, url, header, want string
	}{
		{"GET", zonalBucket + "/key", "", session},
		{"GET", zonalBucket + "/?list-type=2", "", session},
		{"PUT", zonalBucket + "/key", "", session},
		{"HEAD", zonalBucket + "/key", "", session},
		{"DELETE", zonalBucket + "/", "", session},
		{"GET", zonalBucket + "/session", "", session},
		{"GET", zonalBucket + "/key?session", "", session},
		{"PUT", zonalBucket + "/?session", "", session},
		{"GET", zonalBucket + "/key", "X-Amz-Copy-Source", session}, // copies are PUTs
		{"POST", zonalBucket + "/key", "X-Amz-Copy-Source", session},
		{"GET", "https://s3express-control--usw2-az1--x-s3.s3express-usw2-az1.us-west-2.amazonaws.com/key", "", session},
		{"", zonalBucket + "/?session", "", iam},
		{"GET", zonalBucket + "?session=", "", iam},
		{"HEAD", zonalBucket + "/", "", iam},
		{"HEAD", zonalBucket, "", iam},
		{"PUT", zonalBucket + "/key", "X-Amz-Copy-Source", iam},
		{"PUT", zonalBucket + "/key?partNumber=1&uploadId=2", "x-amz-copy-source", iam},
		{"GET", control, "", iam},
		{"PUT", control + "amzn-s3-demo-bucket--usw2-az1--x-s3", "", iam},
		{"GET", "https://S3express-control-fips.dualstack.us-east-1.amazonaws.com/b?policy", "", iam},
		{"GET", "https://123456789012.s3express-control.us-west-2.amazonaws.com/v20180820/accesspoint", "", iam},
		{"GET", "https://amzn-s3-demo-bucket.s3.us-west-2.amazonaws.com/key", "", iam},
	} {
		for i, presign := range []bool{false, true, false, true} {
			s := expressSigner()
			req := expressRequest(t, c.method, c.url)
			req.Method = c.method
			if c.header != "" {
				req.Header[c.header] = []string{"/source/key"}
			}
			// What an earlier signature left goes, under either name and any spelling.
			spelling := []string{"x-amz-s3session-token", "X-Amz-S3session-Token"}[i/2]
			req.Header["X-Amz-Security-Token"] = []string{"old"}
			req.Header[spelling] = []string{"old"}
			req.URL.RawQuery += "&X-Amz-Security-Token=old&X-Amz-S3session-Token=old&X-Amz-Signature=old"
			sign := s.Sign4
			if presign {
				sign = func(req *http.Request, _ ...Provider) error { return s.Presign(req, time.Minute) }
			}
			if err := sign(req); err != nil {
				t.Errorf("%s %s: %v", c.method, c.url, err)
				continue
			}
			got := map[string]string{}
			for name, values := range req.Header {
				got[name] = values[0]
			}
			if presign {
				for name, values := range req.URL.Query() {
					got[name] = values[0]
				}
			}
			other := strings.Replace(session+iam, c.want, "", 1)
			if _, ok := got[other]; ok || got[c.want] != "session/token+EXAMPLE==" || got["x-amz-s3session-token"] != "" {
				t.Errorf("%s %s, presigned %v: the token is in %q, %q, want it in %s alone", c.method, c.url, presign, got[session], got[iam], c.want)
			}
			if !presign && !strings.Contains(req.Header.Get("Authorization"), strings.ToLower(c.want)) {
				t.Errorf("%s %s: %s is not signed: %s", c.method, c.url, c.want, req.Header.Get("Authorization"))
			}
		}
	}
}
