package integration

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/capackage"
	"trust-manager.io/test/framework/leak"
	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/rig"
)

// S5, S10: a private key, of any kind and anywhere in a source, appears in no output of
// the operator: targets at any time, managedFields, status, events, metrics, requests,
// admission responses, and the log at its highest level in both formats. To verify the
// search itself, other keys are planted in names, which the operator does output: the
// search finds some in each of these.
func TestCanary(t *testing.T) {
	for format, kinds := range map[string]int{"text": 7, "json": 3} {
		t.Run(format, func(t *testing.T) {
			keys, planted := canaries(t)[:kinds], canaries(t)[0]
			good := newAuthority("Good")
			s := newScene(t)
			packagePath := filepath.Join(t.TempDir(), "package.json")
			if err := writePackage(packagePath, "canary", "1", good); err != nil {
				t.Fatal(err)
			}
			o := &observation{namespace: s.namespaces(1)[0], metricsPort: freePort(t), began: env.Audit.Mark()}
			o.history = newChronicle(t, o.namespace)
			w := startRegisteredWebhook(t, "--log-level=5", "--log-format", format, "--metrics-port", o.metricsPort,
				"--secret-targets-enabled", "--default-package-location", packagePath)
			o.operator = w.operator
			var answers strings.Builder
			bundles := s.hide(keys, good, &answers)
			bundles = append(bundles, s.packageOf(packagePath, keys[:2], good))
			answers.WriteString(w.reviewed(bundles, raw(t, keys)))

			for name, found := range o.collect(t, answers.String()).search(leak.NewSearch(keys...)) {
				t.Errorf("in %s there is %q", name, found)
			}
			if log := w.operator.Log(); !strings.Contains(log, "only CERTIFICATE blocks are accepted") {
				t.Errorf("the log does not tell of keys, so it proves nothing:\n%s", lastLines(log))
			}

			s.plant(planted, good, &answers)
			poll.Eventually(t, "the planted key in all outputs", func() error {
				all := o.collect(t, answers.String())
				found := all.search(leak.NewSearch(planted))
				for name := range all {
					if found[name] == nil && name != "managedFields of Bundles" { // their conditions have no names in them
						return fmt.Errorf("it is not found in %s", name)
					}
				}
				return nil
			})
		})
	}
}

func canaries(t *testing.T) []leak.Key {
	t.Helper()
	keys, err := leak.Keys()
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// packageOf installs a later version of the default CA package that contains a key, and
// returns a Bundle whose status reports it.
func (s *scene) packageOf(path string, keys []leak.Key, good authority) *v1alpha1.Bundle {
	s.t.Helper()
	bundle := s.bundle(defaultCAs())
	awaitSynced(s.t, bundle, 1)
	for i, key := range keys {
		encoded, err := capackage.Encode(capackage.Package{Name: "canary", Version: string(rune('a' + i)), Bundle: good.Certificate + key.PEM})
		if err != nil {
			s.t.Fatal(err)
		}
		renamed(s.t, filepath.Dir(path), encoded)
		awaitCondition(s.t, bundle, v1alpha1.BundleReasonSynced, "its new version is invalid", "canary-"+string(rune('a'+i))+"-")
	}
	return bundle
}

// raw returns bodies of requests that no API server sends.
func raw(t *testing.T, keys []leak.Key) []string {
	t.Helper()
	var texts []string
	for _, key := range keys {
		quoted := string(jsonOf(t, key.PEM))
		texts = append(texts, key.PEM, quoted, "{"+quoted, "key: |\n  "+strings.ReplaceAll(key.PEM, "\n", "\n  "),
			reviewOf(t, []byte(quoted)), reviewOf(t, []byte(`{"spec": `+quoted+`}`)),
			reviewOf(t, []byte(`{"kind": `+quoted+`, "apiVersion": "v1"}`)), reviewOf(t, []byte(`{"kind": "Bundle", "apiVersion": `+quoted+`}`)),
			reviewOf(t, []byte(`{"kind": "Bundle", "apiVersion": "trust.cert-manager.io/v1alpha1", "spec": {"sources": [{"inLine": [`+quoted+`]}]}}`)))
	}
	return texts
}

// plant uses a part of a key as a name: of a Bundle, of the key of its target, and of a
// missing source.
func (s *scene) plant(key leak.Key, good authority, answers *strings.Builder) {
	s.t.Helper()
	name := "x" + key.Hex()[:40]
	named := s.newBundle(inLine(good), func(b *v1alpha1.Bundle) {
		b.Name = name
		b.Spec.Target.ConfigMap.Key = name
	}, inSecrets.askToo, retaining(time.Hour))
	user := newWarningsClient(s.t)
	s.apply(user, named, answers)
	awaitSynced(s.t, named, 1)
	reads := s.newBundle(from(configMap(rig.TrustNamespace, name)))
	s.apply(user, reads, answers)
	awaitCondition(s.t, reads, v1alpha1.BundleReasonSourceNotFound, name)
	source := configMap(rig.TrustNamespace, name)
	source.Data = map[string]string{sourceKey: "nothing"}
	s.temporary(source)
	awaitCondition(s.t, reads, v1alpha1.BundleReasonSourceBuildError, name)
	warned := s.newBundle(from(source))
	s.apply(user, warned, answers)
}

// D1, S5: an operator does not log a key in the package that it is started with.
func TestCanaryStopsTheStart(t *testing.T) {
	noOperator(t)
	keys := canaries(t)
	search := leak.NewSearch(keys...)
	path := filepath.Join(t.TempDir(), "package.json")
	for _, key := range keys {
		for _, content := range []string{key.PEM, "# " + key.Base64(), asCertificate(key.Base64())} {
			encoded, err := capackage.Encode(capackage.Package{Name: "n", Version: "1", Bundle: content})
			if err != nil {
				t.Fatal(err)
			}
			renamed(t, filepath.Dir(path), encoded)
			code, log, err := env.RunOperator("--default-package-location", path, "--log-level=5")
			if err != nil || code == 0 {
				t.Errorf("%s: code %d (%v)", key.Name, code, err)
			}
			if found := search.Find([]byte(log)); len(found) > 0 {
				t.Errorf("its output has %q:\n%s", found, log)
			}
		}
	}
}
