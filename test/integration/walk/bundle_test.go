package walk

import (
	"cmp"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apilabels "k8s.io/apimachinery/pkg/labels"

	"trust-manager.io/api/trust/v1alpha1"
)

// bundle is a Bundle that exists.
type bundle struct {
	spec v1alpha1.BundleSpec
	// revision is the last that could be built in this run of the operator, or nil.
	revision *revision
	// problems are the reasons why the present spec cannot be built, if so.
	problems []string
	// memory is what rotation remembers of it, whether the operator runs or not.
	memory memory
}

// revision is what a Bundle asks for. It is never changed.
type revision struct {
	namespaces *v1alpha1.LabelSelector
	// shapes has, by kind, all entries that a target should have.
	shapes       map[string]map[field]value
	certificates int
	// to, numbers and retained are what it was made of: retained are the last of the
	// numbers.
	to                *v1alpha1.BundleTarget
	numbers, retained []int
}

// source names an object in the trust namespace.
type source struct{ kind, name string }

func compareSources(a, b source) int {
	return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.kind, b.kind))
}

// content is what a source object holds.
type content struct {
	labels map[string]string
	texts  map[string]text
	// tls says that it is a Secret of the type kubernetes.io/tls.
	tls bool
}

// text is one value of a source object.
type text struct {
	certificates []int
	// style is how the text is written.
	style  string
	binary bool
}

// The styles of texts.
const (
	plain     = "plain"
	commented = "commented"
	windows   = "CRLF"
	doubled   = "each certificate twice"
	broken    = "broken"
	empty     = "without a certificate"
)

// build makes the revision that a Bundle asks for, if it can be built. Otherwise
// the last one stays whole (S11), but for what must not stay (K3).
func (m *model) build(name string, b *bundle) {
	var all []int
	var lost []string
	known, missing := map[string]bool{}, map[string]bool{}
	b.problems = nil
	for _, one := range b.spec.Sources {
		found, problems := m.read(one)
		if b.forgives(one, problems) {
			if !b.memory.missing[identity(one)] {
				lost = append(lost, problems...)
			}
			found, problems, known[identity(one)], missing[identity(one)] = nil, nil, true, true
		}
		b.problems = append(b.problems, problems...)
		if len(found) > 0 {
			known[identity(one)] = true
		}
		for _, number := range found {
			if !slices.Contains(all, number) { // S2
				all = append(all, number)
			}
		}
	}
	next, tooMany := b.retain(all)
	next.known, next.missing = known, missing
	if tooMany {
		b.problems = append(b.problems, lost...)
	}
	numbers := slices.Concat(next.present, next.retained)
	if len(b.problems) == 0 && len(numbers) == 0 {
		b.problems = []string{v1alpha1.BundleReasonSourceNotFound} // S9
	}
	if len(b.problems) > 0 {
		b.distrust(name)
		return
	}
	b.revision = newRevision(name, b.spec.Target, numbers)
	b.revision.retained = next.retained
	b.memory = memory{}
	if b.rotates() {
		b.memory = next
	}
}

// read gives the certificates of one source, or why it cannot be used.
func (m *model) read(from v1alpha1.BundleSource) (certificates []int, problems []string) {
	switch {
	case from.InLine != nil:
		return numbersIn(*from.InLine), nil
	case from.ConfigMap != nil:
		return m.readObjects(configMap, from.ConfigMap)
	case from.Secret != nil:
		return m.readObjects(secret, from.Secret)
	}
	return m.defaultCAs, nil
}

func (m *model) readObjects(kind string, from *v1alpha1.SourceObject) (certificates []int, problems []string) {
	var contents []*content
	if from.Name != "" {
		contents = append(contents, m.sources[source{kind, from.Name}])
	} else {
		for _, at := range slices.SortedFunc(maps.Keys(m.sources), compareSources) {
			if at.kind == kind && selects(from.Selector, m.sources[at].labels) {
				contents = append(contents, m.sources[at])
			}
		}
	}
	for _, one := range contents {
		found, problem := one.read(from)
		certificates = append(certificates, found...)
		if problem != "" {
			problems = append(problems, problem)
		}
	}
	return certificates, problems
}

// read gives the certificates of the object, which may be missing.
func (c *content) read(from *v1alpha1.SourceObject) (certificates []int, problem string) {
	switch {
	case c == nil && from.Optional:
		return nil, "" // K1
	case c == nil:
		return nil, v1alpha1.BundleReasonSourceNotFound
	case from.IncludeAllKeys && c.tls:
		return nil, v1alpha1.BundleReasonSourceBuildError // S10
	}
	keys := []string{from.Key}
	if from.IncludeAllKeys {
		keys = slices.Sorted(maps.Keys(c.texts))
	}
	for _, key := range keys {
		one, there := c.texts[key]
		switch {
		case !there && from.Optional:
			return nil, "" // K1
		case !there:
			return nil, v1alpha1.BundleReasonSourceNotFound
		case one.style == broken:
			return nil, v1alpha1.BundleReasonSourceBuildError
		case one.style != empty:
			certificates = append(certificates, one.certificates...)
		}
	}
	if len(certificates) == 0 {
		return nil, v1alpha1.BundleReasonSourceBuildError // S8
	}
	return certificates, ""
}

func newRevision(name string, to *v1alpha1.BundleTarget, certificates []int) *revision {
	r := &revision{certificates: len(certificates), shapes: map[string]map[field]value{}, to: to, numbers: certificates}
	if to == nil {
		return r
	}
	r.namespaces = to.NamespaceSelector
	if to.ConfigMap != nil {
		r.shapes[configMap] = newShape(name, to.ConfigMap, to.AdditionalFormats, binaryData, certificates)
	}
	if to.Secret != nil {
		r.shapes[secret] = newShape(name, to.Secret, to.AdditionalFormats, data, certificates)
	}
	return r
}

// newShape gives all that a target holds. Key stores are under binaryData in a
// ConfigMap and under data in a Secret (T2).
func newShape(name string, to *v1alpha1.TargetObject, formats *v1alpha1.AdditionalFormats, stores string, certificates []int) map[field]value {
	shape := map[field]value{
		{data, to.Key}: {text: pemOf(certificates)},
		bundleLabel:    {text: name},
		hash:           {format: digest},
	}
	for key, text := range to.Metadata.Labels {
		shape[field{labels, key}] = value{text: text}
	}
	for key, text := range to.Metadata.Annotations {
		shape[field{annotations, key}] = value{text: text}
	}
	if formats != nil && formats.JKS != nil {
		password := orDefault(formats.JKS.Password, v1alpha1.DefaultJKSPassword)
		shape[field{stores, formats.JKS.Key}] = storeValue(jksStore, password, "", blocks(certificates))
	}
	if formats != nil && formats.PKCS12 != nil {
		password := orDefault(formats.PKCS12.Password, v1alpha1.DefaultPKCS12Password)
		profile := cmp.Or(string(formats.PKCS12.Profile), string(v1alpha1.PKCS12ProfileLegacyRC2))
		shape[field{stores, formats.PKCS12.Key}] = storeValue(p12Store, password, profile, blocks(certificates))
	}
	return shape
}

func orDefault(password *string, otherwise string) string {
	if password == nil {
		return otherwise
	}
	return *password
}

// selects says whether a selector matches labels. An unset one matches all (A11).
func selects(selector *v1alpha1.LabelSelector, has map[string]string) bool {
	if selector == nil {
		return true
	}
	parsed, err := metav1.LabelSelectorAsSelector(selector.ToMetaV1())
	return err == nil && parsed.Matches(apilabels.Set(has))
}
