package main

import (
	"context"
	"fmt"
	"time"

	certmanager "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	certmanagermeta "github.com/cert-manager/cert-manager/pkg/apis/meta/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// awaitIdentity waits until the API server records the requester in
// CertificateRequests. A policy takes effect some time after its creation, for a
// new kind of object only once the API server has read its definition.
func awaitIdentity(ctx context.Context, api client.Client) error {
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		request := &certmanager.CertificateRequest{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, GenerateName: "identity-"},
			Spec: certmanager.CertificateRequestSpec{
				Request: []byte("none"), IssuerRef: certmanagermeta.IssuerReference{Name: "none"},
			},
		}
		err := api.Create(ctx, request, client.DryRunAll)
		if apierrors.IsServiceUnavailable(err) {
			return false, nil
		}
		return request.Spec.Username != "", err
	})
	if err != nil {
		return fmt.Errorf("the policy that records the requester in CertificateRequests has not taken effect: %w", err)
	}
	return nil
}
