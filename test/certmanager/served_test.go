package certmanager

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strconv"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// authority returns the caBundle of the webhook.
func authority(ctx context.Context) ([]byte, error) {
	var configuration admissionregistrationv1.ValidatingWebhookConfiguration
	if err := api.Get(ctx, client.ObjectKey{Name: name}, &configuration); err != nil {
		return nil, err
	}
	return configuration.Webhooks[0].ClientConfig.CABundle, nil
}

// shown connects to the webhook as the API server does, trusting the current
// caBundle, and returns the certificate.
func shown(ctx context.Context) (*x509.Certificate, error) {
	trusted, err := authority(ctx)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(trusted)
	address, err := endpoint(ctx)
	if err != nil {
		return nil, err
	}
	dialer := &tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: host, MinVersion: tls.VersionTLS12}}
	connection, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	defer connection.Close() //nolint:errcheck // only read
	return connection.(*tls.Conn).ConnectionState().PeerCertificates[0], nil
}

// endpoint returns the endpoint of the Service.
func endpoint(ctx context.Context) (string, error) {
	var found discoveryv1.EndpointSliceList
	err := api.List(ctx, &found, client.InNamespace(namespace), client.MatchingLabels{discoveryv1.LabelServiceName: name})
	if err != nil {
		return "", err
	}
	for _, slice := range found.Items {
		for _, e := range slice.Endpoints {
			if e.Conditions.Ready != nil && *e.Conditions.Ready && len(slice.Ports) > 0 {
				return net.JoinHostPort(e.Addresses[0], strconv.Itoa(int(*slice.Ports[0].Port))), nil
			}
		}
	}
	return "", errors.New("the Service has no ready endpoint")
}
