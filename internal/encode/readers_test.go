package encode_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/encode"
	"trust-manager.io/test/framework/program"
)

// T2: Java reads a JKS: every certificate, including odd subjects, under its alias, as a
// trusted entry and with the certificate's date.
func TestJKSReadByKeytool(t *testing.T) {
	t.Parallel()
	list, _ := oddCertificates(t)
	list = append(list, mozilla(t)...)
	names := aliases(t, list)
	want := listing{map[string]string{}, map[string]string{}}
	for _, certificate := range list {
		fingerprint := hex.EncodeToString(certificate.Fingerprint[:])
		want.aliases[fingerprint] = names[string(certificate.DER)]
		want.dates[fingerprint] = parsed(t, certificate.DER).NotBefore.UTC().Format("Jan 2, 2006")
	}
	file, err := encode.JKS(list, password)
	if err != nil {
		t.Fatal(err)
	}
	got := keytool(t, file, "-storepass", password)
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(listing{})); diff != "" {
		t.Errorf("aliases and dates by fingerprint (-want +got):\n%s", diff)
	}
}

// A9: Java accepts any password that the API accepts.
func TestJKSReadByKeytoolWithAnyPassword(t *testing.T) {
	t.Parallel()
	for title, password := range map[string]string{
		"OneCharacter": "a", "The128th": strings.Repeat("a", 128), "Latin": "pässwörd", "OutsideTheBMP": "пароль😀",
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			file, err := encode.JKS(certificates(3), password)
			if err != nil {
				t.Fatal(err)
			}
			if got := keytool(t, file, "-storepass", password); len(got.aliases) != 3 {
				t.Errorf("keytool finds %d entries, want 3", len(got.aliases))
			}
		})
	}
}

// Java also reads a JKS without its password.
func TestJKSReadByKeytoolWithoutPassword(t *testing.T) {
	t.Parallel()
	list := certificates(3)
	file, err := encode.JKS(list, password)
	if err != nil {
		t.Fatal(err)
	}
	if got := keytool(t, file); len(got.aliases) != len(list) {
		t.Errorf("keytool finds %d entries, want %d", len(got.aliases), len(list))
	}
}

// T3, A10: Java reads a PKCS#12 store of each profile, with and without a password,
// including odd subjects.
func TestPKCS12ReadByKeytool(t *testing.T) {
	t.Parallel()
	odd, subjects := oddCertificates(t)
	list := append(mozilla(t), odd...)
	want := map[string]string{}
	for der, alias := range aliases(t, list) {
		fingerprint := sha256.Sum256([]byte(der))
		if java := subjects[fingerprint].java; java != "" {
			alias = alias[:9] + java
		}
		want[hex.EncodeToString(fingerprint[:])] = alias
	}
	for title, tc := range stores() {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			file, err := encode.PKCS12(list, tc.password, tc.profile)
			if err != nil {
				t.Fatal(err)
			}
			got := keytool(t, file, "-storepass", tc.password)
			if diff := cmp.Diff(want, got.aliases); diff != "" {
				t.Errorf("aliases by fingerprint (-want +got):\n%s", diff)
			}
		})
	}
}

// A10: Java opens a store without a password with any password. Given no password, it
// silently finds nothing in a store that has one. The docs warn about this.
func TestPKCS12ReadByKeytoolWithoutPassword(t *testing.T) {
	t.Parallel()
	list := certificates(3)
	for title, tc := range map[string]struct {
		password  string
		arguments []string
		want      int
	}{
		"NoneGivenNoneNeeded":  {"", nil, 3},
		"OneGivenNoneNeeded":   {"", []string{"-storepass", password}, 3},
		"NoneGivenButOneThere": {password, nil, 0},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			file, err := encode.PKCS12(list, tc.password, encode.Modern2023)
			if err != nil {
				t.Fatal(err)
			}
			if got := keytool(t, file, tc.arguments...); len(got.aliases) != tc.want {
				t.Errorf("keytool finds %d entries, want %d", len(got.aliases), tc.want)
			}
		})
	}
}

// T3, A10: OpenSSL reads a PKCS#12 store of each profile, with and without a password;
// LegacyRC2 only with its legacy algorithms enabled.
func TestPKCS12ReadByOpenSSL(t *testing.T) {
	t.Parallel()
	odd, subjects := oddCertificates(t)
	list := append(mozilla(t), odd...)
	names := friendlyNames(t, list)
	cases := stores()
	for _, profile := range profiles[1:] {
		cases[string(profile)+"WithPasswordBeyondASCII"] = storeCase{profile, "pässwörd пароль"}
	}
	for title, tc := range cases {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			file, err := encode.PKCS12(list, tc.password, tc.profile)
			if err != nil {
				t.Fatal(err)
			}
			path := saved(t, file)
			arguments := []string{"pkcs12", "-in", path, "-nokeys", "-passin", "pass:" + tc.password}
			if tc.profile == encode.LegacyRC2 && tc.password != "" {
				if output, err := program.Run(t, "openssl", arguments...); err == nil {
					t.Errorf("openssl needs no -legacy:\n%.200s", output)
				}
				arguments = append(arguments, "-legacy")
			}
			output, err := program.Run(t, "openssl", arguments...)
			if err != nil {
				t.Fatalf("openssl: %v\n%.200s", err, output)
			}
			checkOpenSSL(t, output, list, names, subjects)
		})
	}
}

// checkOpenSSL verifies that the output has each certificate, and each name that is plain
// enough to be printed unchanged, in its original case.
func checkOpenSSL(t *testing.T, output []byte, list []certs.Certificate, names map[string]string, subjects map[[sha256.Size]byte]oddSubject) {
	t.Helper()
	lines := map[string]bool{}
	for line := range strings.Lines(string(output)) {
		lines[strings.TrimSpace(line)] = true
	}
	found := map[string]bool{}
	for rest := output; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		found[string(block.Bytes)] = true
	}
	for _, certificate := range list {
		if !found[string(certificate.DER)] {
			t.Errorf("%x is missing", certificate.Fingerprint)
		}
		name := names[string(certificate.DER)]
		if _, odd := subjects[certificate.Fingerprint]; !odd && plain.MatchString(name) && !lines["friendlyName: "+name] {
			t.Errorf("the friendly name %q is missing", name)
		}
	}
	if len(found) != len(list) {
		t.Errorf("%d certificates, want %d", len(found), len(list))
	}
}

// plain matches text that OpenSSL prints unchanged.
var plain = regexp.MustCompile(`^[ -~]*$`)

type storeCase struct {
	profile  encode.Profile
	password string
}

// stores are all profiles with and without a password.
func stores() map[string]storeCase {
	list := map[string]storeCase{}
	for _, profile := range profiles[1:] {
		list[string(profile)+"WithPassword"] = storeCase{profile, password}
		list[string(profile)+"WithoutPassword"] = storeCase{profile, ""}
	}
	return list
}

// listing is the output of keytool for a store, by fingerprint.
type listing struct{ aliases, dates map[string]string }

var (
	// An alias may contain anything, even line ends.
	listedEntry       = regexp.MustCompile(`(?s)Alias name: (.*?)\nCreation date: ([^\n]*)\nEntry type: ([^\n]*)\n`)
	listedFingerprint = regexp.MustCompile(`SHA256: ([0-9A-F:]+)\n`)
)

// keytool lists a store. It detects the type of the store by its first bytes.
func keytool(t *testing.T, file []byte, arguments ...string) listing {
	t.Helper()
	output, err := program.Run(t, "keytool", append([]string{
		"-J-Dfile.encoding=UTF-8", "-J-Duser.language=en", "-J-Duser.timezone=UTC",
		"-list", "-v", "-keystore", saved(t, file)}, arguments...)...)
	if err != nil {
		t.Fatalf("keytool: %v\n%.1000s", err, output)
	}
	entries := listedEntry.FindAllSubmatch(output, -1)
	fingerprints := listedFingerprint.FindAllSubmatch(output, -1)
	if len(entries) != len(fingerprints) {
		t.Fatalf("keytool lists %d entries and %d fingerprints:\n%.1000s", len(entries), len(fingerprints), output)
	}
	found := listing{map[string]string{}, map[string]string{}}
	for i, entry := range entries {
		fingerprint := strings.ToLower(strings.ReplaceAll(string(fingerprints[i][1]), ":", ""))
		found.aliases[fingerprint] = string(entry[1])
		found.dates[fingerprint] = string(entry[2])
		if string(entry[3]) != "trustedCertEntry" {
			t.Errorf("%q is a %s", entry[1], entry[3])
		}
	}
	return found
}

func saved(t *testing.T, file []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "store")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
