package encode_test

import (
	"encoding/asn1"
	"testing"
	"unicode/utf16"
)

// bag is a certificate of a PKCS#12 store without a password.
type bag struct {
	name        string
	certificate []byte
}

// The following types are those of RFC 7292, section 4, that such a store has.
type (
	contentInfo struct {
		Type    asn1.ObjectIdentifier
		Content []byte `asn1:"explicit,tag:0"`
	}
	pfx struct {
		Version  int
		AuthSafe contentInfo
	}
	safeBag struct {
		ID         asn1.ObjectIdentifier
		Value      certBag   `asn1:"explicit,tag:0"`
		Attributes []bagNote `asn1:"set"`
	}
	certBag struct {
		ID          asn1.ObjectIdentifier
		Certificate []byte `asn1:"explicit,tag:0"`
	}
	bagNote struct {
		ID     asn1.ObjectIdentifier
		Values []asn1.RawValue `asn1:"set"`
	}
)

// bags reads a store without a password, including the exact friendly names: the library
// reads the certificates only.
func bags(tb testing.TB, file []byte) []bag {
	tb.Helper()
	var store pfx
	unmarshal(tb, file, &store)
	var safes []contentInfo
	unmarshal(tb, store.AuthSafe.Content, &safes)
	var list []bag
	for _, safe := range safes {
		var entries []safeBag
		unmarshal(tb, safe.Content, &entries)
		for _, entry := range entries {
			list = append(list, bag{name: entry.friendlyName(tb), certificate: entry.Value.Certificate})
		}
	}
	return list
}

func (s safeBag) friendlyName(tb testing.TB) string {
	tb.Helper()
	for _, attribute := range s.Attributes {
		if !attribute.ID.Equal(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 20}) {
			continue
		}
		var units []uint16
		text := attribute.Values[0].Bytes
		for i := 0; i < len(text); i += 2 {
			units = append(units, uint16(text[i])<<8|uint16(text[i+1]))
		}
		return string(utf16.Decode(units))
	}
	tb.Error("an entry has no friendly name")
	return ""
}

func unmarshal(tb testing.TB, der []byte, value any) {
	tb.Helper()
	if rest, err := asn1.Unmarshal(der, value); err != nil || len(rest) > 0 {
		tb.Fatalf("%d bytes remain, error %v", len(rest), err)
	}
}
