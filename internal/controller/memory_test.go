package controller

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/internal/target"
)

// What is known of a target, from the cache and from the operator's own writes.
func TestMemory(t *testing.T) {
	t.Parallel()
	k := key("roots", "a")
	holding := target.Holding{Digest: "digest", Owner: "owner", Clean: true}
	held := func(resourceVersion string) target.Seen {
		return target.Seen{State: target.Held, UID: "uid", ResourceVersion: resourceVersion, Holding: holding}
	}
	learn := func(resourceVersion string, at time.Duration) func(*memory) {
		return func(m *memory) { m.learn(k, "uid", resourceVersion, holding, start.Add(at)) }
	}
	vanish := func(resourceVersion string) func(*memory) {
		return func(m *memory) { m.vanish(k, resourceVersion) }
	}
	cached := func(resourceVersion string) *metav1.PartialObjectMetadata {
		return observed("roots", "a", resourceVersion)
	}
	unread, absent, vanished := target.Seen{State: target.Unread}, target.Seen{State: target.Absent}, target.Seen{State: target.Absent, Vanished: true}
	cases := map[string]struct {
		happened []func(*memory)
		cached   *metav1.PartialObjectMetadata
		after    time.Duration
		seen     target.Seen
		recheck  time.Duration
	}{
		"nothing known, nothing cached":                {nil, nil, 0, absent, 0},
		"T7 nothing known, cached: after a restart":    {nil, cached("7"), 0, unread, 0},
		"T11 known as it is cached":                    {[]func(*memory){learn("7", 0)}, cached("7"), 0, held("7"), 0},
		"T11 known as it is cached, for long":          {[]func(*memory){learn("7", 0)}, cached("7"), time.Hour, held("7"), 0},
		"T7 cached is newer: somebody else's work":     {[]func(*memory){learn("7", 0)}, cached("8"), 0, unread, 0},
		"T7 cached is another object":                  {[]func(*memory){learn("7", 0)}, changed(cached("7"), func(o *metav1.PartialObjectMetadata) { o.UID = "other" }), 0, unread, 0},
		"the watch lags behind a write":                {[]func(*memory){learn("7", 0)}, cached("6"), 10 * time.Second, held("7"), 20 * time.Second},
		"the watch lags behind a create":               {[]func(*memory){learn("7", 0)}, nil, 0, held("7"), 30 * time.Second},
		"the watch lags for 30 s":                      {[]func(*memory){learn("7", 0)}, cached("6"), 30 * time.Second, unread, 0},
		"the watch shows no create for 30 s":           {[]func(*memory){learn("7", 0)}, nil, 30 * time.Second, unread, 0},
		"numbers, not text, are compared":              {[]func(*memory){learn("10", 0)}, cached("9"), 0, held("10"), 30 * time.Second},
		"read again at the same version: no new delay": {[]func(*memory){learn("7", 0), learn("7", 29*time.Second)}, nil, 30 * time.Second, unread, 0},
		"written again: a new delay":                   {[]func(*memory){learn("7", 0), learn("8", 29*time.Second)}, cached("7"), 30 * time.Second, held("8"), 29 * time.Second},
		"deleted":                                      {[]func(*memory){learn("7", 0), vanish("8")}, nil, 0, vanished, 0},
		"deleted at the version that was written":      {[]func(*memory){learn("7", 0), vanish("7")}, nil, 0, vanished, 0},
		"deleted, and the watch has missed when":       {[]func(*memory){learn("7", 0), vanish("")}, nil, 0, vanished, 0},
		"deleted before it was created anew":           {[]func(*memory){learn("9", 0), vanish("8")}, nil, 0, held("9"), 30 * time.Second},
		"deleted and created anew by the operator":     {[]func(*memory){learn("7", 0), vanish("8"), learn("9", 0)}, cached("9"), 0, held("9"), 0},
		"deleted and created anew by others":           {[]func(*memory){learn("7", 0), vanish("8")}, cached("9"), 0, unread, 0},
		"deleted, and then kept at the old version":    {[]func(*memory){learn("7", 0), vanish("8"), learn("7", 0)}, nil, 0, vanished, 0},
		"deleted though never known":                   {[]func(*memory){vanish("8")}, nil, 0, absent, 0},
		"forgotten":                                    {[]func(*memory){learn("7", 0), func(m *memory) { m.forget(k) }}, cached("7"), 0, unread, 0},
		"versions that cannot be compared":             {[]func(*memory){learn("x", 0)}, cached("7"), 0, unread, 0},
		"versions that cannot be compared, the same":   {[]func(*memory){learn("x", 0)}, cached("x"), 0, held("x"), 0},
		"a deletion that cannot be compared":           {[]func(*memory){learn("x", 0), vanish("7")}, nil, 0, vanished, 0},
		"another target": {
			[]func(*memory){func(m *memory) { m.learn(key("roots", "b"), "uid", "7", holding, start) }}, cached("7"), 0, unread, 0,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMemory()
			for _, happens := range tc.happened {
				happens(m)
			}
			seen, recheck := m.see(k, tc.cached, start.Add(tc.after))
			if diff := cmp.Diff(tc.seen, seen); diff != "" {
				t.Errorf("seen (-want +got):\n%s", diff)
			}
			if recheck != tc.recheck {
				t.Errorf("recheck %s, want %s", recheck, tc.recheck)
			}
		})
	}
}

func TestNewer(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		a, b string
		want bool
	}{
		"newer":         {"10", "9", true},
		"older":         {"9", "10", false},
		"the same":      {"9", "9", false},
		"not a number":  {"x", "9", false},
		"neither":       {"y", "x", false},
		"none":          {"", "9", false},
		"against none":  {"9", "", false},
		"beyond uint64": {"184467440737095516160", "9", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := newer(tc.a, tc.b); got != tc.want {
				t.Errorf("newer(%q, %q) = %t", tc.a, tc.b, got)
			}
		})
	}
}
