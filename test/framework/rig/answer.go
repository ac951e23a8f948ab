package rig

import (
	"encoding/json"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// conflict returns the API server's response to a write that lost a race.
func conflict(request *http.Request) *apierrors.StatusError {
	resource := schema.GroupResource{Resource: "objects"}
	name, _ := written(request)
	if request.Method == http.MethodPost {
		return apierrors.NewAlreadyExists(resource, name)
	}
	return apierrors.NewConflict(resource, name, nil)
}

// namespaceEnd returns one of the API server's two responses to a write in a namespace
// that is not active.
func namespaceEnd(request *http.Request, number uint64) *apierrors.StatusError {
	status := Terminating
	if number%2 == 0 {
		status = Missing
	}
	return &apierrors.StatusError{ErrStatus: status(namespaceOf(request))}
}

func answer(response http.ResponseWriter, err *apierrors.StatusError) {
	status := err.Status()
	status.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
	response.Header().Set("Content-Type", "application/json")
	response.WriteHeader(int(status.Code))
	_ = json.NewEncoder(response).Encode(status) // the caller may have disconnected
}
