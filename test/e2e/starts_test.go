package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// everywhere are namespaces in which a pod must start: one that opted in, one that did not, and those
// that the policies exclude.
var everywhere = []string{replaceNamespace, "default", "kube-system", releaseNamespace}

const missingHost = "missing.example"

// podsStartWithoutOperator creates pods while no replica of the operator runs, also in a namespace
// without a target. When the operator runs again, they get the bundle (P3).
func podsStartWithoutOperator(t *testing.T) {
	const late = "inject-late"
	scale(t, 0)
	create(t, optedIn(late, ""))
	name := podsStart(t, append(everywhere, late)...)
	injected := &corev1.Pod{}
	get(t, late, name, injected)
	if injected.Annotations[injectedKey] != injectedName {
		t.Errorf("the pod has the annotations %v, want it injected", injected.Annotations)
	}
	awaitLastLine(t, late, name, name, func(line string) bool { return strings.HasSuffix(line, "no such file or directory") })
	scale(t, 2)
	awaitLastLine(t, late, name, name, func(line string) bool { return strings.Contains(line, "lookup "+missingHost) })
}

// podsStartWithoutCRDs deletes the CustomResourceDefinitions, but leaves the policies.
func podsStartWithoutCRDs(t *testing.T) {
	if _, err := node.Kubectl(t.Context(), "delete", "customresourcedefinition",
		"bundles.trust.cert-manager.io", "clusterbundles.trust-manager.io", "--timeout=60s"); err != nil {
		t.Fatal(err)
	}
	podsStart(t, everywhere...)
}

// podsStartAfterRestart restarts the API server, which then serves the policies, and no
// CustomResourceDefinition of the release. Until it has loaded its own schema, it may refuse pods that
// opted in, but no others.
func podsStartAfterRestart(t *testing.T) {
	if err := node.Restart(t.Context(), "kube-apiserver"); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for _, namespace := range everywhere[1:] {
		if err := api.Create(t.Context(), probe("after-restart", namespace), client.DryRunAll); err != nil {
			t.Error(err)
		}
	}
	await(t, "pods that opted in to be accepted", func() error {
		return api.Create(t.Context(), probe("after-restart", everywhere[0]), client.DryRunAll)
	})
	t.Logf("from the restart of the API server to the first pod that opted in: %s", time.Since(began).Round(time.Millisecond))
	podsStart(t, everywhere...)
}

// podsStartWithoutChart uninstalls the chart, and with it the policies.
func podsStartWithoutChart(t *testing.T) {
	if _, err := node.Helm(t.Context(), "uninstall", release, "--namespace", releaseNamespace, "--wait", "--timeout", "2m"); err != nil {
		t.Fatalf("%v\n%s", err, state(t))
	}
	for _, kind := range []string{"mutatingadmissionpolicies", "mutatingadmissionpolicybindings"} {
		if left, err := node.Kubectl(t.Context(), "get", kind, "--output", "name"); err != nil || left != "" {
			t.Errorf("left after the uninstall: %s%v", left, err)
		}
	}
	podsStart(t, everywhere...)
}

// podsStart creates a pod in each namespace and waits until it runs. The pods have the same name,
// which it returns.
func podsStart(t *testing.T, namespaces ...string) (name string) {
	t.Helper()
	name = fmt.Sprintf("starts-%d", time.Now().UnixNano())
	for _, namespace := range namespaces {
		p := probe(name, namespace)
		create(t, p)
		await(t, "the pod in "+namespace, func() error {
			if err := api.Get(t.Context(), client.ObjectKeyFromObject(p), p); err != nil {
				return err
			}
			if p.Status.Phase != corev1.PodRunning {
				return fmt.Errorf("it is %s", p.Status.Phase)
			}
			return nil
		})
	}
	return name
}

// probe returns a pod that prints whether it finds the file of an injected bundle: the host that it
// connects to then does not exist.
func probe(name, namespace string) *corev1.Pod {
	p := pod(name, []string{"/handshake", "dial", "/etc/ssl/certs/ca-certificates.crt", missingHost}, "/files",
		corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}})
	p.Namespace = namespace
	return p
}

// scale sets the number of replicas of the operator, and waits for it.
func scale(t *testing.T, replicas int32) {
	t.Helper()
	deployment := &appsv1.Deployment{}
	get(t, releaseNamespace, release, deployment)
	before := deployment.DeepCopy()
	deployment.Spec.Replicas = &replicas
	if err := api.Patch(t.Context(), deployment, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	await(t, fmt.Sprintf("%d replicas of the operator", replicas), func() error {
		get(t, releaseNamespace, release, deployment)
		pods := &corev1.PodList{} // also those that are being deleted
		if err := api.List(t.Context(), pods, client.InNamespace(releaseNamespace), client.MatchingLabels{"app": release}); err != nil {
			return err
		}
		if len(pods.Items) != int(replicas) || deployment.Status.ReadyReplicas != replicas {
			return fmt.Errorf("there are %d pods, and %d are ready", len(pods.Items), deployment.Status.ReadyReplicas)
		}
		return nil
	})
}
