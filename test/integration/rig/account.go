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

// Account makes a service account in TrustNamespace that has no rights at all, and
// gives the path of a kubeconfig of it, for an operator under other rights than
// those of the chart.
func (r *Rig) Account(ctx context.Context, name string) (path string, err error) {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: TrustNamespace, Name: name}}
	if err := r.Client.Create(ctx, account); err != nil {
		return "", err
	}
	return writeAccount(ctx, r.Client, r.Config, name, r.dir)
}

// writeAccount writes a kubeconfig with a token of a service account, so that the
// operator can do what its roles say and no more.
func writeAccount(ctx context.Context, api client.Client, admin *rest.Config, account, dir string) (path string, err error) {
	object := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: TrustNamespace, Name: account}}
	lifetime := int64(tokenLifetime)
	token := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &lifetime}}
	if err := api.SubResource("token").Create(ctx, object, token); err != nil {
		return "", fmt.Errorf("a token of the service account %s: %w", account, err)
	}
	const name = "rig"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: admin.Host, CertificateAuthorityData: admin.CAData}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{Token: token.Status.Token}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	config.CurrentContext = name
	path = filepath.Join(dir, account+".kubeconfig")
	return path, clientcmd.WriteToFile(*config, path)
}
