package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/ca"
	"trust-manager.io/test/framework/poll"
)

// K6: a condition and an event report a certificate that expires soon, from the start
// of the warning period and not before; when it has left the bundle, the condition is
// False. Synced does not depend on it.
func TestExpiringSoon(t *testing.T) { eachAPIKind(t, testExpiringSoon) }

func testExpiringSoon(t *testing.T, s *scene) {
	s.namespaces(1)
	const days30 = 30 * 24 * time.Hour
	begins := time.Now().Add(soon).Truncate(time.Second)
	short, root := newAuthority("Short", ca.ValidUntil(begins.Add(days30))), newAuthority("CA")
	source := s.source(short, root)
	bundle := s.bundle(from(source))
	awaitSynced(t, bundle, 1)
	if condition := meta.FindStatusCondition(bundle.Status.Conditions, v1alpha1.BundleConditionExpiringSoon); condition != nil {
		t.Errorf("it is too early for %v", condition)
	}
	await := func(status metav1.ConditionStatus, parts ...string) {
		t.Helper()
		poll.Eventually(t, "the condition", func() error {
			if err := api.Get(t.Context(), client.ObjectKeyFromObject(bundle), bundle); err != nil {
				return err
			}
			condition := meta.FindStatusCondition(bundle.Status.Conditions, v1alpha1.BundleConditionExpiringSoon)
			if condition == nil || condition.Status != status {
				return fmt.Errorf("the condition is %v", condition)
			}
			for _, part := range parts {
				if !strings.Contains(condition.Message, part) {
					return fmt.Errorf("the message is %q", condition.Message)
				}
			}
			return nil
		})
	}
	await(metav1.ConditionTrue, "1 certificate of the bundle", `"CN=Short"`, begins.Add(days30).UTC().Format(time.RFC3339))
	if early := time.Until(begins); early > 0 {
		t.Errorf("it came %s too early", early)
	}
	awaitSynced(t, bundle, 1)
	poll.Eventually(t, "the event", func() error {
		var events eventsv1.EventList
		if err := api.List(t.Context(), &events); err != nil {
			return err
		}
		for i := range events.Items {
			if e := &events.Items[i]; e.Regarding.Name == bundle.Name && e.Reason == v1alpha1.BundleReasonExpiringSoon && e.Type == "Warning" {
				return nil
			}
		}
		return errNotYet
	})
	fill(t, source, root)
	await(metav1.ConditionFalse)
}
