//go:build race

package awsauth

func init() { raceEnabled = true }
