package plan_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/plan"
	"trust-manager.io/test/framework/ca"
)

// L12: the next step of a rotation, and why the old CA must stay.
func TestOf(t *testing.T) {
	t.Parallel()
	now := time.Now()
	from, to, other := ca.New("Old"), ca.New("New"), ca.New("Other")
	id := bundle.ID{Kind: bundle.APIBundle, Name: "x"}
	server := func(issuer ca.CA, changes ...string) plan.Server {
		return plan.Server{Name: "Secret a/" + strings.Join(changes, ""), Chain: [][]byte{issuer.Issue(ca.ForHosts("a.example")).DER()}}
	}
	both := plan.Bundle{ID: id, HasNew: true, Namespaces: 3}
	lacking := []string{"a", "b", "c", "d", "e", "f", "g"}
	for name, tc := range map[string]struct {
		change    func(*plan.Rotation)
		step      plan.Step
		obstacles []string
		// now is the number of obstacles that can be resolved now.
		now int
	}{
		"nothing needs the old one": {func(*plan.Rotation) {}, plan.Remove, nil, 0},
		"no bundle has it":          {func(r *plan.Rotation) { r.Bundles = nil }, plan.Done, nil, 0},
		"a bundle lacks the new one": {func(r *plan.Rotation) { r.Bundles = append(r.Bundles, plan.Bundle{ID: id, Lacking: lacking}) }, plan.Add,
			[]string{"Bundle x has the old CA and not the new one; apply the manifest"}, 1},
		"a bundle leaves the new one out": {func(r *plan.Rotation) {
			r.Bundles[0] = plan.Bundle{ID: id, NewLeftOut: "it is excluded", NewLeftOutField: "spec.exclude[0]"}
		}, plan.Add, []string{"would leave the new one out: it is excluded; change spec.exclude[0] of Bundle x"}, 1},
		"namespaces lack it": {func(r *plan.Rotation) { r.Bundles[0].Lacking = lacking }, plan.Wait,
			[]string{"7 namespaces without the new content yet: a, b, c, d, e, and 2 more"}, 1},
		"a pod may not have it":    {func(r *plan.Rotation) { r.StalePods = 1 }, plan.Wait, []string{"1 pod started before"}, 1},
		"a server uses it":         {func(r *plan.Rotation) { r.Servers = append(r.Servers, server(from, "old")) }, plan.Wait, []string{"1 server with a certificate of the old CA: Secret a/old; reissue it from the new CA"}, 1},
		"pods are unknown":         {func(r *plan.Rotation) { r.UnknownPods = []string{"the pods are unknown"} }, plan.Wait, []string{"the pods are unknown"}, 1},
		"servers are unknown":      {func(r *plan.Rotation) { r.UnknownServers = []string{"the Secrets are unknown"} }, plan.Wait, []string{"the Secrets are unknown"}, 1},
		"the new one has expired":  {func(r *plan.Rotation) { r.Now = r.To.NotAfter.Add(time.Second); r.Servers = nil }, plan.Wait, []string{"the new CA has expired"}, 1},
		"the new one is not valid": {func(r *plan.Rotation) { r.To = parse(t, ca.New("Future", future).Certificate); r.Servers = nil }, plan.Wait, []string{"the new CA is not valid before 2"}, 1},
		"the new one is unusable":  {func(r *plan.Rotation) { r.To = parse(t, ca.NegativeSerial()); r.Servers = nil }, plan.Wait, []string{"the new CA does not conform to RFC 5280"}, 1},
		"the order of the obstacles": {func(r *plan.Rotation) {
			r.Bundles[0].Lacking, r.StalePods, r.UnknownPods = []string{"a"}, 1, []string{"the pods of b are unknown"}
			r.Servers, r.UnknownServers = append(r.Servers, server(from, "old")), []string{"c is unknown"}
			r.Bundles = append(r.Bundles, plan.Bundle{ID: id}, plan.Bundle{ID: id})
		}, plan.Add, []string{"has the old CA", "has the old CA", "1 namespace without", "1 pod started", "the pods of b", "; reissue it from the new CA, but only after the steps above: ", "c is unknown"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rotation := plan.Rotation{
				From: parse(t, from.Certificate), To: parse(t, to.Certificate), Bundles: []plan.Bundle{both},
				Servers: []plan.Server{server(to, "new"), server(other, "other")}, Known: []certs.Certificate{parse(t, other.Certificate)}, Now: now,
			}
			tc.change(&rotation)
			got := plan.Of(rotation)
			if got.Step != tc.step || got.Now != tc.now {
				t.Errorf("step %s, %d now, want %s, %d", got.Step, got.Now, tc.step, tc.now)
			}
			if len(got.Obstacles) != len(tc.obstacles) {
				t.Fatalf("obstacles %q, want %q", got.Obstacles, tc.obstacles)
			}
			for i := range tc.obstacles {
				if !strings.Contains(got.Obstacles[i], tc.obstacles[i]) {
					t.Errorf("%q does not contain %q", got.Obstacles[i], tc.obstacles[i])
				}
			}
			isServing := slices.ContainsFunc(rotation.Servers, func(s plan.Server) bool { return s.Name == "Secret a/old" })
			if got := slices.Contains(got.Serving, "Secret a/old"); got != isServing {
				t.Errorf("serving %v, want %v", got, isServing)
			}
		})
	}
}

var future = ca.Valid(time.Now().AddDate(1, 0, 0), time.Now().AddDate(2, 0, 0))

// L12: an early reissue is an outage, a late one is not, and only then nothing has to come before it.
func TestReissueAtOnce(t *testing.T) {
	t.Parallel()
	from, to := ca.New("Old"), ca.New("New")
	got := plan.Of(plan.Rotation{
		From: parse(t, from.Certificate), To: parse(t, to.Certificate), Now: time.Now(),
		Servers: []plan.Server{{Name: "a", Chain: [][]byte{from.Issue().DER()}}, {Name: "b", Chain: [][]byte{from.Issue().DER()}}},
	})
	if want := []string{"2 servers with a certificate of the old CA: a, b; reissue it from the new CA"}; !slices.Equal(got.Obstacles, want) {
		t.Errorf("%q, want %q", got.Obstacles, want)
	}
}

// L12: a certificate whose issuer is unknown can be one of the old CA. Many of them are one obstacle.
func TestUnknownIssuers(t *testing.T) {
	t.Parallel()
	from, to, other := ca.New("Old"), ca.New("New"), ca.New("Other")
	rotation := plan.Rotation{From: parse(t, from.Certificate), To: parse(t, to.Certificate), Now: time.Now()}
	for i := range 8 {
		rotation.Servers = append(rotation.Servers, plan.Server{Name: "s" + strconv.Itoa(i), Chain: [][]byte{other.Issue(ca.ForHosts("a.example")).DER()}})
	}
	got := plan.Of(rotation)
	const want = "8 servers with a certificate of an unknown issuer, which the old CA may have issued: " +
		"s0 (CN=Other), s1 (CN=Other), s2 (CN=Other), s3 (CN=Other), s4 (CN=Other), and 3 more; "
	if len(got.Serving) > 0 || len(got.Obstacles) != 1 || !strings.HasPrefix(got.Obstacles[0], want) {
		t.Errorf("serving %q, obstacles %q, want %q", got.Serving, got.Obstacles, want)
	}
	// One of the servers sends the root, which helps with all others.
	rotation.Servers[3].Chain = append(rotation.Servers[3].Chain, other.DER())
	if got := plan.Of(rotation); len(got.Obstacles) > 0 {
		t.Errorf("obstacles %q", got.Obstacles)
	}
}

// L12: a certificate that both CAs have issued, here since they have the same key, is no obstacle.
func TestIssuedByBoth(t *testing.T) {
	t.Parallel()
	from, to := ca.Fixed(51), ca.Fixed(51, ca.ValidFor(24*time.Hour))
	got := plan.Of(plan.Rotation{
		From: parse(t, from.Certificate), To: parse(t, to.Certificate), Now: time.Now(),
		Servers: []plan.Server{{Name: "a", Chain: [][]byte{from.Issue(ca.ForHosts("a.example")).DER()}}},
	})
	if len(got.Obstacles) > 0 {
		t.Errorf("obstacles %q", got.Obstacles)
	}
}

// L12: another certificate of the old CA stays trusted. It is no obstacle.
func TestTwins(t *testing.T) {
	t.Parallel()
	id := bundle.ID{Kind: bundle.APIBundle, Name: "x"}
	got := plan.Of(plan.Rotation{
		From: parse(t, ca.New("Old").Certificate), To: parse(t, ca.New("New").Certificate), Now: time.Now(),
		Bundles: []plan.Bundle{{ID: id, HasNew: true}}, Twins: []plan.Twin{{Bundle: id, SHA256: "abcd"}},
	})
	if got.Step != plan.Remove || len(got.Notices) != 1 || !strings.Contains(got.Notices[0], "Bundle x also trusts another certificate with the name and key of the old CA (SHA-256 abcd)") {
		t.Errorf("step %s, notices %q", got.Step, got.Notices)
	}
}

func parse(t *testing.T, text string) certs.Certificate {
	t.Helper()
	parsed, problem := certs.Parse(text, certs.Origin{})
	if problem != nil {
		t.Fatal(problem)
	}
	return parsed.Certificates[0]
}
