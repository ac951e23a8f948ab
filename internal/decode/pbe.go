package decode

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des" //nolint:gosec // the format requires it
	"crypto/pbkdf2"
	"crypto/sha1" //nolint:gosec // the format requires it
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"
)

// Object identifiers of password-based encryption (RFC 7292, appendix C; RFC 8018, appendix A).
var (
	oidSHAAnd3DES      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 1, 3}
	oidSHAAnd2Key3DES  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 1, 4}
	oidSHAAnd128BitRC2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 1, 5}
	oidSHAAnd40BitRC2  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 1, 6}
	oidPBES2           = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidAES128          = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 2}
	oidAES192          = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 22}
	oidAES256          = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}
	oid3DES            = asn1.ObjectIdentifier{1, 2, 840, 113549, 3, 7}
)

// errDecrypt is the error for content that the password does not decrypt.
var errDecrypt = errors.New("the password does not fit, or the store is damaged")

// secret is a password in the encodings of the two generations of algorithms.
type secret struct {
	utf8 string
	bmp  []byte
}

// encryptedData is an EncryptedData (RFC 5652, 8).
type encryptedData struct {
	Version int
	Content encryptedContent
}

// encryptedContent is an EncryptedContentInfo (RFC 5652, 6.1).
type encryptedContent struct {
	Type      asn1.ObjectIdentifier
	Algorithm pkix.AlgorithmIdentifier
	Content   asn1.RawValue `asn1:"tag:0,optional"`
}

// decrypt decrypts the content. It returns [errDecrypt] if the password does not fit.
func (e *encryptedContent) decrypt(secret secret, budget *budget) ([]byte, error) {
	encrypted, err := octets(e.Content)
	if err != nil {
		return nil, err
	}
	block, vector, err := cipherOf(e.Algorithm, secret, budget)
	if err != nil {
		return nil, err
	}
	size := block.BlockSize()
	if len(encrypted) == 0 || len(encrypted)%size != 0 || len(vector) != size {
		return nil, errBER
	}
	plain := make([]byte, len(encrypted))
	cipher.NewCBCDecrypter(block, vector).CryptBlocks(plain, encrypted)
	last := plain[len(plain)-1:]
	padding := int(last[0])
	if padding == 0 || padding > size || !bytes.HasSuffix(plain, bytes.Repeat(last, padding)) {
		return nil, errDecrypt
	}
	return plain[:len(plain)-padding], nil
}

// pbeParams are the parameters of an algorithm of PKCS#12 (RFC 7292, C).
type pbeParams struct {
	Salt       []byte
	Iterations int
}

// cipherOf returns the cipher and the initialization vector for a password.
func cipherOf(algorithm pkix.AlgorithmIdentifier, secret secret, budget *budget) (cipher.Block, []byte, error) {
	if algorithm.Algorithm.Equal(oidPBES2) {
		return pbes2Cipher(algorithm, secret, budget)
	}
	var keySize int
	switch id := algorithm.Algorithm; {
	case id.Equal(oidSHAAnd3DES):
		keySize = 24
	case id.Equal(oidSHAAnd2Key3DES), id.Equal(oidSHAAnd128BitRC2):
		keySize = 16
	case id.Equal(oidSHAAnd40BitRC2):
		keySize = 5
	default:
		return nil, nil, unsupported("encryption", id)
	}
	var params pbeParams
	if err := unmarshal(algorithm.Parameters.FullBytes, &params); err != nil {
		return nil, nil, err
	}
	key, err := deriveKey(sha1.New, purposeKey, secret.bmp, params, keySize, budget)
	if err != nil {
		return nil, nil, err
	}
	vector, err := deriveKey(sha1.New, purposeVector, secret.bmp, params, des.BlockSize, budget)
	if err != nil {
		return nil, nil, err
	}
	var block cipher.Block
	switch id := algorithm.Algorithm; {
	case id.Equal(oidSHAAnd2Key3DES):
		key = append(key, key[:8]...)
		fallthrough
	case id.Equal(oidSHAAnd3DES):
		block, err = des.NewTripleDESCipher(key) //nolint:gosec // the format requires it
	default:
		block = newRC2(key)
	}
	return block, vector, err
}

// pbes2Params are the parameters of PBES2 and of PBMAC1 (RFC 8018, A.4 and A.5).
type pbes2Params struct {
	Derivation, Scheme pkix.AlgorithmIdentifier
}

// pbes2Cipher returns the cipher and the initialization vector of PBES2 (RFC 8018, 6.2).
func pbes2Cipher(algorithm pkix.AlgorithmIdentifier, secret secret, budget *budget) (cipher.Block, []byte, error) {
	var params pbes2Params
	if err := unmarshal(algorithm.Parameters.FullBytes, &params); err != nil {
		return nil, nil, err
	}
	var keySize int
	newCipher := aes.NewCipher
	switch id := params.Scheme.Algorithm; {
	case id.Equal(oidAES128):
		keySize = 16
	case id.Equal(oidAES192):
		keySize = 24
	case id.Equal(oidAES256):
		keySize = 32
	case id.Equal(oid3DES):
		keySize, newCipher = 24, des.NewTripleDESCipher
	default:
		return nil, nil, unsupported("encryption", id)
	}
	key, err := pbkdf2Key(params.Derivation, secret.utf8, keySize, budget)
	if err != nil {
		return nil, nil, err
	}
	block, err := newCipher(key)
	return block, params.Scheme.Parameters.Bytes, err
}

// pbkdf2Params are the parameters of PBKDF2 (RFC 8018, A.2).
type pbkdf2Params struct {
	Salt       []byte
	Iterations int
	KeySize    int                      `asn1:"optional"`
	Function   pkix.AlgorithmIdentifier `asn1:"optional"`
}

// pbkdf2Key derives a key with PBKDF2. A size of 0 means the one in the parameters.
func pbkdf2Key(algorithm pkix.AlgorithmIdentifier, password string, size int, budget *budget) ([]byte, error) {
	if !algorithm.Algorithm.Equal(oidPBKDF2) {
		return nil, unsupported("key derivation", algorithm.Algorithm)
	}
	var params pbkdf2Params
	if err := unmarshal(algorithm.Parameters.FullBytes, &params); err != nil {
		return nil, err
	}
	newHash := sha1.New // the default of the standard
	if params.Function.Algorithm != nil {
		if newHash = hmacHash(params.Function.Algorithm); newHash == nil {
			return nil, unsupported("key derivation", params.Function.Algorithm)
		}
	}
	if size == 0 {
		size = params.KeySize
	}
	if size < minKeySize || size > maxKeySize {
		return nil, errBER
	}
	if err := budget.take(params.Iterations, size, newHash().Size()); err != nil {
		return nil, err
	}
	key, err := pbkdf2.Key(newHash, password, params.Salt, params.Iterations, size)
	if err != nil {
		return nil, fmt.Errorf("PBKDF2 is not available: %w", err)
	}
	return key, nil
}

// The sizes of keys for encryption, and of those for a MAC (RFC 9579, 5).
const (
	minKeySize = 16
	maxKeySize = 64
)

// The purposes of a derived key (RFC 7292, B.3).
const (
	purposeKey    = 1
	purposeVector = 2
	purposeMAC    = 3
)

// deriveKey derives a key by the function of PKCS#12 (RFC 7292, B.2).
func deriveKey(newHash func() hash.Hash, purpose byte, password []byte, params pbeParams, size int, budget *budget) ([]byte, error) {
	h := newHash()
	if err := budget.take(params.Iterations, size, h.Size()); err != nil {
		return nil, err
	}
	diversifier := bytes.Repeat([]byte{purpose}, h.BlockSize())
	input := append(repeated(params.Salt, h.BlockSize()), repeated(password, h.BlockSize())...)
	var key []byte
	for {
		h.Reset()
		_, _ = h.Write(diversifier) // a hash accepts every write
		_, _ = h.Write(input)
		sum := h.Sum(nil)
		for range params.Iterations - 1 {
			h.Reset()
			_, _ = h.Write(sum)
			sum = h.Sum(sum[:0])
		}
		if key = append(key, sum...); len(key) >= size {
			return key[:size], nil
		}
		increment(input, repeated(sum, h.BlockSize()), h.BlockSize())
	}
}

// repeated repeats a text up to the next multiple of a size; the last time, as much as fits.
func repeated(text []byte, size int) []byte {
	if len(text) == 0 {
		return nil
	}
	total := (len(text) + size - 1) / size * size
	return bytes.Repeat(text, total/len(text)+1)[:total]
}

// increment adds a number and 1 to each block of a size, modulo the size of a block.
func increment(blocks, number []byte, size int) {
	for start := 0; start < len(blocks); start += size {
		carry := 1
		for i := size - 1; i >= 0; i-- {
			carry += int(blocks[start+i]) + int(number[i])
			blocks[start+i] = byte(carry & 0xff)
			carry >>= 8
		}
	}
}

// unsupported returns an error for an algorithm.
func unsupported(what string, id asn1.ObjectIdentifier) error {
	return fmt.Errorf("the algorithm %s for %s is not supported; convert the store with `openssl pkcs12 -nokeys`", id, what)
}
