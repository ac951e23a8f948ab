package previous

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/ca"
	"trust-manager.io/test/framework/rig"
)

// shape is a Bundle, what happens to its objects before the upgrade, and the statuses that
// the previous operator and that of this checkout report.
type shape struct {
	// name is the name of the Bundle and of its targets.
	name   string
	bundle *v1alpha1.Bundle
	// before, if set, creates objects before the Bundle exists.
	before func(*world)
	// then, if set, changes something after the first rollout.
	then func(*world)
	// first is the status after the first rollout, last the one before and after the
	// upgrade.
	first, last want
	// keepsLastGood is true if the Bundle cannot be built at the time of the upgrade.
	keepsLastGood bool
	// fixedNamespaces is true if the Bundle does not select further namespaces.
	fixedNamespaces bool
	// shared is true if the target in the first namespace holds foreign data.
	shared bool
	// written is the number of targets, if it is not one of each kind in each namespace.
	written int
}

// want is a status. Only the reason is required.
type want struct {
	reason string
	// certificates and retained are compared unless they are 0.
	certificates, retained int32
}

const (
	// selected is the label of the namespaces that the Bundles select by default.
	selected = "upgrade/selected"
	// sourceLabel is the label of sources, with the name of their Bundle as the value.
	sourceLabel = "upgrade/source"
	// lateNamespace is created after the upgrade.
	lateNamespace = "upgrade-late"

	pemKey, jksKey, pkcs12Key = "trust-bundle.pem", "trust-bundle.jks", "trust-bundle.p12"
	// sourceKey is the key of named sources.
	sourceKey = "ca.crt"
	password  = "own-password"
)

// option changes a shape before its Bundle is created.
type option func(*shape)

// newShape returns a Bundle with a ConfigMap target in all namespaces with the label.
func newShape(name string, sources []v1alpha1.BundleSource, options ...option) *shape {
	synced := want{reason: v1alpha1.BundleReasonSynced}
	s := &shape{name: name, first: synced, last: synced, bundle: &v1alpha1.Bundle{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.BundleSpec{
			Sources: sources,
			Target: &v1alpha1.BundleTarget{
				ConfigMap:         &v1alpha1.TargetObject{Key: pemKey},
				NamespaceSelector: &v1alpha1.LabelSelector{MatchLabels: map[string]v1alpha1.LabelValue{selected: "true"}},
			},
		},
	}}
	for _, apply := range options {
		apply(s)
	}
	return s
}

// kinds returns the kinds of the targets.
func (s *shape) kinds() (kinds []string) {
	if target := s.bundle.Spec.Target; target != nil {
		if target.ConfigMap != nil {
			kinds = append(kinds, configMap)
		}
		if target.Secret != nil {
			kinds = append(kinds, secret)
		}
	}
	return kinds
}

// checkWritten checks that the previous operator has written the targets of the shape, so
// that the comparison after the upgrade covers them.
func (s *shape) checkWritten(w *world) {
	w.t.Helper()
	expected := s.written
	switch expected {
	case 0:
		expected = len(s.kinds()) * len(w.namespaces)
	case none:
		expected = 0
	}
	count, shared := 0, false
	for at, o := range w.targets() {
		if at.name == s.name && o.isTarget() {
			count++
			shared = shared || at.namespace == w.namespaces[0] && o.isShared()
		}
	}
	if count != expected || shared != s.shared {
		w.t.Errorf("Bundle %s has %d targets, shared: %t; want %d, %t", s.name, count, shared, expected, s.shared)
	}
}

// allShapes returns the Bundles of the test and creates their sources.
func allShapes(w *world) (all []*shape) {
	all = append(all, sourceShapes(w)...)
	all = append(all, formatShapes()...)
	all = append(all, targetShapes(w)...)
	all = append(all, contentShapes(w)...)
	all = append(all, failedShapes(w)...)
	return append(all, foreignShapes(w)...)
}

// sourceShapes have every kind of source.
func sourceShapes(w *world) (all []*shape) {
	for _, kind := range []string{configMap, secret} {
		of := func(o *v1alpha1.SourceObject) []v1alpha1.BundleSource {
			if kind == secret {
				return []v1alpha1.BundleSource{{Secret: o}}
			}
			return []v1alpha1.BundleSource{{ConfigMap: o}}
		}
		prefix := map[string]string{configMap: "configmap-", secret: "secret-"}[kind]
		values := func() map[string]string {
			return map[string]string{sourceKey: authority("First") + authority("Second"), "a-key": authority("Third")}
		}
		name := prefix + "key"
		w.createSource(kind, name, "", values())
		all = append(all, newShape(name, of(&v1alpha1.SourceObject{Name: sourceName(name), Key: sourceKey}), certificates(2)))
		name = prefix + "all-keys"
		w.createSource(kind, name, "", values())
		all = append(all, newShape(name, of(&v1alpha1.SourceObject{Name: sourceName(name), IncludeAllKeys: true}), certificates(3)))
		name = prefix + "selector"
		w.createSource(kind, name, "-b", values())
		w.createSource(kind, name, "-a", values())
		byLabel := &v1alpha1.LabelSelector{MatchLabels: map[string]v1alpha1.LabelValue{sourceLabel: name}}
		all = append(all, newShape(name, of(&v1alpha1.SourceObject{Selector: byLabel, Key: sourceKey}), certificates(4)))
		name = prefix + "selector-all-keys"
		w.createSource(kind, name, "-b", values())
		w.createSource(kind, name, "-a", values())
		byExpression := &v1alpha1.LabelSelector{MatchExpressions: []v1alpha1.LabelSelectorRequirement{
			{Key: sourceLabel, Operator: metav1.LabelSelectorOpIn, Values: []string{name, "another"}},
		}}
		all = append(all, newShape(name, of(&v1alpha1.SourceObject{Selector: byExpression, IncludeAllKeys: true}), certificates(6)))
		name = prefix + "optional"
		all = append(all, newShape(name, append(inLine("Only"), of(&v1alpha1.SourceObject{Name: "missing", Key: sourceKey, Optional: true})...), certificates(1)))
	}
	yes, no := true, false
	text := "Comment\r\n" + crlf(authority("First")) + "\n\n" + authority("Second")
	all = append(all,
		newShape("in-line", []v1alpha1.BundleSource{{InLine: &text}, {InLine: &text}}, certificates(2)),
		newShape("default-cas", []v1alpha1.BundleSource{{UseDefaultCAs: &yes}}, certificates(1)),
		newShape("default-cas-and-in-line", append(inLine("Own"), v1alpha1.BundleSource{UseDefaultCAs: &yes}), certificates(2)),
		newShape("no-default-cas", append(inLine("Own"), v1alpha1.BundleSource{UseDefaultCAs: &no}), certificates(1)),
	)
	return all
}

// formatShapes have every format of key stores, each with and without an own password.
func formatShapes() (all []*shape) {
	own := password
	formats := func(name string, formats v1alpha1.AdditionalFormats) {
		all = append(all, newShape(name, oddSubjects(), bothKinds, func(s *shape) { s.bundle.Spec.Target.AdditionalFormats = &formats }))
	}
	formats("jks", v1alpha1.AdditionalFormats{JKS: &v1alpha1.JKS{Key: jksKey}})
	formats("jks-password", v1alpha1.AdditionalFormats{JKS: &v1alpha1.JKS{Key: jksKey, Password: &own}})
	for name, profile := range map[string]v1alpha1.PKCS12Profile{
		"pkcs12":            "",
		"pkcs12-legacyrc2":  v1alpha1.PKCS12ProfileLegacyRC2,
		"pkcs12-legacydes":  v1alpha1.PKCS12ProfileLegacyDES,
		"pkcs12-modern2023": v1alpha1.PKCS12ProfileModern2023,
	} {
		formats(name, v1alpha1.AdditionalFormats{PKCS12: &v1alpha1.PKCS12{Key: pkcs12Key, Profile: profile}})
		formats(name+"-password", v1alpha1.AdditionalFormats{PKCS12: &v1alpha1.PKCS12{Key: pkcs12Key, Profile: profile, Password: &own}})
	}
	formats("all-formats", v1alpha1.AdditionalFormats{
		JKS: &v1alpha1.JKS{Key: jksKey}, PKCS12: &v1alpha1.PKCS12{Key: pkcs12Key, Profile: v1alpha1.PKCS12ProfileModern2023},
	})
	return all
}

// targetShapes have every kind of target, its metadata, and every kind of selector.
func targetShapes(w *world) []*shape {
	metadata := v1alpha1.TargetMetadata{
		Labels:      map[string]v1alpha1.LabelValue{"example.com/team": "a", "plain": ""},
		Annotations: map[string]string{"example.com/text": "any text: \"ä\"\n", "reflector/enabled": "true"},
	}
	selecting := func(requirements ...v1alpha1.LabelSelectorRequirement) option {
		return func(s *shape) {
			s.bundle.Spec.Target.NamespaceSelector = &v1alpha1.LabelSelector{MatchExpressions: requirements}
		}
	}
	return []*shape{
		newShape("secret-target", inLine("CA"), bothKinds, func(s *shape) { s.bundle.Spec.Target.ConfigMap = nil }),
		newShape("both-targets", inLine("CA"), bothKinds),
		newShape("no-target", inLine("CA"), func(s *shape) { s.bundle.Spec.Target = nil }),
		newShape("metadata", inLine("CA"), bothKinds, func(s *shape) {
			s.bundle.Spec.Target.ConfigMap.Metadata, s.bundle.Spec.Target.Secret.Metadata = metadata, metadata
		}),
		newShape("all-namespaces", inLine("CA"), func(s *shape) {
			s.bundle.Spec.Target.NamespaceSelector = nil
			s.written = len(w.allNamespaces())
		}),
		newShape("namespace-expressions", inLine("CA"), selecting(
			v1alpha1.LabelSelectorRequirement{Key: selected, Operator: metav1.LabelSelectorOpExists},
			v1alpha1.LabelSelectorRequirement{Key: "absent", Operator: metav1.LabelSelectorOpDoesNotExist},
		)),
		newShape("namespaces-by-name", inLine("CA"), fixed, selecting(
			v1alpha1.LabelSelectorRequirement{Key: "kubernetes.io/metadata.name", Operator: metav1.LabelSelectorOpIn, Values: w.namespaces},
		)),
	}
}

// failedShapes keep their last good revision, have never been built, or have a target that
// cannot be written.
func failedShapes(w *world) []*shape {
	never := newShape("never-built", named("never-built"), failing(v1alpha1.BundleReasonSourceNotFound, nil), func(s *shape) {
		s.first, s.fixedNamespaces, s.written = s.last, true, none
	})
	const name = "excluded-from-last-good"
	amended := newShape(name, named(name), failing(v1alpha1.BundleReasonSourceBuildError, nil))
	w.createSource(configMap, name, "", map[string]string{sourceKey: authority("Excluded") + authority("CA")})
	amended.last.certificates = 1
	amended.then = func(w *world) {
		w.fill(name, "damaged")
		w.awaitStatus(amended, want{reason: v1alpha1.BundleReasonSourceBuildError})
		w.changeBundle(name, func(b *v1alpha1.Bundle) { b.Spec.Exclude = []v1alpha1.Exclusion{{Subject: "CN=Excluded"}} })
	}
	large := w.sourced("too-large", failing(v1alpha1.BundleReasonBundleTooLarge, func(w *world) { w.fill("too-large", padded()) }))
	large.bundle.Spec.Target.AdditionalFormats = &v1alpha1.AdditionalFormats{JKS: &v1alpha1.JKS{Key: jksKey}}
	refused := newShape("refused-target", inLine("CA"), func(s *shape) {
		s.first.reason, s.last.reason, s.written = v1alpha1.BundleReasonSyncConfigMapTargetFailed, v1alpha1.BundleReasonSyncConfigMapTargetFailed, 1
		s.before = func(w *world) { w.createControlled(w.namespaces[1], s.name) }
	})
	return []*shape{
		never, amended, large, refused,
		w.sourced("source-missing", failing(v1alpha1.BundleReasonSourceNotFound, func(w *world) { w.removeSource("source-missing") })),
		w.sourced("source-invalid", failing(v1alpha1.BundleReasonSourceBuildError, func(w *world) { w.fill("source-invalid", "damaged") })),
		w.sourced("source-empty", bothKinds, failing(v1alpha1.BundleReasonSourceBuildError, func(w *world) { w.fill("source-empty", "") })),
	}
}

// contentShapes have filters, exclusions and a rotation.
func contentShapes(w *world) []*shape {
	filters := func(action v1alpha1.FilterAction) option {
		return func(s *shape) {
			s.bundle.Spec.Filters = &v1alpha1.BundleFilters{Expired: action, NotCA: action, NotSelfSigned: action}
		}
	}
	a, b, c := ca.New("A"), ca.New("B"), ca.New("C")
	excluding := newShape("exclude", inLine("Rest"), certificates(1), func(s *shape) {
		s.bundle.Spec.Exclude = []v1alpha1.Exclusion{
			{SHA256: sha256Of(a.DER())}, {PublicKeySHA256: sha256Of(b.X509().RawSubjectPublicKeyInfo)}, {Subject: "CN=C", Comment: "incident 1"},
		}
		text := a.Certificate + b.Certificate + c.Certificate
		s.bundle.Spec.Sources = append(s.bundle.Spec.Sources, v1alpha1.BundleSource{InLine: &text})
	})
	return []*shape{
		newShape("filters-unset", oddCertificates(), certificates(4)),
		newShape("filters-keep", oddCertificates(), filters(v1alpha1.FilterKeep), certificates(4)),
		newShape("filters-drop", oddCertificates(), filters(v1alpha1.FilterDrop), certificates(1)),
		newShape("filters-reject", inLine("CA"), filters(v1alpha1.FilterReject), certificates(1)),
		excluding,
		w.sourced("rotation", rotation(nil)),
		w.sourced("rotation-retaining", rotation(nil), bothKinds, func(s *shape) {
			s.last.retained, s.last.certificates = 1, 2
			s.then = func(w *world) { w.fill(s.name, authority("Next")) }
		}),
		w.sourced("rotation-limited", rotation(new(int32(1))), func(s *shape) {
			s.last.retained, s.last.certificates = 1, 2
			s.then = func(w *world) {
				w.fill(s.name, authority("Next"))
				w.awaitStatus(s, s.last)
				time.Sleep(time.Second) // the times at which they leave have whole seconds
				w.fill(s.name, authority("Last"))
				w.awaitPEM(s.name, "Next", "Last")
			}
		}),
	}
}

// certificates sets how many certificates the bundle has.
func certificates(count int32) option {
	return func(s *shape) { s.first.certificates, s.last.certificates = count, count }
}

// bothKinds adds Secret targets.
func bothKinds(s *shape) { s.bundle.Spec.Target.Secret = &v1alpha1.TargetObject{Key: pemKey} }

// fixed is for Bundles that do not select further namespaces.
func fixed(s *shape) { s.fixedNamespaces = true }

// rotation retains certificates for longer than the test takes.
func rotation(maximum *int32) option {
	return func(s *shape) {
		s.bundle.Spec.Rotation = &v1alpha1.BundleRotation{Retain: metav1.Duration{Duration: 24 * time.Hour}, MaxRetained: maximum}
	}
}

// failing is for Bundles that a change makes impossible to build.
func failing(reason string, then func(*world)) option {
	return func(s *shape) { s.last.reason, s.then, s.keepsLastGood = reason, then, true }
}

// none is the value of shape.written for no target.
const none = -1

// named returns a source that reads the ConfigMap of a Bundle.
func named(bundle string) []v1alpha1.BundleSource {
	return []v1alpha1.BundleSource{{ConfigMap: &v1alpha1.SourceObject{Name: sourceName(bundle), Key: sourceKey}}}
}

// sourced returns a Bundle of one ConfigMap with one certificate.
func (w *world) sourced(name string, options ...option) *shape {
	w.createSource(configMap, name, "", map[string]string{sourceKey: authority("CA")})
	return newShape(name, named(name), options...)
}

func sourceName(bundle string) string { return "source-" + bundle }

// trustNamespace is the namespace of sources.
const trustNamespace = rig.TrustNamespace
