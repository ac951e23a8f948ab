package decode_test

import (
	"encoding/asn1"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"trust-manager.io/internal/decode"
	"trust-manager.io/test/framework/ca"
)

// L4: what a store has besides certificates is counted, also in nested bags, and stores of public
// keys are refused.
func TestBags(t *testing.T) {
	t.Parallel()
	certificate := bag(t, 3, seq(t, oid(t, 1, 2, 840, 113549, 1, 9, 22, 1), tagged(t, encoded(t, ca.Fixed(1).DER()))))
	others := slices.Concat(bag(t, 1, seq(t)), bag(t, 4, seq(t)), bag(t, 5, seq(t)),
		bag(t, 3, seq(t, oid(t, 1, 2, 840, 113549, 1, 9, 22, 2), tagged(t, encoded(t, []byte("a"))))))
	deep := certificate
	for range 6 {
		deep = bag(t, 6, seq(t, deep))
	}
	data := []int{1, 2, 840, 113549, 1, 7, 1}
	for title, tc := range map[string]struct {
		store []byte
		want  map[string]int
		err   string
	}{
		"AllKinds": {pfx(t, data, data, certificate, others),
			map[string]int{"private key": 1, "revocation list": 1, "secret or other entry": 1, "certificate of another type than X.509": 1}, ""},
		"Nested":             {pfx(t, data, data, bag(t, 6, seq(t, certificate, others))), map[string]int{"private key": 1, "revocation list": 1, "secret or other entry": 1, "certificate of another type than X.509": 1}, ""},
		"TooDeep":            {pfx(t, data, data, deep), nil, "too many levels"},
		"Signed":             {pfx(t, []int{1, 2, 840, 113549, 1, 7, 2}, data, certificate), nil, "signed with a private key"},
		"EncryptedForAKey":   {pfx(t, data, []int{1, 2, 840, 113549, 1, 7, 3}, certificate), nil, "public key"},
		"DamagedCertificate": {pfx(t, data, data, bag(t, 3, seq(t, oid(t, 1, 2, 840, 113549, 1, 9, 22, 1), tagged(t, encoded(t, make([]byte, 100)))))), nil, "certificate 1"},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			content, err := decode.File(tc.store, nil)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Errorf("error %v, want %q", err, tc.err)
				}
				return
			}
			if err != nil || len(content.Entries) != 1 {
				t.Fatalf("%d entries and error %v", len(content.Entries), err)
			}
			if diff := cmp.Diff(tc.want, counts(content)); diff != "" {
				t.Errorf("others (-want +got):\n%s", diff)
			}
		})
	}
}

// pfx returns a store without a password, whose outer and inner content have these types.
func pfx(tb testing.TB, outer, inner []int, bags ...[]byte) []byte {
	tb.Helper()
	safe := seq(tb, seq(tb, oid(tb, inner...), tagged(tb, encoded(tb, seq(tb, bags...)))))
	return seq(tb, encoded(tb, 3), seq(tb, oid(tb, outer...), tagged(tb, encoded(tb, safe))))
}

// bag returns a SafeBag of a kind (RFC 7292, 4.2).
func bag(tb testing.TB, kind int, value []byte) []byte {
	tb.Helper()
	return seq(tb, oid(tb, 1, 2, 840, 113549, 1, 12, 10, 1, kind), tagged(tb, value))
}

func seq(tb testing.TB, parts ...[]byte) []byte {
	tb.Helper()
	return encoded(tb, asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: slices.Concat(parts...)})
}

// tagged returns an element with the explicit tag 0.
func tagged(tb testing.TB, element []byte) []byte {
	tb.Helper()
	return encoded(tb, asn1.RawValue{Class: asn1.ClassContextSpecific, IsCompound: true, Bytes: element})
}

func oid(tb testing.TB, numbers ...int) []byte {
	tb.Helper()
	return encoded(tb, asn1.ObjectIdentifier(numbers))
}

func encoded(tb testing.TB, value any) []byte {
	tb.Helper()
	der, err := asn1.Marshal(value)
	if err != nil {
		tb.Fatal(err)
	}
	return der
}
