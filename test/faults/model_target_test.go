package faults

import (
	"bytes"
	"fmt"
	"maps"
	"strings"

	"github.com/pavlo-v-chernykh/keystore-go/v4"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"software.sslmate.com/src/go-pkcs12"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/ca"
)

// The kinds of targets and of sources.
const (
	configMap = "ConfigMap"
	secret    = "Secret"
)

// target is one object that a bundle is to be in.
type target struct{ bundle, kind, namespace string }

func (t target) String() string { return fmt.Sprintf("%s %s/%s", t.kind, t.namespace, t.bundle) }

// What the tests, in the place of others, put into targets. The mark is new with each
// of their writes, so that an event shows whose it is, and who loses it has lost
// something of others.
const (
	theirs      = "faults.example/"
	markKey     = theirs + "mark"
	noteKey     = theirs + "note"
	theirsData  = "theirs.txt"
	theirsInBin = "theirs.bin"
)

// seen is a target as the API server showed it.
type seen struct {
	uid, resourceVersion string
	immutable            bool
	data                 map[string]string
	labels, annotations  map[string]string
	// controller is the name of the controller among the owners, or empty.
	controller string
}

// look reads a ConfigMap or Secret. Of anything else it gives nil.
func look(of any) (target, *seen) {
	one := &seen{data: map[string]string{}}
	var meta metav1.ObjectMeta
	kind := configMap
	switch object := of.(type) {
	case *corev1.ConfigMap:
		meta, one.immutable = object.ObjectMeta, object.Immutable != nil && *object.Immutable
		maps.Copy(one.data, object.Data)
		for key, value := range object.BinaryData {
			one.data[key] = string(value)
		}
	case *corev1.Secret:
		kind, meta = secret, object.ObjectMeta
		for key, value := range object.Data {
			one.data[key] = string(value)
		}
	default:
		return target{}, nil
	}
	one.uid, one.resourceVersion = string(meta.UID), meta.ResourceVersion
	one.labels, one.annotations = meta.Labels, meta.Annotations
	if owner := metav1.GetControllerOfNoCopy(&meta); owner != nil {
		one.controller = owner.Name
	}
	return target{meta.Name, kind, meta.Namespace}, one
}

// mark tells the tests' last write of the object.
func (s *seen) mark() string {
	if s == nil {
		return ""
	}
	return s.annotations[markKey]
}

// foreign gives what others have in the object.
func (s *seen) foreign() map[string]string {
	all := map[string]string{}
	if s == nil {
		return all
	}
	for key, value := range s.data {
		if key == theirsData || key == theirsInBin {
			all["data "+key] = value
		}
	}
	for section, entries := range map[string]map[string]string{"label ": s.labels, "annotation ": s.annotations} {
		for key, value := range entries {
			if strings.HasPrefix(key, theirs) {
				all[section+key] = value
			}
		}
	}
	return all
}

// The keys of targets, and what key stores are opened with.
const (
	pemKey, jksKey, p12Key   = "ca.crt", "ca.jks", "ca.p12"
	jksPassword, p12Password = "changeit", "faults"
)

// revisionOf gives the revision that a target holds, nil if it has nothing of the
// operator's. It is an error where that is not exactly one, in all its keys.
func (g *registry) revisionOf(s *seen, stores bool) (*revision, error) {
	text, ok := s.data[pemKey]
	_, hasJKS := s.data[jksKey]
	_, hasP12 := s.data[p12Key]
	if !ok && !hasJKS && !hasP12 {
		return nil, nil
	}
	of := g.ofText(text)
	if of == nil {
		return nil, fmt.Errorf("%s is no revision that there ever was: %s", pemKey, g.explain(text))
	}
	if !stores {
		return of, nil
	}
	for key, decode := range map[string]func([]byte) ([]string, error){jksKey: decodeJKS, p12Key: decodePKCS12} {
		other, err := g.ofStore([]byte(s.data[key]), decode)
		switch {
		case err != nil:
			return nil, fmt.Errorf("%s of %d bytes, beside %s: %w", key, len(s.data[key]), of, err)
		case other != of:
			return nil, fmt.Errorf("it is mixed: %s has %s, %s has %s", pemKey, of, key, other)
		}
	}
	return of, nil
}

// marked says what is wrong with the operator's own marks on a target that is in
// order otherwise (T4).
func (s *seen) marked(at target) error {
	_, text := s.data[theirsData]
	_, binary := s.data[theirsInBin]
	shared := s.annotations[v1alpha1.SharedAnnotationKey] == "true"
	switch {
	case s.labels[v1alpha1.BundleLabelKey] != at.bundle:
		return fmt.Errorf("the label of the bundle is %q", s.labels[v1alpha1.BundleLabelKey])
	case s.annotations[v1alpha1.BundleHashAnnotationKey] == "":
		return fmt.Errorf("the digest is missing")
	case shared != (text || binary):
		return fmt.Errorf("others have data in it: %t; it is marked as shared: %t", text || binary, shared)
	case shared == (s.controller == at.bundle):
		return fmt.Errorf("it is marked as shared: %t; its controller is %q", shared, s.controller)
	}
	return nil
}

func decodeJKS(file []byte) (certificates []string, err error) {
	store := keystore.New(keystore.WithCaseExactAliases())
	if err := store.Load(bytes.NewReader(file), []byte(jksPassword)); err != nil {
		return nil, err
	}
	for _, alias := range store.Aliases() {
		one, err := store.GetTrustedCertificateEntry(alias)
		if err != nil {
			return nil, fmt.Errorf("entry %q: %w", alias, err)
		}
		certificates = append(certificates, ca.PEM(one.Certificate.Content))
	}
	return certificates, nil
}

func decodePKCS12(file []byte) (certificates []string, err error) {
	found, err := pkcs12.DecodeTrustStore(file, p12Password)
	if err != nil {
		return nil, err
	}
	for _, one := range found {
		certificates = append(certificates, ca.PEM(one.Raw))
	}
	return certificates, nil
}
