// Package partition has what AWS's partitions have in common with their regions and
// host names: which region and which suffix belongs to which.
package partition

import "strings"

// A Set is a set of partitions, one bit each.
type Set uint8

const (
	AWS Set = 1 << iota
	CN
	EUSC
	ISO
	ISOB
	ISOE
	ISOF
	USGov
)

// OfSuffix returns the partitions that own a suffix of host names, and whether it
// is one for dual-stack hosts.
func OfSuffix(name string) (owners Set, dualStack bool) {
	switch name {
	case "amazonaws.com":
		return AWS | USGov, false
	case "amazonaws.com.cn":
		return CN, false
	case "amazonaws.eu":
		return EUSC, false
	case "c2s.ic.gov":
		return ISO, false
	case "sc2s.sgov.gov":
		return ISOB, false
	case "cloud.adc-e.uk":
		return ISOE, false
	case "csp.hci.ic.gov":
		return ISOF, false
	case "api.aws":
		return AWS | USGov, true
	case "api.amazonwebservices.com.cn":
		return CN, true
	case "api.amazonwebservices.eu":
		return EUSC, true
	case "api.aws.ic.gov":
		return ISO, true
	case "api.aws.scloud":
		return ISOB, true
	case "api.cloud-aws.adc-e.uk":
		return ISOE, true
	case "api.aws.hci.ic.gov":
		return ISOF, true
	case "on.aws":
		return ^Set(0), true
	}
	return 0, false
}

// Suffix returns the suffix of a partition's hosts, the one without dual stack.
func (p Set) Suffix() string {
	switch p {
	case CN:
		return "amazonaws.com.cn"
	case EUSC:
		return "amazonaws.eu"
	case ISO:
		return "c2s.ic.gov"
	case ISOB:
		return "sc2s.sgov.gov"
	case ISOE:
		return "cloud.adc-e.uk"
	case ISOF:
		return "csp.hci.ic.gov"
	}
	return "amazonaws.com"
}

// Named returns the partition that an ARN names; 0 for what is none.
func Named(name string) Set {
	switch name {
	case "aws":
		return AWS
	case "aws-cn":
		return CN
	case "aws-eusc":
		return EUSC
	case "aws-iso":
		return ISO
	case "aws-iso-b":
		return ISOB
	case "aws-iso-e":
		return ISOE
	case "aws-iso-f":
		return ISOF
	case "aws-us-gov":
		return USGov
	}
	return 0
}

// OfRegion returns the partition of a region, by the patterns that AWS
// publishes so that new regions are known before they open; 0 for what is no region.
func OfRegion(region string) Set {
	i := strings.LastIndexByte(region, '-')
	if i < 0 || i == len(region)-1 {
		return 0
	}
	for _, c := range []byte(region[i+1:]) {
		if c < '0' || c > '9' {
			return 0
		}
	}
	j := strings.LastIndexByte(region[:i], '-')
	if j < 0 || j+1 == i {
		return 0
	}
	for _, c := range []byte(region[j+1 : i]) {
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '_') {
			return 0
		}
	}
	switch region[:j] {
	case "us", "eu", "ap", "sa", "ca", "me", "af", "il", "mx":
		return AWS
	case "cn":
		return CN
	case "eusc-de":
		return EUSC
	case "us-iso":
		return ISO
	case "us-isob":
		return ISOB
	case "eu-isoe":
		return ISOE
	case "us-isof":
		return ISOF
	case "us-gov":
		return USGov
	}
	return 0
}

// Region returns the region that a partition's global services sign for.
func (p Set) Region() string {
	switch {
	case p&AWS != 0:
		return "us-east-1"
	case p&CN != 0:
		return "cn-northwest-1"
	case p&EUSC != 0:
		return "eusc-de-east-1"
	case p&ISO != 0:
		return "us-iso-east-1"
	case p&ISOB != 0:
		return "us-isob-east-1"
	case p&ISOE != 0:
		return "eu-isoe-west-1"
	case p&ISOF != 0:
		return "us-isof-south-1"
	}
	return "us-gov-west-1"
}

// Host returns the host of a service that every region has, such as "sts"; "" for
// what is no region.
func Host(service, region string) string {
	p := OfRegion(region)
	if p == 0 {
		return ""
	}
	return service + "." + region + "." + p.Suffix()
}
