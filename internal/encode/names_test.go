package encode_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pavlo-v-chernykh/keystore-go/v4"
	"software.sslmate.com/src/go-pkcs12"

	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/encode"
)

const password = "changeit"

// odds returns the certificates of odd subjects and, by the certificate's DER, its
// expected name.
func odds(tb testing.TB) (list []certs.Certificate, names map[string]string) {
	tb.Helper()
	list, subjects := oddCertificates(tb)
	names = map[string]string{}
	for _, certificate := range list {
		text := []rune(subjects[certificate.Fingerprint].text)
		if len(text) > 21_000 {
			text = append(text[:21_000], []rune("...")...)
		}
		names[string(certificate.DER)] = hex.EncodeToString(certificate.Fingerprint[:4]) + "|" + string(text)
	}
	return list, names
}

// T2, T3: both formats have the same names, in lower and in original case.
func TestNames(t *testing.T) {
	t.Parallel()
	list, want := odds(t)
	if diff := cmp.Diff(want, friendlyNames(t, list)); diff != "" {
		t.Errorf("PKCS#12 friendly names by certificate (-want +got):\n%s", diff)
	}
	for der, text := range want {
		want[der] = encode.Lower(text)
	}
	if diff := cmp.Diff(want, aliases(t, list)); diff != "" {
		t.Errorf("JKS aliases by certificate (-want +got):\n%s", diff)
	}
}

// T2: no two certificates share a name, even if 8 digits of their fingerprints and their
// subjects are the same, or differ only in how a reader converts upper case. All others
// keep their 8 digits.
func TestNamesOfLikeFingerprints(t *testing.T) {
	t.Parallel()
	var list []certs.Certificate
	var want []string
	for i, text := range []string{"İ", "I", "i", "i\u0307", "i", "i"} {
		certificate := withSubject(t, name(t, rdn(t, attribute(t, cn, asn1.TagUTF8String, text))), 2000+i)
		certificate.Fingerprint = [sha256.Size]byte{0xab, 0xcd, 0xef, 0x01, 4: byte(i / 2), 31: byte(i)}
		if i == 5 {
			certificate.Fingerprint[3] = 2
			want = append(want, "abcdef02|CN="+text)
		} else {
			want = append(want, hex.EncodeToString(certificate.Fingerprint[:])+"|CN="+text)
		}
		list = append(list, certificate)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Sorted(maps.Values(friendlyNames(t, list)))); diff != "" {
		t.Errorf("PKCS#12 friendly names (-want +got):\n%s", diff)
	}
	for i := range want {
		want[i] = encode.Lower(want[i])
	}
	if diff := cmp.Diff(want, slices.Sorted(maps.Values(aliases(t, list)))); diff != "" {
		t.Errorf("JKS aliases (-want +got):\n%s", diff)
	}
}

// A duplicate results in one entry.
func TestNamesOfOneCertificateTwice(t *testing.T) {
	t.Parallel()
	certificate := withSubject(t, name(t), 2000)
	list := []certs.Certificate{certificate, certificate, certificate}
	want := map[string]string{string(certificate.DER): hex.EncodeToString(certificate.Fingerprint[:4]) + "|"}
	if diff := cmp.Diff(want, friendlyNames(t, list)); diff != "" {
		t.Errorf("PKCS#12 friendly names by certificate (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, aliases(t, list)); diff != "" {
		t.Errorf("JKS aliases by certificate (-want +got):\n%s", diff)
	}
}

// A store has all certificates or is not returned. The error names the format and the
// origin, and contains nothing of the content.
func TestStoresRefuseInvalidCertificates(t *testing.T) {
	t.Parallel()
	where := certs.Origin{Field: "spec.sources[1].configMap", Object: "ConfigMap trust/roots", Key: "ca.crt", Block: 3}
	damaged := certs.Certificate{DER: []byte("secret"), Fingerprint: sha256.Sum256([]byte("secret")), Origin: where}
	list := append(certificates(3), damaged)
	for format, write := range writers() {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			file, err := write(list, password)
			if err == nil || file != nil {
				t.Fatalf("%d bytes and error %v, want an error alone", len(file), err)
			}
			for _, part := range []string{strings.Fields(format)[0], where.String()} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the error %q lacks %q", err, part)
				}
			}
			for _, part := range []string{"secret", password, hex.EncodeToString([]byte("secret"))} {
				if strings.Contains(err.Error(), part) {
					t.Errorf("the error %q has content", err)
				}
			}
		})
	}
}

// writers are the formats, by the prefix of their errors.
func writers() map[string]func([]certs.Certificate, string) ([]byte, error) {
	list := map[string]func([]certs.Certificate, string) ([]byte, error){"JKS": encode.JKS}
	for _, profile := range profiles {
		list["PKCS#12 "+string(profile)] = func(certificates []certs.Certificate, password string) ([]byte, error) {
			return encode.PKCS12(certificates, password, profile)
		}
	}
	return list
}

// aliases returns the aliases of a JKS with these certificates, by their DER, as the
// library reads them.
func aliases(tb testing.TB, list []certs.Certificate) map[string]string {
	tb.Helper()
	file, err := encode.JKS(list, password)
	if err != nil {
		tb.Fatal(err)
	}
	store := keystore.New(keystore.WithCaseExactAliases())
	if err := store.Load(bytes.NewReader(file), []byte(password)); err != nil {
		tb.Fatal(err)
	}
	names := map[string]string{}
	for _, alias := range store.Aliases() {
		entry, err := store.GetTrustedCertificateEntry(alias)
		if err != nil {
			tb.Fatal(err)
		}
		names[string(entry.Certificate.Content)] = alias
	}
	if len(names) != len(store.Aliases()) {
		tb.Errorf("%d entries have %d certificates", len(store.Aliases()), len(names))
	}
	return names
}

// friendlyNames returns the friendly names of a PKCS#12 store with these certificates, by
// their DER.
func friendlyNames(tb testing.TB, list []certs.Certificate) map[string]string {
	tb.Helper()
	file, err := encode.PKCS12(list, "", "")
	if err != nil {
		tb.Fatal(err)
	}
	names := map[string]string{}
	for _, bag := range bags(tb, file) {
		names[string(bag.certificate)] = bag.name
	}
	decoded, err := pkcs12.DecodeTrustStore(file, "")
	if err != nil {
		tb.Fatal(err)
	}
	for _, certificate := range decoded {
		if _, found := names[string(certificate.Raw)]; !found {
			tb.Error("a certificate has no friendly name")
		}
	}
	if len(names) != len(decoded) {
		tb.Errorf("%d entries have %d names", len(decoded), len(names))
	}
	return names
}
