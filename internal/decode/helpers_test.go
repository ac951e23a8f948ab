package decode_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/decode"
	"trust-manager.io/test/framework/ca"
	"trust-manager.io/test/framework/program"
)

const password = "secret-pässwörd"

// row is what the tables compare of an entry.
type row struct {
	Certificate string
	Alias       string
	Role        decode.Role
}

// rows returns the entries of a content, with the names that the certificates have in the map.
func rows(content decode.Content, names map[string]string) []row {
	var list []row
	for _, entry := range content.Entries {
		name, ok := names[string(entry.Certificate.DER)]
		if !ok {
			name = entry.Certificate.DisplaySubject()
		}
		list = append(list, row{name, entry.Alias, entry.Role})
	}
	return list
}

// roots returns the certificates of fixed CAs.
func roots(tb testing.TB, numbers ...int64) []certs.Certificate {
	tb.Helper()
	result, problem := certs.Parse(ca.Roots(numbers...), certs.Origin{})
	if problem != nil {
		tb.Fatal(problem)
	}
	return result.Certificates
}

// write writes a file and returns its path.
func write(tb testing.TB, dir, name, content string) string {
	tb.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// made runs a program that writes a file, and returns the content of the file.
func made(tb testing.TB, path, name string, arguments ...string) []byte {
	tb.Helper()
	if output, err := program.Run(tb, name, arguments...); err != nil {
		tb.Fatalf("%s: %v\n%.1000s", name, err, output)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// checkSecrecy verifies that a text has no password and no line of a private key.
func checkSecrecy(tb testing.TB, text string, secrets ...string) {
	tb.Helper()
	for _, secret := range secrets {
		for line := range strings.Lines(secret) {
			if line = strings.TrimSpace(line); len(line) > 8 && strings.Contains(text, line) {
				tb.Errorf("the text %q has a part of the file or a password", text)
			}
		}
	}
}

// counts returns what a content counts, by kind.
func counts(content decode.Content) map[string]int {
	kinds := map[string]int{}
	for _, other := range content.Others {
		kinds[other.Kind] = other.Count
	}
	return kinds
}
