package awsauth

import (
	"bytes"
	"cmp"
	_ "embed"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/go-awsauth/awsauth/internal/partition"
)

// table is what AWS's endpoint rules say of host names: one line a fact, sorted,
// looked up by its first two words. It was made from the endpoint rule sets of
// botocore 1.43 and AWS's documentation, and is checked against hosts that those
// rule sets produce. Its lines are
//
//	prefix LABELS SERVICE [PATH SERVICE] [REGION…]
//	    LABELS.REGION.SUFFIX signs as SERVICE; under PATH as the other; for the
//	    regions named, and elsewhere in their partition for the first of them
//	customer LABELS SERVICE MIN MAX [PATH SERVICE]
//	    the same with MIN to MAX labels of the customer's in front;
//	    customer-cn: in China
//	region-first LABEL SERVICE MIN MAX
//	    CUSTOMER.REGION.LABEL.SUFFIX
//	on-aws LABEL SERVICE MIN MAX
//	    CUSTOMER.LABEL.REGION.on.aws
//	global LABELS SERVICE
//	    LABELS.SUFFIX, for the partition's own region
//	host HOST SERVICE REGION
//	    a whole host name
//
//go:embed endpoint.txt
var table string

var tableLines = sync.OnceValue(func() []string { return strings.Split(strings.TrimSuffix(table, "\n"), "\n") })

// An UnknownEndpointError says that a host name does not tell the service and
// the region to sign for.
type UnknownEndpointError struct {
	Host   string
	Reason string
	AWS    bool // the host is AWS's all the same
}

func (e *UnknownEndpointError) Error() string {
	return fmt.Sprintf("awsauth: host %q does not tell what to sign for (%s): set Signer.Service and Signer.Region", e.Host, e.Reason)
}

// Scope returns the signing name of the service and the region that the host of
// u stands for, by lookup in a table of AWS's endpoints. A region "*" is the set
// of all regions, which SigV4A signs for. A host that the table does not decide
// is an [*UnknownEndpointError]; nothing is guessed.
func Scope(u *url.URL) (service, region string, err error) {
	service, region, unknown := lookup(u.Host, u.Path)
	if unknown != nil {
		return "", "", unknown
	}
	return service, region, nil
}

// maxLabels is more labels than any endpoint has.
const maxLabels = 16

// A hostName is a host taken apart.
type hostName struct {
	name   string // in lower case, without port
	suffix string
	owners partition.Set
	path   string
	reason string // why it is refused
	count  int
	array  [maxLabels]string
}

// labels returns what stands before the suffix.
func (h *hostName) labels() []string { return h.array[:h.count] }

func (h *hostName) refuse(reason string) (string, string) {
	h.reason = reason
	return "", ""
}

// lookup is Scope for a host and a path. A service without a region is
// returned where the host tells so much.
func lookup(host, path string) (service, region string, err *UnknownEndpointError) {
	h := hostName{path: path}
	if h.split(host) {
		service, region = h.resolve()
		if service != "" && region != "" {
			return service, region, nil
		}
	}
	return service, region, &UnknownEndpointError{Host: strings.Clone(host), Reason: h.reason, AWS: h.owners != 0}
}

// split takes host apart, and reports whether it can be an endpoint.
func (h *hostName) split(host string) bool {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && strings.Trim(host[i+1:], "0123456789") == "" {
		host = host[:i]
	}
	h.name = strings.ToLower(strings.TrimSuffix(host, "."))
	// The longest suffix is the one that begins first.
	rest := h.name
	for {
		label, after, more := strings.Cut(rest, ".")
		if !more {
			h.reason = "it is not a host of AWS"
			return false
		}
		if h.count == maxLabels {
			h.reason = "it has too many labels"
			return false
		}
		h.array[h.count] = label
		h.count++
		if h.owners, _ = partition.OfSuffix(after); h.owners != 0 {
			h.suffix = after
			break
		}
		rest = after
	}
	for _, label := range h.labels() {
		if label == "" {
			h.reason = "it has an empty label"
			return false
		}
		for _, c := range []byte(label) {
			if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
				h.reason = "it has a character that no host of AWS has"
				return false
			}
		}
	}
	return true
}

// region reports whether label is a region of the partitions that own the suffix.
func (h *hostName) region(label string) bool { return partition.OfRegion(label)&h.owners != 0 }

func (h *hostName) resolve() (service, region string) {
	labels := h.labels()
	last := labels[len(labels)-1]
	if partition.OfRegion(last) != 0 && !h.region(last) {
		return h.refuse("the region is of another partition than the suffix")
	}
	switch {
	case h.suffix == "on.aws":
		return h.onAWS()
	case last == "vpce":
		return h.vpce()
	}
	regional := h.region(last)
	if !regional {
		if fields, ok := find(new(keyBuf).key("host", h.name)); ok {
			return word(&fields), word(&fields)
		}
	}
	// Of the S3 family, S3 Outposts alone is on dual-stack suffixes.
	if _, dualStack := partition.OfSuffix(h.suffix); !dualStack || strings.Contains(h.name, "s3-outposts") {
		if service, region = h.s3(); service != "" || h.reason != "" {
			return service, region
		}
	}
	if regional {
		return h.regional()
	}
	return h.regionless()
}

// onAWS resolves CUSTOMER.LABEL.REGION.on.aws.
func (h *hostName) onAWS() (service, region string) {
	labels := h.labels()
	if n := len(labels) - 2; n >= 0 && h.region(labels[n+1]) {
		if fields, ok := find(new(keyBuf).key("on-aws", labels[n])); ok {
			if service = word(&fields); within(&fields, n) {
				return service, labels[n+1]
			}
		}
	}
	return h.refuse("no service is known by it")
}

// vpce resolves interface endpoints: [KIND.]vpce-ID.SERVICE.REGION.vpce.SUFFIX.
func (h *hostName) vpce() (service, region string) {
	labels := h.labels()
	labels = labels[:len(labels)-1]
	id := 0
	for id < len(labels) && !strings.HasPrefix(labels[id], "vpce-") {
		id++
	}
	if id+2 > len(labels)-1 {
		return h.refuse("it is not of the form of an interface endpoint")
	}
	region = labels[len(labels)-1]
	if !h.region(region) {
		return h.refuse("it has no region of AWS")
	}
	front, rest := labels[:id], labels[id+1:len(labels)-1]
	for _, label := range labels[id:] {
		if strings.HasPrefix(label, "vpce-svc-") {
			return h.refuse("it is an endpoint service of a customer")
		}
	}
	if len(rest) == 1 && rest[0] == "s3" {
		if len(front) > 0 {
			switch front[len(front)-1] {
			case "bucket", "accesspoint", "control":
				return "s3", region
			}
		}
		return h.refuse("an S3 interface endpoint begins with bucket, accesspoint or control")
	}
	if len(front) > 0 {
		return h.refuse("no service is known by it")
	}
	if fields, ok := find(new(keyBuf).join("prefix", dropFIPS(rest))); ok && !strings.Contains(fields, "/") {
		return word(&fields), region
	}
	return h.refuse("no service is known by it")
}

// s3 resolves the S3 family, from the right: the labels on the left are names of
// buckets and may spell anything. It returns nothing for other services.
func (h *hostName) s3() (service, region string) {
	labels := h.labels()
	n := len(labels)
	last := labels[n-1]
	commercial := h.suffix == "amazonaws.com"
	switch {
	case commercial && (last == "s3" || last == "s3-external-1"):
		return "s3", "us-east-1"
	case last == "s3-global":
		if n == 4 && labels[1] == "mrap" && labels[2] == "accesspoint" {
			return "s3", "*"
		}
		return h.refuse("it is not a multi-region access point")
	case last == "s3-accelerate", last == "dualstack" && n > 1 && labels[n-2] == "s3-accelerate":
		if h.owners == partition.EUSC || h.owners == partition.ISOE {
			return "s3", h.owners.Region() // there is no other
		}
		h.reason = "S3 Accelerate does not tell the region"
		return "s3", ""
	case strings.HasPrefix(last, "s3-website-"):
		return h.refuse("S3 websites are not signed for")
	}
	if dashed, ok := strings.CutPrefix(last, "s3-"); ok && commercial {
		dashed = strings.TrimPrefix(dashed, "fips-")
		if h.region(dashed) {
			return "s3", dashed
		}
	}
	if !h.region(last) {
		return "", ""
	}
	region = last
	i := n - 2
	if i >= 1 && labels[i] == "dualstack" && strings.HasPrefix(labels[i-1], "s3") {
		i--
	}
	if i < 0 {
		return "", ""
	}
	dualStack := i < n-2
	switch name := strings.TrimSuffix(labels[i], "-fips"); {
	case name == "s3":
		return "s3", region
	case labels[i] == "s3-website":
		return h.refuse("S3 websites are not signed for")
	case labels[i] == "s3-accelerate" && dualStack:
		return "s3", region
	case name == "s3-accesspoint" && i == 1, name == "s3-control" && i <= 1:
		return "s3", region
	case name == "s3-object-lambda" && i <= 1, name == "s3-outposts" && i <= 2:
		return name, region
	case name == "s3express-control" && i <= 1:
		return "s3express", region
	case strings.HasPrefix(labels[i], "s3express-") && i == 1:
		return "s3express", region
	}
	return "", ""
}

// regional resolves LABELS.REGION.SUFFIX.
func (h *hostName) regional() (service, region string) {
	labels := h.labels()
	n := len(labels) - 1
	region = labels[n]
	labels = dropFIPS(labels[:n])
	if n = len(labels); n == 0 {
		return h.refuse("it names a region and no service")
	}
	var buf keyBuf
	key := buf.join("prefix", labels)
	if fields, ok := find(key); ok {
		service = word(&fields)
		if strings.HasPrefix(fields, "/") {
			return h.byPath(service, fields), region
		}
		return service, pinned(region, fields)
	}
	if isTimestreamCell(key) {
		return "timestream", region
	}
	for own := 1; own <= 2 && own < n; own++ {
		fields, ok := find(buf.join("customer", labels[own:]))
		if !ok && h.suffix == "amazonaws.com.cn" {
			fields, ok = find(buf.join("customer-cn", labels[own:]))
		}
		if !ok {
			continue
		}
		service = word(&fields)
		if within(&fields, own) && labels[own-1] != "credentials" {
			return h.byPath(service, fields), region
		}
	}
	return h.refuse("no service is known by it")
}

// isTimestreamCell reports whether key is that of a Timestream cell, which bears
// a number.
func isTimestreamCell(key []byte) bool {
	return bytes.HasSuffix(key, []byte(".timestream ")) &&
		(bytes.HasPrefix(key, []byte("prefix ingest-cell")) || bytes.HasPrefix(key, []byte("prefix query-cell")))
}

// byPath returns the service of a host that has two, by the path.
func (h *hostName) byPath(service, fields string) string {
	path, other := word(&fields), word(&fields)
	if path != "" && (strings.HasPrefix(h.path, path) || h.path == strings.TrimSuffix(path, "/")) {
		return other
	}
	return service
}

// pinned returns the region to sign for, where a service has one for all others.
func pinned(region, fields string) string {
	first := ""
	for fields != "" {
		r := word(&fields)
		if r == region {
			return region
		}
		if first == "" && partition.OfRegion(r) == partition.OfRegion(region) {
			first = r
		}
	}
	return cmp.Or(first, region)
}

// regionless resolves hosts whose last label is no region.
func (h *hostName) regionless() (service, region string) {
	labels := h.labels()
	n := len(labels)
	last, front, owners := labels[n-1], labels, h.owners
	switch {
	case last == "global":
		front = labels[:n-1]
	case last == "us-gov" && owners&partition.USGov != 0:
		front, owners = labels[:n-1], partition.USGov
	}
	var buf keyBuf
	var kept [maxLabels]string
	if fields, ok := find(buf.join("global", dropFIPS(append(kept[:0], front...)))); ok {
		return word(&fields), owners.Region()
	}
	if k := len(front); k >= 2 {
		label, next := front[k-2], front[k-1]
		switch {
		case k == 4 && label == "endpoint" && next == "events":
			return "events", "*"
		case k == 4 && label == "endpoints" && next == "email":
			return "ses", "*"
		case k == 2 && last == "global" && next == "cloudfront-kvs" && h.suffix == "api.aws" && isAccount(label):
			return "cloudfront-keyvaluestore", "*"
		}
		// Location has GovCloud routes under the region and one more label.
		if last == "us-gov" && partition.OfRegion(next) == partition.USGov && slices.Equal(dropFIPS(append(kept[:0], front[:k-1]...)), []string{"routes", "geo"}) {
			return "geo-routes", next
		}
	}
	if n >= 2 && h.region(labels[n-2]) {
		if fields, ok := find(buf.key("region-first", last)); ok {
			if service = word(&fields); within(&fields, n-2) {
				return service, labels[n-2]
			}
		}
	}
	return h.refuse("no service is known by it")
}

func isAccount(s string) bool { return len(s) == 12 && strings.Trim(s, "0123456789") == "" }

// find looks up the line of the table that begins with the words of key, each
// followed by a space, and returns the rest of it.
func find(key []byte) (fields string, ok bool) {
	lines := tableLines()
	lo, hi := 0, len(lines)
	for lo < hi {
		mid := (lo + hi) / 2
		switch line := lines[mid]; {
		case len(line) >= len(key) && line[:len(key)] == string(key):
			return line[len(key):], true
		case line < string(key):
			lo = mid + 1
		default:
			hi = mid
		}
	}
	return "", false
}

// word cuts the first word from fields.
func word(fields *string) string {
	w, rest, _ := strings.Cut(*fields, " ")
	*fields = rest
	return w
}

// within cuts the two bounds from fields, and reports whether n is within them.
func within(fields *string, n int) bool {
	least, most := word(fields), word(fields)
	return n >= int(least[0]-'0') && n <= int(most[0]-'0')
}

// A keyBuf holds a key of the table, without allocation.
type keyBuf [256]byte

// key makes the key of a kind of line and a name.
func (b *keyBuf) key(kind, name string) []byte {
	return append(append(append(append(b[:0], kind...), ' '), name...), ' ')
}

// join is key for a name of several labels.
func (b *keyBuf) join(kind string, labels []string) []byte {
	key := append(append(b[:0], kind...), ' ')
	for i, label := range labels {
		if i > 0 {
			key = append(key, '.')
		}
		key = append(key, label...)
	}
	return append(key, ' ')
}

// dropFIPS removes, in place, the FIPS marks of labels: a label of its own, or the
// end of one.
func dropFIPS(labels []string) []string {
	kept := labels[:0]
	for _, label := range labels {
		if label != "fips" {
			kept = append(kept, strings.TrimSuffix(label, "-fips"))
		}
	}
	return kept
}
