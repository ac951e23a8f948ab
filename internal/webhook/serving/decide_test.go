package serving

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestDecide(t *testing.T) {
	t.Parallel()
	first := fresh(t, start)
	other := fresh(t, start)
	rotated := applied(t, replace, contents{}, first.authorities, names, start)
	changed := func(c contents, changes map[string]string) map[string][]byte {
		data := encoded(t, c)
		for key, value := range changes {
			data[key] = []byte(value)
		}
		return data
	}
	of := func(c contents, key string) string { return string(encoded(t, c)[key]) }
	renewedAt := func(c contents, at time.Time) contents { return applied(t, renew, c, nil, names, at) }
	due := authorityLife*2/3 - skew
	for name, tc := range map[string]struct {
		data  map[string][]byte
		names []string
		now   time.Time
		want  step
		until time.Time
	}{
		"no Secret":    {nil, names, start, replace, time.Time{}},
		"no data":      {map[string][]byte{}, names, start, replace, time.Time{}},
		"fresh":        {encoded(t, first), names, start, keep, start.Add(60*day - skew)},
		"just not due": {encoded(t, first), names, start.Add(60*day - skew - 1), keep, start.Add(60*day - skew)},
		"due":          {encoded(t, first), names, start.Add(60*day - skew), renew, time.Time{}},
		"expired":      {encoded(t, first), names, start.Add(91 * day), renew, time.Time{}},
		"renewed":      {encoded(t, renewedAt(first, start.Add(60*day))), names, start.Add(60 * day), keep, start.Add(120*day - skew)},
		"the CA is due before the certificate": {
			encoded(t, renewedAt(first, start.Add(240*day))), names, start.Add(240 * day), keep, start.Add(due),
		},
		"the CA is due":     {encoded(t, renewedAt(first, start.Add(240*day))), names, start.Add(due), replace, time.Time{}},
		"the CA is expired": {encoded(t, first), names, start.Add(365 * day), replace, time.Time{}},
		"rotated":           {encoded(t, rotated), names, start, keep, start.Add(60*day - skew)},
		"the old CA is used until its certificates expire": {
			encoded(t, renewedAt(rotated, start.Add(60*day))), names, start.Add(60 * day), keep, start.Add(90*day - skew),
		},
		"the old CA is no longer needed": {
			encoded(t, renewedAt(rotated, start.Add(60*day))), names, start.Add(90*day - skew), trim, time.Time{},
		},
		"a clock that lags":     {encoded(t, first), names, start.Add(-30 * time.Minute), keep, start.Add(60*day - skew)},
		"a clock that lags far": {encoded(t, first), names, start.Add(-2 * time.Hour), replace, time.Time{}},
		"other names":           {encoded(t, first), hostNames("trust-manager", "other"), start, renew, time.Time{}},
		"a missing name": {
			encoded(t, applied(t, renew, first, nil, names[:1], start)), names, start, renew, time.Time{},
		},
		"a foreign Secret":                {map[string][]byte{"tls.crt": []byte(of(other, certificateKey)), "tls.key": []byte(of(other, privateKeyKey))}, names, start, replace, time.Time{}},
		"no CA":                           {changed(first, map[string]string{authoritiesKey: ""}), names, start, replace, time.Time{}},
		"a CA that is not PEM":            {changed(first, map[string]string{authoritiesKey: "x"}), names, start, replace, time.Time{}},
		"other text after the CA":         {changed(first, map[string]string{authoritiesKey: of(first, authoritiesKey) + "x"}), names, start, replace, time.Time{}},
		"a key among the CAs":             {changed(first, map[string]string{authoritiesKey: of(first, authoritiesKey) + of(first, privateKeyKey)}), names, start, replace, time.Time{}},
		"a CA that is not a CA":           {changed(first, map[string]string{authoritiesKey: of(first, certificateKey), authorityKeyKey: of(first, privateKeyKey)}), names, start, replace, time.Time{}},
		"another CA's key":                {changed(first, map[string]string{authorityKeyKey: of(other, authorityKeyKey)}), names, start, replace, time.Time{}},
		"another CA":                      {changed(first, map[string]string{authoritiesKey: of(other, authoritiesKey)}), names, start, replace, time.Time{}},
		"an invalid key of the CA":        {changed(first, map[string]string{authorityKeyKey: "x"}), names, start, replace, time.Time{}},
		"a truncated key of the CA":       {changed(first, map[string]string{authorityKeyKey: of(first, authorityKeyKey)[:100]}), names, start, replace, time.Time{}},
		"a certificate as key of the CA":  {changed(first, map[string]string{authorityKeyKey: of(first, authoritiesKey)}), names, start, replace, time.Time{}},
		"no certificate":                  {changed(first, map[string]string{certificateKey: ""}), names, start, renew, time.Time{}},
		"another certificate":             {changed(first, map[string]string{certificateKey: of(other, certificateKey)}), names, start, renew, time.Time{}},
		"another certificate and its key": {changed(first, map[string]string{certificateKey: of(other, certificateKey), privateKeyKey: of(other, privateKeyKey)}), names, start, renew, time.Time{}},
		"a certificate of the old CA":     {changed(rotated, map[string]string{certificateKey: of(first, certificateKey), privateKeyKey: of(first, privateKeyKey)}), names, start, renew, time.Time{}},
		"no key":                          {changed(first, map[string]string{privateKeyKey: ""}), names, start, renew, time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := decide(tc.data, tc.names, tc.now)
			if got.step != tc.want || !got.until.Equal(tc.until) {
				t.Fatalf("%+v, want step %d until %s", got, tc.want, tc.until)
			}
			if (got.reason == "") != (got.step == keep) {
				t.Errorf("reason %q", got.reason)
			}
			wantSettled(t, tc.data, tc.names, tc.now)
		})
	}
}

// wantSettled checks that one step is sufficient.
func wantSettled(t *testing.T, data map[string][]byte, names []string, now time.Time) {
	t.Helper()
	d := decide(data, names, now)
	if d.step == keep {
		return
	}
	current, _ := parse(data)
	after := encoded(t, applied(t, d.step, current, trustAnchors(data), names, now))
	if next := decide(after, names, now); next.step != keep || !next.until.After(now) {
		t.Errorf("the step requires another one: %+v", next)
	}
	authorities, _ := parseCertificates(after[authoritiesKey])
	for _, previous := range trustAnchors(data) {
		if d.step == replace && isValid(previous, now) && len(authorities) < maxAuthorities && !slices.ContainsFunc(authorities, previous.Equal) {
			t.Error("a previous CA is no longer trusted")
		}
	}
}

// A foreign CA with its key is used, unless it must not issue for the names.
func TestForeignAuthority(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*x509.Certificate)
		want   int
	}{
		"good":                 {func(*x509.Certificate) {}, 1},
		"for other names only": {func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"example.com"} }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			template := &x509.Certificate{
				NotBefore: start.Add(-day), NotAfter: start.AddDate(10, 0, 0), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
			}
			tc.change(template)
			authority, key, err := issue(template, template, nil)
			if err != nil {
				t.Fatal(err)
			}
			text, err := encodeKey(key)
			if err != nil {
				t.Fatal(err)
			}
			data := map[string][]byte{authoritiesKey: encodeCertificates([]*x509.Certificate{authority}), authorityKeyKey: text}
			wantSettled(t, data, names, start)
			current, _ := parse(data)
			if renewed := applied(t, renew, current, trustAnchors(data), names, start); len(renewed.authorities) != tc.want {
				t.Errorf("%d CAs, want %d", len(renewed.authorities), tc.want)
			}
		})
	}
}

// A serving certificate never outlives its CA, regardless of when it is issued.
func TestLives(t *testing.T) {
	t.Parallel()
	c := fresh(t, start)
	last := dueTime(c.authorities[0]).Add(-time.Second)
	if pair := applied(t, renew, c, nil, names, last).pair; pair.Leaf.NotAfter.After(c.authorities[0].NotAfter) {
		t.Errorf("a certificate until %s of a CA until %s", pair.Leaf.NotAfter, c.authorities[0].NotAfter)
	}
}

// The API server accepts the certificates: they have an ECDSA key, the names of the Service,
// and the key usage of a server.
func TestIssued(t *testing.T) {
	t.Parallel()
	c := fresh(t, start)
	authority, leaf := c.authorities[0], c.pair.Leaf
	if !authority.IsCA || !authority.MaxPathLenZero || authority.KeyUsage != x509.KeyUsageCertSign || authority.PublicKeyAlgorithm != x509.ECDSA {
		t.Errorf("CA %+v", authority)
	}
	if leaf.IsCA || leaf.PublicKeyAlgorithm != x509.ECDSA || strings.Join(leaf.DNSNames, " ") != "trust-manager.cert-manager.svc trust-manager.cert-manager.svc.cluster.local" {
		t.Errorf("certificate %+v", leaf)
	}
	if again := fresh(t, start); again.pair.Leaf.SerialNumber.Cmp(leaf.SerialNumber) == 0 || again.authorities[0].SerialNumber.Cmp(authority.SerialNumber) == 0 {
		t.Error("duplicate serial numbers")
	}
	if err := leaf.CheckSignatureFrom(authority); err != nil {
		t.Error(err)
	}
}

// Previous CAs stay beside a new one, without duplicates and expired ones, and up to a limit.
func TestStillTrusted(t *testing.T) {
	t.Parallel()
	var before []*x509.Certificate
	for range 2 * maxAuthorities {
		before = append(before, fresh(t, start).authorities...)
	}
	expired := fresh(t, start.AddDate(-2, 0, 0)).authorities[0]
	fresh := fresh(t, start).authorities[0]
	for name, tc := range map[string]struct {
		before []*x509.Certificate
		want   []*x509.Certificate
	}{
		"none":    {nil, []*x509.Certificate{fresh}},
		"twice":   {[]*x509.Certificate{before[0], before[1], before[0]}, []*x509.Certificate{fresh, before[0], before[1]}},
		"expired": {[]*x509.Certificate{expired, before[0]}, []*x509.Certificate{fresh, before[0]}},
		"itself":  {[]*x509.Certificate{fresh}, []*x509.Certificate{fresh}},
		"many":    {before, append([]*x509.Certificate{fresh}, before[:maxAuthorities-1]...)},
	} {
		got := withPrevious(fresh, tc.before, start)
		if !bytes.Equal(encodeCertificates(got), encodeCertificates(tc.want)) {
			t.Errorf("%s: %d certificates, want %d", name, len(got), len(tc.want))
		}
	}
}

// The CA of a foreign Secret stays trusted, or its certificate if it has no CA.
func TestTrusted(t *testing.T) {
	t.Parallel()
	data := encoded(t, fresh(t, start))
	withoutCA := maps.Clone(data)
	delete(withoutCA, authoritiesKey)
	for name, tc := range map[string]struct{ data, want []byte }{
		"a CA":           {encodeCertificates(trustAnchors(data)), data[authoritiesKey]},
		"no CA":          {encodeCertificates(trustAnchors(withoutCA)), data[certificateKey]},
		"something else": {encodeCertificates(trustAnchors(map[string][]byte{"a": []byte("b")})), nil},
	} {
		if !bytes.Equal(tc.data, tc.want) {
			t.Errorf("%s: %s, want %s", name, tc.data, tc.want)
		}
	}
}

// For any data of the Secret, one step repairs it, and no reason contains any of it.
func FuzzDecide(f *testing.F) {
	data := encoded(f, fresh(f, start))
	f.Add(data[authoritiesKey], data[authorityKeyKey], data[certificateKey], data[privateKeyKey])
	f.Add([]byte(nil), []byte("x"), []byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"), []byte(nil))
	f.Fuzz(func(t *testing.T, authorities, authorityKey, certificate, key []byte) {
		data := map[string][]byte{authoritiesKey: authorities, authorityKeyKey: authorityKey, certificateKey: certificate, privateKeyKey: key}
		wantSettled(t, data, names, start)
		reason := decide(data, names, start).reason
		if block, _ := pem.Decode(key); block != nil && len(block.Bytes) > 8 && strings.Contains(reason, string(block.Bytes)) {
			t.Errorf("%q contains a key", reason)
		}
	})
}
