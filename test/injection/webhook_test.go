package injection

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/test/framework/poll"
)

// sidecarLabel is the label of the namespaces in whose pods the webhook adds a container.
const sidecarLabel = "sidecar"

// addSidecar answers an AdmissionReview of a pod with a patch that adds the containers "sidecar" and
// "late", which has a mount in the way, and adds such a mount to the container "mounted".
func addSidecar(response http.ResponseWriter, request *http.Request) {
	var review admissionv1.AdmissionReview
	var pod corev1.Pod
	if err := json.NewDecoder(request.Body).Decode(&review); err != nil {
		http.Error(response, err.Error(), http.StatusBadRequest)
		return
	}
	if err := json.Unmarshal(review.Request.Object.Raw, &pod); err != nil {
		http.Error(response, err.Error(), http.StatusBadRequest)
		return
	}
	container("sidecar")(&pod)
	container("late", mounting(replaced))(&pod)
	for i := range pod.Spec.Containers {
		if c := &pod.Spec.Containers[i]; c.Name == "mounted" {
			mounting(replaced)(c)
		}
	}
	patchType := admissionv1.PatchTypeJSONPatch
	patch, err := json.Marshal([]map[string]any{{"op": "replace", "path": "/spec/containers", "value": pod.Spec.Containers}})
	review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: err == nil, PatchType: &patchType, Patch: patch}
	review.Request = nil
	_ = json.NewEncoder(response).Encode(review)
}

// startWebhook registers addSidecar, until the test ends.
func startWebhook(t *testing.T) {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(addSidecar))
	t.Cleanup(server.Close)
	none, fail := admissionregistrationv1.SideEffectClassNone, admissionregistrationv1.Fail
	configuration := &admissionregistrationv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "sidecar"},
		Webhooks: []admissionregistrationv1.MutatingWebhook{{
			Name: "sidecar.example.com",
			ClientConfig: admissionregistrationv1.WebhookClientConfig{
				URL: &server.URL, CABundle: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
			},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
			}},
			NamespaceSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{sidecarLabel: "true"}},
			FailurePolicy:           &fail,
			SideEffects:             &none,
			AdmissionReviewVersions: []string{"v1"},
		}},
	}
	if err := env.Client.Create(t.Context(), configuration); err != nil {
		t.Fatal(err)
	}
}

// P3: a container that a webhook adds after the policies gets the bundle too, unless it has a mount in
// the way. The other containers get nothing twice, and one to which the webhook adds a mount in the way
// is again as it was.
func TestContainerOfWebhook(t *testing.T) {
	t.Parallel()
	startWebhook(t)
	plain := namespaceWith(t, labels(sidecarLabel, "true"))
	poll.Eventually(t, "the webhook to be called", func() error {
		if count := len(create(t, plain, newPod(volume("own"))).Spec.Containers); count != 3 {
			return fmt.Errorf("the pod has %d containers", count)
		}
		return nil
	})
	for name, tc := range map[string]struct{ labels, annotations []string }{
		"by the namespace": {labels: []string{sidecarLabel, "true", bundleKey, "example"}},
		"by the pod":       {labels: []string{sidecarLabel, "true"}, annotations: []string{bundleKey, "example"}},
	} {
		t.Run(name, func(t *testing.T) {
			pod := newPod(volume("own"), annotated(tc.annotations...))
			want := create(t, baseline, newPod(volume("own"), annotated(tc.annotations...), container("sidecar"), container("late", mounting(replaced))))
			injected(skipping("late"))(want)
			if diff := cmp.Diff(want, create(t, namespaceWith(t, labels(tc.labels...)), pod)); diff != "" {
				t.Errorf("the pod (-want +got):\n%s", diff)
			}
		})
	}
	// The container had our mount when the webhook added one. The API server refuses two mounts at one path.
	mounted := all(volume("own"), container("mounted", setting("A", "PIP_CERT"), mounting("/data")))
	want := create(t, baseline, newPod(mounted, container("sidecar"), container("late", mounting(replaced))))
	mounting(replaced)(&want.Spec.Containers[1])
	injected(skipping("mounted", "late"))(want)
	if diff := cmp.Diff(want, create(t, namespaceWith(t, labels(sidecarLabel, "true", bundleKey, "example")), newPod(mounted))); diff != "" {
		t.Errorf("the pod with a container to which the webhook adds a mount (-want +got):\n%s", diff)
	}
	if stored := create(t, plain, newPod(volume("own"))); stored.Annotations[stamp] != "" {
		t.Errorf("the pod of a namespace that does not opt in has the annotations %v", stored.Annotations)
	}
}
