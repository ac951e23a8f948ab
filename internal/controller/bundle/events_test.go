package bundle

import (
	"cmp"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/workqueue"
	"trust-manager.io/internal/workqueue/queuetest"
	"trust-manager.io/test/framework/fake"
)

// sorted sorts the added keys, so that their order does not depend on that of maps.
func sorted(list []queuetest.Added[target.Key]) []queuetest.Added[target.Key] {
	slices.SortFunc(list, func(a, b queuetest.Added[target.Key]) int {
		return cmp.Or(cmp.Compare(a.Key.Namespace, b.Key.Namespace), cmp.Compare(a.Key.Name, b.Key.Name))
	})
	return list
}

// A Bundle is built when it is created, deleted, or its spec changes; any other change
// concerns only its status.
func TestBundleEvents(t *testing.T) {
	t.Parallel()
	roots := fake.Bundle("roots")
	with := func(change func(*v1alpha1.Bundle)) *v1alpha1.Bundle { return fake.Changed(roots, change) }
	deleting := with(func(b *v1alpha1.Bundle) { b.DeletionTimestamp = new(metav1.NewTime(fake.Start)) })
	build, status := []queuetest.Added[bundle.ID]{{Priority: workqueue.HighPriority, After: 0, Key: fake.ID("roots")}}, []queuetest.Added[bundle.ID]{{Priority: workqueue.DefaultPriority, After: 0, Key: fake.ID("roots")}}
	type events = handler.TypedEventHandler[client.Object, bundle.ID]
	cases := map[string]struct {
		happens  func(events)
		bundles  []queuetest.Added[bundle.ID]
		statuses []queuetest.Added[bundle.ID]
	}{
		"made":               {func(h events) { fake.Create[client.Object](h, roots) }, build, nil},
		"there at the start": {func(h events) { fake.Initially[client.Object](h, roots) }, build, nil},
		"spec changed": {func(h events) {
			fake.Update[client.Object](h, roots, with(func(b *v1alpha1.Bundle) { b.Generation++ }))
		}, build, nil},
		"status changed": {func(h events) {
			fake.Update[client.Object](h, roots, with(func(b *v1alpha1.Bundle) { b.Status.DefaultCAVersion = "x" }))
		}, nil, status},
		"label changed": {func(h events) {
			fake.Update[client.Object](h, roots, with(func(b *v1alpha1.Bundle) { b.Labels = map[string]string{"a": "b"} }))
		}, nil, status},
		"T12 deletion begins": {func(h events) { fake.Update[client.Object](h, roots, deleting) }, build, nil},
		"T12 deletion continues": {func(h events) {
			fake.Update[client.Object](h, deleting, fake.Changed(deleting, func(b *v1alpha1.Bundle) { b.Finalizers = nil }))
		}, nil, status},
		"re-created, its end not seen": {func(h events) {
			fake.Update[client.Object](h, roots, with(func(b *v1alpha1.Bundle) { b.UID = "newer" }))
		}, build, nil},
		"gone":                   {func(h events) { fake.Remove[client.Object](h, roots, false) }, build, status},
		"gone, its end not seen": {func(h events) { fake.Remove[client.Object](h, roots, true) }, build, status},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, w := newWorld()
			tc.happens(b.bundleEvents(bundle.APIBundle))
			if diff := gocmp.Diff(tc.bundles, w.bundleNotes.Take()); diff != "" {
				t.Errorf("bundles (-want +got):\n%s", diff)
			}
			if diff := gocmp.Diff(tc.statuses, w.statusNotes.Take()); diff != "" {
				t.Errorf("statuses (-want +got):\n%s", diff)
			}
		})
	}
}

// S13: a change of a source enqueues the Bundles that read it, and no others. At the
// start every Bundle is built anyway.
func TestSourceEvents(t *testing.T) {
	t.Parallel()
	b, w := newWorld()
	w.cache.Bundles = []*v1alpha1.Bundle{
		fake.Bundle("both", fake.FromConfigMap("roots"), fake.FromSecret("roots")),
		fake.Bundle("config", fake.FromConfigMap("other"), fake.FromConfigMap("roots")),
		fake.Bundle("secret", fake.FromSecret("roots")),
		fake.Bundle("none", fake.FromConfigMap("other")),
	}
	configMaps := sourceEvents[*corev1.ConfigMap](b, bundle.ConfigMap)
	secrets := sourceEvents[*corev1.Secret](b, bundle.Secret)
	configMap := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "roots"}}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "roots"}}
	cases := []struct {
		name    string
		happens func()
		want    []string
	}{
		{"a ConfigMap at the start", func() { fake.Initially(configMaps, configMap) }, nil},
		{"a Secret at the start", func() { fake.Initially(secrets, secret) }, nil},
		{"a new ConfigMap", func() { fake.Create(configMaps, configMap) }, []string{"both", "config"}},
		{"a changed ConfigMap", func() { fake.Update(configMaps, configMap, configMap) }, []string{"both", "config"}},
		{"a deleted ConfigMap", func() { fake.Remove(configMaps, configMap, false) }, []string{"both", "config"}},
		{"a new Secret", func() { fake.Create(secrets, secret) }, []string{"both", "secret"}},
		{"a deleted Secret", func() { fake.Remove(secrets, secret, true) }, []string{"both", "secret"}},
		{"one that is not a source", func() { fake.Create(configMaps, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "x"}}) }, nil},
	}
	for _, tc := range cases {
		tc.happens()
		var got []string
		for _, one := range w.bundleNotes.Take() {
			got = append(got, one.Key.Name)
			after := settling
			if one.Key.Name == "secret" { // it reads one object only
				after = 0
			}
			if one.Priority != workqueue.HighPriority || one.After != after {
				t.Errorf("%s: %s: priority %d after %s", tc.name, one.Key.Name, one.Priority, one.After)
			}
		}
		if diff := gocmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

// S13: a bundle waits for the other changes of its sources if it reads several objects.
func TestDelayOf(t *testing.T) {
	t.Parallel()
	one := bundle.Source{Object: &bundle.ObjectSource{Kind: bundle.ConfigMap, Name: "roots"}}
	for name, tc := range map[string]struct {
		sources []bundle.Source
		want    time.Duration
	}{
		"none":              {[]bundle.Source{{DefaultCAs: true}, {Text: "roots"}}, 0},
		"one":               {[]bundle.Source{{DefaultCAs: true}, one, {Text: "roots"}}, 0},
		"two":               {[]bundle.Source{one, one}, settling},
		"selected":          {[]bundle.Source{{Object: &bundle.ObjectSource{Kind: bundle.Secret, Selector: labels.Everything()}}}, settling},
		"a trust bundle":    {[]bundle.Source{{TrustBundle: &bundle.TrustBundleSource{Name: "roots"}}}, 0},
		"one, and another":  {[]bundle.Source{{TrustBundle: &bundle.TrustBundleSource{Name: "roots"}}, one}, settling},
		"those of a signer": {[]bundle.Source{{TrustBundle: &bundle.TrustBundleSource{Signer: "example.com/roots"}}}, settling},
	} {
		if got := delayOf(bundle.Spec{Sources: tc.sources}); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}

// A cache that cannot be read does not cause a panic.
func TestSourceEventsWithoutCache(t *testing.T) {
	t.Parallel()
	b, w := newWorld()
	w.cache.Err = fake.ErrDenied
	fake.Create(sourceEvents[*corev1.ConfigMap](b, bundle.ConfigMap), &corev1.ConfigMap{})
	if queued := w.bundleNotes.Take(); len(queued) > 0 {
		t.Errorf("queued %v", queued)
	}
}

func TestIndexSources(t *testing.T) {
	t.Parallel()
	obj := fake.Bundle("roots",
		fake.FromConfigMap("a"), fake.FromSecret("a"),
		v1alpha1.BundleSource{InLine: new("text")},
		v1alpha1.BundleSource{UseDefaultCAs: new(true)},
		v1alpha1.BundleSource{UseDefaultCAs: new(false)},
		v1alpha1.BundleSource{},
	)
	if diff := gocmp.Diff([]string{"ConfigMap/a", "Secret/a", "default"}, IndexSources(apis.Bundle{})(obj)); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if got := IndexSources(apis.Bundle{})(&corev1.ConfigMap{}); got != nil {
		t.Errorf("of something else: %v", got)
	}
}
