package serving

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Who begins to make the certificate keeps what the caBundle trusts until then, for as
// long as certificates of a CA before: with no Secret yet, and with one of an earlier
// time. Several replicas make one new CA.
func TestInherited(t *testing.T) {
	t.Parallel()
	for name, earlier := range map[string]bool{"no Secret": false, "a Secret of an earlier time": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, configurationWith(nil))
			var own []byte
			if earlier {
				c.look(c.replica())
				own = c.bundle()
				c.clock.Step(80 * day) // its certificate is due, its CA is not
			}
			theirs := fresh(t, c.clock.Now())
			c.setBundle(theirs.bundle())
			replicas := []*Keeper{c.replica(), c.replica()}
			c.before = func(verb string, _ client.Object) error {
				if verb != "get" {
					c.before = allowed
					c.look(replicas[1]) // it is faster
				}
				return nil
			}
			c.look(replicas[0])
			authorities := mustParse(t, c.bundle())
			if len(authorities) < 2 || !authorities[1].Equal(theirs.authorities[0]) || !bytes.HasSuffix(c.bundle(), own) {
				t.Fatalf("%d CAs, want a new one, theirs, and our own of before", len(authorities))
			}
			if !isVouchedFor(theirs.pair, authorities, names, c.clock.Now()) {
				t.Error("their certificate is not trusted any more")
			}
			for _, k := range replicas {
				c.wantCovered(name, k)
				if k.served.Load() == nil {
					t.Error("nothing is shown")
				}
			}
			c.clock.Step(servingLife)
			c.look(replicas[0])
			if left := mustParse(t, c.bundle()); len(left) != 1 {
				t.Errorf("%d CAs after the life of a certificate", len(left))
			}
		})
	}
}

// Who makes the certificate again keeps what is trusted until then, also where a CA of an
// earlier time of its own comes after it: Helm keeps one.
func TestInheritedBeforeItsOwn(t *testing.T) {
	t.Parallel()
	c := newCluster(t, configurationWith(nil))
	c.look(c.replica())
	theirs := fresh(t, start)
	c.setBundle(slices.Concat(theirs.bundle(), c.bundle()))
	k := c.replica()
	c.look(k)
	if !isVouchedFor(theirs.pair, mustParse(t, c.bundle()), names, start) {
		t.Error("their certificate is not trusted any more")
	}
	c.wantCovered("after the second look", k)
}

// A restart is no reason for a new CA, whatever is under way.
func TestInheritedFromItself(t *testing.T) {
	t.Parallel()
	c := newCluster(t, configurationWith(nil))
	c.look(c.replica())
	before := c.bundle()
	c.clock.SetTime(start.Add(authorityLife*2/3 - skew))
	c.look(c.replica())
	both := c.bundle()
	c.setBundle(before) // as if the last replica had ended before this write
	c.look(c.replica())
	if !bytes.Equal(c.bundle(), both) {
		t.Errorf("%d CAs, want the same two", len(mustParse(t, c.bundle())))
	}
}

// Where the configuration is for somebody else's certificate, nothing is written, and
// what is shown stays; the operator says so, and begins when the configuration is its
// own.
func TestAnotherMaker(t *testing.T) {
	t.Parallel()
	c := newCluster(t, configurationWith(nil))
	c.setMaker("helm")
	k := c.replica()
	_, err := k.look(t.Context())
	if err == nil || !strings.Contains(err.Error(), `"helm"`) || c.writes > 0 || k.served.Load() != nil {
		t.Fatalf("%v, %d writes", err, c.writes)
	}
	c.setMaker(ownMaker)
	c.look(k)
	shown, writes := k.served.Load(), c.writes
	theirs := fresh(t, start).bundle()
	c.setMaker("certManager")
	c.setBundle(theirs)
	if _, err := k.look(t.Context()); err == nil || c.writes > writes || !bytes.Equal(c.bundle(), theirs) {
		t.Errorf("%v, %d writes", err, c.writes-writes)
	}
	if shown == nil || k.served.Load() != shown {
		t.Error("what is shown has changed")
	}
}

func allowed(string, client.Object) error { return nil }

func (c *cluster) setBundle(bundle []byte) {
	c.t.Helper()
	configuration := c.configuration()
	entryOf(configuration).ClientConfig.CABundle = slices.Clone(bundle)
	if err := c.api.Update(c.t.Context(), configuration); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) setMaker(maker string) {
	c.t.Helper()
	configuration := c.configuration()
	configuration.Annotations = map[string]string{makerAnnotation: maker}
	if err := c.api.Update(c.t.Context(), configuration); err != nil {
		c.t.Fatal(err)
	}
}
