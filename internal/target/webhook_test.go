package target

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// What a mutating admission webhook adds to every object is nobody's by the API
// server's tracking. It stays, as what others have put there, and there is no
// contest about it (T6, T11).
func TestWebhookThatAddsToTargets(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		adds   func(*corev1.ConfigMap)
		theirs field
	}{
		"a label":       {func(o *corev1.ConfigMap) { o.Labels["injected"] = "x" }, label("injected")},
		"an annotation": {func(o *corev1.ConfigMap) { o.Annotations["injected"] = "x" }, annotation("injected")},
		"a finalizer":   {func(o *corev1.ConfigMap) { o.Finalizers = []string{"example.com/injected"} }, field{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStory(t)
			s.server.webhook = tc.adds
			if tc.theirs != (field{}) {
				s.theirs[tc.theirs] = "x"
			}
			s.look()
			for _, number := range []int{2, 1, 0} {
				s.reshape(number)
				s.look()
				s.memory = Seen{} // a restart
				s.look()
				before := s.server.live.GetResourceVersion()
				s.memory = Seen{}
				s.look()
				s.look()
				if after := s.server.live.GetResourceVersion(); after != before {
					t.Errorf("T11: written again, at version %s instead of %s", after, before)
				}
			}
		})
	}
}

// Metadata that came out otherwise than it was sent is told, so that the object
// is read. Data that a webhook adds is in no answer: the API server tracks
// fields before it asks webhooks.
func TestWriteTellsOfAlterations(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		webhook func(*corev1.ConfigMap)
		altered bool
	}{
		"nothing":         {func(*corev1.ConfigMap) {}, false},
		"a label added":   {func(o *corev1.ConfigMap) { o.Labels["injected"] = "x" }, true},
		"a label changed": {func(o *corev1.ConfigMap) { o.Labels["team"] = "x" }, true},
		"a label dropped": {func(o *corev1.ConfigMap) { delete(o.Labels, "team") }, true},
		"an annotation":   {func(o *corev1.ConfigMap) { o.Annotations["injected"] = "x" }, true},
		"a finalizer":     {func(o *corev1.ConfigMap) { o.Finalizers = []string{"example.com/injected"} }, true},
		"an owner":        {func(o *corev1.ConfigMap) { o.OwnerReferences = append(o.OwnerReferences, deployment(false)) }, true},
		"no owner":        {func(o *corev1.ConfigMap) { o.OwnerReferences = nil }, true},
		"data":            {func(o *corev1.ConfigMap) { o.Data["injected"] = "x" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			s.webhook = tc.webhook
			created, err := s.writer().Write(t.Context(), Decide(roots, wanted(), Seen{State: Absent}))
			if err != nil || created.Altered != tc.altered {
				t.Errorf("created: %+v, error %v", created, err)
			}
			replace := expected(Action{Verb: Replace, UID: created.UID, ResourceVersion: created.ResourceVersion}, wanted())
			if replaced, err := s.writer().Write(t.Context(), replace); err != nil || replaced.Altered != tc.altered {
				t.Errorf("replaced: %+v, error %v", replaced, err)
			}
		})
	}
}
