package decode

import (
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
)

// pfxVersion is the version of PKCS#12 that exists.
const pfxVersion = 3

// Object identifiers of PKCS#7 and PKCS#12 (RFC 7292, appendix D).
var (
	oidData          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidEncryptedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 6}
)

// pfx is a PFX (RFC 7292, 4).
type pfx struct {
	Version  int
	AuthSafe contentInfo
	MAC      macData `asn1:"optional"`
}

// safe is the encrypted or plain content of one ContentInfo.
type safe struct {
	content   []byte
	encrypted *encryptedContent // nil if the content is plain
}

// readPKCS12 reads a PKCS#12 store. It does not use the library that encodes stores, which does
// not return names, refuses certificates without Java's attribute, needs to decrypt private keys,
// and has no limit on iterations.
func (r *reader) readPKCS12(data []byte) error {
	r.content.Format = PKCS12
	if err := r.readPFX(data); err != nil {
		return fmt.Errorf("PKCS#12: %w", err)
	}
	return nil
}

func (r *reader) readPFX(data []byte) error {
	der, err := definite(data)
	if err != nil {
		return err
	}
	var store pfx
	if err := unmarshal(der, &store); err != nil {
		return err
	}
	if !store.AuthSafe.Type.Equal(oidData) {
		return errors.New("the store is signed with a private key instead of a password, which is not supported; convert it with `openssl pkcs12 -nokeys`")
	}
	content, err := store.AuthSafe.octets()
	if err != nil {
		return err
	}
	safes, err := readSafes(content)
	if err != nil {
		return err
	}
	if err := r.open(store.MAC, content, safes); err != nil {
		return err
	}
	var found bags
	for _, s := range safes {
		if err := found.read(s.content, 0); err != nil {
			return err
		}
	}
	return r.addBags(&found)
}

// octets returns the OCTET STRING in a ContentInfo.
func (c *contentInfo) octets() ([]byte, error) {
	var element asn1.RawValue
	if err := unmarshal(c.Content.Bytes, &element); err != nil || element.Tag != asn1.TagOctetString {
		return nil, errBER
	}
	return octets(element)
}

// readSafes reads an AuthenticatedSafe (RFC 7292, 4.1).
func readSafes(content []byte) ([]safe, error) {
	der, err := definite(content)
	if err != nil {
		return nil, err
	}
	var infos []contentInfo
	if err := unmarshal(der, &infos); err != nil {
		return nil, err
	}
	var safes []safe
	for i := range infos {
		switch info := &infos[i]; {
		case info.Type.Equal(oidData):
			plain, err := info.octets()
			if err != nil {
				return nil, err
			}
			safes = append(safes, safe{content: plain})
		case info.Type.Equal(oidEncryptedData):
			var data encryptedData
			if err := unmarshal(info.Content.Bytes, &data); err != nil {
				return nil, err
			}
			safes = append(safes, safe{encrypted: &data.Content})
		default:
			return nil, errors.New("a part of the store is encrypted with a public key, which is not supported")
		}
	}
	return safes, nil
}

// open finds the password, verifies the MAC, and decrypts the safes.
func (r *reader) open(mac macData, content []byte, safes []safe) error {
	isEncrypted := slices.ContainsFunc(safes, func(s safe) bool { return s.encrypted != nil })
	if !mac.exists() && !isEncrypted {
		r.content.Password = "no password"
		return nil
	}
	for _, password := range r.passwords {
		for _, bmp := range bmpStrings(password.text) {
			secret := secret{utf8: password.text, bmp: bmp}
			if mac.exists() {
				if fits, err := mac.verify(content, secret, &r.budget); err != nil {
					return err
				} else if !fits {
					continue
				}
			}
			switch err := r.decrypt(safes, secret); {
			case errors.Is(err, errDecrypt) && mac.exists():
				return errors.New("the password fits the store, but not all of its parts: it has a second password, or is damaged")
			case errors.Is(err, errDecrypt):
				continue
			case err != nil:
				return err
			}
			r.content.opened(password)
			return nil
		}
	}
	return ErrPassword
}

// decrypt decrypts all safes.
func (r *reader) decrypt(safes []safe, secret secret) error {
	for i := range safes {
		if safes[i].encrypted == nil {
			continue
		}
		plain, err := safes[i].encrypted.decrypt(secret, &r.budget)
		if err != nil {
			return err
		}
		// A wrong password may result in valid padding, but not in a SEQUENCE.
		if _, err := definite(plain); err != nil {
			return errDecrypt
		}
		safes[i].content = plain
	}
	return nil
}

// bmpStrings returns a password as a BMPString with a NUL at the end (RFC 7292, B.1). Programs
// disagree on whether an empty password has the NUL.
func bmpStrings(password string) [][]byte {
	terminated := append(bigEndianUTF16(password), 0, 0)
	if password == "" {
		return [][]byte{terminated, nil}
	}
	return [][]byte{terminated}
}

// addBags adds the certificates of a store with their names and roles.
func (r *reader) addBags(found *bags) error {
	for _, kind := range found.others {
		r.content.count(kind)
	}
	chains := found.chains()
	unmarked := 0
	for i, bag := range found.certificates {
		role, alias := Unmarked, bag.name
		switch owner := chains[i]; {
		case bag.isTrusted:
			role = Trusted
		case owner != nil:
			role = Chain
			if alias == "" {
				alias = owner.name
			}
		default:
			unmarked++
		}
		if err := r.add(bag.der, alias, role); err != nil {
			return fmt.Errorf("certificate %d: %w", i+1, err)
		}
	}
	if unmarked > 0 {
		r.content.note("Java ignores the certificates that are not marked as trusted; `keytool -importcert` and the operator mark them")
	}
	return nil
}
