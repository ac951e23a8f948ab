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
	"trust-manager.io/internal/rotation/store"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/workqueue"
	"trust-manager.io/internal/workqueue/queuetest"
	"trust-manager.io/test/framework/ca"
	"trust-manager.io/test/framework/fake"
)

// stateClient is an API server that keeps ConfigMaps where the cache finds them, at
// once unless it is stale.
type stateClient struct {
	client.Client
	cache *fake.Cache
	// live are the objects as they are, where the cache is behind.
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

// tooLarge is how the API server refuses a ConfigMap of more than 1 MiB.
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

// at is the place of the state of the Bundle roots.
var at = types.NamespacedName{Namespace: "cert-manager", Name: rotation.Name(fake.ID("roots"))}.String()

// rotate gives the Bundle roots a rotation, and these CAs in line.
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

// held gives the names of the CAs that the targets of the Bundle roots are to hold.
func (w *world) held(t *testing.T) string {
	t.Helper()
	good := w.reconciler.sessions.of[fake.ID("roots")].last
	var names []string
	for i := range good.Content.Certificates {
		names = append(names, good.Content.Certificates[i].Subject())
	}
	return strings.Join(names, " ")
}

// wantHeld checks which CAs these are, after the Bundle was built.
func (w *world) wantHeld(t *testing.T, b *Reconciler, when, want string) {
	t.Helper()
	b.rebuilt(t, w)
	if got := w.held(t); got != want {
		t.Errorf("%s: %s, want %s", when, got, want)
	}
}

// restarted gives the queue of bundles of a process that has nothing in memory.
func (w *world) restarted() (*Reconciler, *world) {
	after := *w
	after.bundleNotes, after.statusNotes, after.targetNotes = &queuetest.Recorder[bundle.ID]{}, &queuetest.Recorder[bundle.ID]{}, &queuetest.Recorder[target.Key]{}
	restarted := after.start()
	return restarted, &after
}

// K5: what leaves stays for its time, also if it left while the operator was down; a
// steady state writes nothing.
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

// K5: nothing is rolled out before what it drops is remembered; the status tells, and it
// is tried again. An exclusion does not wait for that.
func TestRotationIsRememberedFirst(t *testing.T) {
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

// K5: a cache that is behind costs no certificate: not even one that came and left while
// it was, and not before the first version is in it.
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
	w.rotate(t, 2) // as it was when the cache had it last
	w.wantHeld(t, b, "it has left again", "CN=2 CN=1 CN=3")
	w.cache.ConfigMaps[at] = c.live[at]
	w.wantHeld(t, b, "in the end", "CN=2 CN=1 CN=3")
}

// K5: an edit that the cache does not have yet is not overwritten, and costs a try; nor
// is what this process wrote taken for what there is for ever.
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
	delete(w.cache.ConfigMaps, at) // and the watch never had the last version
	delete(c.live, at)
	w.time.Time = w.time.Time.Add(target.WatchLag)
	w.wantHeld(t, b, "deleted", "CN=4 CN=2 CN=3")
	if c.live[at] == nil {
		t.Error("it is not made again")
	}
}

// K5: one edit ends the retention of one CA at once and for good, also while a source is
// missing.
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

// K5: without rotation, nothing is written, and what was remembered is forgotten, so
// that it does not come up again.
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

// K5: a Bundle that was made anew has no part in what the one before it retained.
func TestRotationOfAnotherBundle(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	w.rotate(t, 1, 2)
	b.rebuilt(t, w)
	w.rotate(t, 2)
	w.edit(func(from *v1alpha1.Bundle) { from.UID = "another" })
	w.wantHeld(t, b, "made anew", "CN=2")
	if owner := w.cache.ConfigMaps[at].OwnerReferences[0]; owner.UID != "another" {
		t.Errorf("the state is owned by %v", owner)
	}
}

// K5: what is retained is not lost with the object that remembers it, but what was ended
// by an edit before stays ended.
func TestRotationStateIsDeleted(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	c := w.api
	clear := func() {
		delete(w.cache.ConfigMaps, at)
		delete(c.live, at)
	}
	w.rotate(t, 1, 2, 3)
	b.rebuilt(t, w)
	w.rotate(t, 3)
	w.wantHeld(t, b, "two have left", "CN=3 CN=1 CN=2")
	w.wantHeld(t, b, "with the event of the state", "CN=3 CN=1 CN=2")
	clear()
	w.wantHeld(t, b, "deleted", "CN=3 CN=1 CN=2")
	if w.cache.ConfigMaps[at] == nil {
		t.Fatal("it is not made again")
	}
	w.missing()
	w.end(c, "CN=1")
	w.wantHeld(t, b, "one is ended", "CN=3 CN=2")
	clear()
	w.edit(func(from *v1alpha1.Bundle) { from.Spec.Sources = from.Spec.Sources[:1] })
	w.wantHeld(t, b, "deleted then", "CN=3 CN=2")
}

// K5: to end a retention does not wait for a source: its time, a shorter time, no
// rotation any more.
func TestRotationEndsWhileASourceIsMissing(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*world){
		"its time": func(w *world) { w.time.Time = fake.Start.Add(time.Hour + time.Second) },
		"a shorter time": func(w *world) {
			w.time.Time = fake.Start.Add(2 * time.Minute)
			w.edit(func(from *v1alpha1.Bundle) { from.Spec.Rotation.Retain.Duration = time.Minute })
		},
		"turned off": func(w *world) {
			w.time.Time = fake.Start.Add(time.Second)
			w.edit(func(from *v1alpha1.Bundle) { from.Spec.Rotation = nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, w := bundlesOf(t)
			w.rotate(t, 1, 2)
			b.rebuilt(t, w)
			w.rotate(t, 2)
			w.wantHeld(t, b, "one has left", "CN=2 CN=1")
			w.missing()
			w.bundleNotes.Take()
			w.wantHeld(t, b, "missing", "CN=2 CN=1")
			if diff := cmp.Diff([]queuetest.Added[bundle.ID]{{Priority: workqueue.HighPriority, After: maxRequeue, Key: fake.ID("roots")}}, w.bundleNotes.Take()); diff != "" {
				t.Errorf("queued (-want +got):\n%s", diff)
			}
			end(w)
			w.wantHeld(t, b, "ended", "CN=2")
			if queued := w.bundleNotes.Take(); len(queued) > 0 {
				t.Errorf("when it has ended, queued %v", queued)
			}
		})
	}
}

// K5: a retention that is made shorter while a source is missing ends at its new time.
func TestRotationIsMadeShorterWhileASourceIsMissing(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	w.rotate(t, 1, 2)
	b.rebuilt(t, w)
	w.rotate(t, 2)
	b.rebuilt(t, w)
	w.missing()
	w.edit(func(from *v1alpha1.Bundle) { from.Spec.Rotation.Retain.Duration = time.Minute })
	w.bundleNotes.Take()
	w.wantHeld(t, b, "not over yet", "CN=2 CN=1")
	if diff := cmp.Diff([]queuetest.Added[bundle.ID]{{Priority: workqueue.HighPriority, After: time.Minute + time.Millisecond, Key: fake.ID("roots")}}, w.bundleNotes.Take()); diff != "" {
		t.Errorf("queued (-want +got):\n%s", diff)
	}
}

// K3, K5: what is excluded goes, also where nothing would be left without what is
// retained no longer.
func TestDistrustOfWhatIsRetained(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	w.rotate(t, 1)
	w.edit(func(from *v1alpha1.Bundle) {
		from.Spec.Sources = append(from.Spec.Sources, fake.FromConfigMap("vanishing"))
	})
	w.cache.ConfigMaps["cert-manager/vanishing"] = &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "cert-manager", Name: "vanishing"}, Data: map[string]string{"k": root(2)},
	}
	b.rebuilt(t, w)
	w.edit(func(from *v1alpha1.Bundle) { from.Spec.Sources = from.Spec.Sources[1:] })
	w.wantHeld(t, b, "one has left", "CN=2 CN=1")
	w.time.Time = fake.Start.Add(time.Second)
	delete(w.cache.ConfigMaps, "cert-manager/vanishing")
	w.wantHeld(t, b, "both have left", "CN=1 CN=2")
	w.time.Time = fake.Start.Add(time.Hour + 500*time.Millisecond)
	w.exclude("CN=2")
	w.wantHeld(t, b, "one is over, one excluded", "CN=1")
	w.wantAttempt(t, "one is over, one excluded", v1alpha1.BundleReasonSourceNotFound, 1, "no longer retained is still in the targets", "1 certificate was removed")
}

// K5: without rotation nothing waits for what should be forgotten.
func TestRotationTurnedOffWithoutTheRight(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	w.rotate(t, 1, 2)
	b.rebuilt(t, w)
	w.rotate(t, 2)
	b.rebuilt(t, w)
	c := w.api
	c.err = apierrors.NewForbidden(corev1.Resource("configmaps"), "x", fake.ErrDenied)
	w.edit(func(from *v1alpha1.Bundle) { from.Spec.Rotation = nil })
	w.wantHeld(t, b, "turned off", "CN=2")
	w.wantAttempt(t, "turned off", "", 1)
	c.err = nil
	w.wantHeld(t, b, "with the right", "CN=2")
	if state, _ := rotation.Decode(w.cache.ConfigMaps[at]); len(state.Retained) > 0 {
		t.Error("what was remembered is not cleared when that can be done")
	}
}

// fillLarge gives the Bundle roots that many CAs of 60 KB each, whose names begin alike.
func (w *world) fillLarge(t *testing.T, name string, count int) {
	t.Helper()
	text := ""
	for i := range count {
		text += ca.New(name+strconv.Itoa(i), ca.Padded(60_000)).Certificate
	}
	w.edit(func(from *v1alpha1.Bundle) { from.Spec.Sources[0].InLine = &text })
}

// K5: a bundle that retained certificates make too large is rolled out as soon as their
// retention has ended: whatever keeps the rotation state from being saved meanwhile,
// also if it has room for fingerprints only, and across a restart. Every reason is
// reported.
func TestRotationOfALargeBundle(t *testing.T) {
	t.Parallel()
	forbidden := apierrors.NewForbidden(corev1.Resource("configmaps"), "x", fake.ErrDenied)
	for name, tc := range map[string]struct {
		certificates int
		during       func(c *stateClient)
		fails        bool
		message      []string
	}{
		"state fits":         {certificates: 7, message: []string{"7 of its certificates are retained"}},
		"state does not fit": {certificates: 9, message: []string{"9 of its certificates are retained"}},
		"state is refused": {certificates: 7, during: func(c *stateClient) { c.err = forbidden }, fails: true,
			message: []string{"7 of its certificates are retained", "ConfigMap cert-manager/roots.rotation-", "denied"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, w := bundlesOf(t)
			c := w.api
			w.rotate(t, 1)
			w.fillLarge(t, "old", tc.certificates)
			b.rebuilt(t, w)
			old := w.held(t)
			w.fillLarge(t, "new", tc.certificates)
			if tc.during != nil {
				tc.during(c)
			}
			for _, later := range []time.Duration{0, 30 * time.Minute, time.Hour - time.Second} {
				w.time.Time = fake.Start.Add(later)
				if _, err := b.Reconcile(fake.Quiet(t), fake.ID("roots")); (err != nil) != tc.fails {
					t.Errorf("after %s: error %v", later, err)
				}
				w.wantAttempt(t, later.String(), v1alpha1.BundleReasonBundleTooLarge, tc.certificates, tc.message...)
				if got := w.held(t); got != old {
					t.Errorf("after %s: %s", later, got)
				}
			}
			c.err = nil
			if !tc.fails { // else there is nothing that a restart could know
				b, w = w.restarted()
				w.wantRefused(t, b, "after a restart", v1alpha1.BundleReasonBundleTooLarge)
			}
			w.time.Time = fake.Start.Add(time.Hour + time.Second)
			b.rebuilt(t, w)
			if got := w.held(t); !strings.HasPrefix(got, "CN=new0") || strings.Contains(got, "old") {
				t.Errorf("in the end: %s", got)
			}
		})
	}
}

// wantRefused builds the Bundle roots, and checks that nothing comes of it.
func (w *world) wantRefused(t *testing.T, b *Reconciler, when, reason string) {
	t.Helper()
	if _, err := b.Reconcile(fake.Quiet(t), fake.ID("roots")); err != nil {
		t.Errorf("%s: error %v", when, err)
	}
	if revision, _ := w.revisions.Get(fake.ID("roots")); revision != nil {
		t.Errorf("%s: a revision is active", when)
	}
	if summary, _ := w.ledger.Summary(fake.ID("roots")); summary.Attempt.Reason != reason {
		t.Errorf("%s: %s: %s, want %s", when, summary.Attempt.Reason, summary.Attempt.Message, reason)
	}
}

// K5: a certificate that is known by its fingerprint only holds the bundle up until its
// time, a source has it again, or it is excluded; no bundle goes without it before.
func TestRotationByFingerprint(t *testing.T) {
	t.Parallel()
	for name, release := range map[string]func(w *world, object *corev1.ConfigMap){
		"its time": func(w *world, _ *corev1.ConfigMap) { w.time.Time = fake.Start.Add(time.Hour + time.Second) },
		"its line is deleted": func(_ *world, object *corev1.ConfigMap) {
			delete(object.Data, "fingerprints-retained")
		},
		"it is excluded": func(w *world, object *corev1.ConfigMap) {
			lines := strings.Split(strings.TrimSpace(object.Data["fingerprints-retained"]), "\n")
			w.edit(func(from *v1alpha1.Bundle) {
				for _, line := range lines[2:] {
					from.Spec.Exclude = append(from.Spec.Exclude, v1alpha1.Exclusion{SHA256: line[:64]})
				}
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, w := bundlesOf(t)
			w.rotate(t, 1)
			w.edit(func(from *v1alpha1.Bundle) { from.Spec.Rotation.MaxRetained = new(int32(100)) })
			for _, name := range []string{"a", "b", "c"} { // too much for one object even without what is there
				w.fillLarge(t, name, 9)
				if _, err := b.Reconcile(fake.Quiet(t), fake.ID("roots")); err != nil {
					t.Fatal(err)
				}
			}
			w.wantAttempt(t, "too large", v1alpha1.BundleReasonBundleTooLarge, 9, "18 of its certificates are retained")
			b, w = w.restarted()
			w.fillLarge(t, "small", 1)
			w.wantRefused(t, b, "after a restart", v1alpha1.BundleReasonBundleTooLarge)
			w.wantAttempt(t, "after a restart", v1alpha1.BundleReasonBundleTooLarge, 0, "only the fingerprints are known", "until 2026-11-23T13:00:00Z")
			object := w.cache.ConfigMaps[at].DeepCopy()
			release(w, object)
			object.ResourceVersion += "1"
			w.cache.ConfigMaps[at], w.api.live[at] = object, object
			if _, err := b.Reconcile(fake.Quiet(t), fake.ID("roots")); err != nil {
				t.Fatal(err)
			}
			summary, _ := w.ledger.Summary(fake.ID("roots"))
			if strings.Contains(summary.Attempt.Message, "only the fingerprints") {
				t.Errorf("still %s: %s", summary.Attempt.Reason, summary.Attempt.Message)
			}
		})
	}
}

// K5: conflicts that do not end are reported, and retried still.
func TestRotationConflictsWithoutEnd(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	c := w.api
	w.rotate(t, 1, 2)
	b.rebuilt(t, w)
	w.rotate(t, 2)
	c.err = apierrors.NewConflict(corev1.Resource("configmaps"), "x", fake.ErrDenied)
	for i := 1; i < store.MaxStale; i++ {
		if result, err := b.Reconcile(fake.Quiet(t), fake.ID("roots")); err != nil || result.RequeueAfter != cacheLagRetry {
			t.Fatalf("conflict %d: result %v, error %v", i, result, err)
		}
	}
	if _, err := b.Reconcile(fake.Quiet(t), fake.ID("roots")); err == nil {
		t.Error("it is not retried")
	}
	w.wantAttempt(t, "conflicts", v1alpha1.BundleReasonRotationStateFailed, 2, "denied")
	c.err = nil
	w.wantHeld(t, b, "in the end", "CN=2 CN=1")
}
