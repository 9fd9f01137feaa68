package interop

// gaps are what a server does otherwise than S3, by its kind and then by the kind
// and the name of a request. Such a request is sent all the same, and a gap that
// the server has no more fails its test.
var gaps = map[string]map[string]string{
	"versitygw": {},
	"minio":     {},
}
