package decode_test

import (
	"crypto/x509"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"trust-manager.io/internal/decode"
	"trust-manager.io/test/framework/ca"
)

// L4: every store that keytool writes is read, with its aliases: trusted certificates, and the
// chains of private keys, which are counted only.
func TestStoresOfKeytool(t *testing.T) {
	t.Parallel()
	names := map[string]string{string(ca.Fixed(1).DER()): "root"}
	trusted, trustedInCase := row{"root", "mixed case", decode.Trusted}, row{"root", "Mixed Case", decode.Trusted}
	key := row{"CN=key", "key", decode.Chain}
	for title, tc := range map[string]struct {
		store  string
		format decode.Format
		keys   bool
		want   []row
	}{
		"JKS":            {"JKS", decode.JKS, false, []row{trusted}},
		"JKSWithAKey":    {"JKS", decode.JKS, true, []row{key, trusted}},
		"JCEKSWithAKey":  {"JCEKS", decode.JCEKS, true, []row{key, trusted}},
		"PKCS12":         {"PKCS12", decode.PKCS12, false, []row{trustedInCase}},
		"PKCS12WithAKey": {"PKCS12", decode.PKCS12, true, []row{key, trustedInCase}},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "store")
			common := []string{"-J-Dfile.encoding=UTF-8", "-J-Dsun.jnu.encoding=UTF-8", "-noprompt", "-storetype", tc.store, "-keystore", path, "-storepass", "opensesame"}
			if tc.keys {
				made(t, path, "keytool", append(common, "-genkeypair", "-alias", "key", "-keyalg", "EC", "-dname", "CN=key", "-keypass", "opensesame")...)
			}
			data := made(t, path, "keytool", append(common, "-importcert", "-alias", "Mixed Case", "-file", write(t, dir, "root", ca.Fixed(1).Certificate))...)
			content, err := decode.File(data, []string{"wrong", "opensesame"})
			if err != nil {
				t.Fatal(err)
			}
			if content.Format != tc.format || len(content.Notes) > 0 || content.Password != "the given password" || (counts(content)["private key"] == 1) != tc.keys {
				t.Errorf("%s with %v and the notes %q", content.Description(), content.Others, content.Notes)
			}
			less := func(a, b row) bool { return a.Alias < b.Alias }
			if diff := cmp.Diff(tc.want, rows(content, names), sorted(less)); diff != "" {
				t.Errorf("entries (-want +got):\n%s", diff)
			}
			_, err = decode.File(data, []string{"wrong"})
			checkPasswordError(t, err)
		})
	}
}

// L4: every store that `openssl pkcs12` writes is read: with keys and without, with and without
// encryption, with a password or an empty one, with old and new algorithms.
func TestStoresOfOpenSSL(t *testing.T) {
	t.Parallel()
	root := ca.New("root")
	server := root.Issue(func(template *x509.Certificate) { template.Subject.CommonName = "server" })
	names := map[string]string{string(root.DER()): "root", string(server.DER()): "server", string(ca.Fixed(1).DER()): "other"}
	withKey := []row{{"server", "näme", decode.Chain}, {"root", "näme", decode.Chain}, {"other", "", decode.Unmarked}}
	withoutKey := []row{{"server", "", decode.Unmarked}, {"root", "", decode.Unmarked}, {"other", "", decode.Unmarked}}
	for title, tc := range map[string]struct {
		arguments string
		password  string
		note      string
	}{
		"Default":            {"", password, ""},
		"Legacy":             {"-legacy", password, ""},
		"EmptyPassword":      {"", "", "an empty password"},
		"EmptyLegacy":        {"-legacy", "", "an empty password"},
		"UsualPassword":      {"", "changeit", "password changeit"},
		"NotEncrypted":       {"-certpbe NONE -keypbe NONE", password, ""},
		"NoPasswordAtAll":    {"-certpbe NONE -keypbe NONE -nomac", password, "no password"},
		"WithoutMAC":         {"-nomac -certpbe AES-256-CBC", password, ""},
		"PlainWithoutMAC":    {"-nomac", password, "no password"},
		"OtherMAC":           {"-macalg SHA512 -iter 5000", password, ""},
		"TripleDES":          {"-certpbe PBE-SHA1-3DES -macalg SHA1", password, ""},
		"TwoKeyTripleDES":    {"-certpbe PBE-SHA1-2DES", password, ""},
		"RC2Of128Bits":       {"-certpbe PBE-SHA1-RC2-128 -legacy", password, ""},
		"AES128":             {"-certpbe AES-128-CBC", password, ""},
		"TripleDESWithPBES2": {"-certpbe DES-EDE3-CBC", password, ""},
		"OutsideTheBMP":      {"", "пароль😀", ""},
	} {
		for variant, want := range map[string][]row{"": withKey, "-nokeys": withoutKey} {
			t.Run(title+variant, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				path := filepath.Join(dir, "store")
				arguments := append([]string{"pkcs12", "-export", "-out", path, "-passout", "pass:" + tc.password,
					"-in", write(t, dir, "certificates", server.Certificate+root.Certificate+ca.Fixed(1).Certificate)}, strings.Fields(tc.arguments)...)
				if variant == "" {
					arguments = append(arguments, "-inkey", write(t, dir, "key", server.Key), "-name", "näme")
				} else {
					arguments = append(arguments, variant)
				}
				data := made(t, path, "openssl", arguments...)
				content, err := decode.File(data, []string{"wrong", tc.password})
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, rows(content, names)); diff != "" {
					t.Errorf("entries (-want +got):\n%s", diff)
				}
				if keys := counts(content)["private key"]; (keys == 1) != (variant == "") {
					t.Errorf("%d private keys", keys)
				}
				checkUsualPassword(t, data, tc.note)
			})
		}
	}
}

// checkUsualPassword verifies that a store needs its password, unless that is a usual one, as the
// content states.
func checkUsualPassword(t *testing.T, data []byte, note string) {
	t.Helper()
	content, err := decode.File(data, []string{"wrong"})
	if note == "" {
		checkPasswordError(t, err)
		return
	}
	if err != nil || content.Password != note {
		t.Errorf("without the password: %q and error %v, want %q", content.Password, err, note)
	}
}
