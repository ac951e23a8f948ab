package integration

import (
	"os"
	"path/filepath"
	"testing"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/rig"
)

// S5, S6, S7, S14: inputs that users of this field bring, as a source beside a good one.
func TestFieldInputs(t *testing.T) {
	t.Parallel()
	operator(t)
	const nonconforming = "does not conform to RFC 5280 or is not supported: "
	keep := func(f *v1alpha1.BundleFilters) { f.Nonconforming = v1alpha1.FilterKeep }
	dropNotCA := func(f *v1alpha1.BundleFilters) { f.NotCA = v1alpha1.FilterDrop }
	rejectOthers := func(f *v1alpha1.BundleFilters) { f.NotSelfSigned = v1alpha1.FilterReject }
	for name, tc := range map[string]struct {
		file    string
		filters func(*v1alpha1.BundleFilters)
		// certificates is how many the file adds, unless there is a problem.
		certificates int
		problem      string
	}{
		"a good one":                {file: "c00-good.pem", certificates: 1},
		"version 1":                 {file: "c04-v1.pem", filters: dropNotCA, certificates: 1},
		"brainpool":                 {file: "c08-brainpoolP256r1.pem", problem: nonconforming + "Go does not support its elliptic curve 1.3.36.3.3.2.8.1.1.7"},
		"brainpool, kept":           {file: "c08-brainpoolP256r1.pem", filters: keep, certificates: 1},
		"compressed point":          {file: "c11-ec-compressed-point.pem", problem: nonconforming + "its public key is a compressed point"},
		"compressed point, kept":    {file: "c11-ec-compressed-point.pem", filters: keep, certificates: 1},
		"Ed448":                     {file: "c15-ed448.pem", filters: rejectOthers, certificates: 1},
		"underscore":                {file: "c21-printable-underscore.pem", problem: nonconforming + "a name in it has a character that a PrintableString must not have"},
		"underscore, kept":          {file: "c21-printable-underscore.pem", filters: keep, certificates: 1},
		"duplicate extension":       {file: "c38-duplicate-ext.pem", problem: nonconforming + "it has the extension 2.5.29.14 twice"},
		"duplicate extension, kept": {file: "c38-duplicate-ext.pem", filters: keep, certificates: 1},
		"name constraints":          {file: "c43-nc-windows-empty-ip.pem", problem: nonconforming + "its extension name constraints (2.5.29.30) is invalid"},
		"name constraints, kept":    {file: "c43-nc-windows-empty-ip.pem", filters: keep, certificates: 1},
		"byte order mark":           {file: "t02-bom-middle.pem", certificates: 2},
		"joined on one line":        {file: "t06-one-line-joined.pem", certificates: 2},
		"UTF-16":                    {file: "t05-utf16le.pem", problem: "UTF-16"},
		"DER":                       {file: "t21-der.cer", problem: "DER"},
		"empty":                     {file: "t55-empty.pem", problem: "no certificate found"},
		"only a comment":            {file: "t56-only-comment.pem", problem: "no certificate found"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			namespace := s.namespaces(1)[0]
			content, err := os.ReadFile(filepath.Join("testdata", "field", tc.file))
			if err != nil {
				t.Fatal(err)
			}
			source := configMap(rig.TrustNamespace, s.unique())
			source.BinaryData = map[string][]byte{sourceKey: content}
			s.temporary(source)
			ca := newAuthority("CA")
			sources := append(inLine(ca), from(source)...)
			bundle := s.bundle(sources, formats(jks(), nil), func(b *v1alpha1.Bundle) {
				if tc.filters != nil {
					b.Spec.Filters = &v1alpha1.BundleFilters{}
					tc.filters(b.Spec.Filters)
				}
			})
			if tc.problem != "" {
				awaitCondition(t, bundle, v1alpha1.BundleReasonSourceBuildError, source.Name, tc.problem)
				return
			}
			awaitSynced(t, bundle, 1)
			if got := int(bundle.Status.Inventory.Certificates); got != 1+tc.certificates {
				t.Errorf("%d certificates, want %d", got, 1+tc.certificates)
			}
			kept := bundle.Status.Inventory.Nonconforming
			entries, err := readJKS(read(t, configMap(namespace, bundle.Name)).BinaryData[jksKey], v1alpha1.DefaultJKSPassword)
			if err != nil || len(entries) != 1+tc.certificates-int(kept) {
				t.Errorf("the JKS has %d entries of %d certificates, %d of them nonconforming, error %v", len(entries), 1+tc.certificates, kept, err)
			}
		})
	}
	// S7: an optional source may be empty or have only a comment.
	for _, file := range []string{"t55-empty.pem", "t56-only-comment.pem"} {
		t.Run("optional "+file, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			s.namespaces(1)
			content, err := os.ReadFile(filepath.Join("testdata", "field", file))
			if err != nil {
				t.Fatal(err)
			}
			source := s.sourceOf(string(content))
			bundle := s.bundle(append(inLine(newAuthority("CA")), from(source)...), func(b *v1alpha1.Bundle) {
				b.Spec.Sources[1].ConfigMap.Optional = true
			})
			awaitSynced(t, bundle, 1)
		})
	}
}
