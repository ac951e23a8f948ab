package localnode_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/poll"
)

// The chart works with `helm upgrade --wait` as on a node: the API server calls
// the webhook, the operator reconciles, a missing image leaves the running
// process in place, an upgrade replaces it, and it is restarted after it was
// killed or the node was restarted.
func TestNodeRunsTheChart(t *testing.T) {
	c := newCluster(t)
	stop := c.startNode()
	c.upgrade("1", "--wait", "--timeout", "2m")

	c.refused()
	c.create("roots")
	c.awaitPackage("roots", "roots-1-")
	c.expectAddress()
	first := c.operator("1")

	c.upgrade("none")
	poll.EventuallyWithin(c.t, patience, "the reason why the new pod does not run", func() error {
		return c.waiting("ErrImagePull", "trust-manager.io/images/roots:none")
	})
	if now := c.operator("1"); now != first {
		t.Errorf("with a missing image the operator is process %d; it was %d", now, first)
	}
	c.awaitPackage("roots", "roots-1-")

	c.upgrade("2", "--wait", "--timeout", "2m")
	c.awaitPackage("roots", "roots-2-")
	second := c.operator("2")
	if alive(first) {
		t.Error("the process of the first pod runs in parallel to its successor")
	}

	if err := syscall.Kill(second, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	poll.EventuallyWithin(c.t, patience, "another process", func() error {
		if third := c.find("2"); third == 0 || third == second {
			return fmt.Errorf("it is %d", third)
		}
		return nil
	})

	third := c.operator("2")
	stop()
	if alive(third) {
		t.Error("a process outlives its node")
	}
	c.startNode()
	c.operator("2")
	c.must(helm, "uninstall", "-n", "cert-manager", "trust-manager", "--wait")
	poll.EventuallyWithin(c.t, patience, "all pods to be deleted", func() error {
		var pods corev1.PodList
		err := c.api.List(t.Context(), &pods)
		if err == nil && len(pods.Items) > 0 || c.find("2") != 0 {
			err = fmt.Errorf("%d pods are left, and process %d", len(pods.Items), c.find("2"))
		}
		return err
	})
}

// newBundle returns a Bundle of the default CAs with the given target key.
func newBundle(name, key string) *v1alpha1.Bundle {
	yes := true
	return &v1alpha1.Bundle{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.BundleSpec{
			Sources: []v1alpha1.BundleSource{{UseDefaultCAs: &yes}},
			Target:  &v1alpha1.BundleTarget{ConfigMap: &v1alpha1.TargetObject{Key: key}},
		},
	}
}

// refused checks that the webhook rejects a Bundle that passes the CRD's schema.
func (c *cluster) refused() {
	c.t.Helper()
	err := c.api.Create(c.t.Context(), newBundle("refused", "a/b"))
	if err == nil || !strings.Contains(err.Error(), "spec.target.configMap.key") {
		c.t.Errorf("a Bundle with a bad key: %v; want the webhook to reject it", err)
	}
}

func (c *cluster) create(name string) {
	c.t.Helper()
	if err := c.api.Create(c.t.Context(), newBundle(name, "ca.crt")); err != nil {
		c.t.Fatal(err)
	}
}

// awaitPackage waits until a Bundle uses a package whose ID starts with prefix.
func (c *cluster) awaitPackage(name, prefix string) {
	c.t.Helper()
	poll.EventuallyWithin(c.t, patience, "the Bundle to have the package "+prefix, func() error {
		bundle := &v1alpha1.Bundle{}
		err := c.api.Get(c.t.Context(), client.ObjectKey{Name: name}, bundle)
		if version := bundle.Status.DefaultCAVersion; err == nil && !strings.HasPrefix(version, prefix) {
			err = fmt.Errorf("it has %q", version)
		}
		return err
	})
}

// expectAddress checks that the webhook's Service has the machine's address.
func (c *cluster) expectAddress() {
	c.t.Helper()
	var slices discoveryv1.EndpointSliceList
	err := c.api.List(c.t.Context(), &slices, client.InNamespace("cert-manager"), client.MatchingLabels{discoveryv1.LabelServiceName: "trust-manager"})
	if err != nil || len(slices.Items) != 1 || len(slices.Items[0].Endpoints) != 1 || strings.HasPrefix(slices.Items[0].Endpoints[0].Addresses[0], "127.") {
		c.t.Errorf("the endpoints of the webhook: %+v, %v; want one that is not a loopback address", slices.Items, err)
	}
}

// waiting returns nil if an init container waits for the given reason, with a
// message that contains the given text.
func (c *cluster) waiting(reason, message string) error {
	var pods corev1.PodList
	if err := c.api.List(c.t.Context(), &pods, client.InNamespace("cert-manager")); err != nil {
		return err
	}
	for _, pod := range pods.Items {
		for _, status := range pod.Status.InitContainerStatuses {
			if w := status.State.Waiting; w != nil && w.Reason == reason && strings.Contains(w.Message, message) {
				return nil
			}
		}
	}
	return fmt.Errorf("none of %d pods waits for this reason", len(pods.Items))
}

// operator waits for the single process of the operator with the given package
// version.
func (c *cluster) operator(version string) (pid int) {
	c.t.Helper()
	poll.EventuallyWithin(c.t, patience, "the operator's process", func() error {
		if pid = c.find(version); pid == 0 {
			return errors.New("not found")
		}
		return nil
	})
	return pid
}

// find returns the process of the operator with the given package version, or 0.
// Several processes are an error.
func (c *cluster) find(version string) int {
	c.t.Helper()
	links, _ := filepath.Glob("/proc/[0-9]*/exe")
	var found []int
	for _, link := range links {
		program, err := os.Readlink(link)
		if err != nil || !strings.HasPrefix(program, c.dir) || filepath.Base(program) != "trust-manager" {
			continue
		}
		line, _ := os.ReadFile(filepath.Join(filepath.Dir(link), "cmdline"))
		for arg := range strings.SplitSeq(string(line), "\x00") {
			if path, ok := strings.CutPrefix(arg, "--default-package-location="); ok {
				text, _ := os.ReadFile(path)
				if strings.Contains(string(text), `"version": "`+version+`"`) || strings.Contains(string(text), `"version":"`+version+`"`) {
					pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(link)))
					found = append(found, pid)
				}
			}
		}
	}
	switch len(found) {
	case 0:
		return 0
	case 1:
		return found[0]
	}
	c.t.Fatalf("several operators are running: %v", found)
	return 0
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }
