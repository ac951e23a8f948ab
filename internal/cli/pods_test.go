package cli

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/usage"
)

var (
	changedAt = metav1.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	during    = metav1.NewTime(changedAt.Add(time.Minute))
	writtenAt = metav1.NewTime(changedAt.Add(time.Hour))
	after     = metav1.NewTime(writtenAt.Add(time.Minute))
)

// L11: a pod that started during the rollout has the previous content, if its namespace came later.
func TestStaleDuringRollout(t *testing.T) {
	t.Parallel()
	ref := target.Ref{Kind: bundle.ConfigMap, Namespace: "late", Name: "roots"}
	whole := target.Ref{Kind: bundle.ClusterTrustBundle, Name: "roots"}
	changed := changes{bundle: &changedAt, written: map[target.Ref]metav1.Time{
		ref: writtenAt, {Kind: bundle.ConfigMap, Namespace: "early", Name: "roots"}: metav1.NewTime(changedAt.Add(-time.Hour)), whole: writtenAt,
	}}
	for name, tc := range map[string]struct {
		changes   changes
		namespace string
		kind      bundle.Kind
		started   metav1.Time
		want      usage.Reason
	}{
		"during the rollout":         {changed, "late", bundle.ConfigMap, during, usage.MayNotReload},
		"after the rollout":          {changed, "late", bundle.ConfigMap, after, ""},
		"target is older":            {changed, "early", bundle.ConfigMap, during, ""},
		"target is older, and pod":   {changed, "early", bundle.ConfigMap, changedAt, usage.MayNotReload},
		"target is unknown":          {changed, "other", bundle.ConfigMap, during, ""},
		"another kind":               {changed, "late", bundle.Secret, during, ""},
		"in no namespace":            {changed, "any", bundle.ClusterTrustBundle, during, usage.MayNotReload},
		"bundle's change is unknown": {changes{written: changed.written}, "late", bundle.ConfigMap, during, ""},
	} {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: tc.namespace, Name: "pod"}}
		using := newUsingPod(pod, []usage.Use{{Container: "app", Kind: tc.kind, Name: "roots", Way: usage.Volume, Started: &tc.started}}, tc.changes)
		if using.Reason != tc.want || (using.Stale == nil) != (tc.changes.bundle == nil) {
			t.Errorf("%s: %q, want %q", name, using.Reason, tc.want)
		}
	}
}

// L11: only what the operator writes counts.
func TestLastWritten(t *testing.T) {
	t.Parallel()
	entry := func(manager string, at *metav1.Time) metav1.ManagedFieldsEntry {
		return metav1.ManagedFieldsEntry{Manager: manager, Time: at}
	}
	for name, tc := range map[string]struct {
		fields []metav1.ManagedFieldsEntry
		want   metav1.Time
	}{
		"the newest": {[]metav1.ManagedFieldsEntry{entry(target.FieldManager, &writtenAt), entry(target.FieldManager, &changedAt)}, writtenAt},
		"foreign":    {[]metav1.ManagedFieldsEntry{entry(target.FieldManager, &changedAt), entry("kubectl", &writtenAt)}, changedAt},
		"no time":    {[]metav1.ManagedFieldsEntry{entry(target.FieldManager, nil)}, metav1.Time{}},
		"nothing":    {},
	} {
		got, ok := lastWritten(metav1.ObjectMeta{ManagedFields: tc.fields})
		if !got.Equal(&tc.want) || ok != !tc.want.IsZero() {
			t.Errorf("%s: %v, %v, want %v", name, got, ok, tc.want)
		}
	}
}

// L12: a pod that uses several bundles is one pod.
func TestMergePods(t *testing.T) {
	t.Parallel()
	use := func(name string, reason usage.Reason) podUse {
		return podUse{Container: "app", Name: name, Reason: reason}
	}
	pod := func(name string, started *metav1.Time, reason usage.Reason, uses ...podUse) usingPod {
		return usingPod{Namespace: "a", Name: name, StartedAt: started, Reason: reason, Uses: uses}
	}
	first := []usingPod{pod("both", &during, usage.MayNotReload, use("x", usage.MayNotReload)), pod("one", nil, usage.NeverUpdated)}
	second := []usingPod{pod("both", &changedAt, usage.NeverUpdated, use("y", usage.NeverUpdated)), pod("one", &after, usage.MayNotReload), pod("two", nil, "")}
	want := []usingPod{
		pod("both", &changedAt, usage.NeverUpdated, use("x", usage.MayNotReload), use("y", usage.NeverUpdated)),
		pod("one", &after, usage.NeverUpdated), pod("two", nil, ""),
	}
	if diff := cmp.Diff(want, mergePods(mergePods(nil, first), second)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
