// Package bench measures awsauth beside other signers: run.sh for time and
// allocations, size.sh for what each adds to a binary.
package bench
