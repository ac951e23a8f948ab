package bundle_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
)

// history builds one Bundle repeatedly, as the operator does.
type history struct {
	t        *testing.T
	builder  bundle.Builder
	state    bundle.State
	rotation bundle.Rotation
	filter   bundle.Filter
	now      time.Time
}

func newHistory(t *testing.T) *history {
	t.Helper()
	return &history{t: t, rotation: bundle.Rotation{Retain: time.Hour, Max: 10}, now: now}
}

// wants advances the time, builds the bundle of the sources, and compares the numbers of
// its certificates, in order.
func (h *history) wants(later time.Duration, want []int, inputs ...bundle.Input) bundle.Bundle {
	h.t.Helper()
	h.now = h.now.Add(later)
	built, state, err := h.builder.BuildRetaining(inputs, h.filter, h.rotation, h.state, h.now)
	if err != nil {
		h.t.Fatalf("after %s: %v", later, err)
	}
	var got []int
	for _, certificate := range built.Certificates {
		got = append(got, int(certificate.Fingerprint[0]))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		h.t.Errorf("at %s, certificates (-want +got):\n%s", h.now.Format(time.TimeOnly), diff)
	}
	h.state = state
	return built
}

// numbers returns the input of a named source with these fake CAs.
func numbers(name string, list ...byte) bundle.Input {
	var certificates []certs.Certificate
	for _, number := range list {
		certificates = append(certificates, dated(number, now.AddDate(1, 0, 0), true))
	}
	input := given(certificates...)
	input.Origin, input.Source = source(name).Origin, name
	return input
}

// gone returns the input of a named source that does not exist.
func gone(name string) bundle.Input {
	input := failed(name, certs.SourceNotFound)
	input.Source = name
	return input
}

// K5: a certificate that has left every source is retained until its time ends, after the
// certificates of the sources; one that is in a source again is not retained.
func TestRetain(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	h.wants(0, []int{1, 2, 3}, numbers("x", 1, 2), numbers("y", 3))
	built := h.wants(time.Minute, []int{2, 3, 1}, numbers("x", 2), numbers("y", 3))
	if want := now.Add(time.Minute + time.Hour); !built.ValidUntil.Equal(want) {
		t.Errorf("it holds until %s, want %s", built.ValidUntil, want)
	}
	h.wants(time.Minute, []int{2, 1, 3}, numbers("x", 2), numbers("y", 2, 1)) // 3 left, and 1 is back
	if got := len(h.state.Retained); got != 1 {
		t.Errorf("%d are retained, want 3 alone", got)
	}
}

// K5: the time counts from when a certificate left, to the second, and the current spec
// of the Bundle applies.
func TestRetainEnds(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	h.wants(0, []int{1, 2}, numbers("x", 1, 2))
	h.wants(0, []int{2, 1}, numbers("x", 2))
	h.wants(time.Hour, []int{2, 1}, numbers("x", 2))
	h.wants(time.Nanosecond, []int{2}, numbers("x", 2))
	h.wants(0, []int{2}, numbers("x", 2))

	h = newHistory(t)
	h.wants(0, []int{1, 2}, numbers("x", 1, 2))
	h.wants(0, []int{2, 1}, numbers("x", 2))
	h.rotation.Retain = time.Minute
	h.wants(2*time.Minute, []int{2}, numbers("x", 2))
	h.rotation.Retain = time.Hour
	h.wants(0, []int{2}, numbers("x", 2))
}

// K5: a certificate is never retained after its NotAfter, nor if it is excluded or a
// filter keeps it out.
func TestRetainNever(t *testing.T) {
	t.Parallel()
	short, leaf := dated(1, now.Add(time.Minute), true), dated(2, now.AddDate(1, 0, 0), false)
	first := given(short, leaf, dated(3, now.AddDate(1, 0, 0), true), dated(9, now.AddDate(1, 0, 0), true))
	last := given(dated(9, now.AddDate(1, 0, 0), true))
	h := newHistory(t)
	h.wants(0, []int{1, 2, 3, 9}, first)
	built := h.wants(0, []int{9, 1, 2, 3}, last)
	if !built.ValidUntil.Equal(short.NotAfter) {
		t.Errorf("it holds until %s", built.ValidUntil)
	}
	h.wants(time.Minute+1, []int{9, 2, 3}, last)
	h.filter = bundle.Filter{NonCA: bundle.Reject}
	h.wants(0, []int{9, 3}, last)
	h.filter.Exclude = []bundle.Exclusion{{Certificate: &[32]byte{3}}}
	h.wants(0, []int{9}, last)
	h.filter = bundle.Filter{}
	h.wants(0, []int{9}, last) // and what was removed does not come back

	h = newHistory(t)
	h.filter = bundle.Filter{NonCA: bundle.Drop}
	h.wants(0, []int{1, 3, 9}, first)
	h.filter = bundle.Filter{}
	h.wants(0, []int{9, 1, 3}, last) // the leaf was dropped before, so it has not left now
}

// K5: beyond the limit, those that left first are evicted, and a note reports it for as
// long as they would have been retained. The others are ordered by when they left, and
// then by fingerprint.
func TestRetainAtMost(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	h.rotation.Max = 2
	h.wants(0, []int{5, 4, 3, 2, 1}, numbers("x", 5, 4, 3, 2, 1))
	h.wants(time.Second, []int{3, 2, 1, 4, 5}, numbers("x", 3, 2, 1))
	built := h.wants(time.Second, []int{2, 1, 5, 3}, numbers("x", 2, 1))
	told := strings.Join(built.Notes, "\n")
	if !strings.Contains(told, "2 certificates that have left their sources are retained") || !strings.Contains(told, "retention of 1 more ended early because of spec.rotation.maxRetained") {
		t.Errorf("notes: %s", told)
	}
	built = h.wants(time.Minute, []int{2, 1, 5, 3}, numbers("x", 2, 1))
	if told := strings.Join(built.Notes, "\n"); !strings.Contains(told, "retention of 1 more ended early") {
		t.Errorf("a minute later, notes: %s", told)
	}
	built = h.wants(time.Hour, []int{2, 1}, numbers("x", 2, 1))
	if len(built.Notes) > 0 {
		t.Errorf("when all would have gone, notes: %q", built.Notes)
	}
}

// K5: if a source vanishes, its certificates count as having left, and the other sources
// continue to be updated; a source that never existed, another key of it, or an invalid
// one is a mistake.
func TestRetainOfAVanishedSource(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	h.wants(0, []int{1, 2}, numbers("x", 1), numbers("y", 2))
	built := h.wants(0, []int{3, 1, 2}, gone("x"), numbers("y", 3))
	told := strings.Join(built.Notes, "\n")
	for _, part := range []string{"spec.sources.x: ConfigMap cert-manager/x: it could not be read; its certificates count as removed", "2 certificates that have left"} {
		if !strings.Contains(told, part) {
			t.Errorf("notes: %s\nwant %q", told, part)
		}
	}
	h.wants(2*time.Hour, []int{3}, gone("x"), numbers("y", 3)) // still missing, still known
	for what, input := range map[string]bundle.Input{"never there": gone("z"), "not named": failed("x", certs.SourceNotFound)} {
		_, _, err := h.builder.BuildRetaining([]bundle.Input{input, numbers("y", 3)}, h.filter, h.rotation, h.state, h.now)
		var problems bundle.Problems
		if !errors.As(err, &problems) || problems.Reason() != "SourceNotFound" {
			t.Errorf("%s: error %v", what, err)
		}
	}
	damaged := numbers("x")
	damaged.Texts = []bundle.Text{{Key: "a", PEM: "damaged"}}
	_, state, err := h.builder.BuildRetaining([]bundle.Input{damaged, numbers("y", 3)}, h.filter, h.rotation, h.state, h.now)
	var problems bundle.Problems
	if !errors.As(err, &problems) || problems.Reason() != "SourceBuildError" || state.Present != nil {
		t.Errorf("invalid: error %v, state %v", err, state)
	}
	h.wants(0, []int{3}, numbers("y", 3))
	if diff := cmp.Diff([]string{"y"}, h.state.Known); diff != "" {
		t.Errorf("known when the Bundle has no such source any more (-want +got):\n%s", diff)
	}
}

// K5: a source may not vanish with more certificates than can be retained.
func TestRetainOfALargeSource(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	h.rotation.Max = 2
	h.wants(0, []int{1, 2, 3, 4}, numbers("x", 1, 2, 3), numbers("y", 4))
	_, _, err := h.builder.BuildRetaining([]bundle.Input{gone("x"), numbers("y", 4)}, h.filter, h.rotation, h.state, h.now)
	var problems bundle.Problems
	if !errors.As(err, &problems) || problems.Reason() != "SourceNotFound" || !strings.Contains(err.Error(), "3 certificates would have to be retained and spec.rotation.maxRetained is 2") {
		t.Errorf("error %v", err)
	}
	h.rotation.Max = 3
	h.wants(0, []int{4, 1, 2, 3}, gone("x"), numbers("y", 4))
	h.wants(0, []int{5, 2, 3, 4}, gone("x"), numbers("y", 5)) // it vanished earlier
}

// K5: the same limit applies to sources that vanish one after another; a source that was
// missing already does not block the bundle.
func TestRetainOfSourcesThatVanishOneByOne(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	h.rotation.Max = 2
	h.wants(0, []int{1, 2, 3, 4}, numbers("a", 1), numbers("b", 2), numbers("c", 3), numbers("d", 4))
	h.wants(time.Second, []int{2, 3, 4, 1}, gone("a"), numbers("b", 2), numbers("c", 3), numbers("d", 4))
	built := h.wants(time.Second, []int{3, 4, 1, 2}, gone("a"), gone("b"), numbers("c", 3), numbers("d", 4))
	if built.Missing != 2 {
		t.Errorf("%d sources are missing", built.Missing)
	}
	_, _, err := h.builder.BuildRetaining([]bundle.Input{gone("a"), gone("b"), gone("c"), numbers("d", 4)}, h.filter, h.rotation, h.state, h.now.Add(time.Second))
	var problems bundle.Problems
	if !errors.As(err, &problems) || len(problems) != 1 || !strings.Contains(err.Error(), "ConfigMap cert-manager/c") {
		t.Errorf("error %v, want one about the source that has vanished last", err)
	}
	h.wants(2*time.Hour, []int{5, 4, 3}, gone("a"), gone("b"), numbers("c", 5), numbers("d", 4)) // c has left, the retention of a and b has ended
	h.rotation.Max = 1
	h.wants(time.Second, []int{6, 7, 5}, gone("a"), gone("b"), numbers("c", 6), numbers("d", 7))
}

// K5: if all sources have vanished and nothing is retained, the error names each.
func TestRetainOfNothing(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	h.wants(0, []int{1, 2}, numbers("a", 1), numbers("b", 2))
	h.wants(0, []int{1, 2}, gone("a"), gone("b"))
	_, _, err := h.builder.BuildRetaining([]bundle.Input{gone("a"), gone("b")}, h.filter, h.rotation, h.state, h.now.Add(2*time.Hour))
	var problems bundle.Problems
	if !errors.As(err, &problems) || len(problems) != 3 || problems.Reason() != "SourceNotFound" ||
		!strings.Contains(err.Error(), "ConfigMap cert-manager/b") || !strings.Contains(err.Error(), "an empty bundle is never written") {
		t.Errorf("error %v", err)
	}
}

// K5: a time of leaving that was edited to lie in the future counts as now.
func TestRetainOfATimeAhead(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	h.wants(0, []int{1, 2}, numbers("a", 1, 2))
	h.wants(0, []int{1, 2}, numbers("a", 1))
	h.state.Retained[0].Left = now.AddDate(5, 0, 0)
	h.wants(0, []int{1, 2}, numbers("a", 1))
	h.wants(2*time.Hour, []int{1}, numbers("a", 1))
}

// K5: without rotation nothing is retained, and the state is empty.
func TestNoRotation(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	h.rotation = bundle.Rotation{}
	h.wants(0, []int{1, 2}, numbers("x", 1, 2))
	h.wants(0, []int{2}, numbers("x", 2))
	if diff := cmp.Diff(bundle.State{}, h.state); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
	_, _, err := h.builder.BuildRetaining([]bundle.Input{gone("x"), numbers("y", 1)}, h.filter, h.rotation, bundle.State{Known: []string{"x"}}, now)
	var problems bundle.Problems
	if !errors.As(err, &problems) || problems.Reason() != "SourceNotFound" {
		t.Errorf("error %v", err)
	}
}

// K5, S3: the bundle and the next state do not depend on the order within the previous
// state.
func TestRetainIsDeterministic(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	h.wants(0, []int{5, 4, 3, 2, 1}, numbers("x", 5, 4, 3, 2, 1))
	backwards := h.state
	backwards.Present = slices.Clone(h.state.Present)
	slices.Reverse(backwards.Present)
	var told []string
	for _, state := range []bundle.State{h.state, backwards} {
		built, next, err := h.builder.BuildRetaining([]bundle.Input{numbers("x", 2)}, h.filter, h.rotation, state, now)
		told = append(told, fmt.Sprintf("%v %v %v", built.Certificates, next, err))
	}
	if diff := cmp.Diff(told[0], told[1]); diff != "" {
		t.Errorf("(-forwards +backwards):\n%s", diff)
	}
}

// K5: a certificate that is known only by its fingerprint is retained until its time under
// any filters, and is missing from the bundle until then. It is complete again once this
// process has read it.
func TestRetainByFingerprint(t *testing.T) {
	t.Parallel()
	drop := bundle.Filter{Expired: bundle.Drop, NonCA: bundle.Drop, NotSelfSigned: bundle.Drop}
	known := dated(2, now.AddDate(1, 0, 0), true)
	shell := certs.Certificate{Fingerprint: known.Fingerprint}
	for name, before := range map[string]bundle.State{
		"present before":            {Present: []certs.Certificate{shell}},
		"retained":                  {Retained: []bundle.Retained{{Certificate: shell, Left: now}}},
		"present before, and stale": {Present: []certs.Certificate{shell, shell}},
		"retained, and present too": {Present: []certs.Certificate{shell}, Retained: []bundle.Retained{{Certificate: shell, Left: now}}},
	} {
		h := newHistory(t)
		h.filter, h.state = drop, before
		h.filter.NotSelfSigned = bundle.Keep // since the certificates are fake
		if built := h.wants(0, []int{1}, numbers("a", 1)); len(built.Unavailable) != 1 || len(h.state.Retained) != 1 {
			t.Errorf("%s: %d unavailable, %d retained", name, len(built.Unavailable), len(h.state.Retained))
		}
		if built := h.wants(time.Hour+time.Second, []int{1}, numbers("a", 1)); len(built.Unavailable) != 0 || len(h.state.Retained) != 0 {
			t.Errorf("%s, in the end: %d unavailable, %d retained", name, len(built.Unavailable), len(h.state.Retained))
		}
	}
	h := newHistory(t)
	h.wants(0, []int{1, 2}, numbers("a", 1, 2))
	h.state = bundle.State{Present: []certs.Certificate{shell}}
	if built := h.wants(time.Minute, []int{1, 2}, numbers("a", 1)); len(built.Retained) != 1 || len(built.Unavailable) != 0 {
		t.Errorf("seen before: %d retained, %d unavailable", len(built.Retained), len(built.Unavailable))
	}
}

// K5: a retention begins when a certificate is first missing, even if the state could not
// be persisted since; turning rotation off ends it.
func TestRetainBeginsOnce(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	h.wants(0, []int{1, 2}, numbers("a", 1, 2))
	stored := h.state
	h.wants(0, []int{1, 2}, numbers("a", 1))
	h.state = stored // it was not persisted
	h.wants(30*time.Minute, []int{1, 2}, numbers("a", 1))
	if left := h.state.Retained[0].Left; !left.Equal(now) {
		t.Errorf("it left at %s, want %s", left, now)
	}
	h.state = stored
	h.wants(31*time.Minute, []int{1}, numbers("a", 1))

	h.rotation.Retain = 0
	h.wants(0, []int{1}, numbers("a", 1))
	h.rotation.Retain, h.state = time.Hour, stored
	h.wants(0, []int{1, 2}, numbers("a", 1))
}
