package trustbundle

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/ca"
	"trust-manager.io/test/framework/poll"
)

// patience bounds each wait. After the API server was down, a watch begins again within a minute.
const patience = 90 * time.Second

// Settings of the API server: it serves the kind in no version, or in v1beta1 only.
var (
	unserved = []string{"--feature-gates=ClusterTrustBundle=false,ClusterTrustBundleProjection=false"}
	older    = []string{"--runtime-config=certificates.k8s.io/v1/clustertrustbundles=false,certificates.k8s.io/v1beta1/clustertrustbundles=true"}
)

// F4, F5: an operator starts on an API server that does not serve the kind, and takes it up in
// whatever version it comes, without a restart. Other targets are in sync all the while, and what
// was read from ClusterTrustBundles stays.
func TestServed(t *testing.T) {
	w := world{t}
	const place = "served-place"
	w.namespace(place)
	root, read1, read2 := ca.New("root").Certificate, ca.New("read 1").Certificate, ca.New("read 2").Certificate
	allowed := w.trustBundle("allowed", "", read1, nil)
	restarted.from = time.Now()
	t.Cleanup(func() {
		restarted.to = time.Now()
		if t.Failed() {
			w.must(env.RestartServer())
		}
	})
	w.must(env.RestartServer(unserved...))
	operator := start(t)
	first := w.bundle("versions", root, alsoConfigMap(place))
	reader := w.bundle("beside", root, alsoConfigMap(place), func(b *v1alpha1.Bundle) {
		b.Spec.Sources = append(b.Spec.Sources, v1alpha1.BundleSource{ClusterTrustBundle: &v1alpha1.ClusterTrustBundleSource{Name: "allowed"}})
		b.Spec.Target.ClusterTrustBundle = nil
	})
	w.reports(first, v1alpha1.BundleReasonClusterTrustBundleUnavailable, "1 of 2 targets failed", "does not serve ClusterTrustBundles")
	w.inConfigMap(place, "versions", root)
	w.reports(reader, v1alpha1.BundleReasonClusterTrustBundleUnavailable, "spec.sources[1].clusterTrustBundle")

	content := root
	for at, version := range []string{"v1beta1", "", "v1"} {
		arguments := map[string][]string{"v1": nil, "v1beta1": older, "": unserved}[version]
		w.must(env.RestartServer(arguments...))
		next := root + ca.New(fmt.Sprint("CA ", at)).Certificate
		w.change(first, func(b *v1alpha1.Bundle) { b.Spec.Sources[0].InLine = &next })
		w.inConfigMap(place, "versions", next)
		if version == "" {
			w.reports(first, v1alpha1.BundleReasonClusterTrustBundleUnavailable)
			w.inConfigMap(place, "beside", root+read1)
			continue
		}
		content = next
		poll.EventuallyWithin(t, patience, "the target in "+version, func() error {
			object, err := read(t.Context(), version, "versions")
			if err != nil || object == nil {
				return fmt.Errorf("the object: %w", err)
			}
			if spec, ok := object.Object["spec"].(map[string]any); !ok || spec["trustBundle"] != content {
				return fmt.Errorf("it has other content")
			}
			return nil
		})
		w.reports(first, v1alpha1.BundleReasonSynced)
		w.reports(reader, v1alpha1.BundleReasonSynced)
		w.inConfigMap(place, "beside", root+read1)
	}
	poll.EventuallyWithin(t, patience, "the change of the source", func() error {
		if err := env.Client.Get(t.Context(), client.ObjectKeyFromObject(allowed), allowed); err != nil {
			return err
		}
		allowed.Spec.TrustBundle = read2
		return env.Client.Update(t.Context(), allowed)
	})
	w.inConfigMap(place, "beside", root+read2)
	if operator.Ended() || strings.Count(operator.Log(), "Starting the operator") > 1 {
		t.Error("the operator has been restarted")
	}
}

// inConfigMap waits until the target in a namespace has this content.
func (w world) inConfigMap(namespace, name, pem string) {
	w.Helper()
	poll.EventuallyWithin(w.T, patience, "the ConfigMap "+name, func() error {
		target := &corev1.ConfigMap{}
		err := env.Client.Get(w.Context(), client.ObjectKey{Namespace: namespace, Name: name}, target)
		if err == nil && target.Data["ca.pem"] != pem {
			err = fmt.Errorf("it has %d bytes, and should have %d others", len(target.Data["ca.pem"]), len(pem))
		}
		return err
	})
}
