package encode_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"software.sslmate.com/src/go-pkcs12"

	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/encode"
)

var profiles = []encode.Profile{"", encode.LegacyRC2, encode.LegacyDES, encode.Modern2023}

// T3: the bytes of a store without a password, including odd subjects. They are the same
// whatever the profile (A10) and the order.
func TestPKCS12Golden(t *testing.T) {
	t.Parallel()
	list := short(t)
	random := rand.New(rand.NewPCG(1, 2))
	for _, profile := range profiles {
		random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		file, err := encode.PKCS12(list, "", profile)
		if err != nil {
			t.Fatal(err)
		}
		checkGolden(t, "testdata/odd.golden.p12", file)
	}
}

// T3: a store can be read back, with the right password only, in the order of the aliases
// of a JKS.
func TestPKCS12RoundTrip(t *testing.T) {
	t.Parallel()
	list := append(mozilla(t), short(t)...)
	names := aliases(t, list)
	for _, profile := range profiles {
		for _, password := range []string{"", "a", password, "pässwörd", strings.Repeat("\uffff", 128)} {
			t.Run(string(profile)+"/"+password[:min(len(password), 12)], func(t *testing.T) {
				t.Parallel()
				certificates := decode(t, list, password, profile)
				if got := len(certificates); got != len(list) {
					t.Fatalf("%d certificates, want %d", got, len(list))
				}
				before := ""
				for _, certificate := range certificates {
					alias, found := names[string(certificate.Raw)]
					if !found || alias <= before {
						t.Fatalf("alias %q after %q", alias, before)
					}
					before = alias
				}
			})
		}
	}
}

// decode encodes a store and reads it back.
func decode(t *testing.T, list []certs.Certificate, password string, profile encode.Profile) []*x509.Certificate {
	t.Helper()
	file, err := encode.PKCS12(list, password, profile)
	if err != nil {
		t.Fatal(err)
	}
	certificates, err := pkcs12.DecodeTrustStore(file, password)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pkcs12.DecodeTrustStore(file, password+"x"); err == nil {
		t.Error("another password is taken")
	}
	return certificates
}

// A10: each profile uses its algorithms, and none without a password.
func TestPKCS12Algorithms(t *testing.T) {
	t.Parallel()
	algorithms := map[string]asn1.ObjectIdentifier{
		"pbeWithSHAAnd40BitRC2-CBC":         {1, 2, 840, 113549, 1, 12, 1, 6},
		"pbeWithSHAAnd3-KeyTripleDES-CBC":   {1, 2, 840, 113549, 1, 12, 1, 3},
		"PBES2":                             {1, 2, 840, 113549, 1, 5, 13},
		"hmacWithSHA256":                    {1, 2, 840, 113549, 2, 9},
		"aes256-CBC":                        {2, 16, 840, 1, 101, 3, 4, 1, 42},
		"SHA-1":                             {1, 3, 14, 3, 2, 26},
		"SHA-256":                           {2, 16, 840, 1, 101, 3, 4, 2, 1},
		"encryptedData":                     {1, 2, 840, 113549, 1, 7, 6},
		"trustedKeyUsage (Java's, for any)": {2, 16, 840, 1, 113894, 746875, 1, 1},
	}
	for title, tc := range map[string]struct {
		profile  encode.Profile
		password string
		want     []string
	}{
		"Unset":            {"", password, []string{"SHA-1", "encryptedData", "pbeWithSHAAnd40BitRC2-CBC"}},
		"LegacyRC2":        {encode.LegacyRC2, password, []string{"SHA-1", "encryptedData", "pbeWithSHAAnd40BitRC2-CBC"}},
		"LegacyDES":        {encode.LegacyDES, password, []string{"SHA-1", "encryptedData", "pbeWithSHAAnd3-KeyTripleDES-CBC"}},
		"Modern2023":       {encode.Modern2023, password, []string{"PBES2", "SHA-256", "aes256-CBC", "encryptedData", "hmacWithSHA256"}},
		"WithoutAPassword": {encode.Modern2023, "", []string{"trustedKeyUsage (Java's, for any)"}},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			file, err := encode.PKCS12(certificates(1), tc.password, tc.profile)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, algorithm := range slices.Sorted(maps.Keys(algorithms)) {
				if bytes.Contains(file, marshal(t, algorithms[algorithm])) {
					got = append(got, algorithm)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("algorithms (-want +got):\n%s", diff)
			}
		})
	}
}

// T3, S3: the same input results in the same bytes, in every process and with every
// compiler, since stores are compared by their bytes. A change that fails this test
// rewrites every target with a PKCS#12 store.
func TestPKCS12IsPinned(t *testing.T) {
	t.Parallel()
	list := short(t)
	random := rand.New(rand.NewPCG(1, 2))
	for profile, want := range map[encode.Profile]string{
		"":                "dbad7e8f1d0de0f5c48dbc85cbaf286ea6960e0174b333d117c839f3a3b68dfa",
		encode.LegacyRC2:  "dbad7e8f1d0de0f5c48dbc85cbaf286ea6960e0174b333d117c839f3a3b68dfa",
		encode.LegacyDES:  "4c3491e47ad8190a3170bc32ea4fd74f731013b4e046d63b52093ffd675492d5",
		encode.Modern2023: "b34371150bcda70c6d6a309936285fc76290ddb44ffe6785af14c1f1307ef582",
	} {
		random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		file, err := encode.PKCS12(list, password, profile)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%x", sha256.Sum256(file)); got != want {
			t.Errorf("profile %q gives a file with the SHA-256 %s, want %s", profile, got, want)
		}
	}
}

// T3: salts differ if the content or the profile does, and reveal nothing about the
// password.
func TestPKCS12Salts(t *testing.T) {
	t.Parallel()
	salt := func(list []certs.Certificate, password string, profile encode.Profile) string {
		file, err := encode.PKCS12(list, password, profile)
		if err != nil {
			t.Fatal(err)
		}
		return macSalt(t, file)
	}
	one := salt(certificates(1), password, encode.LegacyRC2)
	for title, tc := range map[string]struct {
		salt string
		same bool
	}{
		"another certificate": {salt(certificates(2)[1:], password, encode.LegacyRC2), false},
		"a certificate more":  {salt(certificates(2), password, encode.LegacyRC2), false},
		"another profile":     {salt(certificates(1), password, encode.LegacyDES), false},
		"another password":    {salt(certificates(1), "another", encode.LegacyRC2), true},
	} {
		if (tc.salt == one) != tc.same {
			t.Errorf("%s: the same salt: %t", title, !tc.same)
		}
	}
}

// macSalt returns the salt of a store's MAC (RFC 7292, section 4).
func macSalt(tb testing.TB, file []byte) string {
	tb.Helper()
	var store struct {
		Version  int
		AuthSafe asn1.RawValue
		MAC      struct {
			Digest     asn1.RawValue
			Salt       []byte
			Iterations int `asn1:"optional,default:1"`
		}
	}
	unmarshal(tb, file, &store)
	return string(store.MAC.Salt)
}

// A10: an unsupported password or profile is rejected, with a reason and without the
// password.
func TestPKCS12Refuses(t *testing.T) {
	t.Parallel()
	for title, tc := range map[string]struct {
		password string
		profile  encode.Profile
		reason   string
	}{
		"AnUnknownProfile":       {password, "Modern2026", `no profile "Modern2026"`},
		"ThatWithoutAPassword":   {"", "modern2023", `no profile "modern2023"`},
		"APasswordTooLong":       {strings.Repeat("a", 129), "", "at most 128"},
		"OutsideTheBMP":          {"secret😀", encode.Modern2023, "Basic Multilingual Plane"},
		"OutsideTheBMPInDefault": {"secret😀", "", "Basic Multilingual Plane"},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			file, err := encode.PKCS12(certificates(1), tc.password, tc.profile)
			if err == nil || file != nil {
				t.Fatalf("%d bytes and error %v, want an error alone", len(file), err)
			}
			if !strings.Contains(err.Error(), tc.reason) || !strings.HasPrefix(err.Error(), "PKCS#12: ") {
				t.Errorf("the error %q lacks the format or %q", err, tc.reason)
			}
			if tc.password != "" && strings.Contains(err.Error(), tc.password) {
				t.Errorf("the error %q has the password", err)
			}
		})
	}
}

// An empty store is readable; package bundle ensures that it is never written (S9).
func TestPKCS12OfNothing(t *testing.T) {
	t.Parallel()
	for _, profile := range profiles {
		if got := decode(t, nil, password, profile); len(got) != 0 {
			t.Errorf("%d entries, want none", len(got))
		}
	}
}

func parsed(tb testing.TB, der []byte) *x509.Certificate {
	tb.Helper()
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	return certificate
}
