package interop

// otherwise is what a server does in place of what S3 does.
type otherwise struct {
	code string // of its answer; "": it accepts the request
	why  string
}

// gaps are what a server does otherwise than S3, by its kind, and then by the kind
// (or what stands before its comma) and the name of a request. Such a request is sent
// all the same, and a gap that the server has no more fails its test.
var gaps = map[string]map[string]otherwise{
	"versitygw": {
		"odd key: .":                      {"400", names},
		"odd key: ..":                     {"400", names},
		"odd key: ../up":                  {"400", names},
		"odd key: a/..":                   {"400", names},
		"odd key: //":                     {"400", names},
		"odd key, listed: ./a":            {"", folds},
		"odd key, listed: /a":             {"", folds},
		"odd key, listed: /a/":            {"", folds},
		"odd key, listed: a/.":            {"", folds},
		"odd key, listed: a/../b":         {"", folds},
		"odd key, listed: a/./b":          {"", folds},
		"odd key, listed: a//b":           {"", folds},
		"odd key, listed: http://a:80/@b": {"", folds},

		"put: metadata, tabs":                       {"SignatureDoesNotMatch", "folds spaces and no tabs, which S3's other clients fold as well"},
		"put, presigned: own digest":                {"SignatureDoesNotMatch", unsignedURL},
		"put, presigned: digest of another body":    {"SignatureDoesNotMatch", unsignedURL},
		"refused, presigned: clock 16 minutes fast": {"", "takes presigned URLs from the future"},

		"stream: encoding":            {"", "keeps the Content-Encoding of the stream with the object"},
		"post, read: the file's name": {"NoSuchKey", "has the key as the form has it, with ${filename} in it"},
	},
	"minio": {
		"odd key: .":              {"XMinioInvalidResourceName", names},
		"odd key: ..":             {"XMinioInvalidResourceName", names},
		"odd key: ../up":          {"XMinioInvalidResourceName", names},
		"odd key: ./a":            {"XMinioInvalidResourceName", names},
		"odd key: a/.":            {"XMinioInvalidResourceName", names},
		"odd key: a/..":           {"XMinioInvalidResourceName", names},
		"odd key: a/../b":         {"XMinioInvalidResourceName", names},
		"odd key: a/./b":          {"XMinioInvalidResourceName", names},
		"odd key: //":             {"XMinioInvalidObjectName", names},
		"odd key: a//b":           {"XMinioInvalidObjectName", names},
		"odd key: http://a:80/@b": {"XMinioInvalidObjectName", names},
		"odd key, listed: /a":     {"", folds},
		"odd key, listed: /a/":    {"", folds},

		"refused, header: one x-amz header more":       {"", "lets unsigned x-amz headers pass"},
		"refused: wrong service":                       {"AuthorizationParametersError", code},
		"refused, presigned: wrong region":             {"AuthorizationHeaderMalformed", code},
		"refused, presigned: presigned, another scope": {"AuthorizationParametersError", code},

		"altered stream: no last chunk":               {"", "ends a stream with its decoded length"},
		"altered stream, signed, trailer: no trailer": {"", "asks for no trailer"},
	},
}

const (
	names       = "refuses some keys, whatever their signature"
	folds       = "reads the path as it was signed, and then stores it without repeated slashes and dot segments"
	unsignedURL = "takes the payload of every presigned URL for unsigned; S3, like minio, goes by X-Amz-Content-Sha256 where it is signed"
	code        = "refuses with another code"
)
