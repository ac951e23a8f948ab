package revision

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"trust-manager.io/internal/target"
)

// A bundle has no revision until one is set; numbers are never used twice.
func TestStore(t *testing.T) {
	t.Parallel()
	s := New()
	wantActive := func(when string, revision *target.Revision, number uint64) {
		t.Helper()
		if got, at := s.Get("roots"); got != revision || at != number {
			t.Errorf("%s: %v, %d, want %v, %d", when, got, at, revision, number)
		}
	}
	wantActive("unknown", nil, 0)
	one, two := &target.Revision{}, &target.Revision{}
	if number := s.Set("roots", one); number != 1 {
		t.Errorf("number %d", number)
	}
	s.Set("roots", two)
	wantActive("set twice", two, 2)
	s.Set("other", one)
	if diff := cmp.Diff([]string{"other", "roots"}, slices.Sorted(maps.Keys(s.All()))); diff != "" {
		t.Errorf("all (-want +got):\n%s", diff)
	}
	s.Restore("roots", one)
	wantActive("restored", one, 4)
	s.Restore("roots", nil)
	wantActive("restored to none", nil, 0)
	s.Delete("other")
	if len(s.All()) != 0 {
		t.Errorf("all: %v", s.All())
	}
}

// T12: the record of an orphaned Bundle outlives it, until one of its name exists again.
func TestStoreOrphaned(t *testing.T) {
	t.Parallel()
	s := New()
	s.MarkOrphaned("roots")
	s.Delete("roots")
	if !s.IsOrphaned("roots") || s.IsOrphaned("other") {
		t.Errorf("orphaned: %t, the other: %t", s.IsOrphaned("roots"), s.IsOrphaned("other"))
	}
	if s.ClearOrphaned("roots"); s.IsOrphaned("roots") {
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
				s.Set(name, &target.Revision{})
				s.Get(name)
				s.All()
				s.IsOrphaned(name)
			}
		})
	}
	group.Wait()
	if s.last != 800 || len(s.All()) != 8 {
		t.Errorf("%d revisions of %d bundles", s.last, len(s.All()))
	}
}
