package target

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
)

// spec returns a Bundle with the given targets in all namespaces.
func spec(targets ...bundle.Target) bundle.Spec {
	return bundle.Spec{ID: bundleRoots, Owner: ownedBy(bundleUID), Marks: &marks, Namespaces: labels.Everything(), Targets: targets}
}

// encoded is the size of a PEM block for DER of that length: a line before and
// after, 4 characters for 3 bytes, and a line end for 64 characters.
func encoded(length int) int {
	characters := (length + 2) / 3 * 4
	return len("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n") + characters + (characters+63)/64
}

// sized returns a bundle whose PEM text has exactly this size: a large block, and as many
// blocks of one byte as needed.
func sized(tb testing.TB, size int) bundle.Bundle {
	tb.Helper()
	for small := range 65 {
		rest := size - small*encoded(1)
		for length := rest * 3 / 4 * 64 / 66; encoded(length) <= rest; length++ {
			if encoded(length) < rest {
				continue
			}
			content := bundle.Bundle{Certificates: []certs.Certificate{{DER: make([]byte, length)}}}
			for range small {
				content.Certificates = append(content.Certificates, certs.Certificate{DER: []byte{0}})
			}
			return content
		}
	}
	tb.Fatalf("no blocks have %d bytes together", size)
	return bundle.Bundle{}
}

func TestKeyString(t *testing.T) {
	t.Parallel()
	if got := roots.String(); got != "ConfigMap team-a/roots" {
		t.Errorf("String() = %q", got)
	}
}

// The objects of a cluster-scoped kind have no namespace, whatever is selected.
func TestPlaces(t *testing.T) {
	t.Parallel()
	selected := []string{"team-a", "team-b"}
	if got := TypeOf(bundle.Secret).Places(selected); !slices.Equal(got, selected) {
		t.Errorf("a namespaced kind is in %q", got)
	}
	if got := (&Type{ClusterScoped: true}).Places(selected); !slices.Equal(got, []string{""}) {
		t.Errorf("a cluster-scoped kind is in %q", got)
	}
	if got := (Ref{Kind: bundle.ClusterTrustBundle, Name: "roots"}); got.String() != "ClusterTrustBundle roots" || got.Location() != got.String() {
		t.Errorf("its objects are %q in messages, and at %q", got, got.Location())
	}
}

// T4: a target has the requested metadata and the operator's own.
func TestNewRevision(t *testing.T) {
	t.Parallel()
	asked := configMap("ca.pem")
	content := bundle.Bundle{Certificates: []certs.Certificate{{DER: []byte("certificate")}}}
	got, err := NewRevision(spec(asked), content, nil)
	if err != nil {
		t.Fatal(err)
	}
	digest := digestWith(asked, content.Certificates)
	want := map[bundle.Kind]*Shape{bundle.ConfigMap: {
		Kind:        bundle.ConfigMap,
		Digest:      digest,
		Binary:      map[string][]byte{},
		Text:        map[string]string{"ca.pem": "-----BEGIN CERTIFICATE-----\nY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n"},
		Labels:      map[string]string{"team": "a", "trust.cert-manager.io/bundle": "roots"},
		Annotations: map[string]string{"note": "b", "trust.cert-manager.io/hash": digest},
	}}
	if diff := cmp.Diff(want, got.Shapes); diff != "" {
		t.Errorf("shapes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(ownedBy(bundleUID), got.Owner); diff != "" {
		t.Errorf("owner (-want +got):\n%s", diff)
	}
	if !got.Namespaces.Empty() {
		t.Errorf("namespaces %s, want all", got.Namespaces)
	}
	if len(asked.Labels) != 1 || len(asked.Annotations) != 1 {
		t.Errorf("the input has changed: %v, %v", asked.Labels, asked.Annotations)
	}
}

// The operator's own entries take precedence over requested ones.
func TestNewRevisionKeepsItsOwnNames(t *testing.T) {
	t.Parallel()
	asked := pemTarget(bundle.ConfigMap, "k")
	asked.Labels, asked.Annotations = map[string]string{bundleLabel: "other"}, map[string]string{hashKey: "other"}
	got, err := NewRevision(spec(asked), bundle.Bundle{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := got.Shapes[bundle.ConfigMap]
	if s.Labels[bundleLabel] != "roots" || s.Annotations[hashKey] != s.Digest {
		t.Errorf("labels %v, annotations %v", s.Labels, s.Annotations)
	}
}

// A6: a Bundle without targets has a revision without shapes.
func TestNewRevisionWithoutTargets(t *testing.T) {
	t.Parallel()
	got, err := NewRevision(spec(), bundle.Bundle{}, nil)
	if err != nil || len(got.Shapes) != 0 {
		t.Errorf("shapes %v, error %v", got.Shapes, err)
	}
}

// Unchanged content is not encoded again, and changed content is.
func TestNewRevisionReusesShapes(t *testing.T) {
	t.Parallel()
	content := bundle.Bundle{Certificates: []certs.Certificate{{DER: []byte("1")}}}
	before, err := NewRevision(spec(configMap("ca.pem")), content, nil)
	if err != nil {
		t.Fatal(err)
	}
	other := bundle.Bundle{Certificates: certificates(1)}
	for name, tc := range map[string]struct {
		spec    bundle.Spec
		content bundle.Bundle
		same    bool
	}{
		"the same":        {spec(configMap("ca.pem")), content, true},
		"another owner":   {bundle.Spec{ID: bundleRoots, Owner: ownedBy("newer"), Marks: &marks, Targets: []bundle.Target{configMap("ca.pem")}}, content, true},
		"another key":     {spec(configMap("ca.crt")), content, false},
		"another content": {spec(configMap("ca.pem")), other, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			after, err := NewRevision(tc.spec, tc.content, before)
			if err != nil {
				t.Fatal(err)
			}
			if same := after.Shapes[bundle.ConfigMap] == before.Shapes[bundle.ConfigMap]; same != tc.same {
				t.Errorf("reused: %t, want %t", same, tc.same)
			}
			if after.Owner.UID != tc.spec.Owner.UID {
				t.Errorf("owner %v", after.Owner)
			}
		})
	}
}

// T10: content that exceeds the API server's limit is refused before the first write.
func TestNewRevisionSize(t *testing.T) {
	t.Parallel()
	revision, err := NewRevision(spec(configMap("ca.pem")), sized(t, 1_048_576), nil)
	if err != nil {
		t.Fatalf("1,048,576 bytes: %v", err)
	}
	if size := len(revision.Shapes[bundle.ConfigMap].Text["ca.pem"]); size != 1_048_576 {
		t.Fatalf("the file has %d bytes", size)
	}
	larger := sized(t, 1_048_577)
	revision, err = NewRevision(spec(configMap("ca.pem")), larger, revision)
	var problems bundle.Problems
	if !errors.As(err, &problems) || revision != nil {
		t.Fatalf("1,048,577 bytes: revision %v, error %v", revision, err)
	}
	if problems.Reason() != "BundleTooLarge" {
		t.Errorf("reason %s", problems.Reason())
	}
	for _, part := range []string{fmt.Sprint(len(larger.Certificates), " certificates"), "1048577 bytes (PEM 1048577)", "a ConfigMap holds at most 1048576"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not contain %q", err, part)
		}
	}
}

// T10: all formats count together, and the message has the size of each.
func TestFit(t *testing.T) {
	t.Parallel()
	target := pemTarget(bundle.Secret, strings.Repeat("k", 253), bundle.File{Format: bundle.JKS}, bundle.File{Format: bundle.PKCS12})
	for _, tc := range []struct {
		pem, jks, pkcs12 int
		fits             bool
	}{
		{MaxSize, 0, 0, true}, {MaxSize + 1, 0, 0, false}, {0, 0, 0, true},
		{MaxSize - 2, 1, 1, true}, {MaxSize - 2, 1, 2, false}, {1, MaxSize, 0, false}, {1, 0, MaxSize, false},
	} {
		f := &encodedFiles{encoded: map[encoding]encodedFile{}}
		for i, size := range []int{tc.pem, tc.jks, tc.pkcs12} {
			f.encoded[encodingOf(target.Files[i])] = encodedFile{size: size}
		}
		err := f.checkSize(target, 7)
		if (err == nil) != tc.fits {
			t.Errorf("%+v: %v", tc, err)
		}
		if err == nil {
			continue
		}
		for _, part := range []string{
			fmt.Sprintf("7 certificates takes %d bytes", tc.pem+tc.jks+tc.pkcs12),
			fmt.Sprintf("(PEM %d, JKS %d, PKCS#12 %d)", tc.pem, tc.jks, tc.pkcs12), "a Secret holds at most 1048576",
		} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q does not contain %q", err, part)
			}
		}
	}
}

// Equal revisions need no rollout.
func TestSame(t *testing.T) {
	t.Parallel()
	revision := func(change func(*Revision)) *Revision {
		r := &Revision{Owner: ownedBy(bundleUID), Namespaces: labels.Everything(), Shapes: map[bundle.Kind]*Shape{bundle.ConfigMap: shape()}}
		if change != nil {
			change(r)
		}
		return r
	}
	selector, err := metav1.LabelSelectorAsSelector(&metav1.LabelSelector{MatchLabels: map[string]string{"team": "a"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		other *Revision
		same  bool
	}{
		"itself":           {revision(nil), true},
		"none":             {nil, false},
		"another UID":      {revision(func(r *Revision) { r.Owner.UID = "newer" }), false},
		"other namespaces": {revision(func(r *Revision) { r.Namespaces = selector }), false},
		"overwriting":      {revision(func(r *Revision) { r.Overwrite = true }), false},
		"another digest":   {revision(func(r *Revision) { r.Shapes[bundle.ConfigMap].Digest = "other" }), false},
		"a kind less":      {revision(func(r *Revision) { r.Shapes = nil }), false},
		"a kind more":      {revision(func(r *Revision) { r.Shapes[bundle.Secret] = shape() }), false},
		"another kind":     {revision(func(r *Revision) { r.Shapes = map[bundle.Kind]*Shape{bundle.Secret: shape()} }), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := revision(nil).Equal(tc.other); got != tc.same {
				t.Errorf("Equal() = %t", got)
			}
			if tc.other != nil && tc.other.Equal(revision(nil)) != tc.same {
				t.Error("the reverse comparison differs")
			}
		})
	}
}

// configMap returns a ConfigMap target with PEM under a key.
func configMap(key string) bundle.Target {
	target := pemTarget(bundle.ConfigMap, key)
	target.Labels, target.Annotations = map[string]string{"team": "a"}, map[string]string{"note": "b"}
	return target
}

// pemTarget returns a target with one PEM file, and more files.
func pemTarget(kind bundle.Kind, key string, more ...bundle.File) bundle.Target {
	return bundle.Target{Kind: kind, Files: append([]bundle.File{{Format: bundle.PEM, Key: key}}, more...)}
}

// T3, T4: a store is reused from the previous revision if only its key differs; another
// password or profile changes the digest.
func TestEncodeFilesReusesStores(t *testing.T) {
	t.Parallel()
	store := bundle.File{Format: bundle.PKCS12, Key: "ca.p12", Password: "one", Profile: "LegacyRC2"}
	with := func(store bundle.File) bundle.Target { return pemTarget(bundle.ConfigMap, "ca.pem", store) }
	encoded := func(store bundle.File, before *encodedFiles) *encodedFiles {
		made, err := encodeFiles([]bundle.Target{with(store)}, nil, before)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	before := encoded(store, nil)
	for name, tc := range map[string]struct {
		change func(*bundle.File)
		reused bool
	}{
		"nothing":  {func(*bundle.File) {}, true},
		"key":      {func(s *bundle.File) { s.Key = "other" }, true},
		"password": {func(s *bundle.File) { s.Password = "two" }, false},
		"profile":  {func(s *bundle.File) { s.Profile = "Modern2023" }, false},
		"format":   {func(s *bundle.File) { s.Format, s.Profile = bundle.JKS, "" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			changed := store
			tc.change(&changed)
			after := encoded(changed, before)
			if reused := &after.of(changed).entries[0].Data[0] == &before.of(store).entries[0].Data[0]; reused != tc.reused {
				t.Errorf("reused: %t, want %t", reused, tc.reused)
			}
			if same := digestOf(bundle.Spec{}, with(changed), after) == digestOf(bundle.Spec{}, with(store), before); same != (name == "nothing") {
				t.Errorf("the same digest: %t", same)
			}
		})
	}
}
