package move

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// contents are the texts that a target may have at any time. Each has all certificates of one
// of the two bundles.
type contents []string

// observer looks at every event of every target.
type observer struct {
	mu sync.Mutex
	// uids has the UID of each target.
	uids   map[string]types.UID
	allow  contents
	places string
	faults []string
	events int
	// stop ends the watch.
	stop func()
}

// observe watches the targets of the name until it is stopped or the test ends.
func observe(t *testing.T, allow contents) *observer {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	o := &observer{uids: map[string]types.UID{}, allow: allow, places: placesOf(t)}
	o.stop = sync.OnceFunc(func() {
		cancel()
		group.Wait()
	})
	t.Cleanup(o.stop)
	for _, list := range []client.ObjectList{&corev1.ConfigMapList{}, &corev1.SecretList{}} {
		if err := env.Client.List(ctx, list); err != nil {
			t.Fatal(err)
		}
		events, err := env.Client.Watch(ctx, list, &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: list.GetResourceVersion()}})
		if err != nil {
			t.Fatal(err)
		}
		context.AfterFunc(ctx, events.Stop)
		group.Go(func() {
			for event := range events.ResultChan() {
				o.look(event)
			}
		})
	}
	return o
}

func (o *observer) look(event watch.Event) {
	object, ok := event.Object.(client.Object)
	if !ok || object.GetName() != name || !strings.HasPrefix(object.GetNamespace(), o.places) {
		return
	}
	var text string
	switch object := object.(type) {
	case *corev1.ConfigMap:
		text = object.Data[pemKey]
	case *corev1.Secret:
		text = string(object.Data[pemKey])
	}
	at := fmt.Sprintf("%T %s", object, object.GetNamespace())
	o.mu.Lock()
	defer o.mu.Unlock()
	o.events++
	known, isKnown := o.uids[at]
	o.uids[at] = object.GetUID()
	switch {
	case event.Type == watch.Deleted:
		o.faults = append(o.faults, at+" was deleted")
	case isKnown && known != object.GetUID():
		o.faults = append(o.faults, at+" was made again")
	case !slices.Contains(o.allow, text):
		o.faults = append(o.faults, fmt.Sprintf("%s held %d certificates at resource version %s", at, strings.Count(text, "BEGIN"), object.GetResourceVersion()))
	}
}

// take returns what was wrong so far, and how many events there were.
func (o *observer) take() (faults []string, events int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	faults, events = o.faults, o.events
	o.faults, o.events = nil, 0
	return faults, events
}
