package awsauth

import (
	"io"
	"log"
)

// raceEnabled reports whether the tests run under the race detector.
var raceEnabled bool

var quiet = log.New(io.Discard, "", 0)
