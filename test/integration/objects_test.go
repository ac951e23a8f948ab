package integration

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/rig"
)

// create creates objects, several at a time.
func create(t *testing.T, objects ...client.Object) {
	t.Helper()
	const parallel = 8
	var (
		group sync.WaitGroup
		mu    sync.Mutex
		all   error
	)
	for share := range slices.Chunk(objects, (len(objects)+parallel-1)/parallel) {
		group.Go(func() {
			for _, object := range share {
				if err := api.Create(t.Context(), object); err != nil {
					mu.Lock()
					all = errors.Join(all, fmt.Errorf("creating %s: %w", object.GetName(), err))
					mu.Unlock()
				}
			}
		})
	}
	group.Wait()
	if all != nil {
		t.Fatal(all)
	}
}

// read reads an object again.
func read[object client.Object](t *testing.T, o object) object {
	t.Helper()
	if err := api.Get(t.Context(), client.ObjectKeyFromObject(o), o); err != nil {
		t.Fatalf("reading %s: %v", o.GetName(), err)
	}
	return o
}

// change reads an object, changes and updates it, and retries after a conflict.
func change[object client.Object](t *testing.T, o object, mutate func(object), options ...client.UpdateOption) {
	t.Helper()
	for {
		mutate(read(t, o))
		err := api.Update(t.Context(), o, options...)
		if apierrors.IsConflict(err) {
			continue
		}
		if err != nil {
			t.Fatalf("changing %s: %v", o.GetName(), err)
		}
		return
	}
}

// remove deletes an object.
func remove(t *testing.T, object client.Object, options ...client.DeleteOption) {
	t.Helper()
	if err := api.Delete(t.Context(), object, options...); err != nil {
		t.Fatalf("deleting %s: %v", object.GetName(), err)
	}
}

// awaitGone waits until an object is gone.
func awaitGone(t *testing.T, object client.Object) {
	t.Helper()
	poll.Eventually(t, object.GetName()+" to be gone", func() error {
		err := api.Get(t.Context(), client.ObjectKeyFromObject(object), object)
		if err == nil {
			return fmt.Errorf("it is there, deletion timestamp %v, finalizers %q", object.GetDeletionTimestamp(), object.GetFinalizers())
		}
		return client.IgnoreNotFound(err)
	})
}

// requests returns the operator's requests since the mark that match wanted.
func requests(t *testing.T, since rig.Mark, wanted func(rig.Request) bool) []rig.Request {
	t.Helper()
	all, err := env.Audit.Since(since)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(q rig.Request) bool { return !wanted(q) })
}

// stays checks for some time that check keeps returning nil.
func stays(t *testing.T, long time.Duration, what string, check func() error) {
	t.Helper()
	for end := time.Now().Add(long); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if err := check(); err != nil {
			t.Fatalf("%s does not last: %v", what, err)
		}
	}
}

// writesOf selects the writes of a Bundle's targets.
func writesOf(bundle client.Object) func(rig.Request) bool {
	return func(q rig.Request) bool {
		return q.IsWrite() && (q.Resource == "configmaps" || q.Resource == "secrets") && q.Name == bundle.GetName()
	}
}

// addData adds foreign keys to a ConfigMap.
func addData(t *testing.T, namespace, name string, data map[string]string) {
	t.Helper()
	change(t, configMap(namespace, name), func(object *corev1.ConfigMap) {
		maps.Copy(object.Data, data)
	}, client.FieldOwner("somebody"))
}

// errNotYet is for checks without details.
var errNotYet = errors.New("not yet")

// pauseGarbageCollection stops the collector, and with it the deletion of
// namespaces, until resume is called or the test ends.
func pauseGarbageCollection(t *testing.T) (resume func()) {
	t.Helper()
	if err := env.Signal(rig.ControllerManager, "STOP"); err != nil {
		t.Fatal(err)
	}
	resume = sync.OnceFunc(func() {
		if err := env.Signal(rig.ControllerManager, "CONT"); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(resume)
	return resume
}
