package injection

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// bundle sets the name of the bundle.
func bundle(name string) func(*addition) { return func(a *addition) { a.bundle = name } }

// P3: a namespace opts in by a label and a pod by an annotation, which has precedence. Mirror pods
// and Windows pods are left alone.
func TestOptIn(t *testing.T) {
	t.Parallel()
	checkAll(t, map[string]example{
		"by the namespace":                     {want: injected()},
		"by the pod":                           {labels: labels("other", "label"), pod: annotated(bundleKey, "example"), want: injected()},
		"by both":                              {pod: annotated(bundleKey, "other"), want: injected(bundle("other"))},
		"not":                                  {labels: labels("other", "label")},
		"not by a label of the pod":            {labels: labels("other", "label"), pod: func(p *corev1.Pod) { p.Labels = labels(bundleKey, "example") }},
		"not with settings only":               {labels: labels(modeKey, "add"), pod: annotated(keyKey, "x")},
		"the pod opts out":                     {pod: annotated(bundleKey, "none")},
		"the pod names no bundle":              {pod: annotated(bundleKey, "")},
		"the namespace opts out":               {labels: labels(bundleKey, "none")},
		"the namespace names no bundle":        {labels: labels(bundleKey, "")},
		"the namespace opts out, a pod in":     {labels: labels(bundleKey, "none"), pod: annotated(bundleKey, "example"), want: injected()},
		"a pod of Windows":                     {pod: func(p *corev1.Pod) { p.Spec.OS = &corev1.PodOS{Name: corev1.Windows} }},
		"a pod of Windows by annotation":       {labels: labels("a", "b"), pod: all(annotated(bundleKey, "example"), func(p *corev1.Pod) { p.Spec.OS = &corev1.PodOS{Name: corev1.Windows} })},
		"a pod for nodes with Windows":         {pod: func(p *corev1.Pod) { p.Spec.NodeSelector = labels(corev1.LabelOSStable, "windows") }},
		"a pod of Linux":                       {pod: func(p *corev1.Pod) { p.Spec.OS = &corev1.PodOS{Name: corev1.Linux} }, want: injected()},
		"a pod for nodes with Linux":           {pod: func(p *corev1.Pod) { p.Spec.NodeSelector = labels(corev1.LabelOSStable, "linux") }, want: injected()},
		"a pod with affinity to Windows":       {pod: withAffinity(term(corev1.NodeSelectorOpIn, "windows"))},
		"a pod with affinity to Windows too":   {pod: withAffinity(term(corev1.NodeSelectorOpIn, "linux"), term(corev1.NodeSelectorOpIn, "other", "windows"))},
		"a pod with affinity to Linux":         {pod: withAffinity(term(corev1.NodeSelectorOpIn, "linux")), want: injected()},
		"a pod without affinity to Windows":    {pod: withAffinity(term(corev1.NodeSelectorOpNotIn, "windows")), want: injected()},
		"a pod with another affinity":          {pod: withAffinity(corev1.NodeSelectorTerm{MatchFields: []corev1.NodeSelectorRequirement{{Key: "metadata.name", Operator: corev1.NodeSelectorOpIn, Values: []string{"windows"}}}}), want: injected()},
		"a mirror pod":                         {pod: mirror},
		"a mirror pod by annotation":           {labels: labels("a", "b"), pod: all(mirror, annotated(bundleKey, "example"))},
		"a pod on a node that is no mirror":    {pod: func(p *corev1.Pod) { p.Spec.NodeName = "node" }, want: injected()},
		"the longest name that a label can be": {labels: labels(bundleKey, long(63)), want: injected(bundle(long(63)))},
	})
}

// withAffinity makes a pod require one of several groups of nodes.
func withAffinity(terms ...corev1.NodeSelectorTerm) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
			RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: terms},
		}}
	}
}

// term selects nodes by their operating system, and by their architecture.
func term(operator corev1.NodeSelectorOperator, systems ...string) corev1.NodeSelectorTerm {
	return corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{
		{Key: corev1.LabelArchStable, Operator: corev1.NodeSelectorOpExists},
		{Key: corev1.LabelOSStable, Operator: operator, Values: systems},
	}}
}

// mirror makes a pod the mirror of a static pod.
func mirror(p *corev1.Pod) {
	annotated(corev1.MirrorPodAnnotationKey, "hash")(p)
	p.Spec.NodeName = "node"
	controller := true
	p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: "node", UID: "uid", Controller: &controller}}
}

// P3: pods in kube-system, in the namespaces of the release and in excluded ones are left alone, even
// if the namespace and the pod opt in.
func TestExcludedNamespaces(t *testing.T) {
	t.Parallel()
	pod, optedIn := newPod(), newPod(annotated(bundleKey, "example"))
	plain, withAnnotation := create(t, baseline, pod), create(t, baseline, optedIn)
	for _, name := range []string{metav1.NamespaceSystem, releaseNamespace, operatorNamespace, baseline} {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":{"`+bundleKey+`":"example"}}}`))
		if err := env.Client.Patch(t.Context(), namespace, patch); err != nil {
			t.Fatal(err)
		}
		for _, stored := range []*corev1.Pod{create(t, name, pod), create(t, name, optedIn), plain, withAnnotation} {
			if len(stored.Spec.Volumes) > 0 || len(stored.Spec.Containers[0].Env) > 0 || stored.Annotations[stamp] != "" {
				t.Errorf("%s: %v %v", name, stored.Annotations, stored.Spec)
			}
		}
	}
}
