package model

import (
	"encoding/pem"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"trust-manager.io/test/framework/model/keystore"
)

// Digest is the format of a SHA-256 in hexadecimal digits. The other formats of values
// that are not plain text are those of package keystore.
const Digest = "digest"

// Value is the content of an entry: a text, or a trust store described by its content.
type Value struct {
	Format string
	// Text is the text itself. For a trust store it is the certificates as PEM, sorted,
	// since a store has an order of its own.
	Text              string
	Password, Profile string
}

// storeValue returns the value of a trust store.
func storeValue(format, password, profile string, certificates []string) Value {
	if password == "" {
		profile = "" // nothing is encrypted (A10)
	}
	return Value{format, strings.Join(slices.Sorted(slices.Values(certificates)), ""), password, profile}
}

func (v Value) String() string {
	switch v.Format {
	case "":
		return describe(v.Text)
	case Digest:
		return "a digest"
	}
	return fmt.Sprintf("a %s store, password %q, profile %q, of %s", v.Format, v.Password, v.Profile, describe(v.Text))
}

var sha256Hex = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Check returns an error if an entry does not have the value.
func (v Value) Check(got string) error {
	switch v.Format {
	case "":
		if got != v.Text {
			return fmt.Errorf("is %s, want %s", describe(got), v)
		}
		return nil
	case Digest:
		if !sha256Hex.MatchString(got) {
			return fmt.Errorf("is %q, want a SHA-256 in hexadecimal digits", got)
		}
		return nil
	}
	store, err := keystore.Read(v.Format, got, v.Password)
	if err != nil {
		return err
	}
	if is := storeValue(v.Format, v.Password, store.Profile, store.Certificates); is != v {
		return fmt.Errorf("is %s, want %s", is, v)
	}
	return nil
}

// leastSize returns a lower bound of the size in bytes.
func (v Value) leastSize() int {
	if v.Format == "" {
		return len(v.Text)
	}
	size := 0
	for _, certificate := range Blocks(v.Text) {
		block, _ := pem.Decode([]byte(certificate))
		size += len(block.Bytes)
	}
	return size
}
