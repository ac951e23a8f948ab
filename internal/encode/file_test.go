package encode_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/encode"
	"trust-manager.io/test/framework/ca"
)

// A store has the given format, password and profile.
func TestStore(t *testing.T) {
	t.Parallel()
	list := certificates(3)
	written := func(file []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return file
	}
	for name, tc := range map[string]struct {
		store bundle.File
		want  []byte
	}{
		"JKS":                         {bundle.File{Format: bundle.JKS, Password: password}, written(encode.JKS(list, password))},
		"JKS, the profile is no part": {bundle.File{Format: bundle.JKS, Password: password, Profile: "x"}, written(encode.JKS(list, password))},
		"PKCS#12":                     {bundle.File{Format: bundle.PKCS12, Password: password, Profile: "LegacyDES"}, written(encode.PKCS12(list, password, encode.LegacyDES))},
		"PKCS#12 without a password":  {bundle.File{Format: bundle.PKCS12, Profile: "Modern2023"}, written(encode.PKCS12(list, "", encode.Modern2023))},
		"PKCS#12 without a profile":   {bundle.File{Format: bundle.PKCS12, Password: password}, written(encode.PKCS12(list, password, encode.LegacyRC2))},
	} {
		if got, err := encode.File(tc.store, list); err != nil || !bytes.Equal(got, tc.want) {
			t.Errorf("%s: %d bytes that are not those of its format, error %v", name, len(got), err)
		}
	}
}

// S6: a nonconforming certificate is in PEM files only. A store that would be empty is
// an error.
func TestNonconformingIsNotInStores(t *testing.T) {
	t.Parallel()
	parsed, problem := certs.Parse(ca.NegativeSerial(), certs.Origin{})
	if problem != nil {
		t.Fatal(problem)
	}
	list := certificates(3)
	more := append(slices.Clone(list), parsed.Certificates...)
	for _, file := range []bundle.File{{Format: bundle.JKS, Password: password}, {Format: bundle.PKCS12, Password: password, Profile: "Modern2023"}} {
		want, err := encode.File(file, list)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := encode.File(file, more); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: the store differs, error %v", file.Format, err)
		}
		if _, err := encode.File(file, parsed.Certificates); err == nil || !strings.Contains(err.Error(), "no certificate is left") {
			t.Errorf("%s: nothing left, error %v", file.Format, err)
		}
	}
	if got := encode.PEM(more); !bytes.HasSuffix(got, []byte(ca.NegativeSerial())) {
		t.Error("it is not in the PEM file")
	}
}

// An unknown format is an error.
func TestStoreRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		store bundle.File
		list  []certs.Certificate
		says  string
	}{
		"another format":         {bundle.File{Format: "BCFKS", Password: password}, nil, `"BCFKS"`},
		"no format":              {bundle.File{}, nil, `""`},
		"what the format cannot": {bundle.File{Format: bundle.JKS}, nil, "password"},
		"another profile":        {bundle.File{Format: bundle.PKCS12, Profile: "x"}, nil, "profile"},
	} {
		if got, err := encode.File(tc.store, tc.list); got != nil || err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %d bytes, error %v", name, len(got), err)
		}
	}
}
