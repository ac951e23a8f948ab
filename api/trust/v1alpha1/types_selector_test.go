package v1alpha1

import (
	"reflect"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestLabelSelectorToMetaV1(t *testing.T) {
	tests := map[string]struct {
		in   *LabelSelector
		want *metav1.LabelSelector
	}{
		"nil stays nil":     {nil, nil},
		"empty stays empty": {&LabelSelector{}, &metav1.LabelSelector{}},
		"labels and expressions": {
			&LabelSelector{
				MatchLabels: map[string]string{"team": "a"},
				MatchExpressions: []LabelSelectorRequirement{
					{Key: "zone", Operator: metav1.LabelSelectorOpIn, Values: []string{"b", "c"}},
					{Key: "old", Operator: metav1.LabelSelectorOpDoesNotExist},
				},
			},
			&metav1.LabelSelector{
				MatchLabels: map[string]string{"team": "a"},
				MatchExpressions: []metav1.LabelSelectorRequirement{
					{Key: "zone", Operator: metav1.LabelSelectorOpIn, Values: []string{"b", "c"}},
					{Key: "old", Operator: metav1.LabelSelectorOpDoesNotExist},
				},
			},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tc.in.ToMetaV1(); !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got %#v, want %#v", got, tc.want)
			}
		})
	}
}

func TestLabelSelectorToMetaV1SharesNothing(t *testing.T) {
	in := fullBundle().Spec.Target.NamespaceSelector
	out := in.ToMetaV1()
	out.MatchLabels["team"] = "changed"
	out.MatchExpressions[0].Values[0] = "changed"
	if want := fullBundle().Spec.Target.NamespaceSelector; !reflect.DeepEqual(in, want) {
		t.Errorf("a change of the copy changed the selector: got %+v, want %+v", in, want)
	}
}
