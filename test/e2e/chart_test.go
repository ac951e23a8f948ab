package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
)

const (
	release = "trust-manager"
	// Two namespaces, so that nothing works only because they are the same.
	releaseNamespace = "trust-manager"
	trustNamespace   = "trust"
	operatorImage    = "trust-manager"
	packageImage     = "trust-pkg-mozilla"
)

func chartPath() string { return filepath.Join(node.Root, "deploy", "charts", "trust-manager") }

// chartComesUp installs the chart as documented. Without cert-manager, the operator
// issues the webhook's certificate itself.
func chartComesUp(t *testing.T) {
	create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: trustNamespace}})
	out, err := node.Helm(t.Context(), "install", release, chartPath(), "--namespace", releaseNamespace, "--create-namespace",
		"--set", "replicaCount=2", "--set", "app.trust.namespace="+trustNamespace,
		"--set", "clusterTrustBundles.enabled=true,clusterTrustBundles.names={"+trustBundleName+"}",
		"--set", "injection.enabled=true", "--wait", "--timeout", "3m")
	if err != nil {
		t.Fatalf("%v\n%s", err, state(t))
	}
	if !strings.Contains(out, "STATUS: deployed") {
		t.Errorf("got %s, want it deployed", out)
	}
	deployment := &appsv1.Deployment{}
	get(t, releaseNamespace, release, deployment)
	if ready := deployment.Status.ReadyReplicas; ready != 2 {
		t.Errorf("got %d ready replicas, want 2", ready)
	}
	if args := deployment.Spec.Template.Spec.Containers[0].Args; !slices.Contains(args, "--webhook-self-managed="+release) {
		t.Errorf("got the arguments %v, want a self-managed certificate", args)
	}
	if images := imagesOf(deployment); !strings.HasPrefix(images[0], "trust-manager.io/images/trust-manager:") {
		t.Errorf("got the images %v, want the chart's own", images)
	}
}

// podsCanDoLittle checks the privileges of the running processes, from the machine.
func podsCanDoLittle(t *testing.T) {
	for _, pod := range operatorPods(t) {
		pid := processOf(t, pod)
		status := contents(t, pid, "status")
		if uid := field(status, "Uid:"); uid != "65532" {
			t.Errorf("%s runs as the user %s, want 65532", pod.Name, uid)
		}
		if capabilities := field(status, "CapEff:"); strings.Trim(capabilities, "0") != "" {
			t.Errorf("%s has the capabilities %s, want none", pod.Name, capabilities)
		}
		if !rootReadOnly(contents(t, pid, "mountinfo")) {
			t.Errorf("%s can write to its root file system", pod.Name)
		}
		_, err := node.Kubectl(t.Context(), "--namespace", releaseNamespace, "exec", pod.Name, "--", "/bin/sh", "-c", "exit 0")
		if err == nil || !strings.Contains(err.Error(), "no such file or directory") {
			t.Errorf("a shell in %s: got %v, want none", pod.Name, err)
		}
	}
}

// webhookRefuses applies a Bundle that the CustomResourceDefinition accepts: only the
// webhook validates the keys of a ConfigMap.
func webhookRefuses(t *testing.T) {
	err := api.Create(t.Context(), badBundle())
	for _, want := range []string{`admission webhook "trust.cert-manager.io" denied the request`, "spec.target.configMap.key"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func badBundle() *v1alpha1.Bundle {
	bad := bundle("bad", v1alpha1.BundleSource{UseDefaultCAs: ptr(true)})
	bad.Spec.Target.ConfigMap.Key = "no key/at all"
	return bad
}

func operatorPods(t *testing.T) []corev1.Pod {
	t.Helper()
	pods := &corev1.PodList{}
	if err := api.List(t.Context(), pods, client.InNamespace(releaseNamespace), client.MatchingLabels{"app": release}); err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(pods.Items, func(pod corev1.Pod) bool { return pod.DeletionTimestamp != nil })
}

// imagesOf returns the images of a Deployment: its containers, then its init containers.
func imagesOf(deployment *appsv1.Deployment) []string {
	var images []string
	for _, container := range slices.Concat(deployment.Spec.Template.Spec.Containers, deployment.Spec.Template.Spec.InitContainers) {
		images = append(images, container.Image)
	}
	return images
}

// processOf finds the operator of a pod among the processes of this machine.
func processOf(t *testing.T, pod corev1.Pod) (pid int) {
	t.Helper()
	folders, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		cgroup, _ := os.ReadFile(filepath.Join(folder, "cgroup"))
		name, _ := os.ReadFile(filepath.Join(folder, "comm"))
		if strings.Contains(string(cgroup), string(pod.UID)) && strings.TrimSpace(string(name)) == "trust-manager" {
			pid, _ = strconv.Atoi(filepath.Base(folder))
			return pid
		}
	}
	t.Fatalf("no process of the pod %s runs on this machine", pod.Name)
	return 0
}

func contents(t *testing.T, pid int, name string) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// field returns the first value of a line of /proc/PID/status.
func field(status, name string) string {
	for line := range strings.Lines(status) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == name {
			return fields[1]
		}
	}
	return ""
}

// rootReadOnly reports whether the root is mounted read-only, by /proc/PID/mountinfo
// (proc_pid_mountinfo(5): the fifth field is the mount point, the sixth the options).
func rootReadOnly(mounts string) bool {
	for line := range strings.Lines(mounts) {
		if fields := strings.Fields(line); len(fields) > 5 && fields[4] == "/" {
			return slices.Contains(strings.Split(fields[5], ","), "ro")
		}
	}
	return false
}
