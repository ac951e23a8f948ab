package plan_test

import (
	"slices"
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
	from, to := ca.New("Old"), ca.New("New")
	id := bundle.ID{Kind: bundle.APIBundle, Name: "x"}
	server := func(issuer ca.CA, changes ...string) plan.Server {
		return plan.Server{Name: "Secret a/" + strings.Join(changes, ""), Chain: [][]byte{issuer.Issue(ca.ForHosts("a.example")).DER()}}
	}
	both := plan.Bundle{ID: id, HasNew: true, Namespaces: 3}
	for name, tc := range map[string]struct {
		change    func(*plan.Rotation)
		step      plan.Step
		obstacles []string
	}{
		"nothing needs the old one": {func(*plan.Rotation) {}, plan.Remove, nil},
		"no bundle has it":          {func(r *plan.Rotation) { r.Bundles = nil }, plan.Done, nil},
		"a bundle lacks the new one": {func(r *plan.Rotation) { r.Bundles = append(r.Bundles, plan.Bundle{ID: id}) }, plan.Add,
			[]string{"Bundle x has the old CA and not the new one"}},
		"namespaces lack it": {func(r *plan.Rotation) { r.Bundles[0].Lacking = []string{"a", "b", "c", "d", "e", "f", "g"} }, plan.Wait,
			[]string{"7 namespaces without the new content yet: a, b, c, d, e, and 2 more"}},
		"a pod may not have it":   {func(r *plan.Rotation) { r.StalePods = 1 }, plan.Wait, []string{"1 pod started before"}},
		"a server uses it":        {func(r *plan.Rotation) { r.Servers = append(r.Servers, server(from, "old")) }, plan.Wait, []string{"1 server with a certificate of the old CA: Secret a/old"}},
		"something is unknown":    {func(r *plan.Rotation) { r.Unknown = []string{"the pods are unknown"} }, plan.Wait, []string{"the pods are unknown"}},
		"the new one has expired": {func(r *plan.Rotation) { r.Now = r.To.NotAfter.Add(time.Second); r.Servers = nil }, plan.Wait, []string{"the new CA has expired"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rotation := plan.Rotation{
				From: parse(t, from.Certificate), To: parse(t, to.Certificate), Bundles: []plan.Bundle{both},
				Servers: []plan.Server{server(to, "new"), server(ca.New("Other"), "other")}, Now: now,
			}
			tc.change(&rotation)
			got := plan.Of(rotation)
			if got.Step != tc.step {
				t.Errorf("step %s, want %s", got.Step, tc.step)
			}
			if len(got.Obstacles) != len(tc.obstacles) {
				t.Fatalf("obstacles %q, want %q", got.Obstacles, tc.obstacles)
			}
			for i := range tc.obstacles {
				if !strings.Contains(got.Obstacles[i], tc.obstacles[i]) {
					t.Errorf("%q does not contain %q", got.Obstacles[i], tc.obstacles[i])
				}
			}
			if serving := slices.Contains(got.Serving, "Secret a/old"); serving != (name == "a server uses it") {
				t.Errorf("serving: %q", got.Serving)
			}
		})
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
