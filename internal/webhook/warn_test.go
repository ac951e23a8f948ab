package webhook

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
)

const day = 24 * time.Hour

// inputOf returns an input with the texts of an object.
func inputOf(texts ...bundle.Text) bundle.Input {
	return bundle.Input{
		Origin: certs.Origin{Field: "spec.sources[0].secret", Object: "Secret cert-manager/roots"},
		Texts:  texts,
	}
}

// Each reason for a warning, and the closest case without one.
func TestWarningsOfSources(t *testing.T) {
	t.Parallel()
	const at = "spec.sources[0].secret: Secret cert-manager/roots, key \"k\", "
	of := func(content ...certificate) bundle.Input {
		var text strings.Builder
		for _, c := range content {
			text.WriteString(c.pem())
		}
		return inputOf(bundle.Text{Key: "k", PEM: text.String()})
	}
	for name, tc := range map[string]struct {
		input bundle.Input
		want  []string // starts
	}{
		"a root":           {of(certificate{}), nil},
		"a leaf":           {of(certificate{leaf: true}), []string{at + "block 1: not a CA certificate;"}},
		"an intermediate":  {of(certificate{}, certificate{intermediate: true}), []string{at + "block 2: an intermediate;"}},
		"expired":          {of(certificate{left: -time.Second}), []string{at + "block 1: expired;"}},
		"its last moment":  {of(certificate{left: time.Second}), []string{at + "block 1: expires within 30 days;"}},
		"30 days to go":    {of(certificate{left: 30*day - time.Second}), []string{at + "block 1: expires within 30 days;"}},
		"more than 30":     {of(certificate{left: 30*day + time.Second}), nil},
		"several of one":   {of(certificate{leaf: true}, certificate{}, certificate{leaf: true}), []string{at + "blocks 1, 3: not CA certificates;"}},
		"several expiring": {of(certificate{left: day}, certificate{left: 2 * day}), []string{at + "blocks 1, 2: expire within"}},
		"one of several": {of(certificate{intermediate: true, left: -day}), []string{
			at + "block 1: an intermediate;", at + "block 1: expired;",
		}},
		"several intermediates": {of(certificate{intermediate: true}, certificate{intermediate: true, left: -day}, certificate{left: -day}), []string{
			at + "blocks 1, 2: intermediates;", at + "blocks 2, 3: expired;",
		}},
		"several keys": {
			inputOf(bundle.Text{Key: "k", PEM: certificate{leaf: true}.pem()}, bundle.Text{Key: "l", PEM: root() + certificate{leaf: true}.pem()}),
			[]string{at + "block 1: not a CA", strings.Replace(at, `"k"`, `"l"`, 1) + "block 2: not a CA"},
		},
		"a private key":  {inputOf(bundle.Text{Key: "k", PEM: newPair().Key}), []string{at + "block 1: only CERTIFICATE blocks are accepted, and this block is a private key"}},
		"a cut block":    {inputOf(bundle.Text{Key: "k", PEM: root()[:100]}), []string{at + "block 1: the block is cut off"}},
		"no certificate": {inputOf(bundle.Text{Key: "k", PEM: "# none"}), []string{strings.TrimSuffix(at, ", ") + ": no certificate found"}},
		"a TLS Secret": {
			bundle.Input{Problem: &certs.Problem{Origin: certs.Origin{Field: "f"}, Reason: certs.SourceBuildError, Detail: "includeAllKeys is refused"}},
			[]string{"f: includeAllKeys is refused"},
		},
		"a missing object": {
			bundle.Input{Problem: &certs.Problem{Reason: certs.SourceNotFound, Detail: "the object does not exist"}}, nil,
		},
		"text in the Bundle": {
			bundle.Input{Origin: certs.Origin{Field: "spec.sources[1].inLine"}, Texts: []bundle.Text{{PEM: certificate{leaf: true}.pem()}}},
			[]string{"spec.sources[1].inLine: block 1: not a CA"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantWarnings(t, tc.want, warnings(bundle.Spec{}, 0, []bundle.Input{tc.input}, now))
		})
	}
}

// wantWarnings compares how warnings start, and checks what holds for all.
func wantWarnings(t *testing.T, starts, got []string) {
	t.Helper()
	shown := make([]string, 0, len(got))
	for i, warning := range got {
		if len(warning) > 255 {
			t.Errorf("%d bytes are more than the API server passes on: %s", len(warning), warning)
		}
		wantNoSecrets(t, warning)
		if i < len(starts) && strings.HasPrefix(warning, starts[i]) {
			warning = starts[i]
		}
		shown = append(shown, warning)
	}
	if diff := cmp.Diff(append([]string{}, starts...), shown); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

// Warnings about the Bundle itself.
func TestWarningsOfSpec(t *testing.T) {
	t.Parallel()
	object := func(number int, key string) bundle.Source {
		return bundle.Source{Field: fmt.Sprintf("spec.sources[%d].secret", number), Object: &bundle.ObjectSource{Kind: bundle.Secret, Name: "o", Key: key}}
	}
	const jks = "spec.target.additionalFormats.jks"
	withJKS := bundle.Target{Files: []bundle.File{{Format: bundle.PEM}, {Field: jks, Format: bundle.JKS}}}
	const hashed = "spec.target.additionalFormats.hashedDirectory"
	withHashed := func(key string) bundle.Target {
		return bundle.Target{Files: []bundle.File{{Format: bundle.PEM, Key: key}, {Field: hashed, Format: bundle.HashedDirectory}}}
	}
	for name, tc := range map[string]struct {
		spec bundle.Spec
		want []string
	}{
		"nothing odd": {bundle.Spec{
			Sources: []bundle.Source{object(0, "ca.crt"), {Field: "spec.sources[1].inLine"}, {DefaultCAs: true}},
			Targets: []bundle.Target{{Files: []bundle.File{{Format: bundle.PEM}, {Format: bundle.PKCS12}}}},
		}, nil},
		"an empty selector": {
			bundle.Spec{Namespaces: labels.Everything(), NamespacesField: "spec.target.namespaceSelector", Targets: []bundle.Target{{}}},
			[]string{"spec.target.namespaceSelector: the selector is empty, and so selects every namespace (3 now)"},
		},
		"no selector":                            {bundle.Spec{Namespaces: labels.Everything(), Targets: []bundle.Target{{}}}, nil},
		"a hashed directory beside another file": {bundle.Spec{Targets: []bundle.Target{withHashed("ca.pem"), withHashed("ca.pem")}}, []string{hashed + ": mounted over /etc/ssl/certs"}},
		"a hashed directory":                     {bundle.Spec{Targets: []bundle.Target{withHashed("ca-certificates.crt")}}, nil},
		"a JKS":                                  {bundle.Spec{Targets: []bundle.Target{withJKS, withJKS}}, []string{jks + ": JKS is deprecated"}},
		"tls.crt":                                {bundle.Spec{Sources: []bundle.Source{object(0, "a"), object(1, "tls.crt")}}, []string{"spec.sources[1].secret.key: tls.crt often"}},
		"tls.crt in many": {
			bundle.Spec{Sources: []bundle.Source{object(0, "tls.crt"), object(7, "tls.crt"), object(99, "tls.crt"), object(3, "tls.crt"), object(4, "tls.crt")}},
			[]string{"spec.sources[0].secret.key, spec.sources[7].secret.key, spec.sources[99].secret.key and 2 more: tls.crt often"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantWarnings(t, tc.want, warnings(tc.spec, 3, nil, now))
		})
	}
}

// Only the first of many certificates are listed, and only the first of many warnings.
func TestManyWarnings(t *testing.T) {
	t.Parallel()
	leaf := certificate{leaf: true}
	var chain strings.Builder
	for range 14 {
		chain.WriteString(leaf.pem())
	}
	input := inputOf(bundle.Text{Key: "k", PEM: chain.String()})
	wantWarnings(t, []string{
		`spec.sources[0].secret: Secret cert-manager/roots, key "k", blocks 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 4 more: not CA certificates`,
	}, warnings(bundle.Spec{}, 0, []bundle.Input{input}, now))

	var texts []bundle.Text
	for i := range 16 {
		texts = append(texts, bundle.Text{Key: fmt.Sprint("k", i), PEM: leaf.pem()})
	}
	for count, want := range map[int]int{14: 14, 15: 15, 16: 15} {
		got := warnings(bundle.Spec{}, 0, []bundle.Input{inputOf(texts[:count]...)}, now)
		last := strings.Contains(got[len(got)-1], "and 2 more warnings")
		if len(got) != want || last != (count > want) {
			t.Errorf("%d texts give %d warnings, want %d; the last is %q", count, len(got), want, got[len(got)-1])
		}
	}
}

// Long names are shortened in the middle.
func TestLongWarnings(t *testing.T) {
	t.Parallel()
	long := func(start string) string { return start + strings.Repeat("x", 200) + "-end" }
	for name, tc := range map[string]struct {
		object, key string
		want        []string
	}{
		"a long object": {long("a-name-"), "ca.crt", []string{"Secret cert-manager/a-name-xx", `xx-end, key "ca.crt", block 1: `}},
		"a long key":    {"roots", long("a-key-"), []string{`Secret cert-manager/roots, key "a-key-xx`, `xx-end", block 1: `}},
		"both":          {long("a-name-"), long("a-key-"), []string{"Secret cert-manager/a-", `-end, key "a-key-`, `-end", block 1: `}},
		"an odd key":    {"roots", strings.Repeat("\x01", 253), []string{`ots, key "\x01`}},
		"a key in UTF8": {"roots", strings.Repeat("ö", 253), []string{`Secret cert-manager/roots, key "ö`, `ö", block 1: `}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			input := inputOf(bundle.Text{Key: tc.key, PEM: certificate{intermediate: true}.pem()})
			input.Origin.Object = "Secret cert-manager/" + tc.object
			got := warnings(bundle.Spec{}, 0, []bundle.Input{input}, now)
			wantWarnings(t, []string{"spec.sources[0].secret: Sec"}, got)
			for _, part := range tc.want {
				if !strings.Contains(got[0], part) {
					t.Errorf("%q does not contain %q", got[0], part)
				}
			}
		})
	}
}

// A warning that cannot be shortened is truncated between characters.
func TestCut(t *testing.T) {
	t.Parallel()
	for count, want := range map[int]string{127: strings.Repeat("ö", 127), 128: strings.Repeat("ö", 126) + "..."} {
		if got := truncate(strings.Repeat("ö", count)); got != want {
			t.Errorf("%d characters of 2 bytes become %q", count, got)
		}
	}
}

// Sources beyond the limit are not checked, and one warning reports that.
func TestWarningsOfLargeSources(t *testing.T) {
	t.Parallel()
	leaf := bundle.Text{PEM: certificate{leaf: true}.pem()}
	large := bundle.Text{PEM: strings.Repeat("#\n", maxText/2-1)}
	got := warnings(bundle.Spec{}, 0, []bundle.Input{inputOf(leaf), inputOf(large), inputOf(leaf), inputOf(leaf)}, now)
	const at = "spec.sources[0].secret: Secret cert-manager/roots"
	wantWarnings(t, []string{at + ", block 1: not a CA", at + ": this source and all later ones are not checked"}, got)
}
