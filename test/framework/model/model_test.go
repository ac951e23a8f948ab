package model

import (
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/ca"
)

// The Bundle of the tests reads one ConfigMap and selects one namespace.
var (
	a, b = ca.New("a").Certificate, ca.New("b").Certificate
	feed = Source{Kind: ConfigMap, Name: "feed"}
	at   = Target{Bundle: "bundle", Kind: ConfigMap, Namespace: "selected"}
	file = Field{Section: Data, Key: "ca.crt"}
)

func put(w *World, text string) {
	w.Sources[feed] = &Content{Texts: map[string]string{"ca.crt": text}}
}

func setUp(w *World) {
	w.Namespaces = map[string]map[string]string{at.Namespace: {"selected": "true"}, "other": {}}
	put(w, a+b)
	w.Bundles[at.Bundle] = &Bundle{Spec: v1alpha1.BundleSpec{
		Sources: []v1alpha1.BundleSource{{ConfigMap: &v1alpha1.SourceObject{Name: feed.Name, Key: "ca.crt"}}},
		Target: &v1alpha1.BundleTarget{
			ConfigMap:         &v1alpha1.TargetObject{Key: file.Key},
			NamespaceSelector: &v1alpha1.LabelSelector{MatchLabels: map[string]v1alpha1.LabelValue{"selected": "true"}},
		},
	}}
}

// Each change of a world in sync leads to a reason, and to one target with some
// certificates or to no target.
func TestSettle(t *testing.T) {
	t.Parallel()
	const (
		synced, missing, invalid = v1alpha1.BundleReasonSynced, v1alpha1.BundleReasonSourceNotFound, v1alpha1.BundleReasonSourceBuildError
		tooLarge, failed         = v1alpha1.BundleReasonBundleTooLarge, v1alpha1.BundleReasonSyncConfigMapTargetFailed
	)
	spec := func(w *World) *v1alpha1.BundleSpec { return &w.Bundles[at.Bundle].Spec }
	exclude := func(w *World) { spec(w).Exclude = []v1alpha1.Exclusion{{SHA256: Fingerprint(a)}} }
	for name, tc := range map[string]struct {
		change       func(*World)
		reason, want string
	}{
		"nothing":                {func(*World) {}, synced, a + b},
		"another order":          {func(w *World) { put(w, b+a+b) }, synced, b + a},
		"comments and CRLF":      {func(w *World) { put(w, "# a\r\n"+strings.ReplaceAll(a, "\n", "\r\n")) }, synced, a},
		"no source":              {func(w *World) { clear(w.Sources) }, missing, a + b},
		"no key":                 {func(w *World) { clear(w.Sources[feed].Texts) }, missing, a + b},
		"optional":               {func(w *World) { clear(w.Sources); spec(w).Sources[0].ConfigMap.Optional = true }, missing, a + b},
		"damaged":                {func(w *World) { put(w, a+b[:len(b)-40]) }, invalid, a + b},
		"without a certificate":  {func(w *World) { put(w, "# nothing\n") }, invalid, a + b},
		"private key":            {func(w *World) { put(w, a+ca.New("key").Key) }, invalid, a + b},
		"too large":              {func(w *World) { put(w, ca.New("large", ca.Padded(1<<20)).Certificate) }, tooLarge, a + b},
		"expired":                {func(w *World) { w.ExpiredAt = time.Now().AddDate(10, 0, 0) }, missing, a + b},
		"excluded":               {exclude, synced, b},
		"excluded while invalid": {func(w *World) { exclude(w); put(w, "") }, invalid, b},
		"left":                   {func(w *World) { put(w, b) }, synced, b},
		"refused":                {func(w *World) { w.Refused[at] = true }, failed, a + b},
		"deselected":             {func(w *World) { clear(w.Namespaces[at.Namespace]) }, synced, ""},
		"left and retained": {func(w *World) {
			spec(w).Rotation = &v1alpha1.BundleRotation{Retain: metav1.Duration{Duration: time.Hour}}
			w.Settle()
			put(w, b)
		}, synced, b + a},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := NewWorld()
			setUp(w)
			w.Settle()
			tc.change(w)
			w.Settle()
			if reasons := w.Reasons(at.Bundle); !slices.Contains(reasons, tc.reason) {
				t.Errorf("Reasons() = %s, want %s", reasons, tc.reason)
			}
			got := ""
			for target, o := range w.Objects {
				if got += o.Entries[file].Value.Text; target != at {
					t.Errorf("%s exists", target)
				}
			}
			if got != tc.want {
				t.Errorf("the target has %d bytes, want %d", len(got), len(tc.want))
			}
		})
	}
}

// observed returns a target with a text and the operator's marks, changed.
func observed(text string, changes ...func(*Observed)) *Observed {
	o := &Observed{Owner: FullOwner, Entries: map[Field]string{file: text, BundleLabel: at.Bundle, Hash: strings.Repeat("a", 64)}}
	for _, change := range changes {
		change(o)
	}
	return o
}

// A target is compared whole: its files, the marks and the owner reference (T4, T6).
func TestCompare(t *testing.T) {
	t.Parallel()
	set := func(at Field, text string) func(*Observed) { return func(o *Observed) { o.Entries[at] = text } }
	drop := func(at Field) func(*Observed) { return func(o *Observed) { delete(o.Entries, at) } }
	disown := func(o *Observed) { o.Owner = Owner{} }
	foreign, note, shared := set(Field{Data, "theirs"}, ""), set(Field{Annotations, "theirs"}, ""), set(SharedMark, "true")
	other := Target{at.Bundle, at.Kind, "other"}
	for name, tc := range map[string]struct {
		at Target
		is *Observed
		ok bool
	}{
		"owned":                {at, observed(a + b), true},
		"owned, with a note":   {at, observed(a+b, note), true},
		"shared":               {at, observed(a+b, foreign, shared, disown), true},
		"missing":              {at, nil, false},
		"another text":         {at, observed(a), false},
		"no label":             {at, observed(a+b, drop(BundleLabel)), false},
		"no digest":            {at, observed(a+b, drop(Hash)), false},
		"no owner":             {at, observed(a+b, disown), false},
		"shared for nothing":   {at, observed(a+b, shared, disown), false},
		"owned with others":    {at, observed(a+b, foreign), false},
		"owned, and as shared": {at, observed(a+b, foreign, shared), false},
		"not selected":         {other, nil, true},
		"not released":         {other, observed(a + b), false},
		"released":             {other, &Observed{Entries: map[Field]string{{Data, "theirs"}: ""}}, true},
		"not deleted":          {other, &Observed{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := NewHistory()
			h.Update(time.Now(), setUp)(time.Now())
			if err := h.Compare(tc.at, tc.is, time.Now()); (err == nil) != tc.ok {
				t.Errorf("Compare() = %v, want none: %t", err, tc.ok)
			}
		})
	}
}

// A retained certificate that was never excluded is missed as soon as no older write can
// be in flight, and any other when the operator must know of the exclusion's end.
func TestWritesInFlight(t *testing.T) {
	t.Parallel()
	const lag = time.Minute
	for name, tc := range map[string]struct {
		excluded bool
		ago      time.Duration
		ok       bool
	}{
		"never excluded, just now":    {false, 2 * time.Second, true},
		"never excluded, a while ago": {false, 10 * time.Second, false},
		"excluded once, a while ago":  {true, 10 * time.Second, true},
		"excluded once, long ago":     {true, 2 * lag, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, now := NewHistory(), time.Now()
			happens := func(ago time.Duration, change func(*World)) { h.Update(now.Add(-ago), change)(now.Add(-ago)) }
			happens(8*lag, func(w *World) {
				setUp(w)
				w.Bundles[at.Bundle].Spec.Rotation = &v1alpha1.BundleRotation{}
				if tc.excluded {
					w.Bundles[at.Bundle].Spec.Exclude = []v1alpha1.Exclusion{{SHA256: Fingerprint(b)}}
				}
			})
			happens(6*lag, func(w *World) { w.Bundles[at.Bundle].Spec.Exclude = nil })
			if err := h.CheckWrite(at, observed(a+b), now.Add(-tc.ago-lag), now.Add(-tc.ago)); err != nil {
				t.Fatal(err)
			}
			happens(tc.ago, func(w *World) { put(w, a) })
			err := h.CheckWrite(at, observed(a), now.Add(-lag), now)
			if (err == nil) != tc.ok {
				t.Errorf("CheckWrite() = %v, want none: %t", err, tc.ok)
			}
		})
	}
}
