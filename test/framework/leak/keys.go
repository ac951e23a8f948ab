package leak

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"encoding/pem"
)

// Keys returns a new key of each kind that occurs in files.
func Keys() ([]Key, error) {
	long, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	scalar, err := curve.Bytes()
	if err != nil {
		return nil, err
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	prime := long.Primes[0].Bytes()
	sec1, err := x509.MarshalECPrivateKey(curve)
	if err != nil {
		return nil, err
	}
	keys := []Key{
		newKey("RSA in PKCS #1", "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(long), prime),
		newKey("EC in SEC 1", "EC PRIVATE KEY", sec1, scalar),
		newKey("Ed25519 of OpenSSH", "OPENSSH PRIVATE KEY", openSSH(edwards), edwards.Seed()),
	}
	for _, pkcs8 := range []struct {
		name   string
		key    any
		secret []byte
	}{{"RSA in PKCS #8", long, prime}, {"EC in PKCS #8", curve, scalar}, {"Ed25519 in PKCS #8", edwards, edwards.Seed()}} {
		der, err := x509.MarshalPKCS8PrivateKey(pkcs8.key)
		if err != nil {
			return nil, err
		}
		keys = append(keys, newKey(pkcs8.name, "PRIVATE KEY", der, pkcs8.secret))
	}
	encrypted, secret, err := encryptedKey()
	return append(keys, newKey("an encrypted key", "ENCRYPTED PRIVATE KEY", encrypted, secret)), err
}

func newKey(name, label string, der, secret []byte) Key {
	return Key{Name: name, PEM: string(pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der})), secret: secret}
}

// encryptedKey returns an EncryptedPrivateKeyInfo (RFC 5958, section 3) and its encrypted
// part, which is random.
func encryptedKey() (der, secret []byte, err error) {
	secret = make([]byte, 160)
	_, _ = rand.Read(secret) // never fails
	der, err = asn1.Marshal(struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}{pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}}, secret})
	return der, secret, err
}

// openSSH returns a key without a passphrase in OpenSSH's format.
func openSSH(key ed25519.PrivateKey) []byte {
	const algorithm = "ssh-ed25519"
	number := func(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
	text := func(s string) []byte { return append(number(uint32(len(s))), s...) }
	public := string(key[ed25519.SeedSize:])
	private := bytes.Join([][]byte{number(7), number(7), text(algorithm), text(public), text(string(key)), text(""), {1, 2, 3, 4, 5}}, nil)
	return bytes.Join([][]byte{
		[]byte("openssh-key-v1\x00"), text("none"), text("none"), text(""), number(1),
		text(string(bytes.Join([][]byte{text(algorithm), text(public)}, nil))), text(string(private)),
	}, nil)
}
