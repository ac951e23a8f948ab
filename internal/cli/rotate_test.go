package cli

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/plan"
	"trust-manager.io/internal/survey"
	"trust-manager.io/test/framework/ca"
)

func parsed(t *testing.T, text string) certs.Certificate {
	t.Helper()
	result, problem := certs.Parse(text, certs.Origin{})
	if problem != nil {
		t.Fatal(problem)
	}
	return result.Certificates[0]
}

// L12: which Secrets of servers count, and that no unreadable one is skipped.
func TestTLSSecrets(t *testing.T) {
	t.Parallel()
	old := ca.New("Old")
	serving := ca.New("Old", ca.ForHosts("a.example")) // as openssl req -x509 makes one
	for name, tc := range map[string]struct {
		from, crt, ca    string
		servers, unknown int
		known            int
	}{
		"server":             {old.Certificate, old.Issue().Certificate, "", 1, 0, 0},
		"with its CA":        {old.Certificate, old.Issue().Certificate, old.Certificate, 1, 0, 1},
		"with a damaged CA":  {old.Certificate, old.Issue().Certificate, "junk", 1, 0, 0},
		"blank":              {old.Certificate, " \n\t", "", 0, 0, 0},
		"junk":               {old.Certificate, "junk", "", 0, 1, 0},
		"key":                {old.Certificate, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "", 0, 1, 0},
		"issuer":             {old.Certificate, old.Certificate, "", 0, 0, 0},
		"self-signed server": {serving.Certificate, serving.Certificate, "", 1, 0, 0},
		"another CA":         {old.Certificate, ca.New("Old").Certificate, "", 1, 0, 0},
	} {
		rotation := plan.Rotation{From: parsed(t, tc.from)}
		secrets := tlsSecrets{rotation: &rotation, seen: map[string]bool{}}
		secrets.add(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "b"}, Data: map[string][]byte{"tls.crt": []byte(tc.crt), "ca.crt": []byte(tc.ca)}})
		secrets.report()
		if len(rotation.Servers) != tc.servers || len(rotation.UnknownServers) != tc.unknown || len(rotation.Known) != tc.known {
			t.Errorf("%s: servers %d, unknown %q, known %d", name, len(rotation.Servers), rotation.UnknownServers, len(rotation.Known))
		}
		if tc.unknown > 0 && !strings.HasPrefix(rotation.UnknownServers[0], "Secret a/b: tls.crt cannot be read: ") {
			t.Errorf("%s: %q", name, rotation.UnknownServers)
		}
	}
	var rotation plan.Rotation
	secrets := tlsSecrets{rotation: &rotation, seen: map[string]bool{}}
	for i := range 7 {
		secrets.add(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint(i)}, Data: map[string][]byte{"tls.crt": []byte("junk")}})
	}
	secrets.report()
	if got := rotation.UnknownServers; len(got) != 6 || got[5] != "2 more Secrets: tls.crt cannot be read" {
		t.Errorf("%q", got)
	}
}

// L12: other certificates with the name and key of the old CA, in bundles.
func TestTwins(t *testing.T) {
	t.Parallel()
	a, b := bundle.ID{Kind: bundle.APIBundle, Name: "a"}, bundle.ID{Kind: bundle.APIBundle, Name: "b"}
	serial := func(template *x509.Certificate) { template.NotAfter = template.NotAfter.AddDate(1, 0, 0) }
	old, twin := parsed(t, ca.Fixed(41).Certificate), parsed(t, ca.Fixed(41, serial).Certificate)
	other := parsed(t, ca.Fixed(42).Certificate)
	all := []survey.Appearance{
		{Certificate: old, Bundle: a, Standing: survey.Included}, {Certificate: twin, Bundle: b, Standing: survey.Retained},
		{Certificate: twin, Bundle: b, Standing: survey.Deployed}, {Certificate: twin, Bundle: a, Standing: survey.LeftOut},
		{Certificate: other, Bundle: a, Standing: survey.Included}, {Certificate: certs.Certificate{Fingerprint: old.Fingerprint}, Bundle: a, Standing: survey.Evicted},
	}
	for _, tc := range []struct {
		to   certs.Certificate
		want []plan.Twin
	}{{other, []plan.Twin{{Bundle: b, SHA256: twin.SHA256()}}}, {twin, nil}} {
		if got := twinsOf(all, &old, &tc.to); !slices.Equal(got, tc.want) {
			t.Errorf("%v, want %v", got, tc.want)
		}
	}
}

// L12: the message lists a few of the certificates that match.
func TestMatchesOf(t *testing.T) {
	t.Parallel()
	var found []certs.Certificate
	for number := range int64(7) {
		found = append(found, parsed(t, ca.Fixed(number+1).Certificate))
	}
	got := matchesOf(found)
	if !strings.HasPrefix(got, "CN=Root 1 (SHA-256 "+found[0].SHA256()[:12]+"…), CN=Root 2 ") || !strings.HasSuffix(got, "…), and 2 more") || strings.Contains(got, "Root 6") {
		t.Error(got)
	}
}

func TestChecked(t *testing.T) {
	t.Parallel()
	for want, p := range map[string]rotationPlan{
		"no server was checked":                                    {},
		"1 server was checked, and it uses the old CA":             {Servers: 1, Serving: []string{"a"}},
		"1 server was checked, and it does not use the old CA":     {Servers: 1},
		"2 servers were checked, and none of them uses the old CA": {Servers: 2},
		"3 servers were checked, and 1 of them uses the old CA":    {Servers: 3, Serving: []string{"a"}},
		"3 servers were checked, and 2 of them use the old CA":     {Servers: 3, Serving: []string{"a", "b"}},
	} {
		if got := p.checked(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
