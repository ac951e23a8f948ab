package walk

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/model"
)

// The keys of sources and of targets. Foreign clients use those of targets too.
const (
	mainKey   = "ca.crt"
	moreKey   = "more.pem"
	binaryKey = "binary.pem"
	jksKey    = "store.jks"
	p12Key    = "store.p12"
)

var pemKeys = []string{"bundle.pem", "trust.pem"}

// Labels of sources, and of namespaces. Targets have none of these: a target in
// the trust namespace would become a source of other Bundles.
const (
	feed = "feed"
	zone = "zone"
	tier = "tier"
)

func (c *chance) spec(m *state) v1alpha1.BundleSpec {
	return v1alpha1.BundleSpec{Sources: c.sourcesOf(m), Target: c.target(), Rotation: c.rotation(), Exclude: c.exclude()}
}

// changedSpec returns a spec that differs in one respect or in all.
func (c *chance) changedSpec(m *state, before v1alpha1.BundleSpec) v1alpha1.BundleSpec {
	after := *before.DeepCopy()
	fresh := c.spec(m)
	if before.Target == nil || fresh.Target == nil {
		return fresh
	}
	switch c.weighted(2, 3, 2, 2, 3, 1, 2, 2, 2) {
	case 0:
		after.Sources = fresh.Sources
	case 1:
		after.Target.ConfigMap, after.Target.Secret = fresh.Target.ConfigMap, fresh.Target.Secret
		after.Target.ClusterTrustBundle, after.Target.AdditionalFormats = fresh.Target.ClusterTrustBundle, fresh.Target.AdditionalFormats
	case 2:
		if after.Target.ConfigMap != nil || after.Target.Secret != nil {
			after.Target.AdditionalFormats = fresh.Target.AdditionalFormats
		}
	case 3:
		after.Target.NamespaceSelector = fresh.Target.NamespaceSelector
	case 4:
		for _, to := range []*v1alpha1.TargetObject{after.Target.ConfigMap, after.Target.Secret} {
			if to != nil {
				to.Metadata = c.metadata()
			}
		}
	case 6:
		after.Rotation = fresh.Rotation
	case 7:
		after.Exclude = fresh.Exclude
	case 8:
		after.Target.Overwrite, after.Target.DeletionPolicy = fresh.Target.Overwrite, fresh.Target.DeletionPolicy
	default:
		return fresh
	}
	return after
}

func (c *chance) sourcesOf(m *state) []v1alpha1.BundleSource {
	var list []v1alpha1.BundleSource
	for range 1 + c.IntN(3) {
		list = append(list, c.source(m))
	}
	if c.percent(25) {
		yes := true
		list = append(list, v1alpha1.BundleSource{UseDefaultCAs: &yes})
	}
	return list
}

func (c *chance) source(m *state) v1alpha1.BundleSource {
	if c.percent(30) {
		text := pemOf(c.numbers())
		return v1alpha1.BundleSource{InLine: &text}
	}
	from := &v1alpha1.SourceObject{Optional: c.percent(20)}
	kind := pick(c, model.ConfigMap, model.ConfigMap, model.Secret)
	if c.percent(60) {
		from.Name = c.sourceName(m, kind)
	} else {
		from.Selector = &v1alpha1.LabelSelector{MatchLabels: map[string]string{feed: pick(c, "a", "b")}}
	}
	if c.percent(60) {
		from.Key = pick(c, mainKey, mainKey, mainKey, moreKey)
		if from.Selector != nil {
			from.Key = mainKey
		}
	} else {
		from.IncludeAllKeys = true
	}
	if kind == model.Secret {
		return v1alpha1.BundleSource{Secret: from}
	}
	return v1alpha1.BundleSource{ConfigMap: from}
}

// sourceName returns a source's name, usually of one that exists.
func (c *chance) sourceName(m *state, kind string) string {
	var all, there []string
	for _, at := range sourceNames {
		if at.Kind != kind {
			continue
		}
		all = append(all, at.Name)
		if m.Sources[at] != nil {
			there = append(there, at.Name)
		}
	}
	if len(there) > 0 && c.percent(90) {
		return pick(c, there...)
	}
	return pick(c, all...)
}

func (c *chance) target() *v1alpha1.BundleTarget {
	if c.percent(4) {
		return nil
	}
	to := &v1alpha1.BundleTarget{NamespaceSelector: c.namespaceSelector(), AdditionalFormats: c.formats(), Overwrite: c.percent(30)}
	if c.percent(30) {
		to.DeletionPolicy = v1alpha1.DeletionPolicyOrphan
	}
	which := c.weighted(4, 2, 3, 1)
	if which == 0 || which == 2 {
		to.ConfigMap = &v1alpha1.TargetObject{Key: pick(c, pemKeys...), Metadata: c.metadata()}
	}
	if which == 1 || which == 2 {
		to.Secret = &v1alpha1.TargetObject{Key: pick(c, pemKeys...), Metadata: c.metadata()}
	}
	if which == 3 {
		to.AdditionalFormats = nil // it has no other format
	}
	if which == 3 || c.percent(40) {
		to.ClusterTrustBundle = &v1alpha1.ClusterTrustBundleTarget{Metadata: c.metadata()}
	}
	return to
}

func (c *chance) metadata() v1alpha1.TargetMetadata {
	metadata := v1alpha1.TargetMetadata{}
	if c.percent(50) {
		metadata.Labels = map[string]string{"team": pick(c, "red", "blue")}
	}
	if c.percent(50) {
		metadata.Annotations = map[string]string{pick(c, "note", "memo"): pick(c, "one", "two")}
	}
	return metadata
}

func (c *chance) formats() *v1alpha1.AdditionalFormats {
	which := c.weighted(4, 2, 2, 2, 2)
	if which == 0 {
		return nil
	}
	formats := &v1alpha1.AdditionalFormats{}
	if which > 2 {
		formats.HashedDirectory = pick(c, nil, &v1alpha1.HashedDirectory{})
	}
	if which == 4 {
		formats.HashedDirectory = &v1alpha1.HashedDirectory{}
		return formats
	}
	if which != 1 {
		formats.JKS = &v1alpha1.JKS{Key: jksKey, Password: pick(c, nil, word("changeit"), word("another"))}
	}
	if which != 2 {
		formats.PKCS12 = &v1alpha1.PKCS12{
			Key:      p12Key,
			Password: pick(c, nil, word(""), word("secret"), word("secret")),
			Profile:  pick(c, "", v1alpha1.PKCS12ProfileLegacyRC2, v1alpha1.PKCS12ProfileLegacyDES, v1alpha1.PKCS12ProfileModern2023),
		}
	}
	return formats
}

func word(text string) *string { return &text }

func (c *chance) namespaceSelector() *v1alpha1.LabelSelector {
	expression := func(key string, operator metav1.LabelSelectorOperator, values ...string) *v1alpha1.LabelSelector {
		return &v1alpha1.LabelSelector{MatchExpressions: []v1alpha1.LabelSelectorRequirement{{Key: key, Operator: operator, Values: values}}}
	}
	return pick(c,
		pick(c, nil, &v1alpha1.LabelSelector{}),
		&v1alpha1.LabelSelector{MatchLabels: map[string]string{zone: "a"}},
		&v1alpha1.LabelSelector{MatchLabels: map[string]string{zone: "b"}},
		expression(zone, metav1.LabelSelectorOpIn, "a", "b"),
		expression(zone, metav1.LabelSelectorOpExists),
		expression(tier, metav1.LabelSelectorOpExists),
		expression(tier, metav1.LabelSelectorOpDoesNotExist),
		expression(zone, metav1.LabelSelectorOpNotIn, "b", "c"),
	)
}

func (c *chance) namespaceLabels() map[string]string {
	has := map[string]string{}
	if where := pick(c, "", "a", "a", "b", "b", "c"); where != "" {
		has[zone] = where
	}
	if c.percent(40) {
		has[tier] = "gold"
	}
	return has
}
