package bundle_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
)

// now is a time at which the certificates of ca.Roots are valid.
var now = time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)

// ecACC returns the text of the one root that is skipped (S6).
func ecACC(tb testing.TB) string {
	tb.Helper()
	text, err := os.ReadFile("../certs/testdata/ec-acc.pem")
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

// source returns the input of the ConfigMap of that name, with texts under the keys a,
// b, c and so on.
func source(name string, texts ...string) bundle.Input {
	input := bundle.Input{Origin: certs.Origin{
		Field:  "spec.sources." + name,
		Object: "ConfigMap cert-manager/" + name,
	}}
	for i, text := range texts {
		input.Texts = append(input.Texts, bundle.Text{Key: string(rune('a' + i)), PEM: text})
	}
	return input
}

// failed returns the input of a source that could not be read.
func failed(name string, reason certs.Reason) bundle.Input {
	input := source(name)
	input.Problem = &certs.Problem{Origin: input.Origin, Reason: reason, Detail: "it could not be read"}
	return input
}

// places returns the origin of each certificate, as "name/key/block".
func places(tb testing.TB, b bundle.Bundle) []string {
	tb.Helper()
	var list []string
	for _, certificate := range b.Certificates {
		origin := certificate.Origin
		name := strings.TrimPrefix(origin.Object, "ConfigMap cert-manager/")
		list = append(list, fmt.Sprintf("%s/%s/%d", name, origin.Key, origin.Block))
	}
	return list
}
