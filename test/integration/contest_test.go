package integration

import (
	"context"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/poll"
)

// T8: a Bundle with the name of a ConfigMap that Kubernetes itself keeps in every
// namespace reports that, and nothing of it is written: pods reach the API server by
// that ConfigMap.
func TestKubernetesOwnConfigMapIsLeftAlone(t *testing.T) {
	t.Parallel()
	operator(t)
	s := newScene(t)
	namespace := s.namespaces(1)[0]
	const name = "kube-root-ca.crt"
	own := configMap(namespace, name)
	poll.Eventually(t, "Kubernetes' own ConfigMap", func() error { return api.Get(t.Context(), client.ObjectKeyFromObject(own), own) })
	before := env.Audit.Mark()
	bundle := s.bundle(inLine(newAuthority("CA")), func(b *v1alpha1.Bundle) {
		b.Name = name
		b.Spec.Target.ConfigMap.Key = "ca.crt"
	})
	awaitCondition(t, bundle, v1alpha1.BundleReasonSyncConfigMapTargetFailed, "rename the Bundle")
	if wrote := requests(t, before, writesOf(bundle)); len(wrote) > 0 {
		t.Errorf("the operator wrote %v", wrote)
	}
	if now := read(t, configMap(namespace, name)); now.ResourceVersion != own.ResourceVersion {
		t.Errorf("it has changed: %v", now.Data)
	}
}

// T7, T8: the operator repairs a target that a foreign client keeps reverting at a
// bounded rate, and reports it as a failure; other targets are unaffected. When the
// contest ends, so does the failure.
func TestContestedTarget(t *testing.T) { eachAPIKind(t, testContestedTarget) }

func testContestedTarget(t *testing.T, s *scene) {
	namespaces := s.namespaces(2)
	ca := newAuthority("CA")
	bundle := s.bundle(inLine(ca))
	awaitTargets(t, bundle, namespaces, ca)

	before := env.Audit.Mark()
	ctx, end := context.WithCancel(t.Context())
	defer end()
	undone := undo(t, ctx, namespaces[0], bundle.Name)
	awaitCondition(t, bundle, v1alpha1.BundleReasonSyncConfigMapTargetFailed, "keeps reverting")
	time.Sleep(3 * time.Second)
	contest := requests(t, before, writesOf(bundle))
	// 60 at once, and then one in 7 s.
	if count := len(contest); count < 30 || count > 65 {
		t.Errorf("%d writes while each was undone", count)
	}
	if condition := awaitCondition(t, bundle, v1alpha1.BundleReasonSyncConfigMapTargetFailed, namespaces[0]); !strings.Contains(condition.Message, "1 of 2 targets failed") {
		t.Errorf("message %q", condition.Message)
	}
	target{bundle: bundle, namespace: namespaces[1], certificates: []authority{ca}}.await(t)

	end()
	<-undone
	target{bundle: bundle, namespace: namespaces[0], certificates: []authority{ca}}.await(t)
	awaitSynced(t, bundle, 2)
}

// undo empties a ConfigMap each time that it is written, until the context ends.
func undo(t *testing.T, ctx context.Context, namespace, name string) (done <-chan struct{}) {
	t.Helper()
	events, err := api.Watch(ctx, &corev1.ConfigMapList{}, client.InNamespace(namespace), client.MatchingFields{"metadata.name": name})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer events.Stop()
		for event := range events.ResultChan() {
			object, ok := event.Object.(*corev1.ConfigMap)
			if !ok || event.Type == watch.Deleted || object.Data[targetKey] == "undone" {
				continue
			}
			object.Data = map[string]string{targetKey: "undone"}
			_ = api.Update(ctx, object) // a conflict means that another event comes
		}
	}()
	return ended
}
