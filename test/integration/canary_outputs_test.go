package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/leak"
	"trust-manager.io/test/framework/rig"
)

// outputs are all outputs of the operator, by their description.
type outputs map[string][]byte

// search returns the traces of keys, by output.
func (o outputs) search(search *leak.Search) map[string][]string {
	found := map[string][]string{}
	for name, text := range o {
		if keys := search.Find(text); len(keys) > 0 {
			found[name] = keys
		}
	}
	return found
}

// observation holds what the test observes while an operator runs.
type observation struct {
	operator *rig.Operator
	// namespace is that of the targets.
	namespace, metricsPort string
	history                *chronicle
	began                  rig.Mark
}

// collect returns all outputs up to now, including the responses to users.
func (o *observation) collect(t *testing.T, answers string) outputs {
	t.Helper()
	var (
		configMaps corev1.ConfigMapList
		secrets    corev1.SecretList
		bundles    v1alpha1.BundleList
		events     eventsv1.EventList
	)
	for _, list := range []client.ObjectList{&configMaps, &secrets} {
		if err := api.List(t.Context(), list, client.InNamespace(o.namespace)); err != nil {
			t.Fatal(err)
		}
	}
	for _, list := range []client.ObjectList{&bundles, &events} {
		if err := api.List(t.Context(), list); err != nil {
			t.Fatal(err)
		}
	}
	var states corev1.ConfigMapList
	if err := api.List(t.Context(), &states, client.InNamespace(rig.TrustNamespace), client.HasLabels{v1alpha1.RotationLabelKey}); err != nil {
		t.Fatal(err)
	}
	asked, err := env.Audit.AllSince(o.began)
	if err != nil {
		t.Fatal(err)
	}
	all := outputs{
		"targets over time": o.history.text(),
		"events":            jsonOf(t, events),
		"log":               []byte(o.operator.Log()),
		"admission answers": []byte(answers),
		"metrics":           scrape(t, o.metricsPort),
		"requests":          fmt.Append(nil, asked),
	}
	for i := range configMaps.Items {
		all.addObject(t, &configMaps.Items[i], configMaps.Items[i].BinaryData)
	}
	for i := range secrets.Items {
		all.addObject(t, &secrets.Items[i], secrets.Items[i].Data)
	}
	for i := range states.Items {
		all["rotation states"] = append(all["rotation states"], jsonOf(t, states.Items[i])...)
		for _, value := range states.Items[i].BinaryData {
			all["rotation states"] = append(all["rotation states"], value...)
		}
	}
	for i := range bundles.Items {
		all["statuses"] = append(all["statuses"], jsonOf(t, bundles.Items[i].Status)...)
		// The fields of the spec are those of the user.
		for _, entry := range bundles.Items[i].ManagedFields {
			if entry.Manager == "trust-manager" {
				all["managedFields of Bundles"] = append(all["managedFields of Bundles"], jsonOf(t, entry)...)
			}
		}
	}
	return all
}

// addObject adds a target: its managedFields separately, and its decoded values as well.
func (o outputs) addObject(t *testing.T, object client.Object, values map[string][]byte) {
	t.Helper()
	o["managedFields of targets"] = append(o["managedFields of targets"], jsonOf(t, object.GetManagedFields())...)
	object.SetManagedFields(nil)
	o["targets"] = append(o["targets"], jsonOf(t, object)...)
	for _, value := range values {
		o["targets"] = append(o["targets"], value...)
	}
}

func jsonOf(t *testing.T, value any) []byte {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func scrape(t *testing.T, port string) []byte {
	t.Helper()
	response, err := http.Get("http://127.0.0.1:" + port + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v", response.Status, err)
	}
	return text
}

// chronicle has each version of each ConfigMap and Secret of a namespace, including
// short-lived ones.
type chronicle struct {
	mu   sync.Mutex
	kept []byte
}

func newChronicle(t *testing.T, namespace string) *chronicle {
	t.Helper()
	c := &chronicle{}
	for _, list := range []client.ObjectList{&corev1.ConfigMapList{}, &corev1.SecretList{}} {
		changes, err := api.Watch(t.Context(), list, client.InNamespace(namespace))
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			defer changes.Stop()
			for change := range changes.ResultChan() {
				text, err := json.Marshal(change.Object)
				if err != nil {
					text = []byte(err.Error())
				}
				c.mu.Lock()
				c.kept = append(c.kept, text...)
				c.mu.Unlock()
			}
		}()
	}
	return c
}

func (c *chronicle) text() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]byte(nil), c.kept...)
}

// reviewed returns the webhook's responses to Bundles that do not come from the API
// server, and to texts that are not Bundles.
func (w *webhook) reviewed(bundles []*v1alpha1.Bundle, texts []string) string {
	w.t.Helper()
	for _, bundle := range bundles {
		bundle = bundle.DeepCopy()
		bundle.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(v1alpha1.BundleKind))
		texts = append(texts, reviewOf(w.t, jsonOf(w.t, bundle)))
	}
	var answers strings.Builder
	caller := w.client()
	for _, text := range texts {
		response, err := caller.Post(w.url(), "application/json", strings.NewReader(text))
		if err != nil {
			w.t.Fatal(err)
		}
		answer, err := io.ReadAll(response.Body)
		if err != nil {
			w.t.Fatal(err)
		}
		_ = response.Body.Close()
		answers.Write(answer)
	}
	return answers.String()
}

// reviewOf returns an AdmissionReview of the creation of an object, which can be any JSON.
func reviewOf(t *testing.T, object []byte) string {
	t.Helper()
	return fmt.Sprintf(`{"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": {"uid": "u", "operation": "CREATE", "object": %s}}`, object)
}

// cleanUp deletes an object when the test ends.
func cleanUp(t *testing.T, object client.Object) {
	t.Helper()
	t.Cleanup(func() {
		if err := client.IgnoreNotFound(api.Delete(context.Background(), object)); err != nil {
			t.Errorf("removing %s: %v", object.GetName(), err)
		}
	})
}
