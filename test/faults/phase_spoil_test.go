package faults

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"trust-manager.io/test/framework/ca"
	"trust-manager.io/test/framework/poll"
)

// spoilt is invalid content of a source.
type spoilt struct {
	name string
	text func(good string) string
}

// hugePadding and hugeCount make a source whose bundle, in all formats together, exceeds
// the size limit of a target, although no single format does.
const hugePadding, hugeCount = 30_000, 12

var spoils = []spoilt{
	{"sources with a damaged block", func(good string) string { return good[:len(good)-100] }},
	{"sources of garbage that is no text", func(string) string { return strings.Repeat("\x00\xff\xfe\x80", 500) }},
	{"sources with a private key", func(good string) string { return good + ca.New("key").Key }},
	{"sources that are empty", func(string) string { return "\n" }},
	{"sources of bundles over 1 MiB", func(string) string {
		var text strings.Builder
		for range hugeCount {
			text.WriteString(ca.New("huge", ca.Padded(hugePadding)).Certificate)
		}
		return text.String()
	}},
}

// watched is how long the last good revision is observed while the source is invalid.
const watched = 500 * time.Millisecond

// spoil makes sources invalid. The last good revision stays in all targets, is repaired
// there, and is written to new namespaces.
func (w *world) spoil(size sizes) error {
	r := w.random("spoils")
	stores := w.bundles[1] // whose targets are the largest
	for range size.spoils {
		for i, one := range spoils {
			// The short form re-creates the namespace for the first only.
			if err := w.spoilWith(r, stores, one, *long || i == 0); err != nil {
				return fmt.Errorf("%s: %w", one.name, err)
			}
			w.report.count(one.name)
		}
	}
	_, err := w.fresh(r, stores) // a valid source again
	return err
}

func (w *world) spoilWith(r *rand.Rand, b *bundle, one spoilt, anew bool) error {
	good, err := w.fresh(r, b)
	if err != nil {
		return err
	}
	inOrder := func() error { return w.compare() }
	if err := poll.Until(w.ctx, "the good revision", inOrder); err != nil {
		return err
	}
	if _, err := w.put(b, 0, one.text(strings.Join(good.Certificates, ""))); err != nil {
		return err
	}
	if err := poll.Until(w.ctx, "the status to tell", inOrder); err != nil {
		return err
	}
	if late := pick(r, comers); anew {
		if err := errors.Join(w.removeNamespace(late), w.makeNamespace(late, true)); err != nil {
			return err
		}
	}
	at := b.at(pick(r, stable))
	w.done("targets deleted by others", w.remove(at))
	w.done("targets tampered with", w.tamper(r))
	if err := poll.Until(w.ctx, "the last good revision everywhere", inOrder); err != nil {
		return err
	}
	time.Sleep(watched)
	return w.compare()
}
