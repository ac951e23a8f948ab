package decode

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // the format requires it
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf16"
)

// The first bytes of Java's key stores.
const (
	jksMagic   = "\xfe\xed\xfe\xed"
	jceksMagic = "\xce\xce\xce\xce"
)

// The tags of the entries of Java's key stores.
const (
	tagPrivateKey         = 1
	tagTrustedCertificate = 2
	tagSecretKey          = 3
)

func isJKS(data []byte) bool {
	return bytes.HasPrefix(data, []byte(jksMagic)) || bytes.HasPrefix(data, []byte(jceksMagic))
}

// readJKS reads a Java KeyStore, of JKS or JCEKS. Its certificates are not encrypted: the password
// is part of the checksum only. It does not use the library that encodes stores, which needs a
// password, does not return the order of the entries, and reserves as much memory as a length in
// the file demands.
func (r *reader) readJKS(data []byte) error {
	r.content.Format = JKS
	if bytes.HasPrefix(data, []byte(jceksMagic)) {
		r.content.Format = JCEKS
	}
	if err := r.readStore(data); err != nil {
		return fmt.Errorf("%s: %w", r.content.Format, err)
	}
	return nil
}

func (r *reader) readStore(data []byte) error {
	if len(data) < len(jksMagic)+sha1.Size {
		return errBER
	}
	content, checksum := data[:len(data)-sha1.Size], data[len(data)-sha1.Size:]
	store := javaData{rest: content[len(jksMagic):]}
	store.version = store.number()
	count := store.number()
	if store.version != 1 && store.version != 2 {
		return errors.New("the store is damaged, or has a version that is neither 1 nor 2")
	}
	for range count {
		if err := r.readEntry(&store); err != nil {
			return fmt.Errorf("entry %d: %w", store.entries, err)
		}
	}
	if store.failed || len(store.rest) > 0 {
		return errBER
	}
	return r.checkSum(content, checksum)
}

// readEntry reads one entry, and counts its private key.
func (r *reader) readEntry(store *javaData) error {
	store.entries++
	tag, alias := store.number(), store.text()
	store.bytes(8) // the date
	switch {
	case store.failed:
		return errBER
	case tag == tagTrustedCertificate:
		return r.readCertificate(store, alias, Trusted)
	case tag == tagPrivateKey:
		r.content.count(privateKey)
		store.bytes(store.number())
		for range store.number() {
			if err := r.readCertificate(store, alias, Chain); err != nil {
				return err
			}
		}
		return nil
	case tag == tagSecretKey:
		return errors.New("it is a secret key, which only Java reads; list the store with `keytool -list -rfc`")
	}
	return errBER
}

func (r *reader) readCertificate(store *javaData, alias string, role Role) error {
	kind := "X.509"
	if store.version == 2 {
		kind = store.text()
	}
	der := store.bytes(store.number())
	switch {
	case store.failed:
		return errBER
	case kind != "X.509" && kind != "X509":
		r.content.count("certificate of another type than X.509")
		return nil
	}
	return r.add(der, alias, role)
}

// checkSum verifies the checksum, whose input is the password in UTF-16, a fixed text, and the
// store. Like keytool, it does without if there is no password.
func (r *reader) checkSum(content, checksum []byte) error {
	isGiven := false
	for _, password := range r.passwords {
		isGiven = isGiven || !password.isUsual && password.text != ""
		sum := sha1.New() //nolint:gosec // the format requires it
		for _, part := range [][]byte{bigEndianUTF16(password.text), []byte("Mighty Aphrodite"), content} {
			_, _ = sum.Write(part) // a hash accepts every write
		}
		if subtle.ConstantTimeCompare(sum.Sum(nil), checksum) == 1 {
			r.content.opened(password)
			return nil
		}
	}
	if isGiven {
		return fmt.Errorf("the store was changed, or %w", ErrPassword)
	}
	r.content.Password = "unknown password"
	r.content.note("the checksum of the store is not verified: its password was not given")
	return nil
}

// javaData reads what Java's DataOutput writes. After an error it returns zeros.
type javaData struct {
	rest             []byte
	failed           bool
	version, entries int
}

func (d *javaData) bytes(size int) []byte {
	if d.failed || size < 0 || size > len(d.rest) {
		d.failed = true
		return nil
	}
	content := d.rest[:size:size]
	d.rest = d.rest[size:]
	return content
}

func (d *javaData) number() int {
	if content := d.bytes(4); !d.failed {
		return int(binary.BigEndian.Uint32(content))
	}
	return 0
}

// text reads a text in Java's modified UTF-8: surrogates and NUL are encoded like any other
// character.
func (d *javaData) text() string {
	size := d.bytes(2)
	if d.failed {
		return ""
	}
	content := d.bytes(int(binary.BigEndian.Uint16(size)))
	var units []uint16
	for len(content) > 0 {
		unit, length := uint16(content[0]), 1
		switch {
		case len(content) > 1 && content[0]&0xe0 == 0xc0:
			unit, length = uint16(content[0]&0x1f)<<6|uint16(content[1]&0x3f), 2
		case len(content) > 2 && content[0]&0xf0 == 0xe0:
			unit, length = uint16(content[0]&0x0f)<<12|uint16(content[1]&0x3f)<<6|uint16(content[2]&0x3f), 3
		}
		units, content = append(units, unit), content[length:]
	}
	return string(utf16.Decode(units))
}
