package integration

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/checkout"
	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/rig"
	"trust-manager.io/test/framework/suite"
)

// phase is a part of the life of a Bundle: what the programs that wait for Bundles may make
// of its statuses, and what they make of the last one. A text has a result of kstatus and one
// of Argo CD.
type phase struct {
	name    string
	happens func()
	may     []string
	last    string
}

// C1, C6: what kstatus and Argo CD's health check make of each status of a Bundle: never
// Failed or Degraded while nothing is wrong, InProgress while the operator waits, Failed
// when a person has to act, and never Current before the first rollout has ended.
func TestStatusesForOtherPrograms(t *testing.T) {
	t.Parallel()
	suite.RequireFor(t, "test-integration", suite.Built("statuses"))
	operator(t)
	s := newScene(t)
	slow, ca, next := s.faultyNamespaces(1), newAuthority("CA"), newAuthority("Next")
	s.namespaces(2)
	source := configMap(rig.TrustNamespace, s.unique())
	bundle := s.newBundle(from(source))
	statuses := recordStatuses(t, bundle)
	const (
		waiting, waitingWell = "InProgress Degraded", "InProgress Progressing"
		current, rolling     = "Current Healthy", "InProgress Healthy"
		stalled              = "Failed Degraded"
	)
	synced := func() { awaitSynced(t, bundle, 3) }
	for _, one := range []phase{
		{"its source is missing", func() {
			s.temporary(bundle)
			awaitCondition(t, bundle, v1alpha1.BundleReasonSourceNotFound)
		}, []string{waitingWell, waiting}, waiting},
		{"the first rollout", func() {
			env.Admission.Hang(slow...)
			source.Data = map[string]string{sourceKey: ca.Certificate}
			s.temporary(source)
			awaitRollout(t, bundle, "2 of 3 targets")
		}, []string{waiting, waitingWell}, waitingWell},
		{"its end", func() {
			env.Admission.Admit(slow...)
			synced()
		}, []string{waitingWell, current}, current},
		{"a slow rotation", func() {
			env.Admission.Hang(slow...)
			fill(t, source, ca, next)
			awaitRollout(t, bundle, "2 of 3 targets")
		}, []string{current, rolling}, rolling},
		{"its end", func() {
			env.Admission.Admit(slow...)
			synced()
		}, []string{rolling, current}, current},
		{"another generation", func() {
			change(t, bundle, func(b *v1alpha1.Bundle) { b.Spec.Target.ConfigMap.Metadata = asked })
			synced()
		}, []string{rolling, current}, current},
		{"an invalid source", func() {
			broken := read(t, source)
			broken.Data[sourceKey] = "broken"
			if err := api.Update(t.Context(), broken); err != nil {
				t.Fatal(err)
			}
			awaitCondition(t, bundle, v1alpha1.BundleReasonSourceBuildError)
		}, []string{stalled}, stalled},
		{"a repaired source", func() {
			fill(t, source, ca)
			synced()
		}, []string{waitingWell, current}, current},
		{"a refused target", func() {
			env.Admission.Refuse(slow...)
			fill(t, source, next)
			awaitCondition(t, bundle, v1alpha1.BundleReasonSyncConfigMapTargetFailed)
		}, []string{rolling, waiting}, waiting},
		{"an obstacle that is gone", func() {
			env.Admission.Admit(slow...)
			synced()
		}, []string{waitingWell, current}, current},
		{"its deletion", func() {
			remove(t, bundle, client.PropagationPolicy("Foreground"))
			awaitGone(t, bundle)
		}, []string{"Terminating Progressing", current}, ""},
	} {
		began := statuses.count()
		one.happens()
		if !t.Run(one.name, func(t *testing.T) { statuses.check(t, one, began) }) {
			return
		}
	}
}

// recording has every version of a Bundle, as JSON.
type recording struct {
	mu       sync.Mutex
	versions [][]byte
	last     string
	bundle   *v1alpha1.Bundle
}

// recordStatuses records every version of a Bundle from its creation until the test ends.
func recordStatuses(t *testing.T, bundle *v1alpha1.Bundle) *recording {
	t.Helper()
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(schema.GroupVersionKind{Group: v1alpha1.GroupName, Version: "v1alpha1", Kind: "BundleList"})
	watcher, err := api.Watch(t.Context(), list, client.MatchingFields{"metadata.name": bundle.Name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(watcher.Stop)
	r := &recording{bundle: bundle}
	go func() {
		for event := range watcher.ResultChan() {
			object, ok := event.Object.(*unstructured.Unstructured)
			if !ok || event.Type == watch.Deleted {
				continue
			}
			text, err := object.MarshalJSON()
			if err != nil {
				continue
			}
			r.mu.Lock()
			r.versions, r.last = append(r.versions, text), object.GetResourceVersion()
			r.mu.Unlock()
		}
	}()
	return r
}

func (r *recording) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.versions)
}

// check judges the versions of one phase, once the watch has brought the last one.
func (r *recording) check(t *testing.T, one phase, began int) {
	t.Helper()
	poll.Eventually(t, "the watch to catch up", func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if one.last != "" && r.last != r.bundle.ResourceVersion || len(r.versions) == began {
			return errNotYet
		}
		return nil
	})
	r.mu.Lock()
	versions := slices.Clone(r.versions[began:])
	r.mu.Unlock()
	var verdicts []string
	for _, version := range versions {
		verdicts = append(verdicts, verdictOn(t, version))
		if verdict := verdicts[len(verdicts)-1]; !slices.Contains(one.may, verdict) {
			t.Errorf("%s, want one of %q, of\n%s", verdict, one.may, version)
		}
	}
	if last := verdicts[len(verdicts)-1]; one.last != "" && last != one.last {
		t.Errorf("at last %s, want %s, of\n%s", last, one.last, versions[len(versions)-1])
	}
	t.Logf("%d versions: %s", len(verdicts), strings.Join(slices.Compact(verdicts), ", "))
}

// verdictOn returns what the programs make of one version of an object.
func verdictOn(t *testing.T, version []byte) string {
	t.Helper()
	root, err := checkout.Root()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), filepath.Join(root, "bin", "statuses"))
	command.Stdin = bytes.NewReader(version)
	output, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	var verdict struct{ Kstatus, Health string }
	if err := json.Unmarshal(output, &verdict); err != nil {
		t.Fatal(err)
	}
	return verdict.Kstatus + " " + verdict.Health
}
