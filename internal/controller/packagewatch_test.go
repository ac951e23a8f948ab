package controller

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/bundle"
	bundlecontroller "trust-manager.io/internal/controller/bundle"
	"trust-manager.io/internal/source"
	"trust-manager.io/internal/workqueue"
	"trust-manager.io/internal/workqueue/queuetest"
	"trust-manager.io/test/framework/ca"
	"trust-manager.io/test/framework/fake"
)

// S13: a new default CA package enqueues the Bundles that use it, and so does an invalid
// one, which their notes report.
func TestDefaultCAsWatch(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "package.json")
	write := func(version, text string) {
		t.Helper()
		data, err := json.Marshal(map[string]string{"name": "test", "version": version, "bundle": text})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"good": ca.New("2").Certificate, "bad": "nothing"} {
		write("1", ca.New("1").Certificate)
		cas, err := source.LoadDefaultCAs(path)
		if err != nil {
			t.Fatal(err)
		}
		write("2", text)
		cache := &fake.Cache{Index: bundlecontroller.IndexSources(apis.Bundle{}), Bundles: []*v1alpha1.Bundle{
			fake.Bundle("roots", v1alpha1.BundleSource{UseDefaultCAs: new(true)}), fake.Bundle("other", fake.FromConfigMap("a")),
		}}
		recorder := &queuetest.Recorder[bundle.ID]{}
		bundles := bundlecontroller.New(bundlecontroller.Config{APIs: apis.All(), Objects: cache, Queue: workqueue.From("test", recorder)})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- watchDefaultCAs(bundles, cas, logr.Discard())(ctx) }()
		var queued []queuetest.Added[bundle.ID]
		for deadline := time.Now().Add(20 * time.Second); len(queued) == 0 && time.Now().Before(deadline); {
			time.Sleep(5 * time.Millisecond)
			queued = recorder.Take()
		}
		stop()
		if err := <-ended; err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff([]queuetest.Added[bundle.ID]{{Priority: workqueue.HighPriority, Key: fake.ID("roots")}}, queued); diff != "" {
			t.Errorf("%s: queued (-want +got):\n%s", name, diff)
		}
	}
}
