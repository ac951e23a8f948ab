package integration

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/leak"
	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/rig"
)

// hidings are the ways to place a key in the text of a source, beside a valid
// certificate. An invalid text yields no bundle; text between blocks is a comment, and
// left out.
var hidings = map[string]struct {
	text  func(key leak.Key, good string) string
	valid bool
}{
	"alone":                {func(key leak.Key, _ string) string { return key.PEM }, false},
	"before a certificate": {func(key leak.Key, good string) string { return key.PEM + good }, false},
	"after a certificate":  {func(key leak.Key, good string) string { return good + key.PEM }, false},
	"as a certificate":     {func(key leak.Key, good string) string { return good + asCertificate(key.Base64()) }, false},
	"behind its DER": {func(key leak.Key, good string) string {
		return strings.Replace(good, "-----END", key.Base64()+"-----END", 1)
	}, false},
	"in headers": {func(key leak.Key, good string) string {
		return strings.Replace(good, "\n", "\nKey: "+oneLine(key)+"\n\n", 1)
	}, false},
	"in base64 alone": {func(key leak.Key, _ string) string { return key.Base64() }, false},
	"behind NUL":      {func(key leak.Key, good string) string { return good + "\x00" + key.PEM }, false},
	"with CRLF":       {func(key leak.Key, good string) string { return strings.ReplaceAll(good+key.PEM, "\n", "\r\n") }, false},
	"with CR in a comment": {func(key leak.Key, good string) string {
		return good + "# " + strings.ReplaceAll(key.PEM, "\n", "\r") + "\n"
	}, false},
	"in a large text": {func(key leak.Key, good string) string {
		return good + strings.Repeat("# comment\n", 50_000) + key.PEM
	}, false},
	"cut off": {func(key leak.Key, good string) string { return good + key.PEM[:len(key.PEM)-40] }, false},
	"in a comment": {func(key leak.Key, good string) string {
		return "# " + strings.ReplaceAll(key.PEM, "\n", "\n# ") + "\n" + good
	}, true},
	"in base64 between blocks": {func(key leak.Key, good string) string { return good + key.Base64() + oneLine(key) + "\n" }, true},
}

func asCertificate(body string) string {
	return "-----BEGIN CERTIFICATE-----\n" + body + "-----END CERTIFICATE-----\n"
}

func oneLine(key leak.Key) string { return strings.ReplaceAll(key.Base64(), "\n", "") }

// carriers are the kinds of sources that can contain a text.
var carriers = []func(s *scene, text string) v1alpha1.BundleSource{
	func(s *scene, text string) v1alpha1.BundleSource { return from(s.sourceOf(text))[0] },
	func(s *scene, text string) v1alpha1.BundleSource {
		object := configMap(rig.TrustNamespace, s.unique())
		object.BinaryData = map[string][]byte{sourceKey: []byte(text)}
		s.temporary(object)
		return from(object)[0]
	},
	func(s *scene, text string) v1alpha1.BundleSource { return from(s.secretOf("", text))[0] },
	func(s *scene, text string) v1alpha1.BundleSource {
		secret := s.secretOf("", text)
		return v1alpha1.BundleSource{Secret: &v1alpha1.SourceObject{Name: secret.Name, IncludeAllKeys: true}}
	},
	func(s *scene, text string) v1alpha1.BundleSource {
		secret := s.secretOf(corev1.SecretTypeTLS, text)
		return v1alpha1.BundleSource{Secret: &v1alpha1.SourceObject{Name: secret.Name, Key: corev1.TLSPrivateKeyKey}}
	},
	func(_ *scene, text string) v1alpha1.BundleSource { return v1alpha1.BundleSource{InLine: &text} },
}

// secretOf creates a Secret in the trust namespace with a text, under tls.key if the
// type is kubernetes.io/tls. The metadata contains the text as well.
func (s *scene) secretOf(kind corev1.SecretType, text string) *corev1.Secret {
	s.t.Helper()
	secret := &corev1.Secret{Type: kind, Data: map[string][]byte{sourceKey: []byte(text)}}
	if kind == corev1.SecretTypeTLS {
		secret.Data = map[string][]byte{corev1.TLSCertKey: []byte("x"), corev1.TLSPrivateKeyKey: []byte(text)}
	}
	secret.Namespace, secret.Name = rig.TrustNamespace, s.unique()
	if len(text) < 10_000 {
		secret.Annotations = map[string]string{"note": text}
	}
	s.temporary(secret)
	return secret
}

// hide creates a Bundle for each key and each way to hide it, with alternating kinds of
// sources, and waits until the operator has reported a status. It appends the API
// server's responses to answers.
func (s *scene) hide(keys []leak.Key, good authority, answers *strings.Builder) []*v1alpha1.Bundle {
	s.t.Helper()
	user := newWarningsClient(s.t)
	var bundles []*v1alpha1.Bundle
	wanted := map[string]string{}
	add := func(source v1alpha1.BundleSource, valid bool) {
		bundle := s.newBundle([]v1alpha1.BundleSource{source}, bothFormats, retaining(time.Hour))
		s.apply(user, bundle, answers)
		bundles, wanted[bundle.Name] = append(bundles, bundle), v1alpha1.BundleReasonSourceBuildError
		if valid {
			wanted[bundle.Name] = v1alpha1.BundleReasonSynced
		}
		never := bundle.DeepCopy()
		never.ResourceVersion, never.Name, never.Spec.Target.ConfigMap.Key = "", s.unique(), "a/b"
		fmt.Fprintln(answers, user.Create(s.t.Context(), never, client.DryRunAll), user.take())
	}
	turn := 0
	for _, key := range keys {
		for _, way := range slices.Sorted(maps.Keys(hidings)) {
			add(carriers[turn%len(carriers)](s, hidings[way].text(key, good.Certificate)), hidings[way].valid)
			turn++
		}
		secret := s.secretOf(corev1.SecretTypeTLS, key.PEM)
		add(v1alpha1.BundleSource{Secret: &v1alpha1.SourceObject{Name: secret.Name, IncludeAllKeys: true}}, false)
		turn++ // so that the kind of source alternates for each key and way
	}
	for _, bundle := range bundles {
		poll.Eventually(s.t, "word about "+bundle.Name, func() error { return says(s.t, bundle, wanted[bundle.Name]) })
	}
	return bundles
}

// apply creates a Bundle, deletes it when the test ends, and records all responses.
func (s *scene) apply(user *warningsClient, bundle *v1alpha1.Bundle, answers *strings.Builder) {
	s.t.Helper()
	if err := user.Create(s.t.Context(), bundle); err != nil {
		s.t.Fatal(err)
	}
	cleanUp(s.t, bundle)
	fmt.Fprintln(answers, user.take())
}

func bothFormats(b *v1alpha1.Bundle) {
	b.Spec.Target.AdditionalFormats = &v1alpha1.AdditionalFormats{JKS: &v1alpha1.JKS{Key: "a.jks"}, PKCS12: &v1alpha1.PKCS12{Key: "a.p12"}}
	inSecrets.askToo(b)
}
