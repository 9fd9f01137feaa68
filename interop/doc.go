// Package interop has tests only: it holds awsauth and its fakes against real
// servers, the AWS SDK and smithy-go. It is a module of its own, so that awsauth
// requires none.
//
//	go test ./...                                       # versitygw
//	AWSAUTH_INTEROP=minio go test -timeout 40m -v ./... # minio too
//
// The servers are built from versions that the go.mod files pin, minio's in a module
// of its own. With -v it prints how many requests of each kind each server accepted
// and refused.
package interop
