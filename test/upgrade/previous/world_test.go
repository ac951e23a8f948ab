package previous

import (
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/ca"
	"trust-manager.io/test/framework/checkout"
	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/rig"
)

// world is the control plane of the test, and what is on it.
type world struct {
	t        *testing.T
	env      *rig.Rig
	api      client.WithWatch
	previous checkout.Built
	// packagePath is the default CA package of all operators.
	packagePath string
	// namespaces are the namespaces with the label that the Bundles select.
	namespaces []string
	// isName has the names of all Bundles.
	isName map[string]bool
}

// create creates the Bundles.
func (w *world) create(shapes []*shape) []*shape {
	w.t.Helper()
	for _, s := range shapes {
		if w.isName[s.name] {
			w.t.Fatalf("two Bundles have the name %s", s.name)
		}
		w.isName[s.name] = true
		if s.before != nil {
			s.before(w)
		}
		w.apply(s.bundle.DeepCopy())
	}
	return shapes
}

// apply creates an object as another field manager than the operator.
func (w *world) apply(object client.Object) {
	w.t.Helper()
	if err := w.api.Create(w.t.Context(), object, client.FieldOwner(foreignManager)); err != nil {
		w.t.Fatal(err)
	}
}

// applyForeign applies an object as another field manager, as GitOps tools do.
func (w *world) applyForeign(object client.Object) {
	w.t.Helper()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		w.t.Fatal(err)
	}
	configuration := client.ApplyConfigurationFromUnstructured(&unstructured.Unstructured{Object: content})
	if err := w.api.Apply(w.t.Context(), configuration, client.FieldOwner(foreignManager)); err != nil {
		w.t.Fatal(err)
	}
}

// createSource creates a ConfigMap or Secret in the trust namespace, labelled with the name
// of its Bundle.
func (w *world) createSource(kind, bundle, suffix string, values map[string]string) {
	w.t.Helper()
	metadata := metav1.ObjectMeta{Namespace: trustNamespace, Name: sourceName(bundle) + suffix, Labels: map[string]string{sourceLabel: bundle}}
	if kind == secret {
		w.apply(&corev1.Secret{ObjectMeta: metadata, StringData: values})
	} else {
		w.apply(&corev1.ConfigMap{ObjectMeta: metadata, Data: values})
	}
}

// source reads the ConfigMap source of a Bundle.
func (w *world) source(bundle string) *corev1.ConfigMap {
	w.t.Helper()
	var source corev1.ConfigMap
	if err := w.api.Get(w.t.Context(), client.ObjectKey{Namespace: trustNamespace, Name: sourceName(bundle)}, &source); err != nil {
		w.t.Fatal(err)
	}
	return &source
}

// fill replaces the content of a ConfigMap source.
func (w *world) fill(bundle, text string) {
	w.t.Helper()
	source := w.source(bundle)
	source.Data[sourceKey] = text
	if err := w.api.Update(w.t.Context(), source); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) removeSource(bundle string) {
	w.t.Helper()
	if err := w.api.Delete(w.t.Context(), w.source(bundle)); err != nil {
		w.t.Fatal(err)
	}
}

// createControlled creates an object that another one controls, so that the operator does
// not write to it.
func (w *world) createControlled(namespace, name string) {
	w.t.Helper()
	owner := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name + "-owner"}}
	w.apply(owner)
	controller := metav1.OwnerReference{APIVersion: "v1", Kind: configMap, Name: owner.Name, UID: owner.UID, Controller: new(true)}
	w.apply(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, OwnerReferences: []metav1.OwnerReference{controller}}})
}

// bundle reads a Bundle.
func (w *world) bundle(name string) *v1alpha1.Bundle {
	w.t.Helper()
	var bundle v1alpha1.Bundle
	if err := w.api.Get(w.t.Context(), client.ObjectKey{Name: name}, &bundle); err != nil {
		w.t.Fatal(err)
	}
	return &bundle
}

func (w *world) changeBundle(name string, change func(*v1alpha1.Bundle)) {
	w.t.Helper()
	poll.Eventually(w.t, "Bundle "+name+" to be changed", func() error {
		bundle := w.bundle(name)
		change(bundle)
		return w.api.Update(w.t.Context(), bundle)
	})
}

// awaitStatus waits until the status of a Bundle is as wanted for the current spec, with no
// target in progress.
func (w *world) awaitStatus(s *shape, wanted want) {
	w.t.Helper()
	poll.EventuallyWithin(w.t, patience, "the status of Bundle "+s.name, func() error {
		bundle := w.bundle(s.name)
		condition := meta.FindStatusCondition(bundle.Status.Conditions, v1alpha1.BundleConditionSynced)
		if condition == nil || condition.Reason != wanted.reason || condition.ObservedGeneration != bundle.Generation {
			return fmt.Errorf("generation %d, condition %+v, want reason %s", bundle.Generation, condition, wanted.reason)
		}
		if wanted.certificates == 0 {
			return nil
		}
		if has := bundle.Status.Inventory; has == nil || has.Certificates != wanted.certificates || has.RetainedCount != wanted.retained {
			return fmt.Errorf("the inventory is %+v, want %+v", has, wanted)
		}
		return nil
	})
}

// awaitObserved waits until the operator of this checkout has written the status of a
// Bundle: that of 70aa157 writes no generation.
func (w *world) awaitObserved(s *shape) {
	w.t.Helper()
	poll.EventuallyWithin(w.t, patience, "a new status of Bundle "+s.name, func() error {
		bundle := w.bundle(s.name)
		if observed := bundle.Status.ObservedGeneration; observed != bundle.Generation {
			return fmt.Errorf("the status is of generation %d, want %d", observed, bundle.Generation)
		}
		return nil
	})
}

// conditions returns the Synced condition of each Bundle.
func (w *world) conditions(shapes []*shape) map[string]metav1.Condition {
	w.t.Helper()
	all := map[string]metav1.Condition{}
	for _, s := range shapes {
		if condition := meta.FindStatusCondition(w.bundle(s.name).Status.Conditions, v1alpha1.BundleConditionSynced); condition != nil {
			all[s.name] = *condition
		}
	}
	return all
}

// awaitPEM waits until the ConfigMap target in the first namespace has certificates of
// these common names and no others.
func (w *world) awaitPEM(name string, wanted ...string) {
	w.t.Helper()
	poll.Eventually(w.t, "the targets of Bundle "+name, func() error {
		var target corev1.ConfigMap
		if err := w.api.Get(w.t.Context(), client.ObjectKey{Namespace: w.namespaces[0], Name: name}, &target); err != nil {
			return err
		}
		has := map[string]bool{}
		for block, rest := pem.Decode([]byte(target.Data[pemKey])); block != nil; block, rest = pem.Decode(rest) {
			certificate, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return err
			}
			has[certificate.Subject.CommonName] = true
		}
		for _, one := range wanted {
			if !has[one] || len(has) != len(wanted) {
				return fmt.Errorf("it has %v, want %q", has, wanted)
			}
		}
		return nil
	})
}

// awaitReleased waits until no Secret with the name has the operator's label.
func (w *world) awaitReleased(name string) {
	w.t.Helper()
	poll.Eventually(w.t, "the Secrets of Bundle "+name+" to be released", func() error {
		for at, o := range w.targets() {
			if at.kind == secret && at.name == name && o.isTarget() {
				return fmt.Errorf("%s is a target", at)
			}
		}
		return nil
	})
}

// allNamespaces returns the names of all namespaces.
func (w *world) allNamespaces() (names []string) {
	w.t.Helper()
	var list corev1.NamespaceList
	if err := w.api.List(w.t.Context(), &list); err != nil {
		w.t.Fatal(err)
	}
	for _, namespace := range list.Items {
		names = append(names, namespace.Name)
	}
	return names
}

// writePackage writes the default CA package.
func (w *world) writePackage(text string) {
	w.t.Helper()
	content, err := json.Marshal(map[string]string{"name": "package", "version": "1", "bundle": text})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(w.packagePath, content, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// authority returns the certificate of a new CA.
func authority(name string, changes ...func(*x509.Certificate)) string {
	return ca.New(name, changes...).Certificate
}

// inLine returns an inline source with a new CA.
func inLine(name string) []v1alpha1.BundleSource {
	text := authority(name)
	return []v1alpha1.BundleSource{{InLine: &text}}
}

// oddSubjects returns a source with subjects whose form in the aliases of key stores
// depends on the encoder.
func oddSubjects() []v1alpha1.BundleSource {
	subject := func(s pkix.Name) func(*x509.Certificate) {
		return func(template *x509.Certificate) { template.Subject = s }
	}
	var text strings.Builder
	for _, name := range []pkix.Name{
		{CommonName: "Plain CA", Organization: []string{"Company, Inc."}, Country: []string{"DE"}},
		{CommonName: "İSTANBUL ΣΊΣΥΦΟΣ straße ǅ"},
		{CommonName: "outside of the BMP \U0001D49C \U0001F512"},
		{CommonName: " #leading, \"quoted\"\\ + a=b; "},
		{Organization: []string{"One", "Two"}, OrganizationalUnit: []string{"Without a common name"}},
		{},
	} {
		text.WriteString(authority("", subject(name)))
	}
	return []v1alpha1.BundleSource{{InLine: new(text.String())}}
}

// oddCertificates returns a source with a CA and a certificate for each filter.
func oddCertificates() []v1alpha1.BundleSource {
	issuer := ca.New("Issuer")
	text := authority("CA") +
		authority("Expired", ca.Valid(time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour))) +
		authority("Server", ca.NotCA) +
		issuer.Issue(ca.Intermediate, ca.Named("Intermediate")).Certificate
	return []v1alpha1.BundleSource{{InLine: &text}}
}

// padded returns certificates that fit into a source, and not into a target with JKS.
func padded() string {
	var text strings.Builder
	for range 9 {
		text.WriteString(authority("Large", ca.Padded(60_000)))
	}
	return text.String()
}

func crlf(text string) string { return strings.ReplaceAll(text, "\n", "\r\n") }

func sha256Of(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}
