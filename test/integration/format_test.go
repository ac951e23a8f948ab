package integration

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/poll"
)

const jksKey, pkcs12Key = "bundle.jks", "bundle.p12"

// jks returns a JKS, with the default password unless one is set.
func jks(password ...string) *v1alpha1.JKS {
	asked := &v1alpha1.JKS{Key: jksKey}
	if len(password) > 0 {
		asked.Password = &password[0]
	}
	return asked
}

// p12 returns a PKCS#12 store.
func p12(password string, profile v1alpha1.PKCS12Profile) *v1alpha1.PKCS12 {
	return &v1alpha1.PKCS12{Key: pkcs12Key, Password: &password, Profile: profile}
}

// profiles are those of PKCS#12, including the unset one.
var profiles = []v1alpha1.PKCS12Profile{"", v1alpha1.PKCS12ProfileLegacyRC2, v1alpha1.PKCS12ProfileLegacyDES, v1alpha1.PKCS12ProfileModern2023}

// withSubject sets the subject of a certificate to CN=text, in UTF-8.
func withSubject(text string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		raw, err := asn1.Marshal([]pkix.RelativeDistinguishedNameSET{{
			{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: asn1.RawValue{Tag: asn1.TagUTF8String, Bytes: []byte(text)}},
		}})
		if err != nil {
			panic(err)
		}
		c.RawSubject = raw
	}
}

// oddAuthorities returns CAs with unusual subjects, and their names in key stores
// (T2): the friendly name without its digits.
func oddAuthorities() (list []authority, names map[string]string) {
	names = map[string]string{}
	for subject, name := range map[string]string{
		"Plain Root":  "CN=Plain Root",
		"Żółć Россия": "CN=Żółć Россия",
		"Root 😀":      `CN=Root \f0\9f\98\80`,
		"a\x00b":      `CN=a\00b`,
		`a,b+"c\`:     `CN=a\,b\+\"c\\`,
	} {
		one := newAuthority(subject, withSubject(subject))
		list = append(list, one)
		print := fingerprint(one.DER())
		names[print] = print[:8] + "|" + name
	}
	return list, names
}

// T2, T3, A9, A10: Java and OpenSSL can read the stores in ConfigMaps and Secrets, with
// the documented names: JKS, and PKCS#12 of each profile, with and without a password,
// of certificates with unusual subjects.
func TestStoresAreRead(t *testing.T) {
	t.Parallel()
	operator(t)
	content, names := oddAuthorities()
	lower, upper := map[string]string{}, map[string]string{}
	for print, name := range names {
		lower[strings.ToLower(name)], upper[name] = print, print
	}
	for _, password := range []string{"", "changed"} {
		for _, profile := range profiles {
			t.Run(fmt.Sprintf("profile %q with the password %q", profile, password), func(t *testing.T) {
				t.Parallel()
				s := newScene(t)
				namespace := s.namespaces(1)[0]
				java := jks()
				if password != "" {
					java = jks(password)
				}
				bundle := s.bundle(inLine(content...), formats(java, p12(password, profile)), func(b *v1alpha1.Bundle) {
					b.Spec.Target.Secret = &v1alpha1.TargetObject{Key: "ca.crt"}
				})
				inConfigMap := target{bundle: bundle, namespace: namespace, certificates: content}.await(t)
				inSecret := inSecret(bundle, namespace, content...).await(t)
				for _, store := range storesOf(bundle) {
					file := inSecrets.binary(inSecret, store.key)
					if !bytes.Equal(file, inConfigMaps.binary(inConfigMap, store.key)) {
						t.Errorf("%s is not the same in both kinds", store.key)
					}
					if diff := cmp.Diff(lower, keytoolReads(t, file, store.password)); diff != "" {
						t.Errorf("keytool on %s (-want +got):\n%s", store.key, diff)
					}
				}
				wantReadByOpenSSL(t, inSecrets.binary(inSecret, pkcs12Key), password, profile, upper)
			})
		}
	}
}

// wantReadByOpenSSL compares the certificates that OpenSSL reads. It escapes non-ASCII
// characters in its own way, so only the digits of such names count.
func wantReadByOpenSSL(t *testing.T, file []byte, password string, profile v1alpha1.PKCS12Profile, want map[string]string) {
	t.Helper()
	var options []string
	if password != "" && (profile == "" || profile == v1alpha1.PKCS12ProfileLegacyRC2) {
		options = append(options, "-legacy")
	}
	plain := func(names map[string]string) map[string]string {
		only := map[string]string{}
		for name, print := range names {
			if strings.ContainsFunc(name, func(r rune) bool { return r > '~' }) || strings.Contains(name, "ffffff") || strings.Contains(name, `\`) {
				name, _, _ = strings.Cut(name, "|")
			}
			only[name] = print
		}
		return only
	}
	if diff := cmp.Diff(plain(want), plain(opensslReads(t, file, password, options...))); diff != "" {
		t.Errorf("openssl (-want +got):\n%s", diff)
	}
}

// T3, T3b, T4, T6, T11, A8: each change of a format takes effect, in one write for each
// target: another key, password or profile, an added or removed format.
func TestFormatsChange(t *testing.T) {
	t.Parallel()
	operator(t)
	eachKind(t, func(t *testing.T, k kind) {
		s := newScene(t)
		namespaces := s.namespaces(2)
		ca := newAuthority("CA")
		bundle := s.bundle(inLine(ca), k.ask)
		k.await(t, bundle, namespaces, ca)
		awaitSynced(t, bundle, 2)
		hashed := &v1alpha1.HashedDirectory{}
		for _, step := range []struct {
			name string
			ask  func(*v1alpha1.Bundle)
		}{
			{"both formats", formats(jks(), p12("", ""))},
			{"a password", formats(jks(), p12("a", ""))},
			{"another password", formats(jks(), p12("b", ""))},
			{"another profile", formats(jks(), p12("b", v1alpha1.PKCS12ProfileModern2023))},
			{"another password of the JKS", formats(jks("other"), p12("b", v1alpha1.PKCS12ProfileModern2023))},
			{"another key of the JKS", func(b *v1alpha1.Bundle) { b.Spec.Target.AdditionalFormats.JKS.Key = "trust.jks" }},
			{"keys exchanged", func(b *v1alpha1.Bundle) {
				b.Spec.Target.AdditionalFormats.JKS.Key, b.Spec.Target.AdditionalFormats.PKCS12.Key = pkcs12Key, "trust.jks"
			}},
			{"the text under the key of a store", func(b *v1alpha1.Bundle) {
				k.asked(b).Key, b.Spec.Target.AdditionalFormats.JKS.Key = pkcs12Key, targetKey
			}},
			{"a hashed directory too", func(b *v1alpha1.Bundle) { b.Spec.Target.AdditionalFormats.HashedDirectory = hashed }},
			{"no JKS", func(b *v1alpha1.Bundle) { b.Spec.Target.AdditionalFormats.JKS = nil }},
			{"a hashed directory only", func(b *v1alpha1.Bundle) { b.Spec.Target.AdditionalFormats.PKCS12 = nil }},
			{"no format", func(b *v1alpha1.Bundle) { b.Spec.Target.AdditionalFormats = nil }},
		} {
			before := env.Audit.Mark()
			change(t, bundle, step.ask)
			k.await(t, bundle, namespaces, ca)
			awaitSynced(t, bundle, 2)
			if wrote := requests(t, before, writesOf(bundle)); len(wrote) != 2 {
				t.Errorf("%s took %v, want one write for each of 2 targets", step.name, wrote)
			}
		}
	})
}

// T4: moving an entry from the annotations to the labels is a change.
func TestEntryMovesFromAnnotationToLabel(t *testing.T) {
	t.Parallel()
	operator(t)
	eachKind(t, func(t *testing.T, k kind) {
		s := newScene(t)
		namespaces := s.namespaces(1)
		ca := newAuthority("CA")
		bundle := s.bundle(inLine(ca), k.ask, func(b *v1alpha1.Bundle) {
			k.asked(b).Metadata = v1alpha1.TargetMetadata{Annotations: map[string]string{"k": "v"}}
		})
		k.await(t, bundle, namespaces, ca)
		before := k.read(t, namespaces[0], bundle.Name).Annotations[marksOf(bundle.Name).Hash]
		change(t, bundle, func(b *v1alpha1.Bundle) {
			k.asked(b).Metadata = v1alpha1.TargetMetadata{Labels: map[string]v1alpha1.LabelValue{"k": "v"}}
		})
		k.await(t, bundle, namespaces, ca)
		if k.read(t, namespaces[0], bundle.Name).Annotations[marksOf(bundle.Name).Hash] == before {
			t.Error("the digest is the same")
		}
	})
}

// storeDrifts are changes to the stores of a target that the operator repairs.
var storeDrifts = map[string]func(k kind, o *corev1.ConfigMap){
	"JKS edited":      func(k kind, o *corev1.ConfigMap) { k.setBinary(o, jksKey, []byte("edited")) },
	"JKS emptied":     func(k kind, o *corev1.ConfigMap) { k.setBinary(o, jksKey, []byte{}) },
	"JKS gone":        func(k kind, o *corev1.ConfigMap) { k.setBinary(o, jksKey, nil) },
	"one bit flipped": func(k kind, o *corev1.ConfigMap) { k.setBinary(o, pkcs12Key, flipped(k.binary(o, pkcs12Key))) },
	"PKCS#12 gone":    func(k kind, o *corev1.ConfigMap) { k.setBinary(o, pkcs12Key, nil) },
	"stores exchanged": func(k kind, o *corev1.ConfigMap) {
		one, other := k.binary(o, jksKey), k.binary(o, pkcs12Key)
		k.setBinary(o, jksKey, other)
		k.setBinary(o, pkcs12Key, one)
	},
	"moved to text": func(k kind, o *corev1.ConfigMap) {
		k.setBinary(o, jksKey, nil)
		o.Data[jksKey] = "text"
	},
}

func flipped(file []byte) []byte {
	file = slices.Clone(file)
	file[len(file)/2] ^= 1
	return file
}

// T7, T3: a modified store, down to one bit, is repaired, under any field manager.
func TestStoresAreRepaired(t *testing.T) {
	t.Parallel()
	operator(t)
	eachKind(t, func(t *testing.T, k kind) {
		s := newScene(t)
		ca := newAuthority("CA")
		bundle := s.bundle(inLine(ca), k.ask, formats(jks(), p12("secret", v1alpha1.PKCS12ProfileModern2023)))
		namespace := s.namespaces(1)[0]
		want := target{kind: k, bundle: bundle, namespace: namespace, certificates: []authority{ca}}
		before := want.await(t)
		for name, drift := range storeDrifts {
			for _, manager := range []string{"somebody", "trust-manager"} {
				k.change(t, namespace, bundle.Name, func(o *corev1.ConfigMap) { drift(k, o) }, client.FieldOwner(manager))
				poll.Eventually(t, name+" by "+manager+" to be repaired", func() error {
					now, err := k.get(t.Context(), namespace, bundle.Name)
					if err != nil {
						return err
					}
					return compareContent(before, now)
				})
			}
		}
		if now := want.await(t); now.UID != before.UID {
			t.Error("the object was re-created")
		}
	})
}

// T3, T11: after a restart nothing is written to targets with stores of any
// profile, in either kind: the same input yields the same bytes. T7: only targets
// that were modified while the operator was down are repaired.
func TestRestartWithStores(t *testing.T) {
	s := newScene(t)
	o := startOperator(t, "--secret-targets-enabled")
	namespaces := s.namespaces(2 + len(storeDrifts))
	content, _ := oddAuthorities()
	var bundles []*v1alpha1.Bundle
	for _, profile := range profiles {
		bundles = append(bundles, s.bundle(inLine(content...), formats(jks(), p12("secret", profile)), func(b *v1alpha1.Bundle) {
			b.Spec.Target.Secret = &v1alpha1.TargetObject{Key: "ca.crt"}
		}))
	}
	settled := func() {
		t.Helper()
		for _, bundle := range bundles {
			inConfigMaps.await(t, bundle, namespaces, content...)
			inSecrets.await(t, bundle, namespaces, content...)
			awaitSynced(t, bundle, len(namespaces))
		}
	}
	settled()
	stop(t, o)
	began := env.Audit.Mark()
	o = startOperator(t, "--secret-targets-enabled")
	awaitVerified(t, began, 2*len(bundles)*len(namespaces))
	stays(t, 500*time.Millisecond, "peace", func() error {
		for _, bundle := range bundles {
			if err := noWrites(t, began, bundle); err != nil {
				return err
			}
		}
		return nil
	})
	stop(t, o)

	tampered := map[string]bool{}
	names := slices.Sorted(maps.Keys(storeDrifts))
	for i, name := range names {
		for _, k := range []kind{inConfigMaps, inSecrets} {
			k.change(t, namespaces[i], bundles[0].Name, func(o *corev1.ConfigMap) { storeDrifts[name](k, o) })
			tampered[fmt.Sprint(k, namespaces[i])] = true
		}
	}
	began = env.Audit.Mark()
	startOperator(t, "--secret-targets-enabled")
	settled()
	wrote := requests(t, began, writesOf(bundles[0]))
	if len(wrote) != len(tampered) {
		t.Errorf("it took %v, want one write for each of %d targets", wrote, len(tampered))
	}
}

// T10: the limit applies to all formats together; the message contains the size, the
// limit and the size of each format; targets stay unchanged.
func TestFormatsTooLarge(t *testing.T) {
	t.Parallel()
	operator(t)
	eachKind(t, func(t *testing.T, k kind) {
		s := newScene(t)
		namespaces := s.namespaces(1)
		large := newLargeAuthority("Large", 330_000)
		bundle := s.bundle(from(s.source(large)), k.ask)
		k.await(t, bundle, namespaces, large)
		change(t, bundle, formats(jks(), nil))
		k.await(t, bundle, namespaces, large)
		awaitSynced(t, bundle, 1)
		good, held := bundle.DeepCopy(), k.read(t, namespaces[0], bundle.Name)
		before := env.Audit.Mark()
		change(t, bundle, formats(jks(), p12("secret", "")))
		pem, store := len(pemOf(large)), len(k.binary(held, jksKey))
		awaitCondition(t, bundle, v1alpha1.BundleReasonBundleTooLarge, "1048576",
			fmt.Sprintf("PEM %d, JKS %d, PKCS#12 ", pem, store), k.String(), "1 of 1 target")
		if err := noWrites(t, before, bundle); err != nil {
			t.Error(err)
		}
		k.await(t, good, slices.Concat(namespaces, s.namespaces(1)), large)
		change(t, bundle, formats(nil, p12("secret", "")))
		k.await(t, bundle, namespaces, large)
		awaitSynced(t, bundle, 2)
	})
}

// T10, T7: a bundle that just fits is written and repaired by each kind of
// request, also in base64: created, applied, replaced, patched. T8: if it does not
// fit beside foreign content, only that target fails, and the foreign content stays.
func TestLargestTargetsAreRepaired(t *testing.T) {
	t.Parallel()
	operator(t)
	eachKind(t, func(t *testing.T, k kind) {
		s := newScene(t)
		namespace := s.namespaces(1)[0]
		content := []authority{newLargeAuthority("A", 220_000), newLargeAuthority("B", 220_000)}
		bundle := s.newBundle(from(s.source(content[0]), s.source(content[1])), k.ask, formats(jks(), nil))
		full := configMap(s.namespaces(1)[0], bundle.Name)
		full.Data = map[string]string{"theirs": strings.Repeat("x", 200_000)}
		k.create(t, full)
		s.temporary(bundle)
		want := target{kind: k, bundle: bundle, namespace: namespace, certificates: content}
		if size := len(pemOf(content...)) + 440_000; size < 1_000_000 || size > 1<<20 {
			t.Fatalf("the test's bundle has %d bytes", size)
		}
		want.await(t)
		for _, drift := range []func(*corev1.ConfigMap){
			func(o *corev1.ConfigMap) { k.setBinary(o, jksKey, []byte("edited")) },
			func(o *corev1.ConfigMap) {
				o.ManagedFields = []metav1.ManagedFieldsEntry{{}}
				k.setBinary(o, jksKey, []byte("edited"))
			},
			func(o *corev1.ConfigMap) {
				want.labels = map[string]string{"theirs": "label"}
				o.Labels["theirs"] = "label"
				o.Data = nil
			},
		} {
			k.change(t, namespace, bundle.Name, drift, client.FieldOwner("somebody"))
			want.await(t)
		}
		awaitCondition(t, bundle, k.failed(), "1 of 2 targets failed", full.Namespace, "1048576")
		if now := k.read(t, full.Namespace, bundle.Name); now.ResourceVersion != full.ResourceVersion {
			t.Error("the object of others was written")
		}
	})
}

// A password that a format does not support is reported, and the last good targets stay.
func TestPasswordThatPKCS12CannotHave(t *testing.T) { eachAPIKind(t, testPasswordThatPKCS12CannotHave) }

func testPasswordThatPKCS12CannotHave(t *testing.T, s *scene) {
	namespaces := s.namespaces(1)
	ca := newAuthority("CA")
	bundle := s.bundle(inLine(ca), formats(jks(), p12("plain", "")))
	awaitTargets(t, bundle, namespaces, ca)
	good := bundle.DeepCopy()
	change(t, bundle, formats(jks("😀"), p12("😀", "")))
	awaitCondition(t, bundle, v1alpha1.BundleReasonSourceBuildError, "spec.target.additionalFormats", "PKCS#12", "password")
	awaitTargets(t, good, namespaces, ca)
}
