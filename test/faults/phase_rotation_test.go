package faults

import (
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"slices"
	"time"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/ca"
	"trust-manager.io/test/framework/kinds"
	"trust-manager.io/test/framework/model"
	"trust-manager.io/test/framework/rig"
)

const (
	// excluding is the percentage of changes of a rotating bundle that change its
	// exclusions.
	excluding = 30
	// turning is the maximum delay between two of its changes.
	turning = 600 * time.Millisecond
)

// rotate removes, adds and excludes CAs of one more bundle, while operators are killed,
// and then while requests meet faults (K3, K5).
func (w *world) rotate(size sizes) error {
	b := &bundle{name: kinds.Prefix + prefix + "rotation", kind: model.ConfigMap, sources: []string{model.ConfigMap}, pool: newPool("rotation")}
	w.bundles = append(w.bundles, b)
	if err := w.make(b); err != nil {
		return err
	}
	if err := w.settle("a Bundle that rotates", size.quiet); err != nil {
		return err
	}
	err := w.amid("rotation", time.Second, func(r *rand.Rand) error {
		for range size.rotations {
			if err := w.turn(r, b); err != nil {
				return err
			}
			if r.IntN(4) == 0 {
				w.fleet.kill(r)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := w.settle("rotation and operators killed", size.quiet); err != nil {
		return err
	}
	w.judge.allow(faultLag)
	return w.amid("rotation in a storm", time.Second, func(r *rand.Rand) error {
		w.proxy.Inject(faultShare, rig.AllFaults...)
		for range size.rotations {
			if err := w.turn(r, b); err != nil {
				return err
			}
		}
		return nil
	})
}

// turn changes the bundle, and waits for a random delay.
func (w *world) turn(r *rand.Rand, b *bundle) error {
	if _, err := w.fresh(r, b); err != nil {
		return err
	}
	w.report.count("CAs that leave, come back or are excluded")
	wait(w.ctx, upTo(r, turning))
	return nil
}

// exclude changes which CAs of its pool a bundle excludes.
func (w *world) exclude(r *rand.Rand, b *bundle) (*model.Revision, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pool.exclude(r)
	list := b.pool.exclusions()
	made := w.history.Update(time.Now(), func(m *model.World) { m.Bundles[b.name].Spec.Exclude = list })
	if err := w.edit(b, func(now *v1alpha1.Bundle) { now.Spec.Exclude = list }); err != nil {
		return nil, err
	}
	made(time.Now())
	return w.history.Current(b.name), nil
}

const (
	// poolSize is the number of CAs in a pool: fewer than the limit of retained CAs, so
	// that none is dropped early.
	poolSize = 12
	// The first steady of them are never excluded, and the next banned always. The
	// others are excluded at times.
	steady, banned = 8, 2
)

// pool holds the CAs of a rotating bundle, as PEM. The first is in each revision.
type pool struct {
	all []string
	// excluded are the CAs that are excluded now.
	excluded []string
}

func newPool(of string) *pool {
	p := &pool{}
	for i := range poolSize {
		padding := 0
		if i%3 == 0 {
			padding = largeInPool
		}
		p.all = append(p.all, ca.New(of, ca.Padded(padding)).Certificate)
	}
	p.excluded = p.banned()
	return p
}

// banned returns the CAs that are always excluded.
func (p *pool) banned() []string { return p.all[steady : steady+banned] }

// some returns the first CA of the pool and a few others, in any order.
func (p *pool) some(r *rand.Rand, others int) []string {
	list := []string{p.all[0]}
	for _, i := range r.Perm(len(p.all) - 1)[:others] {
		list = append(list, p.all[1+i])
	}
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

// exclude chooses the excluded CAs besides the banned ones.
func (p *pool) exclude(r *rand.Rand) {
	p.excluded = slices.Clone(p.banned())
	for _, one := range p.all[steady+banned:] {
		if r.IntN(2) == 0 {
			p.excluded = append(p.excluded, one)
		}
	}
}

// exclusions returns the Bundle's exclusions, half of them by the certificate's SHA-256,
// the others by that of the public key.
func (p *pool) exclusions() []v1alpha1.Exclusion {
	var list []v1alpha1.Exclusion
	for i, one := range p.excluded {
		if i%2 == 0 {
			list = append(list, v1alpha1.Exclusion{SHA256: model.Fingerprint(one)})
		} else {
			key := sha256.Sum256(ca.CA{Pair: ca.Pair{Certificate: one}}.X509().RawSubjectPublicKeyInfo)
			list = append(list, v1alpha1.Exclusion{PublicKeySHA256: hex.EncodeToString(key[:])})
		}
	}
	return list
}
