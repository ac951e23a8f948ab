package walk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/test/framework/model"
	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/rig"
)

// patience bounds each wait. It is long, since three walks may share a machine,
// and the deletion of a namespace is slow.
const patience = time.Minute

// world is the cluster, and the operator in it.
type world struct {
	ctx      context.Context //nolint:containedctx // that of the one test
	api      client.WithWatch
	operator *rig.Operator
	// folder has the default CA package.
	folder  string
	watcher *watcher
	// theirs are the resource versions of the walk's own writes to targets: all other
	// events come from the operator or Kubernetes.
	theirs map[string]bool
	// rendered counts the targets that were compared with what render prints.
	rendered int
}

// wrote records a write of the walk.
func (w *world) wrote(object client.Object, err error) error {
	if err == nil {
		w.theirs[object.GetResourceVersion()] = true
	}
	return err
}

// start starts the operator. It returns a mark from before the start.
func (w *world) start() (before rig.Mark, err error) {
	before = env.Audit.Mark()
	w.operator, err = env.StartOperator("--kubeconfig", conflicts.Kubeconfig,
		"--secret-targets-enabled", "--cluster-trust-bundles-enabled", "--default-package-location", w.packagePath())
	return before, err
}

// await waits until check returns no error.
func (w *world) await(what string, check func() error) error {
	return poll.UntilWithin(w.ctx, patience, what, check)
}

// writes returns the operator's writes, successful or not, since a mark.
func writes(since rig.Mark) ([]rig.Request, error) {
	all, err := env.Audit.Since(since)
	return slices.DeleteFunc(all, func(q rig.Request) bool {
		return !q.IsWrite() || !slices.Contains([]string{"configmaps", "secrets", "clustertrustbundles", "bundles/status", "bundles", "clusterbundles/status", "clusterbundles"}, q.Resource)
	}), err
}

// awaitStill waits until the operator has written nothing for longer than it
// delays a status.
func (w *world) awaitStill() error {
	const long = 1200 * time.Millisecond
	var last rig.Mark
	began, answered := time.Time{}, 0
	return w.await("the operator to stop writing", func() error {
		if began.IsZero() {
			last, began, answered = env.Audit.Mark(), time.Now(), refused()
		}
		// A refused write does not reach the API server, and is retried within a second.
		if refused() > answered {
			began = time.Time{}
			return errors.New("a write was refused")
		}
		wrote, err := writes(last)
		if err != nil {
			return err
		}
		if len(wrote) > 0 {
			began = time.Time{}
			return fmt.Errorf("it wrote %v", wrote)
		}
		if time.Since(began) < long {
			return errors.New("it is too early to say")
		}
		return nil
	})
}

// awaitVerified waits until a started operator has verified each of some targets
// (T7).
func (w *world) awaitVerified(since rig.Mark, wanted []model.Target) error {
	return w.await("all targets to be verified after the start", func() error {
		all, err := env.Audit.Since(since)
		if err != nil {
			return err
		}
		seen := map[model.Target]bool{}
		for _, q := range all {
			kind := map[string]string{"configmaps": model.ConfigMap, "secrets": model.Secret, "clustertrustbundles": model.ClusterTrustBundle}[q.Resource]
			seen[model.Target{Bundle: q.Name, Kind: kind, Namespace: q.Namespace}] = true
		}
		for _, at := range wanted {
			// The name of an object that is created is not in the log.
			if !seen[at] && !seen[model.Target{Kind: at.Kind, Namespace: at.Namespace}] {
				return fmt.Errorf("%s is not", at)
			}
		}
		return nil
	})
}
