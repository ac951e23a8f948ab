package encode_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/pavlo-v-chernykh/keystore-go/v4"

	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/encode"
)

// T2: the bytes of the file, including odd subjects. A change of them rewrites every
// target in every cluster.
func TestJKSGolden(t *testing.T) {
	t.Parallel()
	file, err := encode.JKS(short(t), password)
	if err != nil {
		t.Fatal(err)
	}
	checkGolden(t, "testdata/odd.golden.jks", file)
}

// T2: the file depends on the certificates and the password only, not on their order or
// the time.
func TestJKSIsTheSameInAnyOrder(t *testing.T) {
	t.Parallel()
	list := append(mozilla(t), short(t)...)
	want, err := encode.JKS(list, password)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		got, err := encode.JKS(list, password)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(want, got) {
			t.Fatal("another order gives another file")
		}
	}
}

// T2: entries are in the order of their aliases and have the dates of their certificates,
// even before 1970.
func TestJKSEntries(t *testing.T) {
	t.Parallel()
	list := short(t)
	file, err := encode.JKS(list, password)
	if err != nil {
		t.Fatal(err)
	}
	store := keystore.New(keystore.WithOrderedAliases(), keystore.WithCaseExactAliases())
	if err := store.Load(bytes.NewReader(file), []byte(password)); err != nil {
		t.Fatal(err)
	}
	at := 0
	for _, alias := range store.Aliases() {
		next := bytes.Index(file[at:], []byte(alias))
		if next < 0 {
			t.Fatalf("%q is not after the aliases before it", alias)
		}
		at += next + len(alias)
		entry, err := store.GetTrustedCertificateEntry(alias)
		if err != nil {
			t.Fatal(err)
		}
		if want := parsed(t, entry.Certificate.Content).NotBefore; !entry.CreationTime.Equal(want) {
			t.Errorf("%q has the date %v, want %v", alias, entry.CreationTime, want)
		}
	}
	if got := len(store.Aliases()); got != len(list) {
		t.Errorf("%d entries, want %d", got, len(list))
	}
}

// A9: 1 to 128 characters, whatever they are.
func TestJKSPassword(t *testing.T) {
	t.Parallel()
	for title, tc := range map[string]struct {
		password string
		refused  bool
	}{
		"None":                {"", true},
		"One":                 {"a", false},
		"The128th":            {strings.Repeat("ü", 128), false},
		"The129th":            {strings.Repeat("a", 129), true},
		"OutsideTheBMP":       {"a😀", false},
		"TheLargestInNumbers": {strings.Repeat("😀", 128), false},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			file, err := encode.JKS(certificates(1), tc.password)
			if refused := err != nil; refused != tc.refused || refused != (file == nil) {
				t.Fatalf("%d characters: %d bytes, error %v", utf8.RuneCountInString(tc.password), len(file), err)
			}
			if err != nil && tc.password != "" && strings.Contains(err.Error(), tc.password) {
				t.Errorf("the error %q has the password", err)
			}
		})
	}
}

// The library's own reader accepts the checksum if its rule and Java's agree, and only
// with the right password.
func TestJKSSeal(t *testing.T) {
	t.Parallel()
	file, err := encode.JKS(certificates(2), password)
	if err != nil {
		t.Fatal(err)
	}
	if err := keystore.New().Load(bytes.NewReader(file), []byte(password)); err != nil {
		t.Errorf("with the password: %v", err)
	}
	if err := keystore.New().Load(bytes.NewReader(file), []byte("changedit")); err == nil {
		t.Error("another password is taken")
	}
}

// An empty store is readable; package bundle ensures that it is never written (S9).
func TestJKSOfNothing(t *testing.T) {
	t.Parallel()
	if got := aliases(t, nil); len(got) != 0 {
		t.Errorf("%d entries, want none", len(got))
	}
}

// short returns the certificates of odd subjects except the very large ones, so that
// golden files stay small.
func short(tb testing.TB) []certs.Certificate {
	tb.Helper()
	all, _ := oddCertificates(tb)
	var list []certs.Certificate
	for _, certificate := range all {
		if len(certificate.DER) < 2000 {
			list = append(list, certificate)
		}
	}
	return list
}

func checkGolden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("file (-want +got):\n%s", diff)
	}
}
