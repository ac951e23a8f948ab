package writer

import (
	"testing"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/target"
)

// The API server does not track entries that a mutating admission webhook adds to every
// object. They stay, as foreign entries, and the operator does not fight the webhook (T6,
// T11).
func TestWebhookThatAddsToTargets(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		adds   func(*stored)
		theirs target.Field
	}{
		"a label":       {func(o *stored) { o.Labels["injected"] = "x" }, label("injected")},
		"an annotation": {func(o *stored) { o.Annotations["injected"] = "x" }, annotation("injected")},
		"a finalizer":   {func(o *stored) { o.Finalizers = []string{"example.com/injected"} }, target.Field{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachKind(t, func(t *testing.T, kind bundle.Kind) {
				s := newStory(t, kind)
				s.server.webhook = tc.adds
				if tc.theirs != (target.Field{}) {
					s.theirs[tc.theirs] = "x"
				}
				s.look()
				for _, number := range []int{2, 1, 0} {
					s.reshape(number)
					s.look()
					s.wantPeace()
				}
			})
		})
	}
}

// wantPeace checks that nothing is written after a restart.
func (s *story) wantPeace() {
	s.Helper()
	s.memory = target.Observed{}
	s.look()
	before := s.server.live.GetResourceVersion()
	s.memory = target.Observed{}
	s.look()
	s.look()
	if after := s.server.live.GetResourceVersion(); after != before {
		s.Errorf("T11: written again, at version %s instead of %s", after, before)
	}
}

// A write reports metadata that is not as it was sent, so that the object is read. Data
// that a webhook adds is not in the response: the API server tracks fields before it calls
// webhooks.
func TestWriteReportsMutations(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		webhook func(*stored)
		mutated bool
	}{
		"nothing":         {func(*stored) {}, false},
		"a label added":   {func(o *stored) { o.Labels["injected"] = "x" }, true},
		"a label changed": {func(o *stored) { o.Labels["team"] = "x" }, true},
		"a label dropped": {func(o *stored) { delete(o.Labels, "team") }, true},
		"an annotation":   {func(o *stored) { o.Annotations["injected"] = "x" }, true},
		"a finalizer":     {func(o *stored) { o.Finalizers = []string{"example.com/injected"} }, true},
		"an owner":        {func(o *stored) { o.OwnerReferences = append(o.OwnerReferences, deployment(false)) }, true},
		"no owner":        {func(o *stored) { o.OwnerReferences = nil }, true},
		"data":            {func(o *stored) { o.Data["injected"] = "x" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachKind(t, func(t *testing.T, kind bundle.Kind) {
				s := newServer(t, kind)
				s.webhook = tc.webhook
				created, err := s.writer().Write(t.Context(), target.Decide(keyOf(kind), wantedOf(kind), target.Observed{State: target.Absent}))
				if err != nil || created.Mutated != tc.mutated {
					t.Errorf("created: %+v, error %v", created, err)
				}
				replace := expected(target.Action{Verb: target.Replace, UID: created.UID, ResourceVersion: created.ResourceVersion}, wantedOf(kind))
				replace.Key = keyOf(kind)
				if replaced, err := s.writer().Write(t.Context(), replace); err != nil || replaced.Mutated != tc.mutated {
					t.Errorf("replaced: %+v, error %v", replaced, err)
				}
			})
		})
	}
}
