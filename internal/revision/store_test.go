package revision

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/target"
)

func id(name string) bundle.ID { return bundle.ID{Kind: bundle.APIBundle, Name: name} }

// A bundle has no revision until one is set; numbers are never used twice.
func TestStore(t *testing.T) {
	t.Parallel()
	s := New()
	wantActive := func(when string, revision *target.Revision, number uint64) {
		t.Helper()
		if got, at := s.Get(id("roots")); got != revision || at != number {
			t.Errorf("%s: %v, %d, want %v, %d", when, got, at, revision, number)
		}
	}
	wantActive("unknown", nil, 0)
	one, two := &target.Revision{}, &target.Revision{}
	if number := s.Set(id("roots"), one); number != 1 {
		t.Errorf("number %d", number)
	}
	s.Set(id("roots"), two)
	wantActive("set twice", two, 2)
	s.Set(id("other"), one)
	if diff := cmp.Diff([]bundle.ID{id("other"), id("roots")}, slices.SortedFunc(maps.Keys(s.All()), func(a, b bundle.ID) int { return strings.Compare(a.Name, b.Name) })); diff != "" {
		t.Errorf("all (-want +got):\n%s", diff)
	}
	s.Restore(id("roots"), one)
	wantActive("restored", one, 4)
	s.Restore(id("roots"), nil)
	wantActive("restored to none", nil, 0)
	s.Delete(id("other"))
	if len(s.All()) != 0 {
		t.Errorf("all: %v", s.All())
	}
}

// T12: the record of an orphaned Bundle outlives it, until one of its name exists again.
func TestStoreOrphaned(t *testing.T) {
	t.Parallel()
	s := New()
	s.MarkOrphaned(id("roots"))
	s.Delete(id("roots"))
	if !s.IsOrphaned(id("roots")) || s.IsOrphaned(id("other")) {
		t.Errorf("orphaned: %t, the other: %t", s.IsOrphaned(id("roots")), s.IsOrphaned(id("other")))
	}
	if s.ClearOrphaned(id("roots")); s.IsOrphaned(id("roots")) {
		t.Error("it is still orphaned")
	}
}

func TestStoreConcurrentUse(t *testing.T) {
	t.Parallel()
	s := New()
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			name := fmt.Sprint("bundle-", i)
			for range 100 {
				s.Set(id(name), &target.Revision{})
				s.Get(id(name))
				s.All()
				s.IsOrphaned(id(name))
			}
		})
	}
	group.Wait()
	if s.last != 800 || len(s.All()) != 8 {
		t.Errorf("%d revisions of %d bundles", s.last, len(s.All()))
	}
}
