package rotation_test

import (
	"crypto/x509"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/rotation"
	"trust-manager.io/test/framework/ca"
)

var now = time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)

// authority returns a CA of this name.
func authority(tb testing.TB, name string) certs.Certificate {
	tb.Helper()
	return parsed(tb, ca.Fixed(7, ca.Named(name), ca.Valid(now.AddDate(-1, 0, 0), now.AddDate(1, 0, 0))))
}

func parsed(tb testing.TB, authority ca.CA) certs.Certificate {
	tb.Helper()
	return parsedText(tb, authority.Certificate)
}

func parsedText(tb testing.TB, text string) certs.Certificate {
	tb.Helper()
	parsed, problem := certs.Parse(text, certs.Origin{})
	if problem != nil {
		tb.Fatal(problem)
	}
	parsed.Certificates[0].Origin = certs.Origin{}
	return parsed.Certificates[0]
}

func spec() bundle.Spec {
	return bundle.Spec{
		ID: bundle.ID{Kind: bundle.APIBundle, Name: "roots"}, Owner: metav1.OwnerReference{Kind: "Bundle", Name: "roots", UID: "u"},
		Rotation: bundle.Rotation{Retain: 72 * time.Hour, Max: 10},
	}
}

func state(tb testing.TB) bundle.State {
	tb.Helper()
	return bundle.State{
		Present:  []certs.Certificate{authority(tb, "A"), authority(tb, "B")},
		Known:    []string{`ConfigMap cert-manager/roots, key "ca.crt"`, "default CA package"},
		Retained: []bundle.Retained{{Certificate: authority(tb, "Old"), Left: now}, {Certificate: authority(tb, "Older\n-----BEGIN CERTIFICATE-----"), Left: now.Add(time.Second)}},
		Evicted:  []bundle.Evicted{{Fingerprint: [32]byte{1}, Left: now}},
	}
}

// K5, S6: an encoded state decodes to the same state, and encoding it again changes nothing,
// even with nonconforming certificates.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	odd := state(t)
	odd.Present = append(odd.Present, parsedText(t, ca.NegativeSerial()), authority(t, "C"))
	odd.Retained[0].Certificate = parsedText(t, ca.NegativeSerial(ca.Named("Retained")))
	for name, want := range map[string]bundle.State{"full": state(t), "empty": {}, "nonconforming": odd} {
		object := rotation.Encode("cert-manager", spec(), want, nil)
		got, faults := rotation.Decode(object)
		for i := range got.Retained {
			got.Retained[i].Certificate.Origin = certs.Origin{}
		}
		if diff := cmp.Diff(want, got); diff != "" || len(faults) > 0 {
			t.Errorf("%s: faults %q, state (-want +got):\n%s", name, faults, diff)
		}
		if again := rotation.Encode("cert-manager", spec(), got, object); !rotation.Same(object, again) {
			t.Errorf("%s: encoded again:\n%s", name, cmp.Diff(object, again))
		}
	}
}

// K5: a retained certificate that is stored as its fingerprint may never expire, which is the
// year 9999 (RFC 5280, 4.1.2.5).
func TestFingerprintOfACertificateThatNeverExpires(t *testing.T) {
	t.Parallel()
	line := strings.Repeat("0a", 32) + " 2026-01-01T00:00:00Z 9999-12-31T23:59:59Z\n"
	object := &corev1.ConfigMap{Data: map[string]string{"fingerprints-retained": line}}
	if state, faults := rotation.Decode(object); len(state.Retained) != 1 || len(faults) > 0 {
		t.Errorf("%d are retained, faults %q", len(state.Retained), faults)
	}
}

// T15: the state of a Bundle that its targets outlive has no owner, and changes with that.
func TestOwner(t *testing.T) {
	t.Parallel()
	orphan := spec()
	orphan.Orphan = true
	owned := rotation.Encode("cert-manager", spec(), state(t), nil)
	outliving := rotation.Encode("cert-manager", orphan, state(t), owned)
	if len(owned.OwnerReferences) != 1 || len(outliving.OwnerReferences) != 0 || rotation.Same(owned, outliving) || !rotation.Same(outliving, outliving.DeepCopy()) {
		t.Errorf("owners %v and %v, the same: %t", owned.OwnerReferences, outliving.OwnerReferences, rotation.Same(owned, outliving))
	}
}

// K5: users can read which Bundle the object belongs to and, for each retained certificate,
// its subject, when it left and until when it is trusted.
func TestReadable(t *testing.T) {
	t.Parallel()
	object := rotation.Encode("cert-manager", spec(), state(t), nil)
	old := authority(t, "Old")
	text := object.Data["retained-"+old.SHA256()+".pem"]
	for _, part := range []string{
		`# Subject: "CN=Old"`, "# Left its sources: 2026-07-01T00:00:00Z\n", "# Trusted until: 2026-07-04T00:00:00Z", "-----BEGIN CERTIFICATE-----\n",
	} {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in:\n%s", part, text)
		}
	}
	if object.Labels["trust.cert-manager.io/rotation"] != "roots" || object.OwnerReferences[0].UID != "u" || !strings.Contains(object.Data["README"], "the Bundle roots") {
		t.Errorf("labels %v, owners %v, README %q", object.Labels, object.OwnerReferences, object.Data["README"])
	}
	if _, of := object.Labels["trust.cert-manager.io/bundle"]; of {
		t.Error("it looks like a target")
	}
}

func nameOf(bundleName string) string {
	return rotation.Name(bundle.ID{Kind: bundle.APIBundle, Name: bundleName})
}

// K5: the name is never that of a target, and identifies the Bundle.
func TestName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a", "a.rotation-b", strings.Repeat("n", 63)} {
		object := nameOf(name)
		if len(object) <= 63 || len(object) > 253 {
			t.Errorf("%s has %d characters", object, len(object))
		}
		if got, ok := rotation.BundleOf(object); !ok || got.Name != name || got.Kind != bundle.APIBundle {
			t.Errorf("%s is of %q, %t", object, got, ok)
		}
	}
	for _, other := range []string{"", "roots", "roots.rotation-", nameOf("a") + "0", "b" + nameOf("a")} {
		if _, ok := rotation.BundleOf(other); ok {
			t.Errorf("%q is taken for one", other)
		}
	}
	if !rotation.Is(nameOf("a"), nil) || !rotation.Is("copy", map[string]string{"trust.cert-manager.io/rotation": "a"}) || rotation.Is("roots", nil) {
		t.Error("an object is not known by its name or label")
	}
}

// K5: a damaged entry adds nothing, is reported, and is preserved; the other entries are
// read.
func TestDamaged(t *testing.T) {
	t.Parallel()
	old := authority(t, "Old")
	key := "retained-" + old.SHA256() + ".pem"
	whole := rotation.Encode("cert-manager", spec(), state(t), nil)
	text := whole.Data[key]
	for name, damage := range map[string]struct {
		change func(*corev1.ConfigMap)
		says   string
	}{
		"no certificate": {func(o *corev1.ConfigMap) { o.Data[key] = "nonsense" }, "not exactly one certificate"},
		"a key instead": {func(o *corev1.ConfigMap) {
			o.Data[key] = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
		}, "not retained"},
		"cut off":           {func(o *corev1.ConfigMap) { o.Data[key] = text[:len(text)-40] }, "not retained"},
		"two certificates":  {func(o *corev1.ConfigMap) { o.Data[key] = text + text }, "not exactly one"},
		"another's name":    {func(o *corev1.ConfigMap) { o.Data["retained-00.pem"] = text; delete(o.Data, key) }, "does not match"},
		"no time":           {func(o *corev1.ConfigMap) { o.Data[key] = strings.ReplaceAll(text, "Left", "left") }, "no line"},
		"a time of no form": {func(o *corev1.ConfigMap) { o.Data[key] = strings.ReplaceAll(text, "sources: 2026", "sources: 26") }, "no line"},
	} {
		object := whole.DeepCopy()
		damage.change(object)
		got, faults := rotation.Decode(object)
		if len(faults) != 1 || !strings.Contains(faults[0], damage.says) || !strings.Contains(faults[0], "ConfigMap cert-manager/roots.rotation-") {
			t.Errorf("%s: faults %q", name, faults)
		}
		if len(got.Retained) != 1 || len(got.Present) != 2 {
			t.Errorf("%s: %d retained, %d present", name, len(got.Retained), len(got.Present))
		}
		again := rotation.Encode("cert-manager", spec(), got, object)
		if !maps.Equal(object.Data, again.Data) {
			t.Errorf("%s: it does not stay:\n%s", name, cmp.Diff(object.Data, again.Data))
		}
		if strings.Contains(strings.Join(faults, ""), "MII") {
			t.Errorf("%s: the faults show content: %q", name, faults)
		}
	}
}

// K5: a damaged list of present certificates is reported until a user deletes it, although
// a new list replaces it.
func TestDamagedList(t *testing.T) {
	t.Parallel()
	object := rotation.Encode("cert-manager", spec(), state(t), nil)
	object.BinaryData["present"] = []byte("nonsense")
	got, faults := rotation.Decode(object)
	if len(faults) != 1 || len(got.Present) != 0 || len(got.Retained) != 2 {
		t.Fatalf("faults %q, %d present, %d retained", faults, len(got.Present), len(got.Retained))
	}
	got.Present = []certs.Certificate{authority(t, "A")}
	object = rotation.Encode("cert-manager", spec(), got, object)
	again, faults := rotation.Decode(object)
	if len(faults) != 1 || !strings.Contains(faults[0], `key "unreadable-present"`) || len(again.Present) != 1 {
		t.Errorf("then: faults %q, %d present", faults, len(again.Present))
	}
	delete(object.BinaryData, "unreadable-present")
	if _, faults := rotation.Decode(object); len(faults) > 0 {
		t.Errorf("in the end: %q", faults)
	}
}

// K5: a foreign entry is reported, and preserved.
func TestForeignEntries(t *testing.T) {
	t.Parallel()
	object := rotation.Encode("cert-manager", spec(), state(t), nil)
	object.Data["note"] = "of mine"
	object.Labels["team"] = "x"
	got, faults := rotation.Decode(object)
	if len(faults) != 1 || !strings.Contains(faults[0], `key "note"`) {
		t.Errorf("faults %q", faults)
	}
	got.Retained = nil
	object = rotation.Encode("cert-manager", spec(), got, object)
	if object.Data["note"] != "of mine" || object.Labels["team"] != "x" {
		t.Errorf("%v, %v", object.Data, object.Labels)
	}
	for key := range object.Data {
		if strings.HasPrefix(key, "retained-") {
			t.Errorf("%s is there still", key)
		}
	}
}

// K5: of certificates that do not fit, only fingerprints and times are stored: of the
// largest first, and of those in a source before retained ones. Foreign content is
// preserved.
func TestFingerprintsOnly(t *testing.T) {
	t.Parallel()
	small := authority(t, "Small")
	for name, tc := range map[string]struct {
		present, retained     int
		presentDER, retainedD int
		foreign               int
	}{
		"everything fits":         {6, 6, 7, 7, 0},
		"one too many":            {9, 7, 8, 8, 0},
		"few of the present":      {9, 11, 3, 12, 0},
		"some of the retained":    {9, 30, 0, 12, 0},
		"beside a foreign key":    {6, 6, 0, 4, 700_000},
		"the largest foreign key": {6, 6, 0, 0, 1_040_000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			given := bundle.State{Present: []certs.Certificate{small}, Known: []string{"a"},
				Retained: []bundle.Retained{{Certificate: small, Left: now}}}
			for i := range tc.present {
				given.Present = append(given.Present, parsed(t, ca.New(fmt.Sprint("P", i), ca.Padded(60_000))))
			}
			for i := range tc.retained {
				given.Retained = append(given.Retained, bundle.Retained{Certificate: parsed(t, ca.New(fmt.Sprint("R", i), ca.Padded(60_000))), Left: now})
			}
			slices.SortFunc(given.Retained, func(a, b bundle.Retained) int { return strings.Compare(a.Certificate.SHA256(), b.Certificate.SHA256()) })
			var before *corev1.ConfigMap
			if tc.foreign > 0 {
				before = &corev1.ConfigMap{Data: map[string]string{"foreign": strings.Repeat("x", tc.foreign), "fingerprints-retained": "mine\n"}}
			}
			object := rotation.Encode("cert-manager", spec(), given, before)
			size := 0
			for _, value := range object.Data {
				size += len(value)
			}
			for _, value := range object.BinaryData {
				size += len(value)
			}
			if size > rotation.MaxSize || len(object.Data["foreign"]) != tc.foreign {
				t.Errorf("%d bytes, of which the foreign key has %d", size, len(object.Data["foreign"]))
			}
			got, faults := rotation.Decode(object)
			if wantFaults := 2 * min(1, tc.foreign); len(faults) != wantFaults {
				t.Errorf("faults %q", faults)
			}
			whole := 0
			for i := range got.Present {
				whole += min(1, len(got.Present[i].DER))
			}
			if whole != tc.presentDER || len(got.Present) != len(given.Present) {
				t.Errorf("%d of %d present certificates, want %d", whole, len(got.Present), tc.presentDER)
			}
			whole = 0
			expiry := map[[32]byte]time.Time{}
			for i := range given.Retained {
				expiry[given.Retained[i].Certificate.Fingerprint] = given.Retained[i].Certificate.NotAfter
			}
			for _, one := range got.Retained {
				whole += min(1, len(one.Certificate.DER))
				if !one.Left.Equal(now) || !one.Certificate.NotAfter.Equal(expiry[one.Certificate.Fingerprint]) {
					t.Errorf("read back as %s %s %s", one.Certificate.SHA256(), one.Left, one.Certificate.NotAfter)
				}
			}
			if whole != tc.retainedD || len(got.Retained) != len(given.Retained) {
				t.Errorf("%d of %d retained certificates, want %d", whole, len(got.Retained), tc.retainedD)
			}
			if again := rotation.Encode("cert-manager", spec(), got, object); !rotation.Same(object, again) {
				t.Error("encoded again, it differs")
			}
		})
	}
}

// FuzzDecode verifies for any text and bytes in any key that decoding does not panic, that
// a certificate is retained only if it is complete and its fingerprint matches its key,
// and that a decoded state can be encoded and decoded unchanged.
func FuzzDecode(f *testing.F) {
	object := rotation.Encode("cert-manager", spec(), state(f), nil)
	for key, value := range object.Data {
		f.Add(key, value, []byte("x"))
	}
	f.Add("evicted", "00 2026-01-01T00:00:00Z\n", object.BinaryData["present"])
	f.Add("sources", "\n a\n\n", []byte{0x30, 0x80})
	f.Add("fingerprints-retained", "# x\n"+strings.Repeat("0a", 32)+" 2026-01-01T00:00:00Z 2027-01-01T00:00:00Z\nmine\n", []byte{0x30, 0x80})
	f.Add("fingerprints-present", "", []byte(strings.Repeat("0123456789abcdef", 5)))
	f.Fuzz(func(t *testing.T, key, value string, present []byte) {
		given := &corev1.ConfigMap{Data: map[string]string{key: value}, BinaryData: map[string][]byte{"present": present}}
		got, _ := rotation.Decode(given)
		for _, one := range got.Retained {
			if key == "fingerprints-retained" && len(one.Certificate.DER) == 0 {
				continue
			}
			if _, err := x509.ParseCertificate(one.Certificate.DER); err != nil || key != "retained-"+one.Certificate.SHA256()+".pem" {
				t.Fatalf("under %q it has retained what is %v", key, err)
			}
		}
		given.BinaryData[key] = present // the same bytes under two keys, or a key in both maps
		kept := rotation.Encode("cert-manager", spec(), got, given)
		for key := range kept.BinaryData {
			if _, both := kept.Data[key]; both {
				t.Fatalf("%q is text and bytes", key)
			}
		}
		again, _ := rotation.Decode(kept)
		if before, after := fmt.Sprint(got), fmt.Sprint(again); before != after {
			t.Fatalf("read as %s, then as %s", before, after)
		}
	})
}

// K5: known sources are ignored without the list of their certificates; an empty list is
// valid.
func TestKnownSources(t *testing.T) {
	known := bundle.State{Known: []string{"a", "b"}, Missing: []string{"b"}}
	object := rotation.Encode("cert-manager", spec(), known, nil)
	if got, faults := rotation.Decode(object); !slices.Equal(got.Known, known.Known) || !slices.Equal(got.Missing, known.Missing) || len(faults) > 0 {
		t.Errorf("read %v, %q", got, faults)
	}
	for what, spoil := range map[string]func(){
		"damaged": func() { object.BinaryData["present"] = []byte("damaged") },
		"gone":    func() { delete(object.BinaryData, "present") },
	} {
		spoil()
		if got, _ := rotation.Decode(object); len(got.Known)+len(got.Missing) > 0 {
			t.Errorf("%s: read %v", what, got)
		}
	}
}

// K5: a key in both maps would make every write fail.
func TestKeysOfBothMaps(t *testing.T) {
	state := state(t)
	object := rotation.Encode("cert-manager", spec(), state, nil)
	object.Data["present"] = "text"
	object.BinaryData["README"], object.BinaryData["sources"] = []byte("x"), []byte("y")
	again := rotation.Encode("cert-manager", spec(), state, object)
	for key := range again.BinaryData {
		if _, both := again.Data[key]; both {
			t.Errorf("%q is text and bytes", key)
		}
	}
	if again.Data["unreadable-text-present"] != "text" || string(again.BinaryData["unreadable-bytes-README"]) != "x" {
		t.Errorf("what was there is gone: %v %v", again.Data, again.BinaryData)
	}
}
