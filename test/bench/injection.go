package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/test/framework/helm"
	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/rig"
)

const (
	// injectedNamespace is a namespace that opts in to injection.
	injectedNamespace = "bench-injection"
	injectedStamp     = "trust.cert-manager.io/injected"
	// podTimes is the number of pods that are created in a repetition with the policies, and without.
	podTimes = 100
)

// podInjection measures what the chart's admission policies add to the creation of a pod. Pods are
// created in dry runs: they pass admission like any other, and none has to be deleted.
var podInjection = &row{
	name: "injection",
	figures: []figure{
		{work: "a pod with 2 containers is created, a bundle is injected, p50", unit: milliseconds, raw: "without policies", limit: 0.050},
		{work: "the difference", unit: milliseconds, limit: 0.010},
	},
	setUp: func(ctx context.Context, s *stage) error {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: injectedNamespace, Labels: map[string]string{"trust.cert-manager.io/inject": few}}}
		if err := s.api.Create(ctx, namespace); client.IgnoreAlreadyExists(err) != nil {
			return err
		}
		return s.quiet(ctx, untilProven)
	},
	other: func(ctx context.Context, s *stage) ([]measured, error) {
		policies, err := s.policies(ctx)
		if err != nil {
			return nil, err
		}
		var with, without float64
		s.turns++
		for _, isActive := range []bool{s.turns%2 == 0, s.turns%2 != 0} {
			took, err := s.createPods(ctx, policies, isActive)
			if err != nil {
				return nil, err
			}
			if isActive {
				with = took
			} else {
				without = took
			}
		}
		return []measured{{value: with, raw: without}, {value: with - without}}, nil
	},
}

// policies returns the policies and bindings of the chart.
func (s *stage) policies(ctx context.Context) (helm.Objects, error) {
	objects, err := s.rig.Helm.Template(ctx, "trust-manager", rig.TrustNamespace, "--set", "injection.enabled=true")
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(objects, func(object *unstructured.Unstructured) bool {
		return !strings.HasPrefix(object.GetKind(), "MutatingAdmissionPolicy")
	}), nil
}

// createPods creates pods while the policies exist, or while they do not, and returns the median of
// the times in seconds.
func (s *stage) createPods(ctx context.Context, policies helm.Objects, isActive bool) (float64, error) {
	for _, object := range policies {
		if !isActive {
			if err := s.api.Delete(ctx, object.DeepCopy()); client.IgnoreNotFound(err) != nil {
				return 0, err
			}
		} else if err := s.api.Create(ctx, object.DeepCopy()); client.IgnoreAlreadyExists(err) != nil {
			return 0, err
		}
	}
	check := func() error {
		pod, err := s.createPod(ctx)
		if err == nil && (pod.Annotations[injectedStamp] != "") != isActive {
			err = fmt.Errorf("the pod has the annotations %v", pod.Annotations)
		}
		return err
	}
	if err := poll.Until(ctx, "the policies to be active, or inactive", check); err != nil {
		return 0, err
	}
	var times []float64
	for range podTimes {
		start := time.Now()
		if err := check(); err != nil {
			return 0, err
		}
		times = append(times, time.Since(start).Seconds())
	}
	return median(times), nil
}

// createPod creates a pod in a dry run.
func (s *stage) createPod(ctx context.Context) (*corev1.Pod, error) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: injectedNamespace, GenerateName: "pod-"}}
	for _, name := range []string{"app", "sidecar"} {
		pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{
			Name: name, Image: "registry.example.com/" + name, Env: []corev1.EnvVar{{Name: "A", Value: "a"}, {Name: "B", Value: "b"}},
		})
	}
	return pod, s.api.Create(ctx, pod, client.DryRunAll)
}
