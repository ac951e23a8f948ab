package rig

import (
	"context"
	"fmt"
	"path/filepath"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// tokenLifetime is longer than any run of tests, in seconds.
const tokenLifetime = 24 * 60 * 60

// Account creates a service account without any permissions in [TrustNamespace],
// and returns the path of its kubeconfig. A test uses it to run an operator with
// other permissions than the chart's.
func (r *Rig) Account(ctx context.Context, name string) (path string, err error) {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: TrustNamespace, Name: name}}
	if err := r.Client.Create(ctx, account); err != nil {
		return "", err
	}
	return writeAccount(ctx, r.Client, r.Config, name, r.dir)
}

// writeAccount writes a kubeconfig with a token of a service account, whose
// permissions are exactly those of its roles.
func writeAccount(ctx context.Context, api client.Client, server *rest.Config, account, dir string) (path string, err error) {
	token, err := requestToken(ctx, api, account, nil)
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, account+".kubeconfig")
	return path, writeKubeconfig(server, &clientcmdapi.AuthInfo{Token: token}, path)
}

// requestToken returns a token of a service account. A token that is bound to an object
// becomes invalid when the object is deleted.
func requestToken(ctx context.Context, api client.Client, account string, bound *authenticationv1.BoundObjectReference) (string, error) {
	object := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: TrustNamespace, Name: account}}
	lifetime := int64(tokenLifetime)
	token := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &lifetime, BoundObjectRef: bound}}
	if err := api.SubResource("token").Create(ctx, object, token); err != nil {
		return "", fmt.Errorf("requesting a token of service account %s: %w", account, err)
	}
	return token.Status.Token, nil
}

func writeKubeconfig(server *rest.Config, user *clientcmdapi.AuthInfo, path string) error {
	const name = "rig"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: server.Host, CertificateAuthorityData: server.CAData}
	config.AuthInfos[name] = user
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	config.CurrentContext = name
	return clientcmd.WriteToFile(*config, path)
}
