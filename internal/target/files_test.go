package target

import (
	"bytes"
	"encoding/pem"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/encode"
	"trust-manager.io/test/framework/ca"
)

// root returns a CA certificate, the same for the same number.
func root(number int64) certs.Certificate {
	parsed, problem := certs.Parse(ca.Fixed(number).Certificate, certs.Origin{})
	if problem != nil {
		panic(problem) // of the test
	}
	return parsed.Certificates[0]
}

func twoRoots(tb testing.TB) bundle.Bundle {
	tb.Helper()
	return bundle.Bundle{Certificates: []certs.Certificate{root(1), root(2)}}
}

// storeField is where the stores are.
const storeField = "spec.target.additionalFormats.x"

// Stores for tests.
func jks(changes ...func(*bundle.File)) bundle.File {
	return changedStore(bundle.File{Field: storeField, Format: bundle.JKS, Key: "ca.jks", Password: "changeit"}, changes)
}

func pkcs12(changes ...func(*bundle.File)) bundle.File {
	return changedStore(bundle.File{Field: storeField, Format: bundle.PKCS12, Key: "ca.p12", Password: "secret", Profile: "Modern2023"}, changes)
}

func changedStore(store bundle.File, changes []func(*bundle.File)) bundle.File {
	for _, change := range changes {
		change(&store)
	}
	return store
}

func withKey(key string) func(*bundle.File) { return func(s *bundle.File) { s.Key = key } }

func withPassword(password string) func(*bundle.File) {
	return func(s *bundle.File) { s.Password = password }
}

func withProfile(profile string) func(*bundle.File) {
	return func(s *bundle.File) { s.Profile = profile }
}

var hashedDirectory = bundle.File{Field: storeField, Format: bundle.HashedDirectory}

// storing returns a Bundle with ConfigMap and Secret targets with these stores.
func storing(stores ...bundle.File) bundle.Spec {
	inConfigMap := configMap("ca.pem")
	inConfigMap.Files = append(inConfigMap.Files, stores...)
	return spec(inConfigMap, pemTarget(bundle.Secret, "ca.pem", stores...))
}

func revised(t *testing.T, spec bundle.Spec, content bundle.Bundle, before *Revision) *Revision {
	t.Helper()
	revision, err := NewRevision(spec, content, before)
	if err != nil {
		t.Fatal(err)
	}
	return revision
}

// T2, T4: a ConfigMap has PEM as text and the stores as binaryData, a Secret has all files
// as data, and both have the same bytes. Metadata of one kind is not on the other.
func TestNewRevisionOfBothKinds(t *testing.T) {
	t.Parallel()
	got := revised(t, storing(jks(), pkcs12()), twoRoots(t), nil)
	text := ""
	for _, certificate := range twoRoots(t).Certificates {
		text += string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.DER}))
	}
	inConfigMap, inSecret := got.Shapes[bundle.ConfigMap], got.Shapes[bundle.Secret]
	if diff := cmp.Diff(map[string]string{"ca.pem": text}, inConfigMap.Text); diff != "" {
		t.Errorf("text of the ConfigMap (-want +got):\n%s", diff)
	}
	if len(inSecret.Text) > 0 || string(inSecret.Binary["ca.pem"]) != text {
		t.Errorf("the Secret has the text %q and the PEM %q", inSecret.Text, inSecret.Binary["ca.pem"])
	}
	for _, key := range []string{"ca.jks", "ca.p12"} {
		if len(inConfigMap.Binary[key]) == 0 || !bytes.Equal(inConfigMap.Binary[key], inSecret.Binary[key]) {
			t.Errorf("%s: %d bytes in the ConfigMap, %d in the Secret", key, len(inConfigMap.Binary[key]), len(inSecret.Binary[key]))
		}
	}
	if len(inConfigMap.Binary) != 2 || len(inSecret.Binary) != 3 {
		t.Errorf("%d binary keys in the ConfigMap, %d in the Secret", len(inConfigMap.Binary), len(inSecret.Binary))
	}
	if inConfigMap.Kind != bundle.ConfigMap || inSecret.Kind != bundle.Secret || inConfigMap.Digest == inSecret.Digest {
		t.Errorf("kinds %s and %s, digests %s and %s", inConfigMap.Kind, inSecret.Kind, inConfigMap.Digest, inSecret.Digest)
	}
	if diff := cmp.Diff(map[string]string{bundleLabel: "roots"}, inSecret.Labels); diff != "" {
		t.Errorf("labels of the Secret (-want +got):\n%s", diff)
	}
}

// T3, T3b: a hashed directory is text in a ConfigMap, beside the PEM file, and each of its files contains
// one certificate. Its size counts, and it has another digest with other certificates.
func TestNewRevisionOfHashedDirectory(t *testing.T) {
	t.Parallel()
	parsed, problem := certs.Parse(ca.Fixed(1, ca.Named("one")).Certificate+ca.Fixed(2, ca.Named("two")).Certificate+ca.Fixed(3, ca.Named("two")).Certificate, certs.Origin{})
	if problem != nil {
		t.Fatal(problem)
	}
	content := bundle.Bundle{Certificates: parsed.Certificates}
	got := revised(t, storing(hashedDirectory), content, nil)
	inConfigMap, inSecret := got.Shapes[bundle.ConfigMap], got.Shapes[bundle.Secret]
	want := map[string]string{"ca.pem": string(encode.PEM(parsed.Certificates))}
	for i, number := range []string{"0", "0", "1"} {
		hash, err := parsed.Certificates[i].OpenSSLHash()
		if err != nil {
			t.Fatal(err)
		}
		want[hash+"."+number] = string(encode.PEM(parsed.Certificates[i : i+1]))
	}
	if diff := cmp.Diff(want, inConfigMap.Text); diff != "" || len(inConfigMap.Binary) > 0 {
		t.Errorf("%d binary keys, text (-want +got):\n%s", len(inConfigMap.Binary), diff)
	}
	for key, text := range want {
		if string(inSecret.Binary[key]) != text {
			t.Errorf("%s of the Secret is %q", key, inSecret.Binary[key])
		}
	}
	if size := got.files.of(hashedDirectory).size; size != len(want["ca.pem"]) {
		t.Errorf("%d bytes, want %d", size, len(want["ca.pem"]))
	}
	content.Certificates = content.Certificates[:2]
	if revised(t, storing(hashedDirectory), content, got).Shapes[bundle.ConfigMap].Digest == inConfigMap.Digest {
		t.Error("the digest is the same with a certificate less")
	}
}

// T3, T11: a store is encoded again if its certificates, password or profile have changed,
// and otherwise reused, even under another key.
func TestStoresAreReused(t *testing.T) {
	t.Parallel()
	before := revised(t, storing(jks(), pkcs12()), twoRoots(t), nil)
	more := bundle.Bundle{Certificates: append(twoRoots(t).Certificates, root(3))}
	cases := map[string]struct {
		stores      []bundle.File
		content     bundle.Bundle
		jks, pkcs12 bool // reused
		same        bool // the whole revision
	}{
		"the same":                     {[]bundle.File{jks(), pkcs12()}, twoRoots(t), true, true, true},
		"other keys":                   {[]bundle.File{jks(withKey("a")), pkcs12(withKey("b"))}, twoRoots(t), true, true, false},
		"keys exchanged":               {[]bundle.File{jks(withKey("ca.p12")), pkcs12(withKey("ca.jks"))}, twoRoots(t), true, true, false},
		"other JKS password":           {[]bundle.File{jks(withPassword("other")), pkcs12()}, twoRoots(t), false, true, false},
		"other PKCS#12 password":       {[]bundle.File{jks(), pkcs12(withPassword("other"))}, twoRoots(t), true, false, false},
		"no PKCS#12 password":          {[]bundle.File{jks(), pkcs12(withPassword(""))}, twoRoots(t), true, false, false},
		"other profile":                {[]bundle.File{jks(), pkcs12(withProfile("LegacyDES"))}, twoRoots(t), true, false, false},
		"other certificates":           {[]bundle.File{jks(), pkcs12()}, more, false, false, false},
		"one store":                    {[]bundle.File{pkcs12()}, twoRoots(t), false, true, false},
		"other certificate, order":     {[]bundle.File{jks(), pkcs12()}, reversed(twoRoots(t)), false, false, false},
		"other password and other key": {[]bundle.File{jks(withKey("a"), withPassword("b")), pkcs12()}, twoRoots(t), false, true, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			after := revised(t, storing(tc.stores...), tc.content, before)
			taken := map[bundle.Format]bool{}
			for _, file := range after.files.encoded {
				for key, known := range before.files.encoded {
					taken[key.format] = taken[key.format] || &file.entries[0].Data[0] == &known.entries[0].Data[0]
				}
			}
			if taken[bundle.JKS] != tc.jks || taken[bundle.PKCS12] != tc.pkcs12 {
				t.Errorf("reused: %v", taken)
			}
			if got := after.Equal(before); got != tc.same {
				t.Errorf("the same revision: %t", got)
			}
			if diff := cmp.Diff(revised(t, storing(tc.stores...), tc.content, nil).Shapes, after.Shapes); diff != "" {
				t.Errorf("another one than from scratch:\n%s", diff)
			}
		})
	}
}

func reversed(content bundle.Bundle) bundle.Bundle {
	return bundle.Bundle{Certificates: []certs.Certificate{content.Certificates[1], content.Certificates[0]}}
}

// The text is encoded once for the same certificates, whatever else changes, and also if
// there were no targets in between.
func TestTextIsReused(t *testing.T) {
	t.Parallel()
	before := revised(t, storing(), twoRoots(t), nil)
	after := revised(t, storing(jks()), twoRoots(t), before)
	pem := bundle.File{Format: bundle.PEM}
	if &after.files.of(pem).entries[0].Data[0] != &before.files.of(pem).entries[0].Data[0] {
		t.Error("the text was encoded again")
	}
	none := revised(t, spec(), twoRoots(t), after)
	if len(none.files.encoded) > 0 {
		t.Error("a Bundle without targets has files")
	}
	if diff := cmp.Diff(before.Shapes, revised(t, storing(), twoRoots(t), none).Shapes); diff != "" {
		t.Errorf("when there are targets again (-want +got):\n%s", diff)
	}
}

// T4: the digest distinguishes all options of a store, and its key, after encoding.
func TestRevisionsTellStoresApart(t *testing.T) {
	t.Parallel()
	stores := map[string][]bundle.File{
		"none":                       nil,
		"JKS":                        {jks()},
		"JKS, other key":             {jks(withKey("a"))},
		"JKS, password":              {jks(withPassword("b"))},
		"PKCS#12":                    {pkcs12()},
		"PKCS#12, other key":         {pkcs12(withKey("a"))},
		"PKCS#12, password":          {pkcs12(withPassword("b"))},
		"PKCS#12, no one":            {pkcs12(withPassword(""))},
		"PKCS#12, profile":           {pkcs12(withProfile("LegacyRC2"))},
		"no password, other profile": {pkcs12(withPassword(""), withProfile("LegacyRC2"))},
		"both":                       {jks(), pkcs12()},
		"both, keys swapped":         {jks(withKey("ca.p12")), pkcs12(withKey("ca.jks"))},
		"hashed directory":           {hashedDirectory},
	}
	seen := map[string]string{}
	for name, list := range stores {
		for _, shape := range revised(t, storing(list...), twoRoots(t), nil).Shapes {
			if other, ok := seen[shape.Digest]; ok {
				t.Errorf("%q and %q have the same digest", name, other)
			}
			seen[shape.Digest] = name
		}
	}
}

// Content that a key store cannot hold is an error, and there is no revision.
func TestNewRevisionRefusesStores(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		store bundle.File
		says  string
	}{
		"a password that PKCS#12 cannot have": {pkcs12(withPassword("😀")), "Basic Multilingual Plane"},
		"a profile that does not exist":       {pkcs12(withProfile("Modern1999")), `no profile "Modern1999"`},
		"a JKS without a password":            {jks(withPassword("")), "must have 1 to 128 characters"},
		"a format that does not exist":        {bundle.File{Field: storeField, Format: "BCFKS", Key: "k"}, `no file format "BCFKS"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			revision, err := NewRevision(storing(tc.store), twoRoots(t), revised(t, storing(), twoRoots(t), nil))
			var problems bundle.Problems
			if !errors.As(err, &problems) || revision != nil {
				t.Fatalf("revision %v, error %v", revision, err)
			}
			if problems.Reason() != "SourceBuildError" || !strings.Contains(err.Error(), tc.says) || !strings.Contains(err.Error(), storeField) {
				t.Errorf("%s: %v", problems.Reason(), err)
			}
		})
	}
}
