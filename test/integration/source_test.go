package integration

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/rig"
)

// S13: a change of a source takes effect by itself, of either kind.
func TestSourceChanges(t *testing.T) { eachAPIKind(t, testSourceChanges) }

func testSourceChanges(t *testing.T, s *scene) {
	namespaces := s.namespaces(3)
	a, b, c := newAuthority("A"), newAuthority("B"), newAuthority("C")
	fromConfigMap, fromSecret := s.source(a), s.secret(b)
	bundle := s.bundle(from(fromConfigMap, fromSecret))
	awaitTargets(t, bundle, namespaces, a, b)
	fill(t, fromConfigMap, c, a)
	awaitTargets(t, bundle, namespaces, c, a, b)
	change(t, fromSecret, func(secret *corev1.Secret) { secret.Data[sourceKey] = []byte(pemOf(c)) })
	awaitTargets(t, bundle, namespaces, c, a)
	awaitSynced(t, bundle, 3)
}

// S7, S11: when a source is deleted, the last good revision stays, content and
// shape; new namespaces get it, and drift from it is repaired. The next good revision
// takes effect as a whole.
func TestMissingSourceKeepsLastGood(t *testing.T) { eachAPIKind(t, testMissingSourceKeepsLastGood) }

func testMissingSourceKeepsLastGood(t *testing.T, s *scene) {
	namespaces := s.namespaces(2)
	ca, next := newAuthority("CA"), newAuthority("Next")
	source := s.source(ca)
	bundle := s.bundle(from(source))
	awaitTargets(t, bundle, namespaces, ca)
	awaitSynced(t, bundle, 2)
	good := bundle.DeepCopy()

	origin := "ConfigMap " + rig.TrustNamespace + "/" + source.Name
	change(t, source, func(o *corev1.ConfigMap) { o.Data = map[string]string{"other": pemOf(next)} })
	awaitCondition(t, bundle, v1alpha1.BundleReasonSourceNotFound, "spec.sources[0].configMap", origin, fmt.Sprintf("key %q", sourceKey))
	remove(t, source)
	awaitCondition(t, bundle, v1alpha1.BundleReasonSourceNotFound, "spec.sources[0].configMap", origin, "2 of 2 targets")
	change(t, bundle, func(b *v1alpha1.Bundle) {
		b.Spec.Target.ConfigMap.Key = "renamed.pem"
		b.Spec.Target.ConfigMap.Metadata = asked
		b.Spec.Target.NamespaceSelector.MatchLabels["also"] = "this"
	})
	awaitCondition(t, bundle, v1alpha1.BundleReasonSourceNotFound, origin)
	appeared := s.labelledNamespaces(1, map[string]string{sceneLabel: s.name})
	change(t, configMap(namespaces[0], bundle.Name), func(o *corev1.ConfigMap) { o.Data = nil })
	awaitTargets(t, good, slices.Concat(namespaces, appeared), ca)
	awaitCondition(t, bundle, v1alpha1.BundleReasonSourceNotFound, "3 of 3 targets")

	source = configMap(rig.TrustNamespace, source.Name)
	source.Data = map[string]string{sourceKey: pemOf(next)}
	s.temporary(source)
	for _, namespace := range slices.Concat(namespaces, appeared) {
		poll.Eventually(t, "the target to go", func() error { return absent(t, bundle, namespace) })
	}
	label(t, appeared[0], "also", "this")
	awaitTargets(t, bundle, appeared, next)
	awaitSynced(t, bundle, 1)
}

// S7, S9: while a source is missing from the start, nothing is written; when it
// appears, everything is.
func TestSourceMissingFromTheStart(t *testing.T) { eachAPIKind(t, testSourceMissingFromTheStart) }

func testSourceMissingFromTheStart(t *testing.T, s *scene) {
	namespaces := s.namespaces(1)
	ca := newAuthority("CA")
	before := env.Audit.Mark()
	source := configMap(rig.TrustNamespace, s.unique())
	bundle := s.bundle(slices.Concat(inLine(ca), from(source)))
	awaitCondition(t, bundle, v1alpha1.BundleReasonSourceNotFound, "spec.sources[1].configMap", source.Name)
	if wrote := requests(t, before, writesOf(bundle)); len(wrote) > 0 {
		t.Errorf("the operator wrote %v", wrote)
	}
	source.Data = map[string]string{sourceKey: pemOf(ca)}
	s.temporary(source)
	awaitTargets(t, bundle, namespaces, ca)
	awaitSynced(t, bundle, 1)
}

// damaged is invalid content of a source.
type damaged struct {
	text string
	// says is part of the message, besides object and key.
	says   string
	reason string
}

func damages(t *testing.T) map[string]damaged {
	good, other := newAuthority("Good"), newAuthority("Other")
	ecACC, err := os.ReadFile("../../internal/certs/testdata/ec-acc.pem")
	if err != nil {
		t.Fatal(err)
	}
	invalid := v1alpha1.BundleReasonSourceBuildError
	return map[string]damaged{
		"nothing":               {"", "no certificate", invalid},
		"no block":              {"Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4\n", "no certificate", invalid},
		"private key":           {good.Key, "block 1", invalid},
		"private key after":     {pemOf(good, other) + good.Key, "block 3", invalid},
		"cut off":               {pemOf(good) + other.Certificate[:len(other.Certificate)/2], "block 2", invalid},
		"no end":                {strings.Replace(pemOf(good, other), "-----END CERTIFICATE-----", "", 1), "block 1", invalid},
		"character lost":        {pemOf(good) + other.Certificate[:100] + other.Certificate[101:], "block 2", invalid},
		"not a certificate":     {pemOf(good) + "-----BEGIN CERTIFICATE-----\nZm9vYmFy\n-----END CERTIFICATE-----\n", "block 2", invalid},
		"only the EC-ACC (S6)":  {string(ecACC), "no certificate", v1alpha1.BundleReasonSourceNotFound},
		"headers in the block":  {strings.Replace(good.Certificate, "\n", "\nFoo: bar\n\n", 1), "block 1", invalid},
		"negative serial, else": {strings.Replace(string(ecACC), "MIIF", "MIIG", 1), "block 1", invalid},
	}
}

// S5, S8, S11: an invalid source replaces nothing; the message names object, key
// and block, and contains no content.
func TestInvalidSourceKeepsLastGood(t *testing.T) {
	t.Parallel()
	operator(t)
	for name, damage := range damages(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			namespaces := s.namespaces(1)
			ca, next := newAuthority("CA"), newAuthority("Next")
			source := s.source(ca)
			bundle := s.bundle(from(source))
			awaitTargets(t, bundle, namespaces, ca)
			awaitSynced(t, bundle, 1)
			before := read(t, configMap(namespaces[0], bundle.Name))

			change(t, source, func(o *corev1.ConfigMap) { o.Data[sourceKey] = damage.text })
			parts := []string{damage.says}
			if damage.reason == v1alpha1.BundleReasonSourceBuildError {
				parts = append(parts, "ConfigMap "+rig.TrustNamespace+"/"+source.Name, fmt.Sprintf("key %q", sourceKey))
			}
			condition := awaitCondition(t, bundle, damage.reason, parts...)
			wantNothingShown(t, "the status", condition.Message, damage.text)
			if now := read(t, configMap(namespaces[0], bundle.Name)); now.ResourceVersion != before.ResourceVersion {
				t.Errorf("the target was written: %v", compareContent(before, now))
			}
			awaitTargets(t, bundle, s.namespaces(1), ca)

			fill(t, source, next)
			awaitTargets(t, bundle, namespaces, next)
			awaitSynced(t, bundle, 2)
		})
	}
}

// wantNothingShown checks that a text contains no part of a secret base64 text.
func wantNothingShown(t *testing.T, where, text, secret string) {
	t.Helper()
	const telling = 12 // characters, which match by chance once in 10^21
	for line := range strings.Lines(secret) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "-----") {
			continue
		}
		for i := 0; i+telling <= len(line); i++ {
			if strings.Contains(text, line[i:i+telling]) {
				t.Errorf("%s shows %q of the content", where, line[i:i+telling])
				return
			}
		}
	}
}

// S5: nothing of a private key in a source appears in a status, event or log, at any
// log level.
func TestPrivateKeyIsNotShown(t *testing.T) {
	o := startOperator(t, "--log-level=5")
	s := newScene(t)
	namespaces := s.namespaces(1)
	ca := newAuthority("CA")
	secret := s.secret(ca)
	secrets := s.bundle(from(secret))
	awaitTargets(t, secrets, namespaces, ca)
	change(t, secret, func(o *corev1.Secret) { o.Data[sourceKey] = []byte(ca.Certificate + ca.Key) })
	text := ca.Key
	bundles := []*v1alpha1.Bundle{
		secrets,
		s.bundle(from(s.sourceOf(ca.Key))),
		s.bundle(from(s.sourceOf(strings.ReplaceAll(ca.Key, "PRIVATE KEY", "CERTIFICATE")))),
		s.bundle([]v1alpha1.BundleSource{{InLine: &text}}),
	}
	for _, bundle := range bundles {
		condition := awaitCondition(t, bundle, v1alpha1.BundleReasonSourceBuildError, "block")
		wantNothingShown(t, "the status", condition.Message, ca.Key)
	}
	awaitCondition(t, secrets, v1alpha1.BundleReasonSourceBuildError, "Secret "+rig.TrustNamespace+"/"+secret.Name, "block 2")
	wantNothingShown(t, "the log", o.Log(), ca.Key)
	var events eventsv1.EventList
	if err := api.List(t.Context(), &events); err != nil {
		t.Fatal(err)
	}
	for i := range events.Items {
		wantNothingShown(t, "an event", events.Items[i].Note, ca.Key)
	}
	awaitTargets(t, secrets, namespaces, ca)
}

// S11: after a restart with an invalid source, targets stay unchanged, in sync or not;
// new namespaces wait; the status reports it. With the next good source everything
// converges.
func TestRestartWithInvalidSource(t *testing.T) {
	s := newScene(t)
	o := startOperator(t)
	namespaces := s.namespaces(4)
	ca, next := newAuthority("CA"), newAuthority("Next")
	source := s.source(ca)
	bundle := s.bundle(from(source))
	awaitTargets(t, bundle, namespaces, ca)
	awaitSynced(t, bundle, 4)
	stop(t, o)

	fill(t, source)
	deselected := namespaces[3]
	change(t, configMap(namespaces[0], bundle.Name), func(o *corev1.ConfigMap) { o.Data["theirs"] = "data" })
	change(t, configMap(namespaces[1], bundle.Name), func(o *corev1.ConfigMap) { o.Data[targetKey] = "edited" })
	label(t, deselected, sceneLabel, "")
	versions := map[string]string{}
	for _, namespace := range namespaces {
		versions[namespace] = read(t, configMap(namespace, bundle.Name)).ResourceVersion
	}

	startOperator(t)
	awaitCondition(t, bundle, v1alpha1.BundleReasonSourceBuildError, "since the operator started", "new namespaces wait")
	appeared := s.namespaces(1)
	change(t, configMap(namespaces[2], bundle.Name), func(o *corev1.ConfigMap) { o.Data[targetKey] = "edited" })
	versions[namespaces[2]] = read(t, configMap(namespaces[2], bundle.Name)).ResourceVersion
	stays(t, 500*time.Millisecond, "that nothing is touched", func() error {
		for namespace, version := range versions {
			if now := read(t, configMap(namespace, bundle.Name)); now.ResourceVersion != version {
				return fmt.Errorf("the target in %s was written", namespace)
			}
		}
		return absent(t, bundle, appeared[0])
	})

	fill(t, source, next)
	target{bundle: bundle, namespace: namespaces[0], certificates: []authority{next}, data: map[string]string{"theirs": "data"}}.await(t)
	awaitTargets(t, bundle, slices.Concat(namespaces[1:3], appeared), next)
	poll.Eventually(t, "the target to go", func() error { return absent(t, bundle, deselected) })
	awaitSynced(t, bundle, 4)
}

// X, S13: the target of one Bundle in the trust namespace can be a source of
// another.
func TestTargetAsSource(t *testing.T) { eachAPIKind(t, testTargetAsSource) }

func testTargetAsSource(t *testing.T, s *scene) {
	namespaces := s.namespaces(1)
	ca, next := newAuthority("CA"), newAuthority("Next")
	source := s.source(ca)
	first := s.bundle(from(source), func(b *v1alpha1.Bundle) {
		b.Spec.Target.ConfigMap.Key = sourceKey
		b.Spec.Target.NamespaceSelector.MatchLabels = map[string]v1alpha1.LabelValue{
			corev1.LabelMetadataName: rig.TrustNamespace,
		}
	})
	second := s.bundle(from(configMap(rig.TrustNamespace, first.Name)))
	awaitTargets(t, second, namespaces, ca)
	fill(t, source, next)
	awaitTargets(t, second, namespaces, next)
}
