package awsauth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"time"
)

const algorithm4A = "AWS4-ECDSA-P256-SHA256"

// Sign4A signs req with SigV4A (AWS4-ECDSA-P256-SHA256), whose signature is good in
// a set of regions: the Region of s, or what the host stands for. The set is sent
// in the header X-Amz-Region-Set. All else is as [Signer.Sign4] says.
//
// The signature is deterministic (RFC 6979): equal requests get equal signatures.
//
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
func (s *Signer) Sign4A(req *http.Request, creds ...Provider) error {
	return s.signHeaders(req, creds, algorithm4A, deriveKey4A)
}

// Presign4A signs req in the query with SigV4A, for a set of regions, as [Signer.Sign4A]
// does in the header. All else is as [Signer.Presign] says. It is a method of its own
// to keep ECDSA out of programs that have no use for it.
func (s *Signer) Presign4A(req *http.Request, expires time.Duration, creds ...Provider) error {
	return s.signQuery(req, expires, creds, algorithm4A, deriveKey4A)
}

// An ecdsaKey is a key for ECDSA.
type ecdsaKey struct{ *ecdsa.PrivateKey }

// sign appends the signature of a string to sign, in hex.
func (k ecdsaKey) sign(b, toSign []byte) []byte {
	sum := sha256.Sum256(toSign)
	der, err := k.Sign(nil, sum[:], crypto.SHA256)
	if err != nil {
		panic("awsauth: " + err.Error()) // not with a key on the curve and a digest of its length
	}
	return hex.AppendEncode(b, der)
}

func deriveKey4A(id keyID) *signingKey {
	key := deriveECDSA(id)
	return &signingKey{id: id, sign: key.sign, public: &key.PublicKey}
}

// deriveECDSA derives the key pair of an access key: the first number that a KDF in
// counter mode (NIST SP 800-108) yields below the order of the curve.
func deriveECDSA(id keyID) ecdsaKey {
	// The order of P-256, less two.
	limit := elliptic.P256().Params().N.FillBytes(make([]byte, 32))
	limit[31] -= 2
	for counter := byte(1); ; counter++ {
		d := hmacSHA256([]byte("AWS4A"+id.secret), []byte("\x00\x00\x00\x01"+algorithm4A+"\x00"+id.accessKeyID+string([]byte{counter})+"\x00\x00\x01\x00"))
		if bytes.Compare(d, limit) > 0 {
			continue // once in 2³² keys
		}
		for i := 31; ; i-- {
			if d[i]++; d[i] != 0 {
				break
			}
		}
		key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d)
		if err != nil {
			panic("awsauth: " + err.Error()) // not with a number in range
		}
		return ecdsaKey{key}
	}
}
