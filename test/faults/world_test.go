package faults

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/test/framework/kinds"
	"trust-manager.io/test/framework/model"
	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/rig"
)

const (
	// patience bounds each action of the tests, including downtimes of the API
	// server.
	patience = 3 * time.Minute
	// tryTime bounds one try of it.
	tryTime = 20 * time.Second
)

// world is the cluster, with the operators and the test's clients.
type world struct {
	ctx      context.Context //nolint:containedctx // that of the one test
	t        *testing.T
	api      client.WithWatch
	history  *model.History
	judge    *judge
	observer *observer
	proxy    *rig.Proxy
	fleet    *fleet
	bundles  []*bundle
	report   *report
	// marks counts the writes to targets.
	marks atomic.Int64
	// obstructed are the targets that cannot be written.
	obstructed []model.Target
}

// newWorld creates the namespaces, the sources and the Bundles, without an operator.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{ctx: t.Context(), t: t, api: kinds.Mask(env.Client), bundles: newBundles(), report: newReport(), history: model.NewHistory()}
	w.judge = newJudge(w.history)
	w.judge.allow(calmLag)
	w.observer = newObserver(w.api, w.judge)
	w.must(w.observer.start(w.ctx))
	proxy, err := env.StartProxy(w.ctx, *seed)
	w.must(err)
	w.proxy = proxy
	w.fleet = newFleet(proxy, w.judge.violations)
	t.Cleanup(func() {
		w.fleet.stop()
		proxy.Stop()
		w.tell()
	})
	for _, name := range slices.Concat(stable, flipping) {
		w.must(w.makeNamespace(name, true))
	}
	for _, b := range w.bundles {
		w.must(w.make(b))
	}
	return w
}

// must ends the test if an action of the tests themselves fails.
func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("seed %d: %v", *seed, err)
	}
}

// random returns a separate source of random numbers for each stream.
func (w *world) random(stream string) *rand.Rand {
	sum := uint64(0)
	for _, b := range []byte(stream) {
		sum = sum*31 + uint64(b)
	}
	return rand.New(rand.NewPCG(*seed, sum))
}

func pick[T any](r *rand.Rand, of []T) T { return of[r.IntN(len(of))] }

// upTo returns a random duration below a bound.
func upTo(r *rand.Rand, bound time.Duration) time.Duration {
	return time.Duration(r.Int64N(int64(bound)))
}

// persist retries do until it succeeds.
func (w *world) persist(what string, do func(ctx context.Context) error) error {
	return poll.UntilWithin(w.ctx, patience, what, func() error {
		ctx, cancel := context.WithTimeout(w.ctx, tryTime)
		defer cancel()
		return do(ctx)
	})
}

func objectAt(at model.Target) client.Object {
	meta := metav1.ObjectMeta{Namespace: at.Namespace, Name: at.Bundle}
	switch at.Kind {
	case model.Secret:
		return &corev1.Secret{ObjectMeta: meta}
	case model.ClusterTrustBundle:
		return &certificatesv1.ClusterTrustBundle{ObjectMeta: meta}
	}
	return &corev1.ConfigMap{ObjectMeta: meta}
}

// Entries that the tests, as foreign clients, write to targets. Each of their writes has
// a new mark, so that an event identifies its writer.
const (
	theirs     = "faults.example/"
	markKey    = theirs + "mark"
	noteKey    = theirs + "note"
	theirsData = "theirs.txt"
)

// meddle writes to a target as a foreign client: a merge patch of some sections, with a
// new mark. It does not retry, since a second write of one mark would count as the
// operator's.
func (w *world) meddle(at model.Target, sections map[string]any) error {
	meta, _ := sections["metadata"].(map[string]any)
	if meta == nil {
		meta = map[string]any{}
		sections["metadata"] = meta
	}
	annotations, _ := meta["annotations"].(map[string]any)
	if annotations == nil {
		annotations = map[string]any{}
		meta["annotations"] = annotations
	}
	annotations[markKey] = strconv.FormatInt(w.marks.Add(1), 10)
	body, err := json.Marshal(sections)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(w.ctx, tryTime)
	defer cancel()
	return w.api.Patch(ctx, objectAt(at), client.RawPatch(types.MergePatchType, body), client.FieldOwner("neighbour"))
}

// remove deletes a target, which the operator has to re-create.
func (w *world) remove(at model.Target) error {
	w.judge.deletes(at)
	ctx, cancel := context.WithTimeout(w.ctx, tryTime)
	defer cancel()
	err := w.api.Delete(ctx, objectAt(at))
	if apierrors.IsNotFound(err) {
		w.judge.withdraw(at)
	}
	return err
}

func isText(text []byte) bool { return utf8.Valid(text) }
