package source_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/source"
	"trust-manager.io/test/framework/ca"
)

// noPackage returns DefaultCAs without a package.
func noPackage(tb testing.TB) *source.DefaultCAs {
	tb.Helper()
	d, err := source.LoadDefaultCAs("")
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// object returns a source that reads one key of an object.
func object(kind bundle.Kind, name, key string) bundle.Source {
	return bundle.Source{Field: "spec.sources[0].object", Object: &bundle.ObjectSource{Kind: kind, Name: name, Key: key}}
}

// optional makes a source optional.
func optional(s bundle.Source) bundle.Source {
	s.Object.Optional = true
	return s
}

// Each source yields its text with its origin, or a problem.
func TestGather(t *testing.T) {
	t.Parallel()
	cluster := newObjects(
		configMap("cert-manager", "none", nil, nil),
		configMap("cert-manager", "roots", map[string]string{"ca.crt": "text", "empty": "", "comment": "# none yet\n"}, map[string][]byte{"ca.crt": []byte("binary"), "ca.der": []byte("binary")}),
		secret("cert-manager", "roots", map[string][]byte{"tls.crt": []byte("secret")}),
		configMap("elsewhere", "other", map[string]string{"ca.crt": "text"}, nil),
	)
	const field = "spec.sources[0].object"
	input := func(object, key, text string) bundle.Input {
		return bundle.Input{Origin: certs.Origin{Field: field, Object: object}, Texts: []bundle.Text{{Key: key, PEM: text}}}
	}
	missing := func(object, key, detail string) bundle.Input {
		return bundle.Input{Origin: certs.Origin{Field: field, Object: object, Key: key}, Problem: &certs.Problem{
			Origin: certs.Origin{Field: field, Object: object, Key: key}, Reason: "SourceNotFound", Detail: detail,
		}}
	}
	absent := func(object, key, note string) bundle.Input {
		return bundle.Input{Origin: certs.Origin{Field: field, Object: object, Key: key}, Absent: true, Note: field + ": " + note}
	}
	cases := map[string]struct {
		source bundle.Source
		want   bundle.Input
	}{
		"S4 data takes precedence over binaryData": {
			object(bundle.ConfigMap, "roots", "ca.crt"), input("ConfigMap cert-manager/roots", "ca.crt", "text"),
		},
		"S4 binaryData": {
			object(bundle.ConfigMap, "roots", "ca.der"), input("ConfigMap cert-manager/roots", "ca.der", "binary"),
		},
		"S4 a Secret": {
			object(bundle.Secret, "roots", "tls.crt"), input("Secret cert-manager/roots", "tls.crt", "secret"),
		},
		"an empty value exists": {
			object(bundle.ConfigMap, "roots", "empty"), input("ConfigMap cert-manager/roots", "empty", ""),
		},
		"S7 no such ConfigMap": {
			object(bundle.ConfigMap, "nothing", "ca.crt"), missing("ConfigMap cert-manager/nothing", "", "the object does not exist"),
		},
		"S7 no such Secret": {
			object(bundle.Secret, "nothing", "ca.crt"), missing("Secret cert-manager/nothing", "", "the object does not exist"),
		},
		"S7 no such key in a ConfigMap": {
			object(bundle.ConfigMap, "roots", "tls.crt"), missing("ConfigMap cert-manager/roots", "tls.crt", "the object has no such key"),
		},
		"S7 no such key in a Secret": {
			object(bundle.Secret, "roots", "ca.crt"), missing("Secret cert-manager/roots", "ca.crt", "the object has no such key"),
		},
		"R5 an object in another namespace does not exist": {
			object(bundle.ConfigMap, "other", "ca.crt"), missing("ConfigMap cert-manager/other", "", "the object does not exist"),
		},
		"K1 an optional ConfigMap that does not exist": {
			optional(object(bundle.ConfigMap, "nothing", "ca.crt")),
			absent("ConfigMap cert-manager/nothing", "", "ConfigMap cert-manager/nothing: the object does not exist; ignored because the source is optional"),
		},
		"K1 an optional key that does not exist": {
			optional(object(bundle.Secret, "roots", "ca.crt")),
			absent("Secret cert-manager/roots", "ca.crt", `Secret cert-manager/roots, key "ca.crt": the object has no such key; ignored because the source is optional`),
		},
		"K1 an optional source that exists": {
			optional(object(bundle.ConfigMap, "roots", "ca.crt")), input("ConfigMap cert-manager/roots", "ca.crt", "text"),
		},
		"S7 an optional key with a comment only": {
			optional(object(bundle.ConfigMap, "roots", "comment")),
			absent("ConfigMap cert-manager/roots", "comment", `ConfigMap cert-manager/roots, key "comment": there is only white space or a comment; ignored because the source is optional`),
		},
		"S7 an optional object without any key": {
			bundle.Source{Field: field, Object: &bundle.ObjectSource{Kind: bundle.ConfigMap, Name: "none", AllKeys: true, Optional: true}},
			absent("ConfigMap cert-manager/none", "", "ConfigMap cert-manager/none: there is only white space or a comment; ignored because the source is optional"),
		},
		"text in the Bundle": {
			bundle.Source{Field: field, Text: "inline"},
			bundle.Input{Origin: certs.Origin{Field: field}, Texts: []bundle.Text{{PEM: "inline"}}},
		},
		"D2 no default CA package": {
			bundle.Source{Field: field, DefaultCAs: true},
			missing("", "", "no default CA package is configured; start the operator with --default-package-location, or enable defaultPackage in the Helm values"),
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := source.NewGatherer(source.Config{Objects: cluster, TrustNamespace: "cert-manager", DefaultCAs: noPackage(t)})
			got, err := g.Gather(t.Context(), bundle.Spec{Sources: []bundle.Source{tc.source}})
			if err != nil {
				t.Fatal(err)
			}
			tc.want.Source = identity(tc.source)
			if diff := cmp.Diff(source.Gathered{Inputs: []bundle.Input{tc.want}}, got); diff != "" {
				t.Errorf("gathered (-want +got):\n%s", diff)
			}
		})
	}
}

// identity returns the identity of a source that names one object (K5).
func identity(s bundle.Source) string {
	switch {
	case s.DefaultCAs:
		return "default CA package"
	case s.Object != nil:
		if s.Object.AllKeys {
			return fmt.Sprintf("%s cert-manager/%s, all keys", s.Object.Kind, s.Object.Name)
		}
		return fmt.Sprintf("%s cert-manager/%s, key %q", s.Object.Kind, s.Object.Name, s.Object.Key)
	}
	return ""
}

// S1: the inputs have the order of the sources, and a problem with one source does not
// affect the others.
func TestGatherKeepsTheOrder(t *testing.T) {
	t.Parallel()
	cluster := newObjects(
		configMap("cert-manager", "b", map[string]string{"k": "from b"}, nil),
		configMap("cert-manager", "a", map[string]string{"k": "from a"}, nil),
	)
	var sources []bundle.Source
	for _, name := range []string{"b", "nothing", "a", "b"} {
		sources = append(sources, object(bundle.ConfigMap, name, "k"))
	}
	g := source.NewGatherer(source.Config{Objects: cluster, TrustNamespace: "cert-manager", DefaultCAs: noPackage(t)})
	got, err := g.Gather(t.Context(), bundle.Spec{Sources: sources})
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, input := range got.Inputs {
		if input.Problem != nil {
			texts = append(texts, "problem")
			continue
		}
		texts = append(texts, input.Texts[0].PEM)
	}
	if diff := cmp.Diff([]string{"from b", "problem", "from a", "from b"}, texts); diff != "" {
		t.Errorf("texts (-want +got):\n%s", diff)
	}
}

// D3: the current package yields parsed certificates and its ID.
func TestGatherDefaultCAs(t *testing.T) {
	t.Parallel()
	p := packageOf("1", ca.Roots(1)+ca.Roots(2))
	d, err := source.LoadDefaultCAs(packageFile(t, p))
	if err != nil {
		t.Fatal(err)
	}
	g := source.NewGatherer(source.Config{Objects: newObjects(), TrustNamespace: "cert-manager", DefaultCAs: d})
	got, err := g.Gather(t.Context(), bundle.Spec{Sources: []bundle.Source{{Field: "f", DefaultCAs: true}}})
	if err != nil {
		t.Fatal(err)
	}
	if got.DefaultCAVersion != p.ID() || d.ID() != p.ID() || !strings.HasPrefix(p.ID(), "test-1-") {
		t.Errorf("version %q, id %q, want %q", got.DefaultCAVersion, d.ID(), p.ID())
	}
	input := got.Inputs[0]
	if want := (certs.Origin{Field: "f", Object: "default CA package " + p.ID()}); input.Origin != want {
		t.Errorf("origin %v, want %v", input.Origin, want)
	}
	if input.Problem != nil || input.Note != "" || len(input.Texts) != 1 || input.Texts[0].Parsed == nil {
		t.Fatalf("input %v", input)
	}
	if count := len(input.Texts[0].Parsed.Certificates); count != 2 {
		t.Errorf("%d certificates, want 2", count)
	}
}

// A Bundle that does not use the package has no DefaultCAVersion.
func TestGatherWithoutDefaultCAs(t *testing.T) {
	t.Parallel()
	d, err := source.LoadDefaultCAs(packageFile(t, packageOf("1", ca.Roots(1))))
	if err != nil {
		t.Fatal(err)
	}
	g := source.NewGatherer(source.Config{Objects: newObjects(), TrustNamespace: "cert-manager", DefaultCAs: d})
	got, err := g.Gather(t.Context(), bundle.Spec{Sources: []bundle.Source{{Field: "f", Text: "x"}}})
	if err != nil || got.DefaultCAVersion != "" {
		t.Errorf("version %q, error %v", got.DefaultCAVersion, err)
	}
}

// A failing API server is an error with the field of the source, not a problem of the
// source.
func TestGatherPassesErrorsUp(t *testing.T) {
	t.Parallel()
	unreachable := errors.New("connection refused")
	for _, kind := range []bundle.Kind{bundle.ConfigMap, bundle.Secret} {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			cluster := newObjects()
			cluster.err = unreachable
			g := source.NewGatherer(source.Config{Objects: cluster, TrustNamespace: "cert-manager", DefaultCAs: noPackage(t)})
			got, err := g.Gather(t.Context(), bundle.Spec{Sources: []bundle.Source{
				{Field: "f", Text: "x"}, object(kind, "roots", "k"),
			}})
			if !errors.Is(err, unreachable) || !strings.Contains(err.Error(), "spec.sources[0].object") {
				t.Errorf("error %v", err)
			}
			if diff := cmp.Diff(source.Gathered{}, got); diff != "" {
				t.Errorf("gathered in addition to the error:\n%s", diff)
			}
			var problems bundle.Problems
			if errors.As(err, &problems) {
				t.Error("it counts as a problem of the source")
			}
		})
	}
}

// E2: a pattern reads the keys that it matches in sorted order, at least one of each object, and
// never the private key of a Secret.
func TestGatherPattern(t *testing.T) {
	t.Parallel()
	pair := secret("cert-manager", "pair", map[string][]byte{"tls.crt": []byte("c"), "tls.key": []byte("k"), "ca.crt": []byte("a")})
	pair.Type = corev1.SecretTypeTLS
	cluster := newObjects(pair, configMap("cert-manager", "roots", map[string]string{"b.crt": "b", "a.crt": "a", "note": "x", "empty": " "}, map[string][]byte{"c.crt": []byte("c")}),
		configMap("cert-manager", "none", nil, nil))
	for title, tc := range map[string]struct {
		kind          bundle.Kind
		name, pattern string
		optional      bool
		// keys are what is read, reason is that of the problem, and identity what the source is
		// called in a rotation state.
		keys, reason, identity string
	}{
		"some keys":                       {bundle.ConfigMap, "roots", "*.crt", false, "a.crt b.crt c.crt", "", `ConfigMap cert-manager/roots, keys "*.crt"`},
		"all keys":                        {bundle.ConfigMap, "roots", "*", false, "a.crt b.crt c.crt empty note", "", "ConfigMap cert-manager/roots, all keys"},
		"no key":                          {bundle.ConfigMap, "roots", "*.pem", false, "", "SourceNotFound", `ConfigMap cert-manager/roots, keys "*.pem"`},
		"no key at all":                   {bundle.ConfigMap, "none", "*", false, "", "SourceNotFound", "ConfigMap cert-manager/none, all keys"},
		"no key, optional":                {bundle.ConfigMap, "roots", "*.pem", true, "", "", `ConfigMap cert-manager/roots, keys "*.pem"`},
		"nothing under the key, optional": {bundle.ConfigMap, "roots", "e*", true, "", "", `ConfigMap cert-manager/roots, keys "e*"`},
		"a private key":                   {bundle.Secret, "pair", "tls.*", false, "ca.crt", "SourceBuildError", `Secret cert-manager/pair, keys "tls.*"`},
		"no private key":                  {bundle.Secret, "pair", "*.crt", false, "ca.crt tls.crt", "", `Secret cert-manager/pair, keys "*.crt"`},
		"no object":                       {bundle.Secret, "nothing", "*.crt", false, "", "SourceNotFound", `Secret cert-manager/nothing, keys "*.crt"`},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			object := &bundle.ObjectSource{Kind: tc.kind, Name: tc.name, Pattern: bundle.KeyPattern(tc.pattern), Optional: tc.optional}
			gathered, err := source.NewGatherer(source.Config{Objects: cluster, TrustNamespace: "cert-manager", DefaultCAs: noPackage(t)}).Gather(t.Context(), bundle.Spec{Sources: []bundle.Source{{Field: "f", Object: object}}})
			if err != nil || len(gathered.Inputs) != 1 {
				t.Fatalf("%+v, error %v", gathered, err)
			}
			input := gathered.Inputs[0]
			if problem := input.Problem; (problem == nil) != (tc.reason == "") || problem != nil && string(problem.Reason) != tc.reason {
				t.Errorf("problem %v", problem)
			}
			var keys []string
			for _, text := range input.Texts {
				keys = append(keys, text.Key)
			}
			if got := strings.Join(keys, " "); input.Problem == nil && !input.Absent && got != tc.keys {
				t.Errorf("keys %s, want %s", got, tc.keys)
			}
			if input.Absent != (tc.optional && tc.reason == "") || input.Source != tc.identity {
				t.Errorf("absent %t, identity %s", input.Absent, input.Source)
			}
		})
	}
}
