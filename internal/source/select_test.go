package source_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/rotation"
	"trust-manager.io/internal/source"
)

// labelled adds the label ca=yes to an object.
func labelled[o client.Object](object o) o {
	object.SetLabels(map[string]string{"ca": "yes"})
	return object
}

// rotating adds the label of a rotation state to an object.
func rotating(object *corev1.ConfigMap) *corev1.ConfigMap {
	object.Labels["trust.cert-manager.io/rotation"] = "roots"
	return object
}

func tlsSecret(name string) *corev1.Secret {
	s := labelled(secret("cert-manager", name, map[string][]byte{"tls.crt": []byte("c"), "tls.key": []byte("k")}))
	s.Type = corev1.SecretTypeTLS
	return s
}

// Inputs of sources with a selector or all keys, in order: S1, S4, S7, S10, and the
// part of V7 that a selector never reads the Bundle's own targets.
func TestGatherSelected(t *testing.T) {
	t.Parallel()
	target := labelled(configMap("cert-manager", "roots", map[string]string{"ca.crt": "target"}, nil))
	released := labelled(secret("cert-manager", "roots", map[string][]byte{"ca.crt": []byte("target")}))
	released.Labels["trust.cert-manager.io/bundle"] = "roots"
	ofAnother := labelled(configMap("cert-manager", "others", map[string]string{"ca.crt": "others"}, nil))
	ofAnother.Labels["trust.cert-manager.io/bundle"] = "others"
	cluster := newObjects(
		// K5: a rotation state is never read, whatever its name.
		labelled(configMap("cert-manager", rotation.Name(bundle.ID{Kind: bundle.APIBundle, Name: "roots"}), map[string]string{"ca.crt": "state"}, nil)),
		rotating(labelled(configMap("cert-manager", "copied", map[string]string{"ca.crt": "state"}, nil))),
		target, released, ofAnother,
		labelled(configMap("cert-manager", "b", map[string]string{"ca.crt": "b", "a": "a"}, map[string][]byte{"b": []byte("bin")})),
		labelled(configMap("cert-manager", "a", map[string]string{"ca.crt": "a"}, nil)),
		labelled(configMap("elsewhere", "c", map[string]string{"ca.crt": "c"}, nil)),
		configMap("cert-manager", "d", map[string]string{"other": "d"}, nil),
		secret("cert-manager", "plain", map[string][]byte{"z": []byte("z"), "y": []byte("y")}),
		tlsSecret("tls"),
	)
	some, err := labels.Parse("ca=yes")
	if err != nil {
		t.Fatal(err)
	}
	nothing, err := labels.Parse("ca=no")
	if err != nil {
		t.Fatal(err)
	}
	const refusal = "includeAllKeys is not allowed for a Secret of type kubernetes.io/tls, because it would read the private key; set key instead"
	cases := map[string]struct {
		from bundle.ObjectSource
		want []string
	}{
		"S1: by name": {
			bundle.ObjectSource{Kind: bundle.ConfigMap, Selector: some, Key: "ca.crt"},
			[]string{"a ca.crt=a", "b ca.crt=b", "others ca.crt=others"},
		},
		"S1, S4: by key, over data and binaryData": {
			bundle.ObjectSource{Kind: bundle.ConfigMap, Name: "b", AllKeys: true}, []string{"b a=a b=bin ca.crt=b"},
		},
		"S1: of selected objects, all keys": {
			bundle.ObjectSource{Kind: bundle.ConfigMap, Selector: some, AllKeys: true},
			[]string{"a ca.crt=a", "b a=a b=bin ca.crt=b", "others ca.crt=others"},
		},
		"S7: an empty selection is not an error": {
			bundle.ObjectSource{Kind: bundle.ConfigMap, Selector: nothing, Key: "ca.crt"}, nil,
		},
		"S7: a selected object without the key": {
			bundle.ObjectSource{Kind: bundle.ConfigMap, Selector: labels.Everything(), Key: "ca.crt"},
			[]string{"a ca.crt=a", "b ca.crt=b", "d SourceNotFound the object has no such key", "others ca.crt=others"},
		},
		"K1: optional, a selected object without the key": {
			bundle.ObjectSource{Kind: bundle.ConfigMap, Selector: labels.Everything(), Key: "ca.crt", Optional: true},
			[]string{"a ca.crt=a", "b ca.crt=b", "d is absent", "others ca.crt=others"},
		},
		"K1: optional, all keys of a missing object": {
			bundle.ObjectSource{Kind: bundle.Secret, Name: "none", AllKeys: true, Optional: true}, []string{"none is absent"},
		},
		"K1, S10: optional does not open a TLS Secret": {
			bundle.ObjectSource{Kind: bundle.Secret, Name: "tls", AllKeys: true, Optional: true}, []string{"tls SourceBuildError " + refusal},
		},
		"all keys of a Secret": {
			bundle.ObjectSource{Kind: bundle.Secret, Name: "plain", AllKeys: true}, []string{"plain y=y z=z"},
		},
		"S10: all keys of a TLS Secret": {
			bundle.ObjectSource{Kind: bundle.Secret, Name: "tls", AllKeys: true}, []string{"tls SourceBuildError " + refusal},
		},
		"S10: also if it is selected; V7: a target that is being released is not read": {
			bundle.ObjectSource{Kind: bundle.Secret, Selector: some, AllKeys: true}, []string{"tls SourceBuildError " + refusal},
		},
		"one key of a TLS Secret": {
			bundle.ObjectSource{Kind: bundle.Secret, Selector: some, Key: "tls.crt"}, []string{"tls tls.crt=c"},
		},
		"K5: a rotation state by its name": {
			bundle.ObjectSource{Kind: bundle.ConfigMap, Name: "copied", Key: "ca.crt"},
			[]string{"copied SourceBuildError the object stores the rotation state of a Bundle, which is never a source"},
		},
		"S7: no such object, all keys": {
			bundle.ObjectSource{Kind: bundle.Secret, Name: "none", AllKeys: true}, []string{"none SourceNotFound the object does not exist"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := bundle.Spec{
				ID:      bundle.ID{Kind: bundle.APIBundle, Name: "roots"},
				Marks:   apis.Bundle{}.Marks(),
				Sources: []bundle.Source{{Field: "spec.sources[0]", Object: &tc.from}},
				Targets: []bundle.Target{{Kind: bundle.ConfigMap}},
			}
			for range 5 { // S3: the fake lists in map order
				got, err := source.NewGatherer(source.Config{Objects: cluster, TrustNamespace: "cert-manager", DefaultCAs: noPackage(t)}).Gather(t.Context(), spec)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tc.want, described(got.Inputs)); diff != "" {
					t.Fatalf("inputs (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// described returns the object's name and the content of each input.
func described(inputs []bundle.Input) []string {
	var list []string
	for _, input := range inputs {
		_, text, _ := strings.Cut(input.Origin.Object, "/")
		if input.Problem != nil {
			text += fmt.Sprintf(" %s %s", input.Problem.Reason, input.Problem.Detail)
		}
		if input.Absent {
			text += " is absent"
		}
		for _, read := range input.Texts {
			text += fmt.Sprintf(" %s=%s", read.Key, read.PEM)
		}
		list = append(list, text)
	}
	return list
}

// An unreachable API server is an error, which is retried.
func TestGatherSelectedFails(t *testing.T) {
	t.Parallel()
	cluster := newObjects()
	cluster.err = errors.New("broken")
	for _, kind := range []bundle.Kind{bundle.ConfigMap, bundle.Secret} {
		spec := bundle.Spec{Sources: []bundle.Source{{
			Field: "spec.sources[0].x", Object: &bundle.ObjectSource{Kind: kind, Selector: labels.Everything(), Key: "k"},
		}}}
		_, err := source.NewGatherer(source.Config{Objects: cluster, TrustNamespace: "cert-manager", DefaultCAs: noPackage(t)}).Gather(t.Context(), spec)
		if err == nil || !strings.Contains(err.Error(), "spec.sources[0].x") {
			t.Errorf("%s: error %v", kind, err)
		}
	}
}
