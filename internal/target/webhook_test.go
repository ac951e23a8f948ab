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
