package admission_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
)

// created creates a Bundle that exists until the test ends.
func created(t *testing.T, name, spec string) *v1alpha1.Bundle {
	t.Helper()
	b := bundle(t, name, spec)
	if err := apiClient.Create(requestContext(t), b); err != nil {
		t.Fatal(shorten(err.Error()))
	}
	t.Cleanup(func() {
		// The context of a test has ended when its clean-up runs.
		if err := apiClient.Delete(context.WithoutCancel(t.Context()), b); err != nil {
			t.Error(err)
		}
	})
	return typed(t, b)
}

func condition(typ string, status metav1.ConditionStatus) metav1.Condition {
	return metav1.Condition{
		Type: typ, Status: status, Reason: v1alpha1.BundleReasonSynced, Message: "m",
		LastTransitionTime: metav1.NewTime(time.Unix(1700000000, 0)),
	}
}

// The status is a subresource: a write of the object does not change the status,
// and a write of the status changes nothing else.
func TestStatusSubresource(t *testing.T) {
	ctx := requestContext(t)
	b := created(t, "status-subresource", `sources: [{inLine: x}]`)

	status := b.DeepCopy()
	status.Spec.Sources = []v1alpha1.BundleSource{{InLine: new("y")}}
	status.Status = v1alpha1.BundleStatus{
		Conditions:       []metav1.Condition{condition(v1alpha1.BundleConditionSynced, metav1.ConditionTrue)},
		DefaultCAVersion: "v1",
	}
	if err := apiClient.Status().Update(ctx, status); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.Spec, status.Spec); diff != "" {
		t.Errorf("a write of the status changed the spec (-want +got):\n%s", diff)
	}
	if status.Generation != 1 || status.Status.DefaultCAVersion != "v1" {
		t.Errorf("got generation %d and status %+v, want generation 1 and the status written", status.Generation, status.Status)
	}

	spec := status.DeepCopy()
	spec.Spec.Sources = []v1alpha1.BundleSource{{InLine: new("z")}}
	spec.Status = v1alpha1.BundleStatus{}
	if err := apiClient.Update(ctx, spec); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(status.Status, spec.Status); diff != "" {
		t.Errorf("a write of the spec changed the status (-want +got):\n%s", diff)
	}
	if spec.Generation != 2 {
		t.Errorf("got generation %d after a change of the spec, want 2", spec.Generation)
	}
}

// A12: conditions are a map keyed by type, so that writers of different types do
// not conflict.
func TestConditionsMergeByType(t *testing.T) {
	ctx := requestContext(t)
	b := created(t, "conditions", `sources: [{inLine: x}]`)
	for _, writer := range []string{"First", "Second"} {
		apply := &unstructured.Unstructured{Object: map[string]any{
			"metadata": map[string]any{"name": b.Name},
			"status": map[string]any{"conditions": []any{map[string]any{
				"type": writer, "status": "True", "reason": "R", "message": "", "lastTransitionTime": "2026-01-02T03:04:05Z",
			}}},
		}}
		apply.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(v1alpha1.BundleKind))
		err := apiClient.Status().Apply(ctx, client.ApplyConfigurationFromUnstructured(apply), client.FieldOwner(writer))
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := apiClient.Get(ctx, client.ObjectKeyFromObject(b), b); err != nil {
		t.Fatal(err)
	}
	var types []string
	for _, c := range b.Status.Conditions {
		types = append(types, c.Type)
	}
	if diff := cmp.Diff([]string{"First", "Second"}, types); diff != "" {
		t.Errorf("types of the conditions (-want +got):\n%s", diff)
	}

	b.Status.Conditions = append(b.Status.Conditions, condition("Second", metav1.ConditionFalse))
	checkRefusal(t, apiClient.Status().Update(ctx, b, client.DryRunAll), "status.conditions[2]", "Duplicate value")
}

// A12, A13: the limits of the status.
func TestStatusLimits(t *testing.T) {
	b := created(t, "status-limits", `sources: [{inLine: x}]`)
	conditions := func(n int) v1alpha1.BundleStatus {
		var s v1alpha1.BundleStatus
		for i := range n {
			s.Conditions = append(s.Conditions, condition(fmt.Sprintf("Type%d", i), metav1.ConditionTrue))
		}
		return s
	}
	version := func(n int) v1alpha1.BundleStatus {
		return v1alpha1.BundleStatus{DefaultCAVersion: strings.Repeat("v", n)}
	}
	tests := map[string]struct {
		status v1alpha1.BundleStatus
		at     string // empty if accepted
	}{
		"no condition":       {conditions(0), ""},
		"10 conditions":      {conditions(10), ""},
		"11 conditions":      {conditions(11), "status.conditions"},
		"a version of 1":     {version(1), ""},
		"a version of 253":   {version(253), ""},
		"a version of 254":   {version(254), "status.defaultCAVersion"},
		"an unknown status":  {v1alpha1.BundleStatus{Conditions: []metav1.Condition{condition("T", "Maybe")}}, "status.conditions[0].status"},
		"a nameless type":    {v1alpha1.BundleStatus{Conditions: []metav1.Condition{condition("", metav1.ConditionTrue)}}, "status.conditions[0].type"},
		"the type with dots": {v1alpha1.BundleStatus{Conditions: []metav1.Condition{condition("example.com/T", metav1.ConditionTrue)}}, ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			update := b.DeepCopy()
			update.Status = tc.status
			err := apiClient.Status().Update(requestContext(t), update, client.DryRunAll)
			switch {
			case tc.at != "":
				checkRefusal(t, err, tc.at, "")
			case err != nil:
				t.Errorf("refused, want accepted: %v", err)
			}
		})
	}
	empty := client.RawPatch("application/merge-patch+json", []byte(`{"status":{"defaultCAVersion":""}}`))
	checkRefusal(t, apiClient.Status().Patch(requestContext(t), b.DeepCopy(), empty, client.DryRunAll), "status.defaultCAVersion", "at least 1 char")
}
