package integration

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/kinds"
	"trust-manager.io/test/framework/poll"
)

// synced returns a Bundle's current condition Synced. It returns an error if the
// condition does not exist, is not about the Bundle's current generation (C1), or is about
// an earlier content, since it stays as it was while a change rolls out: Ready then differs.
func synced(t *testing.T, bundle *v1alpha1.Bundle) (metav1.Condition, error) {
	if err := api.Get(t.Context(), client.ObjectKeyFromObject(bundle), bundle); err != nil {
		return metav1.Condition{}, err
	}
	condition := meta.FindStatusCondition(bundle.Status.Conditions, v1alpha1.BundleConditionSynced)
	ready := meta.FindStatusCondition(bundle.Status.Conditions, v1alpha1.BundleConditionReady)
	switch {
	case condition == nil || ready == nil:
		return metav1.Condition{}, fmt.Errorf("Bundle %s lacks a condition: %+v", bundle.Name, bundle.Status.Conditions)
	case condition.ObservedGeneration != bundle.Generation || ready.Reason != condition.Reason:
		return *condition, fmt.Errorf("Bundle %s: the condition is about generation %d, want %d: %s: %s; Ready: %s",
			bundle.Name, condition.ObservedGeneration, bundle.Generation, condition.Reason, condition.Message, ready.Message)
	}
	return *condition, nil
}

// says returns an error unless a Bundle's condition has a reason and a message with all
// of these parts.
func says(t *testing.T, bundle *v1alpha1.Bundle, reason string, parts ...string) error {
	condition, err := synced(t, bundle)
	if err != nil {
		return err
	}
	wantStatus := metav1.ConditionFalse
	if reason == v1alpha1.BundleReasonSynced {
		wantStatus = metav1.ConditionTrue
	}
	is := fmt.Sprintf("%s=%s, reason %s: %s", condition.Type, condition.Status, condition.Reason, condition.Message)
	if condition.Reason != reason || condition.Status != wantStatus {
		return fmt.Errorf("the condition is %s; want status %s and reason %s", is, wantStatus, reason)
	}
	for _, part := range parts {
		if !hasWords(bundle, condition.Message, part) {
			return fmt.Errorf("the condition is %s; want a message with %q", is, part)
		}
	}
	return nil
}

// fields are paths in a Bundle, and the beginnings of the same in a ClusterBundle.
var fields = map[*regexp.Regexp][]string{
	regexp.MustCompile(`^spec\.sources\[\d+\]\.(configMap|secret)`):     {"spec.sourceRefs["},
	regexp.MustCompile(`^spec\.sources\[\d+\]\.(inLine|useDefaultCAs)`): {"spec.inLineCAs", "spec.defaultCAs"},
	regexp.MustCompile(`^spec\.target\.additionalFormats(\.\w+)?`):      {"spec.target.configMap.data[", "spec.target.secret.data["},
}

// hasWords reports whether a message has a part, which may begin with the path of a field of a
// Bundle.
func hasWords(bundle *v1alpha1.Bundle, message, part string) bool {
	if !kinds.IsCluster(bundle.Name) {
		return strings.Contains(message, part)
	}
	for path, others := range fields {
		if rest := path.ReplaceAllString(part, ""); rest != part {
			return strings.Contains(message, rest) &&
				slices.ContainsFunc(others, func(other string) bool { return strings.Contains(message, other) })
		}
	}
	return strings.Contains(message, part)
}

// awaitCondition waits until a Bundle's condition has this reason and a message
// with all of these parts.
func awaitCondition(t *testing.T, bundle *v1alpha1.Bundle, reason string, parts ...string) metav1.Condition {
	t.Helper()
	poll.Eventually(t, "the condition of Bundle "+bundle.Name, func() error { return says(t, bundle, reason, parts...) })
	return *meta.FindStatusCondition(bundle.Status.Conditions, v1alpha1.BundleConditionSynced)
}

// awaitSynced waits until a Bundle reports that it is synced to this many namespaces.
func awaitSynced(t *testing.T, bundle *v1alpha1.Bundle, namespaces int) {
	t.Helper()
	plural := "s"
	if namespaces == 1 {
		plural = ""
	}
	awaitCondition(t, bundle, v1alpha1.BundleReasonSynced, fmt.Sprintf(" %d namespace%s", namespaces, plural))
}

func compareText(got, want string) error {
	if got != want {
		return fmt.Errorf("got %q, want %q", got, want)
	}
	return nil
}
