package controller

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"trust-manager.io/internal/target"
)

// A bundle has no revision until one is in force; numbers are never used twice.
func TestRegistry(t *testing.T) {
	t.Parallel()
	r := newRegistry()
	if revision, number := r.current("roots"); revision != nil || number != 0 {
		t.Errorf("unknown: %v, %d", revision, number)
	}
	first, afresh := r.builder("roots", "uid")
	if !afresh {
		t.Error("the first builder is not made afresh")
	}
	if revision, number := r.current("roots"); revision != nil || number != 0 {
		t.Errorf("not built: %v, %d", revision, number)
	}
	if len(r.all()) != 0 {
		t.Errorf("all: %v", r.all())
	}
	one, two := &target.Revision{}, &target.Revision{}
	if number := r.put("roots", one); number != 1 {
		t.Errorf("number %d", number)
	}
	if again, afresh := r.builder("roots", "uid"); again != first || afresh {
		t.Error("another builder for the same Bundle")
	}
	if number := r.put("roots", two); number != 2 {
		t.Errorf("number %d", number)
	}
	if revision, number := r.current("roots"); revision != two || number != 2 {
		t.Errorf("current: %v, %d", revision, number)
	}
	r.builder("other", "uid-2")
	r.put("other", one)
	if diff := cmp.Diff([]string{"other", "roots"}, slices.Sorted(maps.Keys(r.all()))); diff != "" {
		t.Errorf("all (-want +got):\n%s", diff)
	}
}

// T12: a Bundle that is made anew under its name starts afresh, whether or not
// its end was seen, and whether or not the one before was ever built.
func TestRegistryStartsAfresh(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]func(*registry){
		"built":       func(r *registry) { r.builder("roots", "older"); r.put("roots", &target.Revision{}) },
		"never built": func(r *registry) { r.builder("roots", "older") },
		"seen to end": func(r *registry) {
			r.builder("roots", "older")
			r.put("roots", &target.Revision{})
			r.drop("roots")
		},
		"orphaned":    func(r *registry) { r.builder("roots", "older"); r.orphan("roots"); r.drop("roots") },
		"never there": func(*registry) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRegistry()
			before(r)
			if _, afresh := r.builder("roots", "newer"); !afresh {
				t.Error("it goes on with what was before")
			}
			if revision, number := r.current("roots"); revision != nil || number != 0 {
				t.Errorf("current: %v, %d", revision, number)
			}
			if r.isOrphaned("roots") {
				t.Error("it counts as orphaned")
			}
		})
	}
}

// T12: the targets of a Bundle that was orphaned stay, also after its end.
func TestRegistryRemembersOrphans(t *testing.T) {
	t.Parallel()
	r := newRegistry()
	r.builder("roots", "uid")
	r.put("roots", &target.Revision{})
	r.orphan("roots") // its deletion has begun
	r.drop("roots")   // it is gone
	if !r.isOrphaned("roots") || r.isOrphaned("other") {
		t.Errorf("orphaned: %t, the other: %t", r.isOrphaned("roots"), r.isOrphaned("other"))
	}
	if revision, _ := r.current("roots"); revision != nil {
		t.Error("it still has a revision")
	}
}

func TestRegistryConcurrentUse(t *testing.T) {
	t.Parallel()
	r := newRegistry()
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			name := fmt.Sprint("bundle-", i)
			for range 100 {
				r.builder(name, "uid")
				r.put(name, &target.Revision{})
				r.current(name)
				r.all()
				r.isOrphaned(name)
			}
		})
	}
	group.Wait()
	if r.last != 800 || len(r.all()) != 8 {
		t.Errorf("%d revisions of %d bundles", r.last, len(r.all()))
	}
}
