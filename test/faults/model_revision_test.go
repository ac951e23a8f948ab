package faults

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// revision is what all targets of a bundle should hold for a while.
type revision struct {
	bundle string
	number int
	// certificates are its PEM blocks, in order.
	certificates []string
	// from is when it began to be wanted, and to when it had ceased to be; that is
	// zero while it is wanted.
	from, to time.Time
}

func (r *revision) String() string { return fmt.Sprintf("revision %d of %s", r.number, r.bundle) }

// text is what a target's PEM key holds.
func (r *revision) text() string { return strings.Join(r.certificates, "") }

// registry knows all revisions that there ever were, by what they hold. It is safe
// for concurrent use.
type registry struct {
	mu sync.Mutex
	// byText has revisions by their texts, bySet by their certificates in the order
	// of their texts, since key stores have an order of their own.
	byText, bySet map[[sha256.Size]byte]*revision
	// byBlock has those in which a certificate came first.
	byBlock map[string]*revision
	// stores has what was found in key stores.
	stores map[[sha256.Size]byte]*revision
	// wanted are those that are wanted now: several while a source is being changed.
	wanted map[string][]*revision
	count  map[string]int
}

func newRegistry() *registry {
	return &registry{
		byText: map[[sha256.Size]byte]*revision{}, bySet: map[[sha256.Size]byte]*revision{},
		byBlock: map[string]*revision{}, stores: map[[sha256.Size]byte]*revision{},
		wanted: map[string][]*revision{}, count: map[string]int{},
	}
}

func setKey(certificates []string) [sha256.Size]byte {
	return sha256.Sum256([]byte(strings.Join(slices.Sorted(slices.Values(certificates)), "")))
}

// announce tells of a revision that is about to be asked for. It is wanted from now
// on, beside the one before.
func (g *registry) announce(bundle string, certificates []string) *revision {
	g.mu.Lock()
	defer g.mu.Unlock()
	text := sha256.Sum256([]byte(strings.Join(certificates, "")))
	next, again := g.byText[text]
	if again {
		next.to = time.Time{}
	} else {
		g.count[bundle]++
		next = &revision{bundle: bundle, number: g.count[bundle], certificates: slices.Clone(certificates), from: time.Now()}
		g.byText[text], g.bySet[setKey(certificates)] = next, next
	}
	for _, block := range certificates {
		if g.byBlock[block] == nil {
			g.byBlock[block] = next
		}
	}
	g.wanted[bundle] = append(g.wanted[bundle], next)
	return next
}

// settled tells that a revision has been asked for, so that none before it is wanted
// any more.
func (g *registry) settled(next *revision) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, one := range g.wanted[next.bundle] {
		if one != next {
			one.to = time.Now()
		}
	}
	g.wanted[next.bundle] = []*revision{next}
}

// current gives what is wanted of a bundle, or nil while that is changing.
func (g *registry) current(bundle string) *revision {
	g.mu.Lock()
	defer g.mu.Unlock()
	if wanted := g.wanted[bundle]; len(wanted) == 1 {
		return wanted[0]
	}
	return nil
}

// wantedDuring says whether a revision was wanted at some moment between two. If
// not, it says when it was last.
func (g *registry) wantedDuring(r *revision, since, now time.Time) (ok bool, until time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return !r.from.After(now) && (r.to.IsZero() || r.to.After(since)), r.to
}

// allWanted gives the revisions of a bundle that were wanted at some moment between two,
// in order.
func (g *registry) allWanted(bundle string, since, now time.Time) []*revision {
	g.mu.Lock()
	defer g.mu.Unlock()
	var list []*revision
	for _, one := range g.byText {
		if one.bundle == bundle && !one.from.After(now) && (one.to.IsZero() || one.to.After(since)) {
			list = append(list, one)
		}
	}
	slices.SortFunc(list, func(a, b *revision) int { return cmp.Compare(a.number, b.number) })
	return list
}

// ofText gives the revision that has exactly this text, or nil.
func (g *registry) ofText(text string) *revision {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.byText[sha256.Sum256([]byte(text))]
}

// ofStore gives the revision that has exactly the certificates of a key store.
func (g *registry) ofStore(file []byte, decode func([]byte) ([]string, error)) (*revision, error) {
	key := sha256.Sum256(file)
	g.mu.Lock()
	known := g.stores[key]
	g.mu.Unlock()
	if known != nil {
		return known, nil
	}
	certificates, err := decode(file)
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	found := g.bySet[setKey(certificates)]
	if found == nil {
		return nil, fmt.Errorf("no revision has its %d certificates, which are of %s", len(certificates), g.origins(certificates))
	}
	g.stores[key] = found
	return found, nil
}

const end = "-----END CERTIFICATE-----\n"

// explain says what a text is that is no revision.
func (g *registry) explain(text string) string {
	if text == "" {
		return "it is empty"
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	blocks := strings.SplitAfter(text, end)
	if first := g.byBlock[blocks[0]]; first != nil && strings.HasPrefix(first.text(), text) {
		return fmt.Sprintf("it is cut: the first %d of %d bytes of %s", len(text), len(first.text()), first)
	}
	return fmt.Sprintf("%d bytes with %d whole certificates, of %s", len(text), strings.Count(text, end), g.origins(blocks))
}

// origins counts from which revisions certificates are.
func (g *registry) origins(blocks []string) string {
	counts := map[string]int{}
	for _, block := range blocks {
		switch from := g.byBlock[block]; {
		case from != nil:
			counts[from.String()]++
		case block != "":
			counts["none"]++
		}
	}
	return fmt.Sprint(counts)
}
