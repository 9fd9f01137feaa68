// Package interop has tests only: it holds awsauth and its fakes against real
// servers, the AWS SDK and smithy-go. It is a module of its own, so that awsauth
// requires none.
package interop
