package integration

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/kinds"
	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/rig"
)

// sourceLabel holds the name of the scene whose selectors match an object.
const sourceLabel = "integration/source"

// selecting returns sources that read a key of the objects of a scene, or all keys
// if it is empty.
func (s *scene) selecting(key string) (configMaps, secrets v1alpha1.BundleSource) {
	read := func() *v1alpha1.SourceObject {
		return &v1alpha1.SourceObject{
			Selector: &v1alpha1.LabelSelector{MatchLabels: map[string]v1alpha1.LabelValue{sourceLabel: s.name}},
			Key:      key, IncludeAllKeys: key == "",
		}
	}
	return v1alpha1.BundleSource{ConfigMap: read()}, v1alpha1.BundleSource{Secret: read()}
}

// selected makes an object a source of the scene's selectors.
func (s *scene) selected(object client.Object) {
	s.t.Helper()
	change(s.t, object, func(o client.Object) { o.SetLabels(map[string]string{sourceLabel: s.name}) })
}

// S1, S4: selected objects are ordered by name, not by creation; each contributes one
// key, or all keys by name, of data and binaryData.
func TestSelectedSourcesInOrder(t *testing.T) { eachAPIKind(t, testSelectedSourcesInOrder) }

func testSelectedSourcesInOrder(t *testing.T, s *scene) {
	namespaces := s.namespaces(1)
	a, b, c, d, e := newAuthority("A"), newAuthority("B"), newAuthority("C"), newAuthority("D"), newAuthority("E")
	first, second, third := s.source(a), s.source(b), s.source(c)
	for _, object := range []*corev1.ConfigMap{third, first, second} {
		s.selected(object)
	}
	change(t, second, func(o *corev1.ConfigMap) {
		o.BinaryData = map[string][]byte{"0-binary": []byte(pemOf(d)), "z-binary": []byte(pemOf(e))}
	})
	ofKey, secrets := s.selecting(sourceKey)
	ofAll, _ := s.selecting("")
	byKey := s.bundle([]v1alpha1.BundleSource{ofKey})
	byAll := s.bundle([]v1alpha1.BundleSource{ofAll})
	awaitTargets(t, byKey, namespaces, a, b, c)
	awaitTargets(t, byAll, namespaces, a, d, b, e, c)

	secret := s.secret(e, d)
	s.selected(secret)
	both := s.bundle([]v1alpha1.BundleSource{secrets, ofKey})
	awaitTargets(t, both, namespaces, e, d, a, b, c)
	named := s.bundle([]v1alpha1.BundleSource{{ConfigMap: &v1alpha1.SourceObject{Name: second.Name, IncludeAllKeys: true}}})
	awaitTargets(t, named, namespaces, d, b, e)
}

// S7: a selector that matches nothing is valid beside another source; alone it yields
// an empty bundle (S9). The message names a selected object that lacks the key.
func TestSelectorMatchesNothing(t *testing.T) { eachAPIKind(t, testSelectorMatchesNothing) }

func testSelectorMatchesNothing(t *testing.T, s *scene) {
	namespaces := s.namespaces(1)
	ca, next := newAuthority("CA"), newAuthority("Next")
	configMaps, secrets := s.selecting("other")
	bundle := s.bundle(slices.Concat([]v1alpha1.BundleSource{configMaps, secrets}, inLine(ca)))
	alone := s.bundle([]v1alpha1.BundleSource{configMaps})
	awaitTargets(t, bundle, namespaces, ca)
	awaitSynced(t, bundle, 1)
	awaitCondition(t, alone, v1alpha1.BundleReasonSourceNotFound, "contain no certificates")

	source := s.source(next)
	s.selected(source)
	origin := "ConfigMap " + rig.TrustNamespace + "/" + source.Name
	awaitCondition(t, bundle, v1alpha1.BundleReasonSourceNotFound, origin, `key "other"`, "spec.sources[0].configMap", "1 of 1 target")
	awaitCondition(t, alone, v1alpha1.BundleReasonSourceNotFound, origin)
	awaitTargets(t, bundle, namespaces, ca)
	if err := absent(t, alone, namespaces[0]); err != nil {
		t.Error(err)
	}
	change(t, source, func(o *corev1.ConfigMap) { o.Data = map[string]string{"other": pemOf(next)} })
	awaitTargets(t, bundle, namespaces, next, ca)
	awaitTargets(t, alone, namespaces, next)
}

// S13: changes of selected objects take effect at once: an object of either kind is
// created, gains the label, changes, loses the label, or is deleted.
func TestSelectedSourcesComeAndGo(t *testing.T) { eachAPIKind(t, testSelectedSourcesComeAndGo) }

func testSelectedSourcesComeAndGo(t *testing.T, s *scene) {
	namespaces := s.namespaces(2)
	ca, a, b, c := newAuthority("CA"), newAuthority("A"), newAuthority("B"), newAuthority("C")
	configMaps, secrets := s.selecting(sourceKey)
	bundle := s.bundle(slices.Concat([]v1alpha1.BundleSource{configMaps, secrets}, inLine(ca)))
	awaitTargets(t, bundle, namespaces, ca)

	configMap, secret := s.source(a), s.secret(b)
	s.selected(configMap)
	awaitTargets(t, bundle, namespaces, a, ca)
	s.selected(secret)
	awaitTargets(t, bundle, namespaces, a, b, ca)
	fill(t, configMap, c)
	awaitTargets(t, bundle, namespaces, c, b, ca)
	change(t, secret, func(o *corev1.Secret) { o.Labels = nil })
	awaitTargets(t, bundle, namespaces, c, ca)
	change(t, secret, func(o *corev1.Secret) { o.Data[sourceKey] = []byte(pemOf(a)) })
	s.selected(secret)
	awaitTargets(t, bundle, namespaces, c, a, ca)
	remove(t, configMap.DeepCopy())
	awaitTargets(t, bundle, namespaces, a, ca)
	remove(t, secret.DeepCopy())
	awaitTargets(t, bundle, namespaces, ca)

	made := s.source(b)
	made.ResourceVersion, made.Labels = "", map[string]string{sourceLabel: s.name}
	remove(t, made.DeepCopy())
	create(t, made)
	awaitTargets(t, bundle, namespaces, b, ca)
	awaitSynced(t, bundle, 2)
}

// V7: a selector never reads its own Bundle's target in the trust namespace, even if it
// matches: by a label of the target, or because it selects all objects. There is no
// loop, and nothing grows. No other test uses the trust namespace at the same time.
func TestSelectorLeavesOwnTargetOut(t *testing.T) {
	operator(t)
	for _, k := range []kind{inConfigMaps, inSecrets} {
		t.Run(k.String(), func(t *testing.T) {
			s := newScene(t)
			old, next := newAuthority("Old"), newAuthority("Next")
			source := configMap(rig.TrustNamespace, s.unique())
			source.Labels, source.Data = map[string]string{sourceLabel: s.name}, map[string]string{sourceKey: pemOf(old)}
			k.create(t, source)
			t.Cleanup(func() { _ = api.Delete(context.Background(), k.object(source)) })
			others := s.inTrustNamespace(k, source.Name)
			bundle := s.bundle([]v1alpha1.BundleSource{s.selectingOf(k), everythingOf(k)}, k.ask, func(b *v1alpha1.Bundle) {
				k.asked(b).Key = sourceKey
				k.asked(b).Metadata.Labels = map[string]v1alpha1.LabelValue{sourceLabel: s.name}
				b.Spec.Target.NamespaceSelector.MatchLabels = map[string]v1alpha1.LabelValue{corev1.LabelMetadataName: rig.TrustNamespace}
			})
			here := []string{rig.TrustNamespace}
			k.await(t, bundle, here, append([]authority{old}, others...)...)
			k.change(t, rig.TrustNamespace, source.Name, func(o *corev1.ConfigMap) { o.Data[sourceKey] = pemOf(next) })
			k.await(t, bundle, here, append([]authority{next}, others...)...)
			awaitSynced(t, bundle, 1)
			calm := env.Audit.Mark()
			stays(t, 400*time.Millisecond, "that nothing is written any more", func() error { return noWrites(t, calm, bundle) })
			k.await(t, bundle, here, append([]authority{next}, others...)...)

			// After its kind is removed from the spec, an object stays a target until it is gone.
			change(t, bundle, func(b *v1alpha1.Bundle) { b.Spec.Target = nil })
			poll.Eventually(t, "the target to go", func() error { return k.absent(t, bundle, rig.TrustNamespace) })
			condition := awaitCondition(t, bundle, v1alpha1.BundleReasonSynced, " 0 namespaces")
			if want := fmt.Sprintf("%d certificate", 1+len(others)); !strings.Contains(condition.Message, want) {
				t.Errorf("the status says %q, want %q", condition.Message, want)
			}
		})
	}
}

// selectingOf returns the source of a kind that reads sourceKey of the scene's
// objects.
func (s *scene) selectingOf(k kind) v1alpha1.BundleSource {
	configMaps, secrets := s.selecting(sourceKey)
	if k == inSecrets {
		return secrets
	}
	return configMaps
}

// everythingOf returns the source of a kind that reads sourceKey of all objects.
func everythingOf(k kind) v1alpha1.BundleSource {
	read := &v1alpha1.SourceObject{Selector: &v1alpha1.LabelSelector{}, Key: sourceKey}
	if k == inSecrets {
		return v1alpha1.BundleSource{Secret: read}
	}
	return v1alpha1.BundleSource{ConfigMap: read}
}

// inTrustNamespace returns the CAs under sourceKey of the objects of a kind that already
// exist in the trust namespace, such as Kubernetes' own ConfigMap, except one. It waits
// until the objects of earlier tests are garbage-collected.
func (s *scene) inTrustNamespace(k kind, except string) (held []authority) {
	s.t.Helper()
	if k != inConfigMaps {
		return nil
	}
	poll.Eventually(s.t, "the trust namespace to hold nothing of earlier tests", func() error {
		var list corev1.ConfigMapList
		if err := api.List(s.t.Context(), &list, client.InNamespace(rig.TrustNamespace)); err != nil {
			return err
		}
		held = nil
		for i := range list.Items {
			object := &list.Items[i]
			switch names := commonNames(object.Data[sourceKey]); {
			case object.Name == except:
			case object.Name != kubernetesOwn || len(names) == 0:
				return fmt.Errorf("there is %s", object.Name)
			default:
				held = append(held, authorityOf(names[0], object.Data[sourceKey]))
			}
		}
		if len(held) == 0 {
			return fmt.Errorf("there is no %s yet", kubernetesOwn)
		}
		return nil
	})
	return held
}

// kubernetesOwn is the ConfigMap that Kubernetes creates in each namespace.
const kubernetesOwn = "kube-root-ca.crt"

// S10, S5: all keys of a Secret of type kubernetes.io/tls are refused, by name and
// by selector; a single key is read. For a private key in another Secret, the message
// names key and block, and shows nothing of it.
func TestPrivateKeysAreRefused(t *testing.T) { eachAPIKind(t, testPrivateKeysAreRefused) }

func testPrivateKeysAreRefused(t *testing.T, s *scene) {
	namespaces := s.namespaces(1)
	ca := newAuthority("CA")
	pair := map[string][]byte{corev1.TLSCertKey: []byte(ca.Certificate), corev1.TLSPrivateKeyKey: []byte(ca.Key)}
	// Neither was ever valid, so a cache cannot hold a state in which they are read.
	secret := func(kind corev1.SecretType) *corev1.Secret {
		object := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: rig.TrustNamespace, Name: s.unique()}, Type: kind, Data: pair}
		if kind == corev1.SecretTypeTLS {
			object.Labels = map[string]string{sourceLabel: s.name}
		}
		s.temporary(object)
		return object
	}
	tls, opaque := secret(corev1.SecretTypeTLS), secret(corev1.SecretTypeOpaque)
	_, selecting := s.selecting("")
	_, selectingOne := s.selecting(corev1.TLSCertKey)
	allOf := func(secret *corev1.Secret) v1alpha1.BundleSource {
		return v1alpha1.BundleSource{Secret: &v1alpha1.SourceObject{Name: secret.Name, IncludeAllKeys: true}}
	}
	origin := "Secret " + rig.TrustNamespace + "/"
	for name, tc := range map[string]struct {
		source v1alpha1.BundleSource
		says   []string
	}{
		"by name":     {allOf(tls), []string{origin + tls.Name, "kubernetes.io/tls", "includeAllKeys"}},
		"by selector": {selecting, []string{origin + tls.Name, "kubernetes.io/tls", "includeAllKeys"}},
		"opaque":      {allOf(opaque), []string{origin + opaque.Name, fmt.Sprintf("key %q", corev1.TLSPrivateKeyKey), "block 1"}},
	} {
		bundle := s.bundle([]v1alpha1.BundleSource{tc.source})
		says := tc.says
		if kinds.IsCluster(bundle.Name) && name != "opaque" {
			says[2] = `the pattern "*"`
		}
		condition := awaitCondition(t, bundle, v1alpha1.BundleReasonSourceBuildError, says...)
		wantNothingShown(t, name, condition.Message, ca.Key)
		if err := absent(t, bundle, namespaces[0]); err != nil {
			t.Error(err)
		}
	}
	awaitTargets(t, s.bundle([]v1alpha1.BundleSource{selectingOne}), namespaces, ca)
	wantNothingShown(t, "the log", shared.logAbout(s.name), ca.Key)
}

// S8: with includeAllKeys an object without a certificate in any key is invalid, and
// one with a note beside the certificates is valid.
func TestAllKeysOfAnObject(t *testing.T) { eachAPIKind(t, testAllKeysOfAnObject) }

func testAllKeysOfAnObject(t *testing.T, s *scene) {
	namespaces := s.namespaces(1)
	ca := newAuthority("CA")
	source := s.source(ca)
	s.selected(source)
	change(t, source, func(o *corev1.ConfigMap) { o.Data["README"] = "These are ours.\n" })
	configMaps, _ := s.selecting("")
	bundle := s.bundle([]v1alpha1.BundleSource{configMaps})
	awaitTargets(t, bundle, namespaces, ca)
	for name, mutate := range map[string]func(*corev1.ConfigMap){
		"no certificate": func(o *corev1.ConfigMap) { delete(o.Data, sourceKey) },
		"no key":         func(o *corev1.ConfigMap) { o.Data = nil },
	} {
		change(t, source, mutate)
		reason, says := v1alpha1.BundleReasonSourceBuildError, "no certificate"
		if kinds.IsCluster(bundle.Name) && name == "no key" {
			reason, says = v1alpha1.BundleReasonSourceNotFound, "no key that matches" // E2
		}
		awaitCondition(t, bundle, reason, source.Name, says)
		change(t, source, func(o *corev1.ConfigMap) {
			o.Data = map[string]string{sourceKey: pemOf(ca), "README": name}
		})
		awaitSynced(t, bundle, 1)
	}
	awaitTargets(t, bundle, namespaces, ca)
}

// S13: changes of selected sources while the operator is down take effect.
func TestSelectedSourcesChangeWhileDown(t *testing.T) {
	s := newScene(t)
	o := startOperator(t)
	namespaces := s.namespaces(1)
	a, b := newAuthority("A"), newAuthority("B")
	first, second := s.source(a), s.source(b)
	s.selected(first)
	configMaps, _ := s.selecting(sourceKey)
	bundle := s.bundle([]v1alpha1.BundleSource{configMaps})
	awaitTargets(t, bundle, namespaces, a)
	stop(t, o)
	s.selected(second)
	change(t, first, func(o *corev1.ConfigMap) { o.Labels = nil })
	startOperator(t)
	awaitTargets(t, bundle, namespaces, b)
}
