package partition

import "testing"

func TestHost(t *testing.T) {
	for region, want := range map[string]string{
		"eu-west-1":        "sts.eu-west-1.amazonaws.com",
		"us-gov-west-1":    "sts.us-gov-west-1.amazonaws.com",
		"cn-northwest-1":   "sts.cn-northwest-1.amazonaws.com.cn",
		"eusc-de-east-1":   "sts.eusc-de-east-1.amazonaws.eu",
		"us-iso-east-1":    "sts.us-iso-east-1.c2s.ic.gov",
		"us-isob-east-1":   "sts.us-isob-east-1.sc2s.sgov.gov",
		"eu-isoe-west-1":   "sts.eu-isoe-west-1.cloud.adc-e.uk",
		"us-isof-south-1":  "sts.us-isof-south-1.csp.hci.ic.gov",
		"ap-nowhere-12":    "sts.ap-nowhere-12.amazonaws.com",
		"":                 "",
		"aws":              "",
		"eu-west":          "",
		"eu--1":            "",
		"eu-west-1a":       "",
		"evil.com/-west-1": "",
		"us-we.st-1":       "",
		"xx-west-1":        "",
	} {
		if got := Host("sts", region); got != want {
			t.Errorf("Host of %q: %q, want %q", region, got, want)
		}
	}
}
