package rig

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"

	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// FaultyLabel selects, with the value "true", the namespaces whose writes the API
	// server sends to the webhook.
	FaultyLabel = "rig/faulty"
	// Refusal is the message with which the webhook denies a write.
	Refusal = "write denied by the rig"
	// hangLimit is the webhook's timeout in seconds, the longest that the API server
	// allows.
	hangLimit = 30
)

// Admission is a validating webhook for the operator's writes of ConfigMaps and Secrets in
// namespaces with [FaultyLabel]. It admits them until a test makes it deny them or hang. It
// is safe for concurrent use.
type Admission struct {
	server *httptest.Server

	mu sync.Mutex
	// refusing holds the status of denied writes, by namespace; hanging holds the
	// namespaces whose writes hang until the channel is closed.
	refusing map[string]metav1.Status
	hanging  map[string]chan struct{}
	// waiting is the number of calls that hang.
	waiting int
}

func startAdmission(ctx context.Context, api client.Client) (*Admission, error) {
	a := &Admission{refusing: map[string]metav1.Status{}, hanging: map[string]chan struct{}{}}
	a.server = httptest.NewTLSServer(a)
	if err := api.Create(ctx, a.configuration()); err != nil {
		a.stop()
		return nil, fmt.Errorf("registering the webhook: %w", err)
	}
	return a, nil
}

func (a *Admission) configuration() *admissionregistrationv1.ValidatingWebhookConfiguration {
	url, timeout := a.server.URL, int32(hangLimit)
	fail, none := admissionregistrationv1.Fail, admissionregistrationv1.SideEffectClassNone
	caBundle := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.server.Certificate().Raw})
	return &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "rig"},
		Webhooks: []admissionregistrationv1.ValidatingWebhook{{
			Name:         "faulty.rig.trust-manager.io",
			ClientConfig: admissionregistrationv1.WebhookClientConfig{URL: &url, CABundle: caBundle},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.OperationAll},
				Rule: admissionregistrationv1.Rule{
					APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps", "secrets"},
				},
			}},
			FailurePolicy:     &fail,
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{FaultyLabel: "true"}},
			MatchConditions: []admissionregistrationv1.MatchCondition{{
				Name: "operator", Expression: `request.userInfo.username == "` + accountUser + `"`,
			}},
			SideEffects:             &none,
			TimeoutSeconds:          &timeout,
			AdmissionReviewVersions: []string{"v1"},
		}},
	}
}

// Refuse makes the webhook deny writes in the namespaces.
func (a *Admission) Refuse(namespaces ...string) {
	a.RefuseWith(metav1.Status{Message: Refusal}, namespaces...)
}

// RefuseWith makes the webhook deny writes in the namespaces with a status.
func (a *Admission) RefuseWith(status metav1.Status, namespaces ...string) {
	a.Admit(namespaces...)
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, namespace := range namespaces {
		a.refusing[namespace] = status
	}
}

// Terminating returns the status with which the API server denies a write in a namespace
// that is being deleted, and for a moment after such a namespace is re-created.
func Terminating(namespace string) metav1.Status {
	return metav1.Status{
		Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden,
		Message: "unable to create new content in namespace " + namespace + " because it is being terminated",
		Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{
			Type: corev1.NamespaceTerminatingCause, Message: "namespace " + namespace + " is being terminated", Field: "metadata.namespace",
		}}},
	}
}

// Missing returns the status with which the API server denies a write in a namespace that
// does not exist.
func Missing(namespace string) metav1.Status {
	return apierrors.NewNotFound(corev1.Resource("namespaces"), namespace).Status()
}

// Hang makes writes in the namespaces hang: for 30 seconds, until Admit is called for the
// namespace, or until the caller gives up.
func (a *Admission) Hang(namespaces ...string) {
	a.Admit(namespaces...)
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, namespace := range namespaces {
		a.hanging[namespace] = make(chan struct{})
	}
}

// Admit makes the webhook admit writes in the namespaces, including those that hang.
func (a *Admission) Admit(namespaces ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, namespace := range namespaces {
		delete(a.refusing, namespace)
		if released, ok := a.hanging[namespace]; ok {
			close(released)
			delete(a.hanging, namespace)
		}
	}
}

// Waiting returns the number of calls that hang.
func (a *Admission) Waiting() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.waiting
}

// ServeHTTP handles one AdmissionReview.
func (a *Admission) ServeHTTP(response http.ResponseWriter, request *http.Request) {
	review, err := readHead(request.Body)
	if err != nil {
		http.Error(response, err.Error(), http.StatusBadRequest)
		return
	}
	result := &admissionv1.AdmissionResponse{UID: review.UID, Result: a.judge(request.Context(), review.Namespace)}
	result.Allowed = result.Result == nil
	_ = json.NewEncoder(response).Encode(admissionv1.AdmissionReview{ // the caller may have disconnected
		TypeMeta: metav1.TypeMeta{APIVersion: admissionv1.SchemeGroupVersion.String(), Kind: "AdmissionReview"},
		Response: result,
	})
}

// readHead reads an AdmissionReview up to its object and discards the rest, so that the
// connection can be reused. Parsing a large object would take longer than the rest of the
// write, and distort the durations that tests measure.
func readHead(body io.Reader) (review admissionv1.AdmissionRequest, err error) {
	decoder := json.NewDecoder(body)
	for review.UID == "" || review.Namespace == "" {
		token, err := decoder.Token()
		if err != nil {
			return review, fmt.Errorf("not an AdmissionReview: %w", err)
		}
		switch token {
		case "uid":
			err = decoder.Decode(&review.UID)
		case "namespace":
			err = decoder.Decode(&review.Namespace)
		}
		if err != nil {
			return review, fmt.Errorf("not an AdmissionReview: %w", err)
		}
	}
	_, err = io.Copy(io.Discard, body)
	return review, err
}

// judge returns the status with which a write is denied, or nil.
func (a *Admission) judge(ctx context.Context, namespace string) *metav1.Status {
	a.mu.Lock()
	refusal, refused := a.refusing[namespace]
	released := a.hanging[namespace]
	a.mu.Unlock()
	if released != nil {
		a.count(1)
		defer a.count(-1)
		select {
		case <-released:
		case <-ctx.Done():
		}
	}
	if !refused {
		return nil
	}
	return &refusal
}

func (a *Admission) count(change int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting += change
}

func (a *Admission) stop() {
	a.mu.Lock()
	for namespace, released := range a.hanging {
		close(released)
		delete(a.hanging, namespace)
	}
	a.mu.Unlock()
	a.server.CloseClientConnections()
	a.server.Close()
}
