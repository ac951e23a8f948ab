package model

import (
	"cmp"
	"fmt"
	"slices"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/model/keystore"
)

// Bundle is the state of a Bundle that exists.
type Bundle struct {
	Spec v1alpha1.BundleSpec
	// Revision is the last one that could be built in this run of the operator, or nil.
	Revision *Revision
	// Problems are the reasons why the current spec cannot be built, if any.
	Problems []string
	// Memory is what rotation remembers, whether or not the operator runs.
	Memory Memory
}

// Revision is the desired content of all targets of a Bundle. It is never changed.
type Revision struct {
	Bundle string
	// Number is that in a History.
	Number int
	// Sourced are the certificates of the sources: without duplicates and expired ones,
	// before exclusion. Certificates are those of the targets: without the excluded ones,
	// and with the Retained ones at the end.
	Sourced, Certificates, Retained []string
	// Shapes has all entries that targets of a kind should have.
	Shapes map[string]map[Field]Value

	to *v1alpha1.BundleTarget
}

func (r *Revision) String() string { return fmt.Sprintf("revision %d of %s", r.Number, r.Bundle) }

// selects reports whether the revision selects a namespace with these labels.
func (r *Revision) selects(labels map[string]string) bool {
	return r.to != nil && selects(r.to.NamespaceSelector, labels)
}

// pem returns the field of the PEM file in targets of a kind.
func (r *Revision) pem(kind string) Field {
	if r.to == nil {
		return Field{}
	}
	to := r.to.ConfigMap
	switch kind {
	case Secret:
		to = r.to.Secret
	case ClusterTrustBundle:
		return TrustBundle
	}
	if to == nil {
		return Field{}
	}
	return Field{Data, to.Key}
}

// Build builds the revision that a Bundle of a name asks for, if possible. Otherwise the
// last one remains (S11), except for certificates that must not remain (K3).
func (w *World) Build(name string, b *Bundle) {
	b.Problems = nil
	sourced, lost, next := w.gather(b)
	tooMany := b.retain(sourced, &next)
	if tooMany {
		b.Problems = append(b.Problems, lost...)
	}
	r := &Revision{Bundle: name, Sourced: sourced, Retained: next.Retained, to: b.Spec.Target}
	r.shape(slices.Concat(next.present, next.Retained))
	switch {
	case len(b.Problems) > 0:
	case len(r.Certificates) == 0:
		b.Problems = []string{v1alpha1.BundleReasonSourceNotFound} // S9
	case r.isTooLarge():
		b.Problems = []string{v1alpha1.BundleReasonBundleTooLarge} // T10
	}
	if len(b.Problems) > 0 {
		b.distrust()
		return
	}
	b.Revision = r
	b.Memory = Memory{}
	if b.rotates() {
		b.Memory = next
		b.Memory.Outlives = b.Spec.Target.DeletionPolicy == v1alpha1.DeletionPolicyOrphan
	}
}

// gather returns the certificates of all sources, the reasons why sources that rotation
// forgives are missing for the first time, and which sources it knows.
func (w *World) gather(b *Bundle) (sourced, lost []string, next Memory) {
	next.known, next.missing = map[string]bool{}, map[string]bool{}
	for _, from := range b.Spec.Sources {
		found, problems := w.read(from)
		if b.forgives(from, problems) {
			if !b.Memory.missing[identity(from)] {
				lost = append(lost, problems...)
			}
			found, problems, next.known[identity(from)], next.missing[identity(from)] = nil, nil, true, true
		}
		b.Problems = append(b.Problems, problems...)
		if len(found) > 0 {
			next.known[identity(from)] = true
		}
		for _, certificate := range found {
			filtered := !w.ExpiredAt.IsZero() && expired(certificate, w.ExpiredAt) // S12
			if !filtered && !slices.Contains(sourced, certificate) {               // S2
				sourced = append(sourced, certificate)
			}
		}
	}
	return sourced, lost, next
}

// shape sets the certificates and all entries of targets that contain them. Trust stores
// are in binaryData of a ConfigMap and in data of a Secret (T2).
func (r *Revision) shape(certificates []string) {
	r.Certificates, r.Shapes = certificates, map[string]map[Field]Value{}
	if r.to == nil {
		return
	}
	if r.to.ConfigMap != nil {
		r.Shapes[ConfigMap] = r.shapeOf(r.to.ConfigMap, BinaryData)
	}
	if r.to.Secret != nil {
		r.Shapes[Secret] = r.shapeOf(r.to.Secret, Data)
	}
	if to := r.to.ClusterTrustBundle; to != nil {
		r.Shapes[ClusterTrustBundle] = r.marked(map[Field]Value{TrustBundle: {Text: join(r.Certificates)}}, to.Metadata)
	}
}

// marked adds the metadata of a target to its files.
func (r *Revision) marked(shape map[Field]Value, metadata v1alpha1.TargetMetadata) map[Field]Value {
	shape[BundleLabel], shape[Hash] = Value{Text: r.Bundle}, Value{Format: Digest}
	for key, text := range metadata.Labels {
		shape[Field{Labels, key}] = Value{Text: text}
	}
	for key, text := range metadata.Annotations {
		shape[Field{Annotations, key}] = Value{Text: text}
	}
	return shape
}

func (r *Revision) shapeOf(to *v1alpha1.TargetObject, stores string) map[Field]Value {
	shape := r.marked(map[Field]Value{{Data, to.Key}: {Text: join(r.Certificates)}}, to.Metadata)
	formats := r.to.AdditionalFormats
	if formats != nil && formats.JKS != nil {
		password := orDefault(formats.JKS.Password, v1alpha1.DefaultJKSPassword)
		shape[Field{stores, formats.JKS.Key}] = storeValue(keystore.JKS, password, "", r.Certificates)
	}
	if formats != nil && formats.PKCS12 != nil {
		password := orDefault(formats.PKCS12.Password, v1alpha1.DefaultPKCS12Password)
		profile := cmp.Or(string(formats.PKCS12.Profile), string(v1alpha1.PKCS12ProfileLegacyRC2))
		shape[Field{stores, formats.PKCS12.Key}] = storeValue(keystore.PKCS12, password, profile, r.Certificates)
	}
	if formats != nil && formats.HashedDirectory != nil {
		for key, certificate := range HashedDirectory(r.Certificates) {
			shape[Field{Data, key}] = Value{Text: certificate}
		}
	}
	return shape
}

func orDefault(password *string, otherwise string) string {
	if password == nil {
		return otherwise
	}
	return *password
}

// limit is the number of bytes that all values of a target may have.
const limit = 1 << 20

// isTooLarge reports whether a target is larger than the limit even without what a trust
// store has beside its certificates.
func (r *Revision) isTooLarge() bool {
	for _, shape := range r.Shapes {
		size := 0
		for at, value := range shape {
			if at.IsData() {
				size += value.leastSize()
			}
		}
		if size > limit {
			return true
		}
	}
	return false
}
