package target

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/workqueue"
	"trust-manager.io/internal/workqueue/queuetest"
	"trust-manager.io/test/framework/fake"
)

// secretsOf returns a Reconciler in a world in which the Bundle roots has a Secret in the
// namespace a.
func secretsOf(t *testing.T, byMethod map[string]any) (*Reconciler, *world, *answers) {
	t.Helper()
	x, w, server := targetsOf(t, byMethod)
	x.scope.Kinds = []bundle.Kind{bundle.ConfigMap, bundle.Secret}
	of := fake.Revision("roots-uid", "!skip")
	of.Shapes = map[bundle.Kind]*target.Shape{bundle.Secret: {
		Kind: bundle.Secret, Digest: "digest",
		Labels: map[string]string{v1alpha1.BundleLabelKey: "roots"}, Binary: map[string][]byte{},
	}}
	number := w.revisions.Set(fake.ID("roots"), of)
	w.ledger.StartRollout(fake.ID("roots"), number, []target.Ref{fake.SecretKey("roots", "a").Ref}, fake.Start)
	return x, w, server
}

// wholeSecret returns the target as the API server has it, with changes.
func wholeSecret(changes ...func(*corev1.Secret)) *corev1.Secret {
	secret := &corev1.Secret{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}, ObjectMeta: written("7").ObjectMeta}
	secret.ManagedFields, secret.OwnerReferences = []metav1.ManagedFieldsEntry{{Manager: target.FieldManager}}, nil
	for _, change := range changes {
		change(secret)
	}
	return secret
}

func controlled(o *corev1.Secret) {
	o.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "Deployment", Name: "web", UID: "web-uid", Controller: new(true)}}
}

// T8: a Secret that may be created by its name only is read, applied, and read again. An
// object without the label, which is not in the cache, is not applied to.
func TestConvergeSecretByName(t *testing.T) {
	t.Parallel()
	forbidden := apierrors.NewForbidden(corev1.Resource("secrets"), "", fake.ErrDenied)
	missing := apierrors.NewNotFound(corev1.Resource("secrets"), "roots")
	cases := map[string]struct {
		byName   bool
		answers  map[string]any
		requests []string
		account  account
		fails    bool
	}{
		"created by POST": {false, map[string]any{"POST": written("7")}, []string{"POST"}, account{1, 1, 0}, false},
		"POST is denied":  {false, map[string]any{"POST": forbidden, "GET": missing, "PATCH": forbidden}, []string{"POST", "GET", "PATCH"}, account{1, 0, 1}, true},
		"a namespace that terminates": {
			false, map[string]any{"POST": terminatingError()}, []string{"POST"}, account{1, 0, 0}, true,
		},
		"a foreign one exists": {
			false, map[string]any{"POST": forbidden, "GET": wholeSecret(controlled)}, []string{"POST", "GET"}, account{1, 0, 1}, true,
		},
		"known to be by name": {
			true, map[string]any{"GET": missing, "PATCH": forbidden}, []string{"GET", "PATCH"}, account{1, 0, 1}, true,
		},
		"known to be by name, a foreign one exists": {
			true, map[string]any{"GET": wholeSecret(controlled)}, []string{"GET"}, account{1, 0, 1}, true,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x, w, server := secretsOf(t, tc.answers)
			if tc.byName {
				x.byApplyUntil.Store(fake.Start.Add(time.Minute).Unix())
			}
			if err := x.converge(fake.Quiet(t), fake.SecretKey("roots", "a")); (err != nil) != tc.fails {
				t.Errorf("error %v", err)
			}
			if diff := cmp.Diff(tc.requests, server.requests); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
			if got := w.account(t); got != tc.account {
				t.Errorf("account %+v, want %+v", got, tc.account)
			}
		})
	}
}

// sequence responds to each request of a method with the next of its responses.
type sequence struct {
	*answers
	next map[string][]any
}

func (s *sequence) RoundTrip(request *http.Request) (*http.Response, error) {
	if list := s.next[request.Method]; len(list) > 0 {
		s.byMethod[request.Method], s.next[request.Method] = list[0], list[1:]
	}
	return s.answers.RoundTrip(request)
}

// T8, T4: after a Secret was created by its name, the next one costs no POST.
func TestConvergeSecretsByName(t *testing.T) {
	t.Parallel()
	x, w, server := secretsOf(t, nil)
	missing := apierrors.NewNotFound(corev1.Resource("secrets"), "roots")
	complete := wholeSecret(func(o *corev1.Secret) {
		o.OwnerReferences = []metav1.OwnerReference{{APIVersion: "trust.cert-manager.io/v1alpha1", Kind: "Bundle", Name: "roots", UID: "roots-uid"}}
	})
	x.writer = writerTo(t, &sequence{server, map[string][]any{
		"POST": {apierrors.NewForbidden(corev1.Resource("secrets"), "", fake.ErrDenied)},
		"GET":  {missing, complete, missing, complete},
	}})
	server.byMethod = map[string]any{"PATCH": written("7"), "PUT": written("8")}
	w.cache.Namespaces = append(w.cache.Namespaces, fake.Namespace("b", nil))
	for name, want := range map[string][]string{"a": {"POST", "GET", "PATCH", "GET", "PUT"}} {
		server.requests = nil
		if err := x.converge(fake.Quiet(t), fake.SecretKey("roots", name)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, server.requests); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
	}
	server.requests = nil
	if err := x.converge(fake.Quiet(t), fake.SecretKey("roots", "b")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"GET", "PATCH", "GET", "PUT"}, server.requests); diff != "" {
		t.Errorf("the next one: requests (-want +got):\n%s", diff)
	}
	server.requests, server.byMethod["POST"] = nil, written("7")
	if x.createsByApply(fake.Key("roots", "b")) {
		t.Error("it holds for ConfigMaps too")
	}
}

// T11: an object that was read and found in sync is recorded: checking it again costs no
// request as long as it has not changed.
func TestConvergeRecordsReads(t *testing.T) {
	t.Parallel()
	inSync := wholeSecret(func(o *corev1.Secret) {
		o.OwnerReferences = []metav1.OwnerReference{{UID: "roots-uid", APIVersion: "trust.cert-manager.io/v1alpha1", Kind: "Bundle", Name: "roots"}}
	})
	x, w, server := secretsOf(t, map[string]any{"GET": inSync})
	revision, _ := w.revisions.Get(fake.ID("roots"))
	revision.Owner = inSync.OwnerReferences[0]
	w.cache.Targets = []*metav1.PartialObjectMetadata{fake.AsSecret(fake.Observed("roots", "a", "7"))}
	for range 3 {
		if err := x.converge(fake.Quiet(t), fake.SecretKey("roots", "a")); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"GET"}, server.requests); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// T12: nothing is done to a target of either kind while its Bundle is being deleted,
// although a revision is still active.
func TestConvergeBundleBeingDeleted(t *testing.T) {
	t.Parallel()
	x, w, server := secretsOf(t, nil)
	revision, _ := w.revisions.Get(fake.ID("roots"))
	revision.Shapes[bundle.ConfigMap] = &target.Shape{Kind: bundle.ConfigMap, Digest: "digest"}
	w.cache.Bundles[0].DeletionTimestamp = new(metav1.NewTime(fake.Start))
	for _, one := range []target.Key{fake.Key("roots", "a"), fake.SecretKey("roots", "a")} {
		if err := x.converge(fake.Quiet(t), one); err != nil || len(server.requests) > 0 {
			t.Errorf("%s: error %v, requests %v", one, err, server.requests)
		}
	}
}

// T7: an event of a Secret enqueues only that target.
func TestSecretEvents(t *testing.T) {
	t.Parallel()
	x, w := newWorld(nil)
	fake.Create(x.targetEvents(apis.Bundle{}.Marks(), bundle.Secret), fake.AsSecret(fake.Observed("roots", "a", "7")))
	if diff := cmp.Diff([]queuetest.Added[target.Key]{{Priority: workqueue.HighPriority, After: 0, Key: fake.SecretKey("roots", "a")}}, w.targetNotes.Take()); diff != "" {
		t.Errorf("queued (-want +got):\n%s", diff)
	}
}

// C1: an event of a namespace enqueues a target of each kind of the Bundle.
func TestNamespaceEventsOfBothKinds(t *testing.T) {
	t.Parallel()
	x, w, _ := secretsOf(t, nil)
	revision, _ := w.revisions.Get(fake.ID("roots"))
	revision.Shapes[bundle.ConfigMap] = &target.Shape{Kind: bundle.ConfigMap, Digest: "digest"}
	fake.Create(x.namespaceEvents(), fake.Namespace("b", nil))
	queued := map[target.Key]bool{}
	for _, one := range w.targetNotes.Take() {
		queued[one.Key] = true
	}
	want := map[target.Key]bool{fake.Key("roots", "b"): true, fake.SecretKey("roots", "b"): true}
	if diff := cmp.Diff(want, queued); diff != "" {
		t.Errorf("queued (-want +got):\n%s", diff)
	}
}
