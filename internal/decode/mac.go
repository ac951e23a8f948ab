package decode

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // the format requires it
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"hash"
)

// macData is a MacData (RFC 7292, 4).
type macData struct {
	MAC        digestInfo
	Salt       []byte
	Iterations int `asn1:"optional,default:1"`
}

type digestInfo struct {
	Algorithm pkix.AlgorithmIdentifier
	Digest    []byte
}

var (
	oidPBMAC1 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 14}
	oidSHA1   = asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}
	// oidSHA2 and oidHMAC have one more number for each hash function.
	oidSHA2 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2}
	oidHMAC = asn1.ObjectIdentifier{1, 2, 840, 113549, 2}
)

func (m *macData) exists() bool { return len(m.MAC.Algorithm.Algorithm) > 0 }

// verify reports whether the MAC of a content fits a password.
func (m *macData) verify(content []byte, secret secret, budget *budget) (bool, error) {
	newHash, key, err := m.key(secret, budget)
	if err != nil {
		return false, err
	}
	mac := hmac.New(newHash, key)
	_, _ = mac.Write(content) // a hash accepts every write
	return hmac.Equal(mac.Sum(nil), m.MAC.Digest), nil
}

// key derives the key of the MAC, which is an HMAC (RFC 7292, appendix B.4) or PBMAC1 (RFC 9579).
func (m *macData) key(secret secret, budget *budget) (newHash func() hash.Hash, key []byte, err error) {
	id := m.MAC.Algorithm.Algorithm
	if id.Equal(oidPBMAC1) {
		var params pbes2Params
		if err := unmarshal(m.MAC.Algorithm.Parameters.FullBytes, &params); err != nil {
			return nil, nil, err
		}
		if newHash = hmacHash(params.Scheme.Algorithm); newHash == nil {
			return nil, nil, unsupported("integrity", params.Scheme.Algorithm)
		}
		key, err = pbkdf2Key(params.Derivation, secret.utf8, 0, budget)
		return newHash, key, err
	}
	if newHash = hashOf(id); newHash == nil {
		return nil, nil, unsupported("integrity", id)
	}
	key, err = deriveKey(newHash, purposeMAC, secret.bmp, pbeParams{m.Salt, m.Iterations}, newHash().Size(), budget)
	return newHash, key, err
}

// hashOf returns a hash function, or nil.
func hashOf(id asn1.ObjectIdentifier) func() hash.Hash {
	if id.Equal(oidSHA1) {
		return sha1.New
	}
	if len(id) != len(oidSHA2)+1 || !id[:len(oidSHA2)].Equal(oidSHA2) {
		return nil
	}
	return map[int]func() hash.Hash{1: sha256.New, 2: sha512.New384, 3: sha512.New, 4: sha256.New224}[id[len(id)-1]]
}

// hmacHash returns the hash function of an HMAC (RFC 8018, B.1.2), or nil.
func hmacHash(id asn1.ObjectIdentifier) func() hash.Hash {
	if len(id) != len(oidHMAC)+1 || !id[:len(oidHMAC)].Equal(oidHMAC) {
		return nil
	}
	return map[int]func() hash.Hash{7: sha1.New, 8: sha256.New224, 9: sha256.New, 10: sha512.New384, 11: sha512.New}[id[len(id)-1]]
}
