package integration

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pavlo-v-chernykh/keystore-go/v4"
	pkcs12 "software.sslmate.com/src/go-pkcs12"

	"trust-manager.io/api/trust/v1alpha1"
)

// store is a key store of a Bundle.
type store struct {
	jks           bool
	key, password string
}

// storesOf returns the key stores of a Bundle.
func storesOf(bundle *v1alpha1.Bundle) []store {
	formats := bundle.Spec.Target.AdditionalFormats
	if formats == nil {
		return nil
	}
	var list []store
	if formats.JKS != nil {
		list = append(list, store{true, formats.JKS.Key, *formats.JKS.Password})
	}
	if formats.PKCS12 != nil {
		list = append(list, store{false, formats.PKCS12.Key, *formats.PKCS12.Password})
	}
	return list
}

// check returns how a file differs from the store of these certificates (T2, T3), read
// by Go. TestStoresAreRead checks that Java and OpenSSL read it.
func (s store) check(file []byte, want []authority) error {
	if len(file) == 0 {
		return errors.New("there is no store")
	}
	read := readPKCS12
	if s.jks {
		read = readJKS
	}
	got, err := read(file, s.password)
	if err != nil {
		return err
	}
	var wanted []string
	for _, one := range want {
		wanted = append(wanted, fingerprint(one.DER()))
	}
	slices.Sort(got)
	slices.Sort(wanted)
	if diff := cmp.Diff(slices.Compact(wanted), got); diff != "" {
		return fmt.Errorf("the fingerprints in it (-want +got):\n%s", diff)
	}
	return nil
}

func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// readJKS returns the fingerprints of the certificates in a JKS. It verifies the
// integrity digest for ASCII passwords.
func readJKS(file []byte, password string) (fingerprints []string, err error) {
	opened := keystore.New()
	if err := opened.Load(bytes.NewReader(file), []byte(password)); err != nil {
		return nil, err
	}
	for _, alias := range opened.Aliases() {
		entry, err := opened.GetTrustedCertificateEntry(alias)
		if err != nil {
			return nil, err
		}
		fingerprints = append(fingerprints, fingerprint(entry.Certificate.Content))
	}
	return fingerprints, nil
}

func readPKCS12(file []byte, password string) (fingerprints []string, err error) {
	certificates, err := pkcs12.DecodeTrustStore(file, password)
	for _, certificate := range certificates {
		fingerprints = append(fingerprints, fingerprint(certificate.Raw))
	}
	return fingerprints, err
}

// formats sets the key stores of a Bundle; either may be nil.
func formats(jks *v1alpha1.JKS, pkcs12 *v1alpha1.PKCS12) func(*v1alpha1.Bundle) {
	return func(b *v1alpha1.Bundle) {
		b.Spec.Target.AdditionalFormats = &v1alpha1.AdditionalFormats{JKS: jks, PKCS12: pkcs12}
	}
}

// otherReader runs a program that reads a store, with empty lines as its input. Without
// the program the test is skipped, or fails in CI.
func otherReader(t *testing.T, file []byte, program string, arguments ...string) ([]byte, error) {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not installed; CI must not go without this test", program)
		}
		t.Skipf("SKIPPED: %s is not installed, so nothing but Go has read the target", program)
	}
	stored := filepath.Join(t.TempDir(), "store")
	if err := os.WriteFile(stored, file, 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range arguments {
		arguments[i] = strings.ReplaceAll(arguments[i], "STORE", stored)
	}
	command := exec.CommandContext(t.Context(), path, arguments...)
	command.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	command.Stdin = strings.NewReader("\n")
	return command.CombinedOutput()
}

var aliasLine = regexp.MustCompile(`(?m)^Alias name: (.*)$`)

// keytoolReads returns the fingerprints that Java reads from a store, by alias.
func keytoolReads(t *testing.T, file []byte, password string) map[string]string {
	t.Helper()
	output, err := otherReader(t, file, "keytool", "-J-Dfile.encoding=UTF-8", "-J-Duser.language=en",
		"-list", "-rfc", "-keystore", "STORE", "-storepass", password)
	if err != nil {
		t.Fatalf("keytool: %v\n%.1000s", err, output)
	}
	aliases, blocks := aliasLine.FindAllSubmatch(output, -1), blocksIn(output)
	if len(aliases) != len(blocks) {
		t.Fatalf("keytool lists %d aliases and %d certificates:\n%.1000s", len(aliases), len(blocks), output)
	}
	found := map[string]string{}
	for i, alias := range aliases {
		found[string(alias[1])] = fingerprint(blocks[i])
	}
	return found
}

// blocksIn returns the certificates in a text.
func blocksIn(text []byte) (ders [][]byte) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return ders
		}
		ders = append(ders, block.Bytes)
	}
}

// opensslReads returns the fingerprints that OpenSSL reads from a PKCS#12 store, by
// friendly name.
func opensslReads(t *testing.T, file []byte, password string, options ...string) map[string]string {
	t.Helper()
	output, err := otherReader(t, file, "openssl", append([]string{"pkcs12", "-in", "STORE", "-nokeys", "-passin", "pass:" + password}, options...)...)
	if err != nil {
		t.Fatalf("openssl: %v\n%.1000s", err, output)
	}
	found := map[string]string{}
	for _, part := range strings.SplitAfter(string(output), "-----END CERTIFICATE-----\n") {
		_, name, named := strings.Cut(part, "friendlyName: ")
		name, _, _ = strings.Cut(name, "\n")
		for _, der := range blocksIn([]byte(part)) {
			if !named {
				t.Errorf("a certificate has no friendly name:\n%s", part)
			}
			found[name] = fingerprint(der)
		}
	}
	return found
}
