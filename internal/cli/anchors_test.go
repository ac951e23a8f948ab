package cli

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/survey"
	"trust-manager.io/test/framework/ca"
)

// cluster are the objects of a cluster, by kind. Each one has every name.
type cluster map[string]map[string]any

// Get implements [client.Reader].
func (c cluster) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	kind := into.GetObjectKind().GroupVersionKind().Kind
	if namespace, ok := into.(*corev1.Namespace); ok && c["Namespace"] != nil {
		namespace.Labels, _ = c["Namespace"]["labels"].(map[string]string)
		return nil
	}
	object, ok := into.(*unstructured.Unstructured)
	if !ok || c[kind] == nil {
		return apierrors.NewNotFound(schema.GroupResource{Resource: strings.ToLower(kind) + "s"}, key.Name)
	}
	object.Object["data"] = c[kind]
	object.SetName(key.Name)
	object.SetNamespace(key.Namespace)
	return nil
}

// List implements [client.Reader].
func (cluster) List(context.Context, client.ObjectList, ...client.ListOption) error {
	return errors.New("not implemented")
}

func (c cluster) survey() *survey.Cluster {
	return survey.NewCluster(survey.Config{Live: c, Sources: c, TrustNamespace: "trust", Clock: clock.RealClock{}})
}

// L5: another target is read if the first one is missing, and the answer says so. Without any, the
// error names the reason.
func TestBundleAnchors(t *testing.T) {
	t.Parallel()
	file := []bundle.File{{Key: "ca.crt"}}
	root := map[string]any{"ca.crt": ca.Fixed(1).Certificate}
	definition := &survey.Definition{Object: &v1alpha1.Bundle{}, Spec: bundle.Spec{
		ID: bundle.ID{Kind: bundle.APIBundle, Name: "roots"}, Namespaces: labels.SelectorFromSet(labels.Set{"team": "a"}),
		Targets: []bundle.Target{{Kind: bundle.ConfigMap, Files: file}, {Kind: bundle.Secret, Files: file}},
	}}
	failed := *definition
	failed.Object = &v1alpha1.Bundle{Status: v1alpha1.BundleStatus{Conditions: []metav1.Condition{
		{Type: "Ready", Status: metav1.ConditionFalse, Reason: "Other"}, {Type: "Synced", Status: metav1.ConditionFalse, Reason: "SourceNotFound", Message: "no ConfigMap x"},
	}}}
	secret := map[string]any{"ca.crt": "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg=="}
	selected := map[string]any{"labels": map[string]string{"team": "a"}}
	for name, tc := range map[string]struct {
		cluster    cluster
		definition *survey.Definition
		trustedBy  string
		notes, err string
	}{
		"first target":  {cluster{"ConfigMap": root}, definition, "Bundle roots as in ConfigMap team/roots", "", ""},
		"second target": {cluster{"Secret": encoded(root)}, definition, "Bundle roots as in Secret team/roots", "ConfigMap team/roots does not exist, so another target of Bundle roots was read", ""},
		"foreign first": {cluster{"ConfigMap": {"other": "x"}, "Secret": encoded(root)}, definition, "Bundle roots as in Secret team/roots", "has none of the keys of Bundle roots: ca.crt, so another target", ""},
		"unreadable":    {cluster{"Secret": secret}, definition, "", "", "Secret team/roots"},
		"no namespace":  {cluster{}, definition, "", "", "namespace team has no target of Bundle roots: the namespace does not exist"},
		"not selected":  {cluster{"Namespace": {}}, definition, "", "", "the labels of the namespace do not match its namespaceSelector: team=a"},
		"not built":     {cluster{"Namespace": selected}, &failed, "", "", "it is not in sync: SourceNotFound: no ConfigMap x"},
		"not written":   {cluster{"Namespace": selected}, definition, "", "", "it has not been written yet"},
	} {
		trust, err := (&verification{}).bundleAnchors(t.Context(), tc.cluster, tc.cluster.survey(), tc.definition, "team")
		if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) || trust.name != tc.trustedBy {
			t.Errorf("%s: trusted by %q, error %v", name, trust.name, err)
		}
		if notes := strings.Join(trust.notes, "\n"); !strings.Contains(notes, tc.notes) || (notes == "") != (tc.notes == "") {
			t.Errorf("%s: notes %q, want %q", name, notes, tc.notes)
		}
	}
}

// encoded returns the data of a Secret.
func encoded(texts map[string]any) map[string]any {
	data := map[string]any{}
	for key, text := range texts {
		data[key] = []byte(text.(string))
	}
	return data
}

// L5: without the definition of a bundle, its keys are unknown, and keys with different certificates
// have no answer.
func TestConfigMapAnchors(t *testing.T) {
	t.Parallel()
	first, second := ca.Fixed(1).Certificate, ca.Fixed(2).Certificate
	for name, tc := range map[string]struct {
		data           map[string]any
		trustedBy, err string
	}{
		"one key":        {map[string]any{"a": "text", "b.crt": first}, `ConfigMap team/roots, key "b.crt"`, ""},
		"the same":       {map[string]any{"a.crt": first + second, "b.crt": second + first}, `ConfigMap team/roots, key "a.crt"`, ""},
		"more in one":    {map[string]any{"a.crt": first, "b.crt": second + first}, "", `the keys "a.crt", "b.crt" have different certificates`},
		"less in one":    {map[string]any{"a.crt": second + first, "b.crt": first}, "", `the keys "a.crt", "b.crt" have different certificates`},
		"no certificate": {map[string]any{"a": "text"}, "", "has no file of certificates"},
	} {
		trust, err := (&verification{bundle: "roots"}).configMapAnchors(t.Context(), cluster{"ConfigMap": tc.data}.survey(), "team")
		if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) || trust.name != tc.trustedBy {
			t.Errorf("%s: trusted by %q, error %v", name, trust.name, err)
		}
	}
}
