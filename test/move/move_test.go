package move

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/api/trustmanager/v1alpha2"
	"trust-manager.io/test/framework/ca"
	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/rig"
)

const (
	name   = "moving"
	pemKey = "ca.pem"
	places = 30
)

// mover has a Bundle and a ClusterBundle of one name, in namespaces of their own.
type mover struct {
	*testing.T
	random   *rand.Rand
	operator *rig.Operator
	observer *observer
	// bundle and cluster are made anew from these; each has certificates that the other lacks.
	bundle  *v1alpha1.Bundle
	cluster *v1alpha2.ClusterBundle
	// ofBundle and ofCluster are their PEM files.
	ofBundle, ofCluster string
	mark                rig.Mark
}

func (m *mover) must(err error) {
	m.Helper()
	if err != nil {
		m.Fatalf("seed %d: %v", *seed, err)
	}
}

// place returns the name of a namespace, which no other test uses.
func (m *mover) place(i int) string { return placesOf(m.T) + fmt.Sprint(i) }

// placesOf begins the names of the namespaces of a test.
func placesOf(t *testing.T) string { return strings.ToLower(t.Name()) + "-" }

func (m *mover) start() {
	m.Helper()
	operator, err := env.StartOperator("--secret-targets-enabled")
	m.must(err)
	m.operator = operator
}

// newMover creates the namespaces and the Bundle, whose targets are in sync, and some of them
// are shared with others.
func newMover(t *testing.T) *mover {
	m := &mover{T: t, random: rand.New(rand.NewPCG(*seed, 0))}
	var certificates []string
	for i := range 5 {
		certificates = append(certificates, ca.New(fmt.Sprint("CA ", i)).Certificate)
	}
	both := strings.Join(certificates[:2], "")
	m.ofBundle, m.ofCluster = both+certificates[2], both+certificates[3]+certificates[4]
	for i := range places {
		m.must(env.Client.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
			Name: m.place(i), Labels: map[string]string{m.Name(): "yes"},
		}}))
	}
	selector := v1alpha1.LabelSelector{MatchLabels: map[string]string{m.Name(): "yes"}}
	m.bundle = &v1alpha1.Bundle{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.BundleSpec{
		Sources: []v1alpha1.BundleSource{{InLine: &m.ofBundle}},
		Target: &v1alpha1.BundleTarget{
			ConfigMap: &v1alpha1.TargetObject{Key: pemKey}, Secret: &v1alpha1.TargetObject{Key: pemKey}, NamespaceSelector: &selector,
			AdditionalFormats: &v1alpha1.AdditionalFormats{PKCS12: &v1alpha1.PKCS12{Key: "ca.p12"}},
		},
	}}
	files := &v1alpha2.TargetObject{Data: []v1alpha2.TargetFile{{Key: pemKey}, {Key: "again.pem"}}}
	m.cluster = &v1alpha2.ClusterBundle{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha2.ClusterBundleSpec{
		InLineCAs: &m.ofCluster, Target: &v1alpha2.ClusterBundleTarget{ConfigMap: files, Secret: files, NamespaceSelector: selector},
	}}
	m.must(env.Client.Create(t.Context(), m.bundle.DeepCopy()))
	m.start()
	t.Cleanup(func() {
		if t.Failed() {
			lines := strings.Split(strings.TrimSpace(m.operator.Log()), "\n")
			t.Logf("the end of the operator's log:\n%s", strings.Join(lines[max(0, len(lines)-60):], "\n"))
		}
		_ = m.operator.Kill()
		for _, obj := range []client.Object{m.bundle, m.cluster} {
			_ = env.Client.Delete(context.WithoutCancel(t.Context()), obj.DeepCopyObject().(client.Object)) //nolint:forcetypeassert // it is one
		}
		for i := range places {
			m.must(env.Client.Delete(context.WithoutCancel(t.Context()), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: m.place(i)}}))
		}
	})
	m.await("the Bundle", &v1alpha1.Bundle{}, v1alpha1.BundleConditionReady)
	for i := range places / 5 {
		object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: m.place(i), Name: name}}
		patch := client.RawPatch("application/merge-patch+json", []byte(`{"data": {"theirs": "stays"}}`))
		m.must(env.Client.Patch(t.Context(), object, patch, client.FieldOwner("another")))
	}
	m.awaitOwners("Bundle", v1alpha1.BundleLabelKey)
	m.observer = observe(t, contents{m.ofBundle, m.ofCluster})
	return m
}

// await waits until a Bundle or ClusterBundle has a condition that is True, for its generation.
func (m *mover) await(what string, obj client.Object, condition string) {
	m.Helper()
	m.awaitNamed(name, what, obj, condition)
}

func (m *mover) awaitNamed(name, what string, obj client.Object, condition string) {
	m.Helper()
	m.must(poll.UntilWithin(context.WithoutCancel(m.Context()), time.Minute, what+" to be "+condition, func() error {
		if err := env.Client.Get(m.Context(), client.ObjectKey{Name: name}, obj); err != nil {
			return err
		}
		conditions := conditionsOf(obj)
		if found := meta.FindStatusCondition(conditions, condition); found == nil || found.Status != metav1.ConditionTrue || found.ObservedGeneration != obj.GetGeneration() {
			return fmt.Errorf("conditions %v", conditions)
		}
		return nil
	}))
}

func conditionsOf(obj client.Object) []metav1.Condition {
	if cluster, ok := obj.(*v1alpha2.ClusterBundle); ok {
		return cluster.Status.Conditions
	}
	return obj.(*v1alpha1.Bundle).Status.Conditions
}

// awaitOwners waits until all targets have the label of one kind alone, and its owner reference
// unless they are shared.
func (m *mover) awaitOwners(kind, label string) {
	m.Helper()
	m.must(poll.UntilWithin(context.WithoutCancel(m.Context()), time.Minute, "targets of the "+kind, func() error {
		for _, list := range []client.ObjectList{&corev1.ConfigMapList{}, &corev1.SecretList{}} {
			if err := env.Client.List(m.Context(), list); err != nil {
				return err
			}
			found := 0
			for _, object := range named(list) {
				if !strings.HasPrefix(object.GetNamespace(), placesOf(m.T)) {
					continue // of an earlier test
				}
				found++
				if err := checkMarks(object, kind, label); err != nil {
					return fmt.Errorf("%T in %s: %w", object, object.GetNamespace(), err)
				}
			}
			if found != places {
				return fmt.Errorf("%d targets, want %d", found, places)
			}
		}
		return nil
	}))
}

// named returns the objects of a list that have the name.
func named(list client.ObjectList) (objects []client.Object) {
	items, _ := meta.ExtractList(list)
	for _, item := range items {
		if object, ok := item.(client.Object); ok && object.GetName() == name {
			objects = append(objects, object)
		}
	}
	return objects
}

func checkMarks(object client.Object, kind, label string) error {
	domain, _, _ := strings.Cut(label, "/")
	for _, entries := range []map[string]string{object.GetLabels(), object.GetAnnotations()} {
		for key := range entries {
			if !strings.HasPrefix(key, domain+"/") {
				return fmt.Errorf("it has %s", key)
			}
		}
	}
	owners := object.GetOwnerReferences()
	if configMap, ok := object.(*corev1.ConfigMap); ok && configMap.Data["theirs"] != "" {
		if len(owners) != 0 || object.GetAnnotations()[domain+"/shared"] != "true" {
			return fmt.Errorf("shared, with owners %v and annotations %v", owners, object.GetAnnotations())
		}
		return nil
	}
	if len(owners) != 1 || owners[0].Kind != kind || object.GetLabels()[label] != name {
		return fmt.Errorf("owners %v, labels %v", owners, object.GetLabels())
	}
	return nil
}

// crash kills the operator at a random moment, and starts it again.
func (m *mover) crash() {
	m.Helper()
	time.Sleep(time.Duration(m.random.Int64N(int64(400 * time.Millisecond))))
	m.must(m.operator.Kill())
	m.start()
}

// check checks what has been observed of one direction, and that no target was written twice.
func (m *mover) check(direction string) {
	m.Helper()
	faults, events := m.observer.take()
	for _, fault := range faults {
		m.Errorf("seed %d: %s: %s", *seed, direction, fault)
	}
	requests, err := env.Audit.Since(m.mark)
	m.must(err)
	writes := map[string]int{}
	for _, q := range requests {
		if q.IsWrite() && q.Done() && q.Name == name && (q.Resource == "configmaps" || q.Resource == "secrets") {
			writes[q.Resource+" in "+q.Namespace]++
		}
	}
	for at, count := range writes {
		if count > 1 {
			m.Errorf("seed %d: %s: %d writes of %s", *seed, direction, count, at)
		}
	}
	m.Logf("%s: %d events, %d targets written", direction, events, len(writes))
	m.mark = env.Audit.Mark()
}

var errNotYet = errors.New("not yet")

// E4: a Bundle moves to a ClusterBundle and back, however often the operator is killed meanwhile:
// the same objects, each with all certificates of one of both at any time, and at most one write
// per target and direction.
func TestMoveThereAndBack(t *testing.T) {
	m := newMover(t)
	m.mark = env.Audit.Mark()
	for range *rounds {
		m.must(env.Client.Create(t.Context(), m.cluster.DeepCopy()))
		m.crash()
		m.await("the ClusterBundle", &v1alpha2.ClusterBundle{}, v1alpha1.BundleConditionReady)
		m.await("the Bundle", &v1alpha1.Bundle{}, v1alpha1.BundleConditionSuperseded)
		m.awaitOwners("ClusterBundle", v1alpha2.BundleLabelKey)
		m.check("there")

		m.must(env.Client.Delete(t.Context(), m.cluster.DeepCopy(), client.PropagationPolicy(metav1.DeletePropagationOrphan)))
		m.crash()
		m.await("the Bundle", &v1alpha1.Bundle{}, v1alpha1.BundleConditionReady)
		m.awaitOwners("Bundle", v1alpha1.BundleLabelKey)
		m.check("back")
	}
	m.must(env.Client.Create(t.Context(), m.cluster.DeepCopy()))
	m.await("the ClusterBundle", &v1alpha2.ClusterBundle{}, v1alpha1.BundleConditionReady)
	m.must(env.Client.Delete(t.Context(), m.bundle.DeepCopy()))
	time.Sleep(2 * time.Second) // garbage collection would act by now
	m.awaitOwners("ClusterBundle", v1alpha2.BundleLabelKey)
	m.check("after the deletion of the Bundle")
}
