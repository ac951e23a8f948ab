package trustbundle

import (
	"context"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/api/trustmanager/v1alpha2"
	"trust-manager.io/test/framework/ca"
	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/rig"
)

// F1, T4, T7, T11, T12: the target of a Bundle and of a ClusterBundle, with a signer and without,
// follows its sources, is repaired, is not written without need, and goes with its Bundle or with
// the target in the spec. The selector of namespaces does not apply.
func TestTarget(t *testing.T) {
	start(t)
	for name, signed := range map[string]bool{"target": false, "cluster-target": false, "signed": true, "cluster-signed": true} {
		t.Run(name, func(t *testing.T) {
			w := world{t}
			object := name
			first, second := ca.New("first").Certificate, ca.New("second").Certificate
			bundle := w.bundle(name, first, func(b *v1alpha1.Bundle) {
				b.Spec.Target.NamespaceSelector = &v1alpha1.LabelSelector{MatchLabels: map[string]string{"no": "namespace"}}
				b.Spec.Target.ClusterTrustBundle.Metadata.Labels = map[string]v1alpha1.LabelValue{"channel": "live"}
				if signed {
					b.Spec.Target.ClusterTrustBundle.SignerName = signer
				}
			})
			if signed {
				object = signerPrefix + name
			}
			before := w.holds(object, first)
			w.owned(object, bundle)
			if before.Labels["channel"] != "live" || signed != (before.Spec.SignerName == signer) {
				t.Errorf("labels %v, signer %q", before.Labels, before.Spec.SignerName)
			}
			w.reports(bundle, v1alpha1.BundleReasonSynced, "is in the ClusterTrustBundle "+object)
			if targets := bundle.Status.Targets; targets.Wanted != 1 || len(targets.Kinds) != 1 || targets.Kinds[0].Kind != "ClusterTrustBundle" || targets.Kinds[0].Synced != 1 {
				t.Errorf("targets: %+v", targets)
			}
			w.change(bundle, func(b *v1alpha1.Bundle) { b.Spec.Sources[0].InLine = new(first + second) })
			changed := w.holds(object, first+second)
			if changed.UID != before.UID {
				t.Error("the object was created again")
			}
			w.must(env.Client.Patch(t.Context(), changed, client.RawPatch("application/merge-patch+json",
				fmt.Appendf(nil, `{"spec": {"trustBundle": %q}, "metadata": {"labels": null}}`, second)), client.FieldOwner("another")))
			w.holds(object, first+second)
			w.owned(object, bundle)
			w.must(env.Client.Delete(t.Context(), changed))
			w.holds(object, first+second)
			w.owned(object, bundle)
			w.change(bundle, func(b *v1alpha1.Bundle) { b.Spec.Exclude = []v1alpha1.Exclusion{{Subject: "CN=second"}} })
			w.holds(object, first)
			w.change(bundle, func(b *v1alpha1.Bundle) { b.Spec.Target = nil })
			poll.Eventually(t, "the object to go", func() error { return absent(t.Context(), object) })
			w.change(bundle, func(b *v1alpha1.Bundle) {
				b.Spec.Target = &v1alpha1.BundleTarget{ClusterTrustBundle: &v1alpha1.ClusterTrustBundleTarget{}}
				if signed {
					b.Spec.Target.ClusterTrustBundle.SignerName = signer
				}
			})
			w.holds(object, first)
			w.owned(object, bundle)
			foreign := client.RawPatch("application/merge-patch+json", []byte(`{"metadata": {"labels": {"theirs": "stays"}}}`))
			w.must(env.Client.Patch(t.Context(), &certificatesv1.ClusterTrustBundle{ObjectMeta: metav1.ObjectMeta{Name: object}}, foreign))
			w.change(bundle, func(b *v1alpha1.Bundle) { b.Spec.Exclude = nil })
			if kept := w.holds(object, first+second); kept.Labels["theirs"] != "stays" {
				t.Errorf("labels: %v", kept.Labels)
			}
		})
	}
}

// F1, T11: an operator that starts writes no target that is in sync.
func TestRestart(t *testing.T) {
	w := world{t}
	root := ca.New("root").Certificate
	t.Run("before", func(t *testing.T) {
		start(t)
		bundle := w.bundle("target", root)
		w := world{t}
		w.holds("target", root)
		w.owned("target", bundle)
		w.reports(bundle, v1alpha1.BundleReasonSynced)
	})
	mark := env.Audit.Mark()
	start(t)
	requests := func() (reads, writes []rig.Request) {
		all, err := env.Audit.Since(mark)
		w.must(err)
		for _, request := range all {
			switch {
			case request.Resource != "clustertrustbundles":
			case request.IsWrite():
				writes = append(writes, request)
			default:
				reads = append(reads, request)
			}
		}
		return reads, writes
	}
	poll.Eventually(t, "the operator to have read the object", func() error {
		if reads, _ := requests(); len(reads) == 0 {
			return fmt.Errorf("no read yet")
		}
		return nil
	})
	time.Sleep(time.Second) // a write follows a read at once
	if _, writes := requests(); len(writes) > 0 {
		t.Errorf("the operator wrote %v", writes)
	}
}

// F2: what the API server would refuse is refused before the write, by the name of the object,
// the key and the block, and what it accepts is written. Other targets are in sync all the same.
func TestContent(t *testing.T) {
	start(t)
	w := world{t}
	const place = "content-place"
	w.namespace(place)
	root, other := ca.New("root"), ca.New("other")
	large, larger := ca.New("large", ca.Padded(500_000)).Certificate, ca.New("larger", ca.Padded(500_000)).Certificate
	source := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "cert-manager", Name: "content"}, Data: map[string]string{"ca.crt": root.Certificate}}
	w.must(env.Client.Create(t.Context(), source))
	bundle := w.bundle("content", "", alsoConfigMap(place), func(b *v1alpha1.Bundle) {
		b.Spec.Sources = []v1alpha1.BundleSource{{ConfigMap: &v1alpha1.SourceObject{Name: "content", Key: "ca.crt"}}}
		b.Spec.Filters = &v1alpha1.BundleFilters{Nonconforming: v1alpha1.FilterKeep}
	})
	last := root.Certificate
	w.holds("content", last)
	for name, tc := range map[string]struct {
		content string
		texts   []string
	}{
		"a leaf":           {other.Certificate + root.Issue().Certificate, []string{`ConfigMap cert-manager/content, key "ca.crt", block 2`, "not a CA", "spec.filters.notCA: Drop"}},
		"an intermediate":  {other.Certificate + root.Issue(ca.Intermediate).Certificate, nil},
		"expired":          {ca.New("expired", ca.ValidUntil(time.Now().Add(-time.Hour))).Certificate, nil},
		"a root of v1":     {other.Certificate + field(t, "c04-v1.pem"), []string{"block 2", "version 1", "spec.exclude"}},
		"an unknown curve": {other.Certificate + field(t, "c08-brainpoolP256r1.pem"), []string{"block 2", "spec.filters.nonconforming: Drop"}},
		"two extensions":   {other.Certificate + field(t, "c38-duplicate-ext.pem"), []string{"block 2", "spec.filters.nonconforming: Drop"}},
		"nonconforming":    {other.Certificate + ca.NegativeSerial(), []string{"block 2", "spec.filters.nonconforming: Drop"}},
		"text around":      {"one\n" + root.Certificate + "two\n" + other.Certificate, nil},
		"a duplicate":      {root.Certificate + other.Certificate + root.Certificate, nil},
		"two of them":      {root.Issue().Certificate + root.Issue().Certificate + root.Certificate, []string{"block 1", "refuses 2 of 3 certificates"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := world{t}
			written := blocks(tc.content)
			// The API server's own verdict on what would be written.
			err := env.Client.Create(t.Context(), &certificatesv1.ClusterTrustBundle{
				ObjectMeta: metav1.ObjectMeta{Name: "verdict"}, Spec: certificatesv1.ClusterTrustBundleSpec{TrustBundle: written},
			}, client.DryRunAll)
			if refused := apierrors.IsInvalid(err); refused != (tc.texts != nil) {
				t.Fatalf("the API server: %v", err)
			}
			mark := env.Audit.Mark()
			source.Data["ca.crt"] = tc.content
			w.must(env.Client.Update(t.Context(), source))
			poll.Eventually(t, "the ConfigMap", func() error {
				target := &corev1.ConfigMap{}
				err := env.Client.Get(t.Context(), client.ObjectKey{Namespace: place, Name: "content"}, target)
				if err == nil && target.Data["ca.pem"] != written {
					err = fmt.Errorf("it has other content")
				}
				return err
			})
			if tc.texts == nil {
				w.holds("content", written)
				w.reports(bundle, v1alpha1.BundleReasonSynced)
				last = written
				return
			}
			w.reports(bundle, v1alpha1.BundleReasonSyncClusterTrustBundleTargetFailed, append(tc.texts, "1 of 2 targets failed", "ClusterTrustBundle content")...)
			w.holds("content", last)
			requests, err := env.Audit.Since(mark)
			w.must(err)
			for _, request := range requests {
				if request.Resource == "clustertrustbundles" && request.IsWrite() && request.Code >= 400 {
					t.Errorf("the API server was asked: %s", request)
				}
			}
		})
	}
	t.Run("the last content is kept", func(t *testing.T) {
		w := world{t}
		update := func(content string) {
			source.Data["ca.crt"] = content
			w.must(env.Client.Update(t.Context(), source))
		}
		update(root.Certificate + other.Certificate)
		accepted := w.holds("content", root.Certificate+other.Certificate)
		update(other.Certificate + root.Issue().Certificate)
		w.reports(bundle, v1alpha1.BundleReasonSyncClusterTrustBundleTargetFailed, "block 2")
		w.must(env.Client.Delete(t.Context(), accepted))
		w.holds("content", root.Certificate+other.Certificate)
		w.change(bundle, func(b *v1alpha1.Bundle) { b.Spec.Exclude = []v1alpha1.Exclusion{{Subject: "CN=root"}} })
		w.holds("content", other.Certificate)
		w.reports(bundle, v1alpha1.BundleReasonSyncClusterTrustBundleTargetFailed, "block 2")
	})
	source.Data["ca.crt"] = root.Certificate
	w.must(env.Client.Update(t.Context(), source))
	w.change(bundle, func(b *v1alpha1.Bundle) {
		b.Spec.Target.ConfigMap, b.Spec.Exclude = nil, nil
		b.Spec.Sources = append(b.Spec.Sources, v1alpha1.BundleSource{InLine: &large}, v1alpha1.BundleSource{InLine: &larger})
	})
	w.reports(bundle, v1alpha1.BundleReasonBundleTooLarge, "1048576")
}

// field returns a certificate of the field.
func field(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "integration", "testdata", "field", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// blocks returns the certificates of a text, as a target has them.
func blocks(text string) (encoded string) {
	var seen []string
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return encoded
		}
		if certificate := string(pem.EncodeToMemory(block)); !slices.Contains(seen, certificate) {
			seen = append(seen, certificate)
			encoded += certificate
		}
	}
}

// F3: an object of that name that is no target is never changed. The target fails, and follows
// within seconds once the object is gone.
func TestStranger(t *testing.T) {
	start(t)
	w := world{t}
	const place = "strange-place"
	w.namespace(place)
	ours, theirs := ca.New("ours").Certificate, ca.New("theirs").Certificate
	stranger := w.trustBundle("strange", "", theirs, map[string]string{"their": "label"})
	bundle := w.bundle("strange", ours, alsoConfigMap(place), func(b *v1alpha1.Bundle) { b.Spec.Target.Overwrite = true })
	w.reports(bundle, v1alpha1.BundleReasonSyncClusterTrustBundleTargetFailed, "ClusterTrustBundle strange", "existed before", "rename the Bundle")
	now := w.holds("strange", theirs)
	if now.ResourceVersion != stranger.ResourceVersion {
		t.Error("the stranger's object was written")
	}
	w.must(env.Client.Delete(t.Context(), stranger))
	w.holds("strange", ours)
	w.owned("strange", bundle)
	w.reports(bundle, v1alpha1.BundleReasonSynced, "1 namespace and in the ClusterTrustBundle strange")
}

// F1: the signer cannot be changed, and has the form that Kubernetes requires.
func TestSigner(t *testing.T) {
	w := world{t}
	label := strings.Repeat("a", 63)
	for name, isValid := range map[string]bool{
		"example.com/foo": true, "a.b/c": true, "example.com/foo.bar": true, "example.com/" + strings.Repeat("a", 200): true,
		label + "." + label + "/x": true, "1.2/3": true,
		"example/foo": false, "example.com": false, "example.com/": false, "/foo": false, "example.com/foo/bar": false, "Example.com/foo": false,
		"example.com/Foo": false, "example.com/foo_bar": false, "-a.com/foo": false, "a.com/foo-": false, "a..com/foo": false,
		label + "a.com/foo": false, strings.Repeat(label+".", 4) + "com/foo": false,
	} {
		for _, prefix := range []string{"", "cluster-"} {
			bundle := &v1alpha1.Bundle{ObjectMeta: metav1.ObjectMeta{Name: prefix + "form"}, Spec: v1alpha1.BundleSpec{
				Sources: []v1alpha1.BundleSource{{InLine: new("x")}},
				Target:  &v1alpha1.BundleTarget{ClusterTrustBundle: &v1alpha1.ClusterTrustBundleTarget{SignerName: name}},
			}}
			err := env.Client.Create(t.Context(), bundle, client.DryRunAll)
			if apierrors.IsInvalid(err) == isValid {
				t.Errorf("%s%s: %v", prefix, name, err)
			}
		}
		object := &certificatesv1.ClusterTrustBundle{
			ObjectMeta: metav1.ObjectMeta{Name: strings.ReplaceAll(name, "/", ":") + ":form"},
			Spec:       certificatesv1.ClusterTrustBundleSpec{SignerName: name, TrustBundle: ca.New("root").Certificate},
		}
		if err := env.Client.Create(t.Context(), object, client.DryRunAll); apierrors.IsInvalid(err) == isValid {
			t.Errorf("the API server: %s: %v", name, err)
		}
	}
	bundle := w.bundle("signed", ca.New("root").Certificate, func(b *v1alpha1.Bundle) { b.Spec.Target.ClusterTrustBundle.SignerName = signer })
	for _, other := range []string{"", "example.com/another"} {
		changed := bundle.DeepCopy()
		changed.Spec.Target.ClusterTrustBundle.SignerName = other
		if err := env.Client.Update(t.Context(), changed); err == nil || !strings.Contains(err.Error(), "spec.target.clusterTrustBundle.signerName: Invalid value") ||
			!strings.Contains(err.Error(), "immutable") {
			t.Errorf("%q: %v", other, err)
		}
	}
}

// F6: without the flag nothing is written, and without the chart's value there are no rights.
func TestDisabled(t *testing.T) {
	for _, grant := range env.Main.Grants {
		if grant.Group == "certificates.k8s.io" {
			t.Errorf("a right: %s", grant)
		}
	}
	operator, err := env.StartOperator()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = operator.Stop() }()
	w := world{t}
	w.namespace("disabled-place")
	bundle := w.bundle("first", ca.New("root").Certificate, alsoConfigMap("disabled-place"))
	w.reports(bundle, v1alpha1.BundleReasonClusterTrustBundlesDisabled, "spec.target.clusterTrustBundle", "--cluster-trust-bundles-enabled")
	err = env.Client.Get(t.Context(), client.ObjectKey{Namespace: "disabled-place", Name: "first"}, &corev1.ConfigMap{})
	if !apierrors.IsNotFound(err) {
		t.Errorf("the ConfigMap: %v", err)
	}
	w.must(absent(t.Context(), "first"))
}

// absent returns an error if a ClusterTrustBundle exists.
func absent(ctx context.Context, name string) error {
	found, err := read(ctx, "v1", name)
	if err == nil && found != nil {
		err = fmt.Errorf("ClusterTrustBundle %s exists", name)
	}
	return err
}

// F1, E4: a ClusterBundle takes over the object of the Bundle of its name in place.
func TestTakeOver(t *testing.T) {
	start(t)
	w := world{t}
	first, second := ca.New("first").Certificate, ca.New("second").Certificate
	bundle := w.bundle("target", first)
	before := w.holds("target", first)
	w.owned("target", bundle)
	cluster := &v1alpha2.ClusterBundle{ObjectMeta: metav1.ObjectMeta{Name: "target"}, Spec: v1alpha2.ClusterBundleSpec{
		InLineCAs: &second, Target: &v1alpha2.ClusterBundleTarget{ClusterTrustBundle: &v1alpha1.ClusterTrustBundleTarget{}},
	}}
	w.must(env.Client.Create(t.Context(), cluster))
	after := w.holds("target", second)
	if after.UID != before.UID || len(after.OwnerReferences) != 1 || after.OwnerReferences[0].UID != cluster.UID ||
		after.Labels[v1alpha1.BundleLabelKey] != "" || after.Labels[v1alpha2.BundleLabelKey] != "target" {
		t.Errorf("the object has the UID %s, was %s; owners %v, labels %v", after.UID, before.UID, after.OwnerReferences, after.Labels)
	}
	w.must(env.Client.Delete(t.Context(), cluster, client.PropagationPolicy(metav1.DeletePropagationOrphan)))
	if back := w.holds("target", first); back.UID != before.UID {
		t.Error("the object was created again")
	}
	w.owned("target", bundle)
}

// F6: without the permission to attest for a signer, the target fails, and says so.
func TestSignerWithoutPermission(t *testing.T) {
	start(t)
	w := world{t}
	bundle := w.bundle("first", ca.New("root").Certificate, func(b *v1alpha1.Bundle) {
		b.Spec.Target.ClusterTrustBundle.SignerName = "another.example.com/signer"
	})
	w.reports(bundle, v1alpha1.BundleReasonSyncClusterTrustBundleTargetFailed, "another.example.com:signer:first", "add the signer to clusterTrustBundles.signers", "not permitted to attest")
}
