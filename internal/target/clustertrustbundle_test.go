package target

import (
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/test/framework/ca"
)

// F1: the name of a ClusterTrustBundle begins with its signer, and shows which Bundle's it is.
func TestTrustBundleKey(t *testing.T) {
	t.Parallel()
	for signer, name := range map[string]string{"": "roots", "example.com/my-signer": "example.com:my-signer:roots"} {
		shape := &Shape{Kind: bundle.ClusterTrustBundle, Signer: signer}
		key := shape.KeyOf(bundleRoots, "")
		if key.Ref != (Ref{Kind: bundle.ClusterTrustBundle, Name: name}) {
			t.Errorf("signer %q: %+v", signer, key)
		}
		labelled := &metav1.ObjectMeta{Name: name, Labels: map[string]string{marks.Label: "roots"}}
		if got, ok := KeyOfObject(&marks, bundle.ClusterTrustBundle, labelled); !ok || got != key {
			t.Errorf("signer %q: the object is %+v, %t", signer, got, ok)
		}
		labelled.Labels[marks.Label] = name + "x"
		if got, ok := KeyOfObject(&marks, bundle.ClusterTrustBundle, labelled); ok {
			t.Errorf("signer %q: another label: %+v", signer, got)
		}
		revision := &Revision{Shapes: map[bundle.Kind]*Shape{bundle.ClusterTrustBundle: shape}}
		for _, other := range []string{"roots", "example.com:my-signer:roots", "example.com:other:roots"} {
			if got := revision.Wants(Ref{Kind: bundle.ClusterTrustBundle, Name: other}, nil); got != (other == name) {
				t.Errorf("signer %q: wants %s: %t", signer, other, got)
			}
		}
	}
}

// F2: while the content is refused, the last content that was not stays, without what is excluded.
func TestTrustBundleKeepsAcceptedContent(t *testing.T) {
	t.Parallel()
	first, second := ca.New("first"), ca.New("second")
	parsed := func(pairs ...ca.Pair) (list []certs.Certificate) {
		for _, pair := range pairs {
			result, problem := certs.Parse(pair.Certificate, certs.Origin{Object: "source", Block: 1})
			if problem != nil {
				t.Fatal(problem)
			}
			list = append(list, result.Certificates...)
		}
		return list
	}
	asked := bundle.Target{Kind: bundle.ClusterTrustBundle, Files: []bundle.File{{Format: bundle.PEM, Key: bundle.TrustBundleField}}}
	of := func(before *Revision, excluded string, pairs ...ca.Pair) (*Revision, *Shape) {
		t.Helper()
		spec := spec(asked)
		if excluded != "" {
			spec.Filter.Exclude = []bundle.Exclusion{{Subject: "CN=" + excluded}}
		}
		revision, err := NewRevision(spec, bundle.Bundle{Certificates: parsed(pairs...)}, before)
		if err != nil {
			t.Fatal(err)
		}
		return revision, revision.Shapes[bundle.ClusterTrustBundle]
	}
	leaf := first.Issue()
	good, shape := of(nil, "", first.Pair, second.Pair)
	both := first.Certificate + second.Certificate
	if shape.Refused != nil || shape.Text[bundle.TrustBundleField] != both {
		t.Fatalf("accepted: %v", shape.Refused)
	}
	refused, shape := of(good, "", first.Pair, leaf)
	if shape.Refused == nil || shape.Text[bundle.TrustBundleField] != both || refused.Equal(good) {
		t.Errorf("refused: %v, %d bytes", shape.Refused, len(shape.Text[bundle.TrustBundleField]))
	}
	refused, shape = of(refused, "first", leaf)
	if shape.Refused == nil || shape.Text[bundle.TrustBundleField] != second.Certificate || strings.Contains(shape.Refused.Error(), "WARNING") {
		t.Errorf("excluded: %v", shape.Refused)
	}
	if _, shape = of(refused, "second", leaf); shape.hasFiles() || !strings.Contains(shape.Refused.Error(), "WARNING") {
		t.Errorf("everything is excluded: %v", shape.Refused)
	}
	if _, shape = of(nil, "", leaf); shape.hasFiles() || shape.Refused == nil {
		t.Errorf("refused from the start: %v", shape.Refused)
	}
	key := shape.KeyOf(bundleRoots, "")
	if got := Decide(key, Desired{Marks: &marks, Shape: shape, Selected: true}, Observed{State: Absent}); got.Verb != Refuse {
		t.Errorf("nothing to write: %s", got.Verb)
	}
}

// F3, T6: an object that is no target is refused, whatever its content, and a target is deleted on
// release, whatever metadata others have added.
func TestTrustBundleOfAnother(t *testing.T) {
	t.Parallel()
	shape := &Shape{
		Kind: bundle.ClusterTrustBundle, Digest: "digest", Text: map[string]string{bundle.TrustBundleField: "PEM\n"},
		Labels: map[string]string{marks.Label: "roots"}, Annotations: map[string]string{marks.Hash: "digest"},
	}
	key := shape.KeyOf(bundleRoots, "")
	desired := Desired{Owner: ownedBy("bundle-uid"), Marks: &marks, Shape: shape, Selected: true, Overwrite: true}
	object := func() *Object {
		return &Object{Kind: bundle.ClusterTrustBundle, Meta: metav1.ObjectMeta{Name: "roots", UID: "u", ResourceVersion: "1"},
			Text: map[string]string{bundle.TrustBundleField: "PEM\n"}}
	}
	stranger := object()
	if got := Decide(key, desired, Observed{State: Full, Object: stranger}); got.Verb != Refuse || !strings.Contains(got.Reason, "existed before") {
		t.Errorf("a stranger's: %s, %s", got.Verb, got.Reason)
	}
	stranger.Meta.Annotations = map[string]string{marks.Adopt: "true"}
	if got := Decide(key, desired, Observed{State: Full, Object: stranger}); got.Verb != Refuse {
		t.Errorf("a stranger's, with consent: %s, %s", got.Verb, got.Reason)
	}
	ours := object()
	ours.Meta.Labels = map[string]string{marks.Label: "roots", "theirs": "x"}
	ours.Meta.OwnerReferences = []metav1.OwnerReference{desired.Owner}
	ours.Meta.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubectl", FieldsV1: metav1.NewFieldsV1(`{"f:metadata":{"f:labels":{"f:theirs":{}}}}`)}}
	if got := Decide(key, desired, Observed{State: Full, Object: ours}); got.Verb != Patch {
		t.Errorf("a target without the digest: %s, %s", got.Verb, got.Reason)
	}
	desired.Selected = false
	if got := Decide(key, desired, Observed{State: Full, Object: ours}); got.Verb != Delete {
		t.Errorf("a target that is released: %s, %s", got.Verb, got.Reason)
	}
	if got := Decide(key, desired, Observed{State: Full, Object: stranger}); got.Verb != Skip {
		t.Errorf("a stranger's that is not wanted: %s, %s", got.Verb, got.Reason)
	}
}

// F2: a retained certificate of which the rotation state does not say where it was is named by its
// SHA-256.
func TestTrustBundleNamesRetained(t *testing.T) {
	t.Parallel()
	root := ca.New("root")
	list, err := certs.ParseDER(derOf(t, root.Certificate, root.Issue().Certificate))
	if err != nil {
		t.Fatal(err)
	}
	content := bundle.Bundle{Certificates: list, Retained: []bundle.Retained{{Certificate: list[1]}}}
	want := "the API server refuses 1 of 2 certificates; add it to spec.exclude: retained (spec.rotation), SHA-256 " +
		list[1].SHA256() + ": the certificate is not a CA"
	if err := acceptsTrustAnchors(content); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	content.Certificates[1].Origin = certs.Origin{Field: "spec.sources[0].inLine", Block: 2}
	if err := acceptsTrustAnchors(content); err == nil || !strings.Contains(err.Error(), "retained (spec.rotation) from spec.sources[0].inLine: block 2: ") {
		t.Errorf("with an origin: %v", err)
	}
}

// derOf returns the DER of PEM texts, one after the other.
func derOf(t *testing.T, texts ...string) (all []byte) {
	t.Helper()
	for _, text := range texts {
		block, _ := pem.Decode([]byte(text))
		all = append(all, block.Bytes...)
	}
	return all
}

// F6: if RBAC or the signer's permission is missing, the status has the Helm value that grants it.
func TestTrustBundleRemedy(t *testing.T) {
	t.Parallel()
	forbidden := func(cause string) error {
		return fmt.Errorf("writing: %w", apierrors.NewForbidden(schema.GroupResource{Group: "certificates.k8s.io", Resource: "clustertrustbundles"}, "team", errors.New(cause)))
	}
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"RBAC":    {forbidden(`User "system:serviceaccount:cert-manager:trust-manager" cannot patch resource "clustertrustbundles"`), `add "example.com:a:team" to clusterTrustBundles.names in the Helm values`},
		"signer":  {forbidden(`user not permitted to attest for signerName "example.com/a"`), "add the signer to clusterTrustBundles.signers in the Helm values"},
		"quota":   {forbidden("exceeded quota"), ""},
		"another": {errors.New("User cannot do that"), ""},
		"none":    {nil, ""},
	} {
		if got := TypeOf(bundle.ClusterTrustBundle).Remedy("example.com:a:team", tc.err); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
	if got := TypeOf(bundle.ConfigMap).Remedy("team", forbidden("cannot")); got != "" {
		t.Errorf("of a ConfigMap: %q", got)
	}
}
