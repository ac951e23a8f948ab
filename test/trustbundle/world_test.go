package trustbundle

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/kinds"
	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/rig"
)

// selected reports whether a flag selects tests.
func selected(name string) bool { return flag.Lookup(name).Value.String() != "" }

// world is the cluster of one test.
type world struct{ *testing.T }

func (w world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// start starts an operator of the release with the feature, until the test ends.
func start(t *testing.T, flags ...string) *rig.Operator {
	t.Helper()
	operator, err := env.StartOperator(append(enabledFlags(), flags...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := operator.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			lines := strings.Split(strings.TrimSpace(operator.Log()), "\n")
			t.Logf("the end of the operator's log:\n%s", strings.Join(lines[max(0, len(lines)-40):], "\n"))
		}
	})
	return operator
}

// enabledFlags returns the flags of the chart that are about ClusterTrustBundles, and the account.
func enabledFlags() []string {
	flags := []string{"--kubeconfig", enabled.Kubeconfig}
	for _, flag := range enabled.Flags {
		if strings.HasPrefix(flag, "--cluster-trust-bundle") {
			flags = append(flags, flag)
		}
	}
	return flags
}

// bundle creates a Bundle with a text as its source, and a ClusterTrustBundle target. A name with
// the prefix of package kinds makes it a ClusterBundle.
func (w world) bundle(name, pem string, changes ...func(*v1alpha1.Bundle)) *v1alpha1.Bundle {
	w.Helper()
	bundle := &v1alpha1.Bundle{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.BundleSpec{
		Sources: []v1alpha1.BundleSource{{InLine: &pem}},
		Target:  &v1alpha1.BundleTarget{ClusterTrustBundle: &v1alpha1.ClusterTrustBundleTarget{}},
	}}
	for _, change := range changes {
		change(bundle)
	}
	w.must(env.Client.Create(w.Context(), bundle))
	w.Cleanup(func() {
		ctx := context.WithoutCancel(w.Context())
		w.must(client.IgnoreNotFound(env.Client.Delete(ctx, bundle)))
		if w.Failed() {
			return // the API server may not serve the kind
		}
		// After the API server was restarted, the controller manager takes a minute to collect it.
		w.must(poll.UntilWithin(ctx, 3*time.Minute, "the ClusterTrustBundle to go", func() error { return absentWithOwner(ctx, bundle.UID) }))
	})
	return bundle
}

// absentWithOwner returns an error while a ClusterTrustBundle has an owner with this UID.
func absentWithOwner(ctx context.Context, uid types.UID) error {
	var list certificatesv1.ClusterTrustBundleList
	if err := env.Client.List(ctx, &list); err != nil {
		return err
	}
	for _, found := range list.Items {
		for _, owner := range found.OwnerReferences {
			if owner.UID == uid {
				return fmt.Errorf("%s is still there", found.Name)
			}
		}
	}
	return nil
}

// change changes a Bundle.
func (w world) change(bundle *v1alpha1.Bundle, change func(*v1alpha1.Bundle)) {
	w.Helper()
	w.must(poll.Until(w.Context(), "the change of the Bundle", func() error {
		if err := env.Client.Get(w.Context(), client.ObjectKeyFromObject(bundle), bundle); err != nil {
			return err
		}
		change(bundle)
		return env.Client.Update(w.Context(), bundle)
	}))
}

// read returns a ClusterTrustBundle in a version, or nil.
func read(ctx context.Context, version, name string) (*unstructured.Unstructured, error) {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(schema.GroupVersionKind{Group: "certificates.k8s.io", Version: version, Kind: "ClusterTrustBundle"})
	err := env.Client.Get(ctx, client.ObjectKey{Name: name}, object)
	if apierrors.IsNotFound(err) {
		object, err = nil, nil
	}
	return object, err
}

// holds waits until a ClusterTrustBundle has exactly this content, and returns it.
func (w world) holds(name, pem string) *certificatesv1.ClusterTrustBundle {
	w.Helper()
	object := &certificatesv1.ClusterTrustBundle{}
	poll.Eventually(w.T, "the content of ClusterTrustBundle "+name, func() error {
		if err := env.Client.Get(w.Context(), client.ObjectKey{Name: name}, object); err != nil {
			return err
		}
		if object.Spec.TrustBundle != pem {
			return fmt.Errorf("it has %d bytes, and should have %d others", len(object.Spec.TrustBundle), len(pem))
		}
		return nil
	})
	return object
}

// owned waits until an object is a target: it has the label, the digest and the owner of its
// Bundle.
func (w world) owned(name string, bundle *v1alpha1.Bundle) {
	w.Helper()
	marks := kinds.MarksOf(bundle.Name)
	poll.Eventually(w.T, "the marks of ClusterTrustBundle "+name, func() error {
		object := &certificatesv1.ClusterTrustBundle{}
		if err := env.Client.Get(w.Context(), client.ObjectKey{Name: name}, object); err != nil {
			return err
		}
		owner := metav1.GetControllerOf(object)
		switch {
		case object.Labels[marks.Label] != bundle.Name:
			return fmt.Errorf("its labels are %v", object.Labels)
		case len(object.Annotations[marks.Hash]) != 64:
			return fmt.Errorf("its annotations are %v", object.Annotations)
		case owner == nil || owner.UID != bundle.UID || owner.Kind != marks.Owner.Kind || !*owner.BlockOwnerDeletion:
			return fmt.Errorf("its controller is %v", owner)
		}
		return nil
	})
}

// reports waits until the condition Synced of a Bundle has a reason, and its message each of some
// texts.
func (w world) reports(bundle *v1alpha1.Bundle, reason string, texts ...string) {
	w.Helper()
	poll.EventuallyWithin(w.T, patience, "the reason "+reason, func() error {
		if err := env.Client.Get(w.Context(), client.ObjectKeyFromObject(bundle), bundle); err != nil {
			return err
		}
		synced := meta.FindStatusCondition(bundle.Status.Conditions, v1alpha1.BundleConditionSynced)
		if synced == nil || synced.Reason != reason || synced.ObservedGeneration != bundle.Generation {
			return fmt.Errorf("the condition is %+v", synced)
		}
		var errs []error
		for _, text := range texts {
			if !strings.Contains(synced.Message, text) {
				errs = append(errs, fmt.Errorf("the message lacks %q: %s", text, synced.Message))
			}
		}
		return errors.Join(errs...)
	})
}

// trustBundle creates a ClusterTrustBundle that is no target, until the test ends.
func (w world) trustBundle(name, signer, pem string, labels map[string]string) *certificatesv1.ClusterTrustBundle {
	w.Helper()
	object := &certificatesv1.ClusterTrustBundle{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Spec:       certificatesv1.ClusterTrustBundleSpec{SignerName: signer, TrustBundle: pem},
	}
	w.must(env.Client.Create(w.Context(), object))
	w.Cleanup(func() {
		w.must(client.IgnoreNotFound(env.Client.Delete(context.WithoutCancel(w.Context()), object)))
	})
	return object
}

// namespace creates a namespace.
func (w world) namespace(name string) {
	w.Helper()
	w.must(env.Client.Create(w.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{name: "yes"}}}))
}

// alsoConfigMap adds a ConfigMap target in a namespace that namespace has created.
func alsoConfigMap(namespace string) func(*v1alpha1.Bundle) {
	return func(b *v1alpha1.Bundle) {
		b.Spec.Target.ConfigMap = &v1alpha1.TargetObject{Key: "ca.pem"}
		b.Spec.Target.NamespaceSelector = &v1alpha1.LabelSelector{MatchLabels: map[string]string{namespace: "yes"}}
	}
}

// contains reports whether an error has a text.
func contains(err error, text string) bool { return err != nil && strings.Contains(err.Error(), text) }
