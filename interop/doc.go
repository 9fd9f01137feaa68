// Package interop has tests only: it holds awsauth and its fakes against the AWS
// SDK. It is a module of its own, so that awsauth requires none.
package interop
