package encode_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/encode"
	"trust-manager.io/test/framework/ca"
	"trust-manager.io/test/framework/program"
)

func parseAll(t *testing.T, text string) []certs.Certificate {
	t.Helper()
	result, problem := certs.Parse(text, certs.Origin{})
	if problem != nil {
		t.Fatal(problem)
	}
	return result.Certificates
}

// T3, T3b, P2: openssl finds the issuer of each certificate in the directory, also among CAs of one name,
// and none in a directory without it.
func TestHashedDirectory(t *testing.T) {
	t.Parallel()
	authorities := []ca.CA{ca.New("One"), ca.New("Two  of the same"), ca.New("TWO of the same"), ca.New("two of the same"), ca.New("Über")}
	text := ""
	for _, authority := range authorities {
		text += authority.Certificate
	}
	all := parseAll(t, text)
	dir := writeDirectory(t, all)
	for _, number := range []string{"0", "1", "2"} {
		if names, err := filepath.Glob(filepath.Join(dir, "*."+number)); err != nil || len(names) != map[string]int{"0": 3, "1": 1, "2": 1}[number] {
			t.Errorf("names with the number %s: %v, %v", number, names, err)
		}
	}
	without := writeDirectory(t, all[1:])
	for i, authority := range authorities {
		leaf := filepath.Join(t.TempDir(), "leaf.pem")
		if err := os.WriteFile(leaf, []byte(authority.Issue(ca.ForHosts("localhost")).Certificate), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := program.Run(t, "openssl", "verify", "-no-CAfile", "-no-CAstore", "-CApath", dir, leaf); err != nil {
			t.Errorf("leaf of authority %d: %v: %s", i, err, out)
		}
		if out, err := program.Run(t, "openssl", "verify", "-no-CAfile", "-no-CAstore", "-CApath", without, leaf); (err == nil) != (i > 0) {
			t.Errorf("leaf of authority %d without the first: %v: %s", i, err, out)
		}
	}
}

func writeDirectory(t *testing.T, certificates []certs.Certificate) (dir string) {
	t.Helper()
	entries, err := encode.HashedDirectory(certificates)
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	for _, entry := range entries {
		if !bundle.IsHashedName(entry.Key) {
			t.Errorf("the name %q", entry.Key)
		}
		if err := os.WriteFile(filepath.Join(dir, entry.Key), entry.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// T3, T3b, S3: the numbers follow the order given, and do not depend on other names.
func TestHashedDirectoryNumbers(t *testing.T) {
	t.Parallel()
	same := func(number int64) string { return ca.Fixed(number, ca.Named("Same")).Certificate }
	entries, err := encode.HashedDirectory(parseAll(t, same(3)+ca.Fixed(2, ca.Named("Other")).Certificate+same(1)))
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, entry := range entries {
		name, number, _ := strings.Cut(entry.Key, ".")
		got += fmt.Sprintf("%t%s ", name == strings.SplitN(entries[0].Key, ".", 2)[0], number)
	}
	if got != "true0 false0 true1 " {
		t.Errorf("names %s", got)
	}
	if string(entries[0].Data) != same(3) || string(entries[2].Data) != same(1) {
		t.Error("the content of a name is not that of its certificate")
	}
}

// T3b, S6b: a nonconforming certificate is left out if its subject has no hash; one that Go accepts is
// an error that has its origin.
func TestHashedDirectoryWithoutSubject(t *testing.T) {
	t.Parallel()
	broken := certs.Certificate{DER: []byte{1}, Origin: certs.Origin{Object: "ConfigMap a"}}
	if entries, err := encode.HashedDirectory([]certs.Certificate{broken}); err == nil || !strings.Contains(err.Error(), "ConfigMap a") {
		t.Errorf("%v, %v", entries, err)
	}
	broken.Nonconforming = "some cause"
	if entries, err := encode.HashedDirectory([]certs.Certificate{broken}); err != nil || len(entries) != 0 {
		t.Errorf("%v, %v", entries, err)
	}
}

// T3b: the other formats have one entry, without a name of its own.
func TestEntries(t *testing.T) {
	t.Parallel()
	entries, err := encode.Entries(bundle.File{Format: bundle.PEM}, certificates(2))
	if err != nil || len(entries) != 1 || entries[0].Key != "" || string(entries[0].Data) != string(encode.PEM(certificates(2))) {
		t.Errorf("%v, %v", entries, err)
	}
	if entries, err := encode.Entries(bundle.File{Format: bundle.HashedDirectory}, certificates(2)); err == nil {
		t.Errorf("certificates without a subject have the entries %v", entries)
	}
}
