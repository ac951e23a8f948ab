package controller

import (
	"testing"

	"k8s.io/client-go/rest"
)

// Design rule 10: the API server is the limiter.
func TestRESTConfig(t *testing.T) {
	t.Parallel()
	from := &rest.Config{Host: "https://server", QPS: 5}
	got := RESTConfig(from)
	if got.QPS >= 0 || !got.DisableCompression || got.Host != from.Host {
		t.Errorf("configuration %v", got)
	}
	if from.QPS != 5 || from.DisableCompression {
		t.Errorf("the one given has changed: %v", from)
	}
}
