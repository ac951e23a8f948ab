package walk

import (
	"bytes"
	"encoding/asn1"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/pavlo-v-chernykh/keystore-go/v4"
	"software.sslmate.com/src/go-pkcs12"

	"trust-manager.io/test/framework/ca"
)

// The forms of values that are not simply a text.
const (
	// digest is any SHA-256 in hexadecimal.
	digest   = "digest"
	jksStore = "JKS"
	p12Store = "PKCS#12"
)

// value is what an entry holds: a text, or a key store by what is in it.
type value struct {
	format string
	// text is the text as it is; of a store it is its certificates as PEM, in the
	// order of the text, since a store has an order of its own.
	text              string
	password, profile string
}

// storeValue gives the value of a key store.
func storeValue(format, password, profile string, certificates []string) value {
	if password == "" {
		profile = "" // there is nothing for it to encrypt (A10)
	}
	return value{format, strings.Join(slices.Sorted(slices.Values(certificates)), ""), password, profile}
}

func (v value) String() string {
	switch v.format {
	case "":
		return fmt.Sprintf("%.60q", v.text)
	case digest:
		return "a digest"
	}
	return fmt.Sprintf("a %s store of %d certificates, password %q, profile %q",
		v.format, strings.Count(v.text, "BEGIN"), v.password, v.profile)
}

var sha256Hex = regexp.MustCompile(`^[0-9a-f]{64}$`)

// differs says how what an entry holds differs from the value.
func (v value) differs(got string) error {
	switch v.format {
	case "":
		if got != v.text {
			return fmt.Errorf("(-want +got):\n%s", cmp.Diff(strings.Split(v.text, "\n"), strings.Split(got, "\n")))
		}
		return nil
	case digest:
		if !sha256Hex.MatchString(got) {
			return fmt.Errorf("%q is no SHA-256 in hexadecimal", got)
		}
		return nil
	}
	found, err := v.decode(got)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", v, err)
	case found != v:
		return fmt.Errorf("it is %s, want %s (-want +got):\n%s", found, v, cmp.Diff(v.text, found.text))
	}
	return nil
}

// decode reads a store of the value's format with its password.
func (v value) decode(file string) (value, error) {
	decode := decodePKCS12
	if v.format == jksStore {
		decode = decodeJKS
	}
	certificates, profile, err := decode([]byte(file), v.password)
	return storeValue(v.format, v.password, profile, certificates), err
}

func decodeJKS(file []byte, password string) (certificates []string, profile string, err error) {
	store := keystore.New(keystore.WithCaseExactAliases())
	if err := store.Load(bytes.NewReader(file), []byte(password)); err != nil {
		return nil, "", err
	}
	for _, alias := range store.Aliases() {
		one, err := store.GetTrustedCertificateEntry(alias)
		if err != nil {
			return nil, "", fmt.Errorf("entry %q: %w", alias, err)
		}
		certificates = append(certificates, ca.PEM(one.Certificate.Content))
	}
	return certificates, "", nil
}

// profiles are told by the algorithm that encrypts the certificates.
var profiles = map[string]asn1.ObjectIdentifier{
	"LegacyRC2":  {1, 2, 840, 113549, 1, 12, 1, 6}, // pbeWithSHAAnd40BitRC2-CBC
	"LegacyDES":  {1, 2, 840, 113549, 1, 12, 1, 3}, // pbeWithSHAAnd3-KeyTripleDES-CBC
	"Modern2023": {1, 2, 840, 113549, 1, 5, 13},    // PBES2
}

func decodePKCS12(file []byte, password string) (certificates []string, profile string, err error) {
	found, err := pkcs12.DecodeTrustStore(file, password)
	if err != nil {
		return nil, "", err
	}
	for _, one := range found {
		certificates = append(certificates, ca.PEM(one.Raw))
	}
	for name, algorithm := range profiles {
		encoded, err := asn1.Marshal(algorithm)
		if err != nil {
			return nil, "", err
		}
		if bytes.Contains(file, encoded) {
			profile += name
		}
	}
	return certificates, profile, nil
}
