package decode

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"unicode/utf16"
)

// ErrPassword is the error for a key store that no password opens.
var ErrPassword = errors.New("none of the passwords fits; give the right one with --password-file")

// MaxIterations is the largest number of iterations of hash functions for one file, in total over
// all passwords: a few seconds. Stores have 1 to 600,000 for each of their parts; Java accepts at
// most 5,000,000.
const MaxIterations = 10_000_000

// candidate is a password to try.
type candidate struct {
	text string
	// isUsual is true if it was not given.
	isUsual bool
}

// candidates returns the passwords to try: those given, and the usual ones.
func candidates(given []string) []candidate {
	var list []candidate
	for _, text := range given {
		list = append(list, candidate{text: text})
	}
	for _, text := range []string{"", "changeit", "password"} {
		if !slices.Contains(given, text) {
			list = append(list, candidate{text, true})
		}
	}
	return list
}

// opened records the password that fits. One that was given is secret.
func (c *Content) opened(password candidate) {
	switch {
	case !password.isUsual:
		c.Password = "the given password"
	case password.text == "":
		c.Password = "an empty password"
	default:
		c.Password = "password " + password.text
	}
}

// bigEndianUTF16 returns a password as Java's key stores and PKCS#12 (RFC 7292, B.1) use it.
func bigEndianUTF16(text string) []byte {
	var list []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		list = binary.BigEndian.AppendUint16(list, unit)
	}
	return list
}

// budget limits the iterations that a file may cost.
type budget struct{ left int }

// take takes iterations for an output of so many bytes from a hash function with so many.
func (b *budget) take(iterations, size, hashSize int) error {
	if iterations < 1 || iterations > MaxIterations {
		return fmt.Errorf("the store asks for a number of iterations that is not between 1 and %d", MaxIterations)
	}
	iterations *= (size + hashSize - 1) / hashSize
	if iterations > b.left {
		return fmt.Errorf("the store takes more than %d iterations with all passwords; give the right password first, with --password-file", MaxIterations)
	}
	b.left -= iterations
	return nil
}
