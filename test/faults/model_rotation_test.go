package faults

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/ca"
)

const (
	// poolSize is how many CAs a bundle that rotates draws from: fewer than it retains
	// at most, so that none ever has to go for another.
	poolSize = 12
	// steady is how many of them, from the first on, are never excluded, and banned how
	// many after those always are. Whether the rest is excluded changes.
	steady, banned = 8, 2
	// underWay is for how long a write may be under way that was decided on before
	// another that is there already, of a newer state.
	underWay = 5 * time.Second
)

// rotation is what is known of a bundle that retains all that leaves its source, but
// for what is excluded. Which revisions the operator has seen, of those that followed
// each other quickly, nobody can know; so what is retained is not known from the
// revisions alone. What holds is this: what was in a target once stays in all of them,
// and what is excluded is in none. Where what is excluded has just changed, neither can
// be said of a CA; so that is left alone for most of them. It is safe for concurrent
// use.
type rotation struct {
	// pool are the CAs, as PEM. The first is in each revision.
	pool []string

	mu sync.Mutex
	// perhaps is when each CA was excluded, with the time in which that was being
	// changed, and surely the same without it.
	perhaps, surely map[string]spans
	// held is since when each has been in targets, without having been excluded since.
	held map[string]time.Time
	// excluded are those that are now.
	excluded []string
}

func newRotation(of string) *rotation {
	t := &rotation{perhaps: map[string]spans{}, surely: map[string]spans{}, held: map[string]time.Time{}}
	for i := range poolSize {
		padding := 0
		if i%3 == 0 {
			padding = largeInPool
		}
		t.pool = append(t.pool, ca.New(of, ca.Padded(padding)).Certificate)
	}
	t.excluded = t.banned()
	for _, one := range t.excluded {
		t.perhaps[one], t.surely[one] = spans{{}}, spans{{}} // since ever
	}
	return t
}

// banned are the CAs that are always excluded, and free those that are now and then.
func (t *rotation) banned() []string { return t.pool[steady : steady+banned] }
func (t *rotation) free() []string   { return t.pool[steady+banned:] }

// some gives the first CA of the pool and a few others, in any order.
func (t *rotation) some(r *rand.Rand, others int) []string {
	list := []string{t.pool[0]}
	for _, i := range r.Perm(len(t.pool) - 1)[:others] {
		list = append(list, t.pool[1+i])
	}
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

// exclude tells which of the free CAs are about to be excluded, and no others of them.
func (t *rotation) exclude(list []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.excluded = slices.Concat(t.banned(), list)
	for _, one := range t.free() {
		if slices.Contains(list, one) {
			t.perhaps[one] = t.perhaps[one].set(true, time.Now())
			delete(t.held, one)
		} else {
			t.surely[one] = t.surely[one].set(false, time.Now())
		}
	}
}

// settled tells that they are.
func (t *rotation) settled() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, one := range t.free() {
		if slices.Contains(t.excluded, one) {
			t.surely[one] = t.surely[one].set(true, time.Now())
		} else {
			t.perhaps[one] = t.perhaps[one].set(false, time.Now())
		}
	}
}

// exclusions are those of the Bundle now, half of them by the certificate's SHA-256,
// the others by that of the public key.
func (t *rotation) exclusions() []v1alpha1.Exclusion {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []v1alpha1.Exclusion
	for i, one := range t.excluded {
		block, _ := pem.Decode([]byte(one))
		made, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			panic(err) // they are made above
		}
		if i%2 == 0 {
			list = append(list, v1alpha1.Exclusion{SHA256: fingerprint(made.Raw)})
		} else {
			list = append(list, v1alpha1.Exclusion{PublicKeySHA256: fingerprint(made.RawSubjectPublicKeyInfo)})
		}
	}
	return list
}

func fingerprint(of []byte) v1alpha1.Fingerprint {
	sum := sha256.Sum256(of)
	return hex.EncodeToString(sum[:])
}

// check says what is wrong with what a target holds, if the source had a revision, and
// the operator knew all that was so from one moment to another.
func (t *rotation) check(of *revision, text string, since, now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	blocks := strings.SplitAfter(text, end)
	if last := len(blocks) - 1; blocks[last] == "" {
		blocks = blocks[:last]
	}
	var wrong []error
	retained := blocks
	for _, one := range of.certificates {
		switch {
		case len(retained) > 0 && retained[0] == one:
			retained = retained[1:]
		case !t.perhaps[one].during(since, now):
			return fmt.Errorf("%s is not there, or not in its order", of)
		}
	}
	for i, one := range retained {
		if !slices.Contains(t.pool, one) || slices.Contains(of.certificates, one) || slices.Contains(retained[:i], one) {
			wrong = append(wrong, fmt.Errorf("what follows %s should be retained, and cannot be: certificate %d", of, len(blocks)-len(retained)+i+1))
		}
	}
	for number, one := range t.pool {
		there := slices.Contains(blocks, one)
		held := t.held[one]
		switch {
		case there && t.surely[one].throughout(since, now):
			wrong = append(wrong, fmt.Errorf("CA %d of the pool is excluded, and in it", number))
		case !there && !held.IsZero() && held.Before(t.due(number, since, now)):
			wrong = append(wrong, fmt.Errorf("CA %d of the pool is to be retained, and not in it", number))
		}
	}
	return errors.Join(wrong...)
}

// due gives the moment from before which a CA that was in targets is to be in each that
// is written now. What is never excluded waits for no news of that, but for writes that
// were under way.
func (t *rotation) due(number int, since, now time.Time) time.Time {
	if decided := now.Add(-underWay); number < steady && decided.After(since) {
		return decided
	}
	return since
}

// hold takes in what the operator has put into a target.
func (t *rotation) hold(text string, since, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, one := range t.pool {
		if t.held[one].IsZero() && strings.Contains(text, one) && !t.perhaps[one].during(since, now) {
			t.held[one] = now
		}
	}
}
