package decode_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	x509roots "golang.org/x/crypto/x509roots/fallback/bundle"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/decode"
	"trust-manager.io/internal/encode"
)

func sorted(less func(a, b row) bool) cmp.Option { return cmpopts.SortSlices(less) }

func checkPasswordError(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, decode.ErrPassword) || !strings.Contains(err.Error(), "--password-file") {
		t.Errorf("with a wrong password: error %v, want %v", err, decode.ErrPassword)
	}
}

// mozilla returns the public roots that Mozilla trusts.
func mozilla(tb testing.TB) []certs.Certificate {
	tb.Helper()
	var list []certs.Certificate
	for root := range x509roots.Roots() {
		parsed, err := certs.ParseDER(root.Certificate)
		if err != nil {
			tb.Fatal(err)
		}
		list = append(list, parsed...)
	}
	return list
}

// L4: what the operator writes is read back: the same certificates, in the order of the file, with
// their aliases, whatever the format, the profile and the password.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	all := append(mozilla(t), roots(t, 1, 2, 3, 4, 5)...)
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 10 {
		random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		list := slices.Clone(all[:1+random.IntN(len(all))])
		for _, file := range []bundle.File{
			{Format: bundle.PEM},
			{Format: bundle.JKS, Password: password},
			{Format: bundle.JKS, Password: "пароль😀"},
			{Format: bundle.PKCS12},
			{Format: bundle.PKCS12, Password: password},
			{Format: bundle.PKCS12, Password: password, Profile: string(encode.LegacyRC2)},
			{Format: bundle.PKCS12, Password: password, Profile: string(encode.LegacyDES)},
			{Format: bundle.PKCS12, Password: password, Profile: string(encode.Modern2023)},
			{Format: bundle.PKCS12, Profile: string(encode.Modern2023)},
		} {
			t.Run(fmt.Sprintf("%d/%s%s%s", round, file.Format, file.Profile, file.Password), func(t *testing.T) {
				t.Parallel()
				checkRoundTrip(t, file, list)
			})
		}
	}
}

func checkRoundTrip(t *testing.T, file bundle.File, list []certs.Certificate) {
	t.Helper()
	data, err := encode.File(file, list)
	if err != nil {
		t.Fatal(err)
	}
	content, err := decode.File(data, []string{file.Password})
	if err != nil {
		t.Fatal(err)
	}
	if got := content.Description(); got != string(file.Format) && (got != "PKCS#12" || file.Format != bundle.PKCS12) {
		t.Errorf("format %q, want %q", got, file.Format)
	}
	var want []row
	for _, certificate := range list {
		fingerprint := hex.EncodeToString(certificate.Fingerprint[:])
		alias := fingerprint[:8] + "|" + certificate.Subject()
		switch file.Format {
		case bundle.PEM:
			want = append(want, row{fingerprint, "", decode.NoRole})
		case bundle.JKS:
			want = append(want, row{fingerprint, strings.ToLower(alias), decode.Trusted})
		case bundle.PKCS12:
			want = append(want, row{fingerprint, alias, decode.Trusted})
		}
	}
	if file.Format != bundle.PEM {
		slices.SortFunc(want, func(a, b row) int { return strings.Compare(a.Certificate, b.Certificate) })
	}
	var got []row
	for _, entry := range content.Entries {
		got = append(got, row{entry.Certificate.SHA256(), entry.Alias, entry.Role})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

// L4: stores with unusual subjects are read, and their aliases are those of the operator.
func TestOddSubjects(t *testing.T) {
	t.Parallel()
	read := func(path, password string) []row {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		content, err := decode.File(data, []string{password})
		if err != nil {
			t.Fatal(err)
		}
		var list []row
		for _, entry := range content.Entries {
			if want := entry.Certificate.SHA256()[:8] + "|" + entry.Certificate.Subject(); len([]rune(entry.Alias)) != len([]rune(want)) {
				t.Errorf("alias %q, want %q but for the case", entry.Alias, want)
			}
			list = append(list, row{entry.Certificate.SHA256(), "", entry.Role})
		}
		return list
	}
	jks, pkcs12 := read("../encode/testdata/odd.golden.jks", ""), read("../encode/testdata/odd.golden.p12", "")
	if diff := cmp.Diff(jks, pkcs12); diff != "" || len(jks) < 10 {
		t.Errorf("%d entries of the two golden files (-jks +pkcs12):\n%s", len(jks), diff)
	}
}
