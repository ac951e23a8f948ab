package trustbundle

import (
	"fmt"
	"testing"

	certificatesv1 "k8s.io/api/certificates/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/ca"
	"trust-manager.io/test/framework/poll"
)

// F5: a Bundle and a ClusterBundle read ClusterTrustBundles by name and by signer, in the order of
// their names, and follow them. Targets of Bundles are never read.
func TestSource(t *testing.T) {
	start(t)
	for _, prefix := range []string{"", "cluster-"} {
		t.Run(prefix+"bundle", func(t *testing.T) {
			w := world{t}
			place := prefix + "source-place"
			w.namespace(place)
			const theirs = "others.example.com/issuer"
			signed := func(name, content string, labels map[string]string) *certificatesv1.ClusterTrustBundle {
				return w.trustBundle("others.example.com:issuer:"+name, theirs, content, labels)
			}
			roots := map[string]string{}
			for _, name := range []string{"own", "named", "a", "b", "c", "marked", "late"} {
				roots[name] = ca.New(name).Certificate
			}
			live := map[string]string{"channel": "live"}
			w.trustBundle("allowed", "", roots["named"], nil)
			signed("b", roots["b"], live)
			signed("a", "text\n"+roots["a"], live)
			signed("c", roots["c"], map[string]string{"channel": "canary"})
			signed("marked", roots["marked"], map[string]string{"channel": "live", v1alpha1.BundleLabelKey: "marked"})
			bundle := w.bundle(prefix+"reader", roots["own"], alsoConfigMap(place), func(b *v1alpha1.Bundle) {
				b.Spec.Sources = []v1alpha1.BundleSource{
					{ClusterTrustBundle: &v1alpha1.ClusterTrustBundleSource{SignerName: theirs, Selector: &v1alpha1.LabelSelector{MatchLabels: live}}},
					{ClusterTrustBundle: &v1alpha1.ClusterTrustBundleSource{Name: "allowed"}},
				}
				b.Spec.Target.ClusterTrustBundle = nil
			})
			name := bundle.Name
			w.inConfigMap(place, name, roots["a"]+roots["b"]+roots["named"])
			w.reports(bundle, v1alpha1.BundleReasonSynced)
			late := signed("ab", roots["late"], live)
			w.inConfigMap(place, name, roots["a"]+roots["late"]+roots["b"]+roots["named"])
			w.must(env.Client.Patch(t.Context(), late, client.RawPatch("application/merge-patch+json", []byte(`{"metadata": {"labels": {"channel": "none"}}}`))))
			w.inConfigMap(place, name, roots["a"]+roots["b"]+roots["named"])
			w.change(bundle, func(b *v1alpha1.Bundle) {
				b.Spec.Sources = []v1alpha1.BundleSource{{ClusterTrustBundle: &v1alpha1.ClusterTrustBundleSource{SignerName: theirs}}}
			})
			w.inConfigMap(place, name, roots["a"]+roots["late"]+roots["b"]+roots["c"])
		})
	}
}

// F5: the certificate of the API server itself is read by its signer, as the guide shows.
func TestAPIServersCA(t *testing.T) {
	start(t)
	w := world{t}
	const place = "own-place"
	w.namespace(place)
	published := &certificatesv1.ClusterTrustBundleList{}
	poll.Eventually(t, "the controller manager to publish the CA", func() error {
		err := env.Client.List(t.Context(), published, client.MatchingFields{"spec.signerName": "kubernetes.io/kube-apiserver-serving"})
		if err == nil && len(published.Items) == 0 {
			err = fmt.Errorf("none yet")
		}
		return err
	})
	w.bundle("api", "", alsoConfigMap(place), func(b *v1alpha1.Bundle) {
		b.Spec.Sources = []v1alpha1.BundleSource{{ClusterTrustBundle: &v1alpha1.ClusterTrustBundleSource{SignerName: "kubernetes.io/kube-apiserver-serving"}}}
		b.Spec.Target.ClusterTrustBundle = nil
	})
	w.inConfigMap(place, "api", blocks(published.Items[0].Spec.TrustBundle))
}

// F5: what the flag does not list is not read, and neither are targets and what does not exist.
func TestSourceIsRefused(t *testing.T) {
	start(t)
	w := world{t}
	root := ca.New("root").Certificate
	w.trustBundle("forbidden", "", root, nil)
	target := w.bundle("target", root)
	w.reports(target, v1alpha1.BundleReasonSynced)
	for name, tc := range map[string]struct {
		source v1alpha1.ClusterTrustBundleSource
		reason string
		texts  []string
	}{
		"a name":   {v1alpha1.ClusterTrustBundleSource{Name: "forbidden"}, v1alpha1.BundleReasonSourceBuildError, []string{"--cluster-trust-bundle-sources", "forbidden"}},
		"a signer": {v1alpha1.ClusterTrustBundleSource{SignerName: "example.org/x"}, v1alpha1.BundleReasonSourceBuildError, []string{"--cluster-trust-bundle-sources", "example.org/x"}},
		"a target": {v1alpha1.ClusterTrustBundleSource{Name: "target"}, v1alpha1.BundleReasonSourceBuildError, []string{"ClusterTrustBundle target", "is the target of a Bundle"}},
		"nothing":  {v1alpha1.ClusterTrustBundleSource{Name: "allowed"}, v1alpha1.BundleReasonSourceNotFound, []string{"ClusterTrustBundle allowed", "does not exist"}},
		"optional": {v1alpha1.ClusterTrustBundleSource{Name: "allowed", Optional: true}, v1alpha1.BundleReasonSynced, nil},
	} {
		for _, prefix := range []string{"", "cluster-"} {
			t.Run(prefix+name, func(t *testing.T) {
				w := world{t}
				bundle := w.bundle(prefix+"first", root, func(b *v1alpha1.Bundle) {
					b.Spec.Sources = append(b.Spec.Sources, v1alpha1.BundleSource{ClusterTrustBundle: &tc.source})
					b.Spec.Target = &v1alpha1.BundleTarget{ConfigMap: &v1alpha1.TargetObject{Key: "ca.pem"},
						NamespaceSelector: &v1alpha1.LabelSelector{MatchLabels: map[string]string{"no": "namespace"}}}
				})
				w.reports(bundle, tc.reason, tc.texts...)
			})
		}
	}
}

// F1, F5: combinations of fields that have no meaning are refused by the API server, by their path.
func TestAdmission(t *testing.T) {
	selector := &v1alpha1.LabelSelector{}
	for name, tc := range map[string]struct {
		source *v1alpha1.ClusterTrustBundleSource
		want   string
	}{
		"nothing":           {&v1alpha1.ClusterTrustBundleSource{}, "exactly one of name and signerName"},
		"name and signer":   {&v1alpha1.ClusterTrustBundleSource{Name: "a", SignerName: "a.b/c"}, "exactly one of name and signerName"},
		"selector and name": {&v1alpha1.ClusterTrustBundleSource{Name: "a", Selector: selector}, "selector: Invalid value"},
		"optional signer":   {&v1alpha1.ClusterTrustBundleSource{SignerName: "a.b/c", Optional: true}, "optional: Invalid value"},
	} {
		for _, prefix := range []string{"", "cluster-"} {
			bundle := &v1alpha1.Bundle{ObjectMeta: metav1.ObjectMeta{Name: prefix + "refused"}, Spec: v1alpha1.BundleSpec{
				Sources: []v1alpha1.BundleSource{{ClusterTrustBundle: tc.source}},
			}}
			err := env.Client.Create(t.Context(), bundle, client.DryRunAll)
			if !apierrors.IsInvalid(err) || !contains(err, tc.want) {
				t.Errorf("%s%s: %v", prefix, name, err)
			}
		}
	}
	stores := &v1alpha1.Bundle{ObjectMeta: metav1.ObjectMeta{Name: "refused"}, Spec: v1alpha1.BundleSpec{
		Sources: []v1alpha1.BundleSource{{InLine: new("x")}},
		Target: &v1alpha1.BundleTarget{ClusterTrustBundle: &v1alpha1.ClusterTrustBundleTarget{},
			AdditionalFormats: &v1alpha1.AdditionalFormats{JKS: &v1alpha1.JKS{Key: "x"}}},
	}}
	if err := env.Client.Create(t.Context(), stores, client.DryRunAll); !contains(err, "spec.target.additionalFormats: Invalid value") {
		t.Errorf("key stores: %v", err)
	}
}
