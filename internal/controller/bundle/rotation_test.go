package bundle

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/rotation"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/workqueue"
	"trust-manager.io/internal/workqueue/queuetest"
	"trust-manager.io/test/framework/fake"
)

// stateClient is an API server whose ConfigMaps appear in the cache, immediately unless
// it is stale.
type stateClient struct {
	client.Client
	cache *fake.Cache
	// live are the current objects, if the cache is stale.
	live   map[string]*corev1.ConfigMap
	stale  bool
	writes int
	last   int
	err    error
}

func (c *stateClient) Create(_ context.Context, object client.Object, _ ...client.CreateOption) error {
	return c.write(object, func(before *corev1.ConfigMap) error {
		if before != nil {
			return apierrors.NewAlreadyExists(corev1.Resource("configmaps"), object.GetName())
		}
		return nil
	})
}

func (c *stateClient) Update(_ context.Context, object client.Object, _ ...client.UpdateOption) error {
	return c.write(object, func(before *corev1.ConfigMap) error {
		if before == nil || before.ResourceVersion != object.GetResourceVersion() {
			return apierrors.NewConflict(corev1.Resource("configmaps"), object.GetName(), errors.New("another version"))
		}
		return nil
	})
}

func (c *stateClient) write(object client.Object, check func(before *corev1.ConfigMap) error) error {
	if c.err != nil {
		return c.err
	}
	if err := tooLarge(object); err != nil {
		return err
	}
	at := client.ObjectKeyFromObject(object).String()
	if c.live == nil {
		c.live = map[string]*corev1.ConfigMap{}
	}
	if err := check(c.live[at]); err != nil {
		return err
	}
	kept, ok := object.DeepCopyObject().(*corev1.ConfigMap)
	if !ok {
		return errors.New("not a ConfigMap")
	}
	c.writes++
	c.last++
	kept.ResourceVersion, kept.UID = strconv.Itoa(c.last), types.UID("state")
	object.SetResourceVersion(kept.ResourceVersion)
	object.SetUID(kept.UID)
	c.live[at] = kept
	if !c.stale {
		c.cache.ConfigMaps[at] = kept
	}
	return nil
}

// tooLarge returns the API server's error for a ConfigMap of more than 1 MiB.
func tooLarge(object client.Object) error {
	kept, _ := object.(*corev1.ConfigMap)
	size := 0
	for _, value := range kept.Data {
		size += len(value)
	}
	for _, value := range kept.BinaryData {
		size += len(value)
	}
	if size <= 1<<20 {
		return nil
	}
	return apierrors.NewInvalid(corev1.SchemeGroupVersion.WithKind("ConfigMap").GroupKind(), object.GetName(),
		field.ErrorList{field.TooLong(field.NewPath(""), "", 1<<20)})
}

// at is the key of the state of the Bundle roots.
var at = types.NamespacedName{Namespace: "cert-manager", Name: rotation.Name(fake.ID("roots"))}.String()

// rotate sets a rotation of the Bundle roots, and these CAs in line.
func (w *world) rotate(t *testing.T, numbers ...int64) {
	t.Helper()
	w.edit(func(from *v1alpha1.Bundle) {
		from.Spec.Rotation = &v1alpha1.BundleRotation{Retain: metav1.Duration{Duration: time.Hour}}
		text := ""
		for _, number := range numbers {
			text += root(number)
		}
		from.Spec.Sources[0].InLine = &text
	})
}

// held returns the names of the CAs in the desired targets of the Bundle roots.
func (w *world) held(t *testing.T) string {
	t.Helper()
	good := w.reconciler.sessions.of[fake.ID("roots")].last
	var names []string
	for i := range good.Content.Certificates {
		names = append(names, good.Content.Certificates[i].Subject())
	}
	return strings.Join(names, " ")
}

// wantHeld builds the Bundle, and checks these CAs.
func (w *world) wantHeld(t *testing.T, b *Reconciler, when, want string) {
	t.Helper()
	b.rebuilt(t, w)
	if got := w.held(t); got != want {
		t.Errorf("%s: %s, want %s", when, got, want)
	}
}

// restarted returns a Reconciler of a new process with the same caches.
func (w *world) restarted() (*Reconciler, *world) {
	after := *w
	after.bundleNotes, after.statusNotes, after.targetNotes = &queuetest.Recorder[bundle.ID]{}, &queuetest.Recorder[bundle.ID]{}, &queuetest.Recorder[target.Key]{}
	restarted := after.start()
	return restarted, &after
}

// K5: a CA that leaves is retained for its time, also if it left while the operator was
// down; in a steady state nothing is written.
func TestRotation(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	c := w.api
	w.rotate(t, 1, 2)
	w.wantHeld(t, b, "at first", "CN=1 CN=2")
	w.wantHeld(t, b, "again", "CN=1 CN=2")
	if c.writes != 1 {
		t.Errorf("%d writes of the state, want 1", c.writes)
	}
	w.rotate(t, 2)
	w.wantHeld(t, b, "one has left", "CN=2 CN=1")
	if diff := cmp.Diff([]queuetest.Added[bundle.ID]{{Priority: workqueue.HighPriority, After: maxRequeue, Key: fake.ID("roots")}}, w.bundleNotes.Take()); diff != "" {
		t.Errorf("queued (-want +got):\n%s", diff)
	}
	b, w = w.restarted()
	w.rotate(t, 3)
	w.wantHeld(t, b, "one has left while it was down", "CN=3 CN=1 CN=2")
	w.time.Time = fake.Start.Add(time.Hour + time.Millisecond)
	w.wantHeld(t, b, "after its time", "CN=3")
	before := c.writes
	w.wantHeld(t, b, "again", "CN=3")
	if c.writes != before {
		t.Errorf("%d writes where nothing changed", c.writes-before)
	}
}

// K5: a bundle is rolled out only after the CAs that it drops are persisted; a failure is
// reported in the status and retried. An exclusion does not wait for that.
func TestRotationStateIsSavedFirst(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	c := w.api
	w.rotate(t, 1, 2)
	b.rebuilt(t, w)
	before, _ := w.revisions.Get(fake.ID("roots"))
	c.err = apierrors.NewForbidden(corev1.Resource("configmaps"), "x", fake.ErrDenied)
	w.rotate(t, 2, 3)
	if _, err := b.Reconcile(fake.Quiet(t), fake.ID("roots")); err == nil {
		t.Error("it is not tried again")
	}
	if after, _ := w.revisions.Get(fake.ID("roots")); after != before {
		t.Error("it is rolled out")
	}
	w.wantAttempt(t, "forbidden", v1alpha1.BundleReasonRotationStateFailed, 2, "ConfigMap cert-manager/roots.rotation-", "nothing is rolled out before it is")
	w.exclude("CN=1")
	if _, err := b.Reconcile(fake.Quiet(t), fake.ID("roots")); err == nil {
		t.Error("it is not tried again")
	}
	w.wantAttempt(t, "excluded", v1alpha1.BundleReasonRotationStateFailed, 1, "1 certificate was removed")
	c.err = nil
	w.wantHeld(t, b, "in the end", "CN=2 CN=3")
}

// K5: a stale cache does not lose a certificate: not even one that was added and removed
// in the meantime, and not before the first version is cached.
func TestRotationWithAStaleCache(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	c := w.api
	c.stale = true
	w.rotate(t, 1)
	w.wantHeld(t, b, "at first", "CN=1")
	w.rotate(t, 2)
	w.wantHeld(t, b, "one has left", "CN=2 CN=1")
	w.cache.ConfigMaps[at] = c.live[at]
	w.wantHeld(t, b, "with the cache up to date", "CN=2 CN=1")
	w.rotate(t, 3, 2)
	w.wantHeld(t, b, "one has come", "CN=3 CN=2 CN=1")
	w.time.Time = w.time.Time.Add(time.Second)
	w.rotate(t, 2) // like the latest cached version
	w.wantHeld(t, b, "it has left again", "CN=2 CN=1 CN=3")
	w.cache.ConfigMaps[at] = c.live[at]
	w.wantHeld(t, b, "in the end", "CN=2 CN=1 CN=3")
}

// K5: an edit that the cache does not have yet is not overwritten, but causes a retry;
// nor does the process trust its own last write forever.
func TestRotationIsEditedMeanwhile(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	c := w.api
	w.rotate(t, 1, 2)
	b.rebuilt(t, w)
	w.rotate(t, 2)
	w.wantHeld(t, b, "one has left", "CN=2 CN=1")
	behind := w.cache.ConfigMaps[at]
	w.end(c, "CN=1")
	edited := w.cache.ConfigMaps[at]
	w.cache.ConfigMaps[at] = behind
	w.rotate(t, 3)
	result, err := b.Reconcile(fake.Quiet(t), fake.ID("roots"))
	if err != nil || result.RequeueAfter != cacheLagRetry {
		t.Errorf("result %v, error %v", result, err)
	}
	w.cache.ConfigMaps[at] = edited
	w.wantHeld(t, b, "with the cache up to date", "CN=3 CN=2")

	c.stale = true
	w.time.Time = w.time.Time.Add(time.Second)
	w.rotate(t, 4)
	w.wantHeld(t, b, "another has left", "CN=4 CN=2 CN=3")
	delete(w.cache.ConfigMaps, at) // and the watch never received the latest version
	delete(c.live, at)
	w.time.Time = w.time.Time.Add(target.WatchLag)
	w.wantHeld(t, b, "deleted", "CN=4 CN=2 CN=3")
	if c.live[at] == nil {
		t.Error("it is not made again")
	}
}

// K5: one edit ends the retention of one CA at once and permanently, also while a source
// is missing.
func TestRotationIsEndedByAnEdit(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	c := w.api
	w.rotate(t, 1, 2, 3)
	b.rebuilt(t, w)
	w.rotate(t, 3)
	w.wantHeld(t, b, "two have left", "CN=3 CN=1 CN=2")
	w.end(c, "CN=1")
	w.wantHeld(t, b, "one is ended", "CN=3 CN=2")
	w.wantHeld(t, b, "again", "CN=3 CN=2")
	w.missing()
	b.rebuilt(t, w)
	w.end(c, "CN=2")
	w.wantHeld(t, b, "with a source missing", "CN=3")
	w.wantAttempt(t, "with a source missing", "SourceNotFound", 1, "1 certificate was removed from the last good bundle because the retention has ended")
}

// end deletes the key of a retained CA.
func (w *world) end(c *stateClient, subject string) {
	object := w.cache.ConfigMaps[at].DeepCopy()
	state, _ := rotation.Decode(object)
	for _, one := range state.Retained {
		if one.Certificate.Subject() == subject {
			delete(object.Data, "retained-"+one.Certificate.SHA256()+".pem")
		}
	}
	object.ResourceVersion += "1"
	w.cache.ConfigMaps[at], c.live[at] = object, object
}

// K5: without rotation, no state is written, and an existing state is deleted, so that it
// cannot take effect later.
func TestRotationTurnedOff(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	c := w.api
	if b.rebuilt(t, w); c.writes != 0 {
		t.Errorf("%d writes of a Bundle without rotation", c.writes)
	}
	w.rotate(t, 1, 2)
	b.rebuilt(t, w)
	w.rotate(t, 2)
	b.rebuilt(t, w)
	w.edit(func(from *v1alpha1.Bundle) { from.Spec.Rotation = nil })
	w.wantHeld(t, b, "turned off", "CN=2")
	writes := c.writes
	w.wantHeld(t, b, "again", "CN=2")
	if c.writes != writes {
		t.Error("it is written again")
	}
	w.rotate(t, 2)
	w.wantHeld(t, b, "turned on again", "CN=2")
}

// K5: a re-created Bundle does not retain the CAs of its predecessor.
func TestRotationOfAnotherBundle(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	w.rotate(t, 1, 2)
	b.rebuilt(t, w)
	w.rotate(t, 2)
	w.edit(func(from *v1alpha1.Bundle) { from.UID = "another" })
	w.wantHeld(t, b, "re-created", "CN=2")
	if owner := w.cache.ConfigMaps[at].OwnerReferences[0]; owner.UID != "another" {
		t.Errorf("the state is owned by %v", owner)
	}
}
