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

// The chart comes up by `helm upgrade --wait` as on a node: the webhook is asked, the
// operator works, an image that is not there leaves it as it is, an upgrade replaces
// it, a process that dies or whose node was restarted comes back.
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
		t.Errorf("with an image that is not there the operator is process %d; it was %d", now, first)
	}
	c.awaitPackage("roots", "roots-1-")

	c.upgrade("2", "--wait", "--timeout", "2m")
	c.awaitPackage("roots", "roots-2-")
	second := c.operator("2")
	if alive(first) {
		t.Error("the process of the first pod runs beside that of its successor")
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
	poll.EventuallyWithin(c.t, patience, "all pods to go", func() error {
		var pods corev1.PodList
		err := c.api.List(t.Context(), &pods)
		if err == nil && len(pods.Items) > 0 || c.find("2") != 0 {
			err = fmt.Errorf("%d are left, and process %d", len(pods.Items), c.find("2"))
		}
		return err
	})
}

// newBundle makes a Bundle of the public roots with this key.
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

// refused checks that the webhook refuses what the API server's own rules let pass.
func (c *cluster) refused() {
	c.t.Helper()
	err := c.api.Create(c.t.Context(), newBundle("refused", "a/b"))
	if err == nil || !strings.Contains(err.Error(), "spec.target.configMap.key") {
		c.t.Errorf("a Bundle with a bad key: %v; want that the webhook refuses it", err)
	}
}

func (c *cluster) create(name string) {
	c.t.Helper()
	if err := c.api.Create(c.t.Context(), newBundle(name, "ca.crt")); err != nil {
		c.t.Fatal(err)
	}
}

// awaitPackage waits until a Bundle is synced with a package whose id begins so.
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

// expectAddress checks that the Service of the webhook has the machine's address.
func (c *cluster) expectAddress() {
	c.t.Helper()
	var slices discoveryv1.EndpointSliceList
	err := c.api.List(c.t.Context(), &slices, client.InNamespace("cert-manager"), client.MatchingLabels{discoveryv1.LabelServiceName: "trust-manager"})
	if err != nil || len(slices.Items) != 1 || len(slices.Items[0].Endpoints) != 1 || strings.HasPrefix(slices.Items[0].Endpoints[0].Addresses[0], "127.") {
		c.t.Errorf("the endpoints of the webhook: %+v, %v; want one, not of loopback", slices.Items, err)
	}
}

// waiting returns nil if an init container waits for this reason, with this in its
// message.
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
	return fmt.Errorf("none of %d pods waits so", len(pods.Items))
}

// operator waits for the one process of the operator with a version of the package.
func (c *cluster) operator(version string) (pid int) {
	c.t.Helper()
	poll.EventuallyWithin(c.t, patience, "the operator's process", func() error {
		if pid = c.find(version); pid == 0 {
			return errors.New("there is none")
		}
		return nil
	})
	return pid
}

// find gives the process of the operator whose package has a version, or 0 if there is
// none. Two are an error.
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
			if path, is := strings.CutPrefix(arg, "--default-package-location="); is {
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
	c.t.Fatalf("several operators run: %v", found)
	return 0
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }
