package serving

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// When the operator becomes the issuer, the CAs in the caBundle stay trusted for as long as
// any previous CA, whether or not a Secret from an earlier time exists. Several replicas
// create only one new CA.
func TestInherited(t *testing.T) {
	t.Parallel()
	for name, earlier := range map[string]bool{"no Secret": false, "a Secret from an earlier time": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, configurationWith(nil))
			var own []byte
			if earlier {
				c.reconcile(c.replica())
				own = c.bundle()
				c.clock.Step(80 * day) // its certificate is due, its CA is not
			}
			foreign := fresh(t, c.clock.Now())
			c.setBundle(foreign.caBundle())
			replicas := []*Keeper{c.replica(), c.replica()}
			c.before = func(verb string, _ client.Object) error {
				if verb != "get" {
					c.before = allowed
					c.reconcile(replicas[1]) // overtakes
				}
				return nil
			}
			c.reconcile(replicas[0])
			authorities := mustParse(t, c.bundle())
			if len(authorities) < 2 || !authorities[1].Equal(foreign.authorities[0]) || !bytes.HasSuffix(c.bundle(), own) {
				t.Fatalf("%d CAs, want a new one, the foreign one, and the previous own one", len(authorities))
			}
			if !isTrusted(foreign.pair, authorities, names, c.clock.Now()) {
				t.Error("the foreign certificate is no longer trusted")
			}
			for _, k := range replicas {
				c.wantCovered(name, k)
				if k.served.Load() == nil {
					t.Error("no certificate is served")
				}
			}
			c.clock.Step(servingLife)
			c.reconcile(replicas[0])
			if remaining := mustParse(t, c.bundle()); len(remaining) != 1 {
				t.Errorf("%d CAs after the lifetime of a certificate", len(remaining))
			}
		})
	}
}

// The same holds if the caBundle also contains an own CA from an earlier time at a later
// position. Helm keeps such a CA.
func TestInheritedBeforeItsOwn(t *testing.T) {
	t.Parallel()
	c := newCluster(t, configurationWith(nil))
	c.reconcile(c.replica())
	foreign := fresh(t, start)
	c.setBundle(slices.Concat(foreign.caBundle(), c.bundle()))
	k := c.replica()
	c.reconcile(k)
	if !isTrusted(foreign.pair, mustParse(t, c.bundle()), names, start) {
		t.Error("the foreign certificate is no longer trusted")
	}
	c.wantCovered("after the second reconciliation", k)
}

// A restart never causes a new CA, even during a rotation.
func TestInheritedFromItself(t *testing.T) {
	t.Parallel()
	c := newCluster(t, configurationWith(nil))
	c.reconcile(c.replica())
	before := c.bundle()
	c.clock.SetTime(start.Add(authorityLife*2/3 - skew))
	c.reconcile(c.replica())
	both := c.bundle()
	c.setBundle(before) // as if the replica had stopped before this write
	c.reconcile(c.replica())
	if !bytes.Equal(c.bundle(), both) {
		t.Errorf("%d CAs, want the same two", len(mustParse(t, c.bundle())))
	}
}

// If the configuration is for another issuer's certificate, the operator writes nothing,
// keeps serving its certificate and returns an error. It starts when the configuration is
// its own.
func TestAnotherMaker(t *testing.T) {
	t.Parallel()
	c := newCluster(t, configurationWith(nil))
	c.setIssuer("helm")
	k := c.replica()
	_, err := k.reconcile(t.Context())
	if err == nil || !strings.Contains(err.Error(), `"helm"`) || c.writes > 0 || k.served.Load() != nil {
		t.Fatalf("%v, %d writes", err, c.writes)
	}
	c.setIssuer(selfManaged)
	c.reconcile(k)
	served, writes := k.served.Load(), c.writes
	foreign := fresh(t, start).caBundle()
	c.setIssuer("certManager")
	c.setBundle(foreign)
	if _, err := k.reconcile(t.Context()); err == nil || c.writes > writes || !bytes.Equal(c.bundle(), foreign) {
		t.Errorf("%v, %d writes", err, c.writes-writes)
	}
	if served == nil || k.served.Load() != served {
		t.Error("the served certificate has changed")
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

func (c *cluster) setIssuer(issuer string) {
	c.t.Helper()
	configuration := c.configuration()
	configuration.Annotations = map[string]string{issuerAnnotation: issuer}
	if err := c.api.Update(c.t.Context(), configuration); err != nil {
		c.t.Fatal(err)
	}
}
