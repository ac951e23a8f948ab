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

// writeAccount writes a kubeconfig with a token of the operator's service
// account, so that the operator can do what deploy/rbac says and no more.
func writeAccount(ctx context.Context, api client.Client, admin *rest.Config, dir string) (path string, err error) {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: TrustNamespace, Name: accountName}}
	lifetime := int64(tokenLifetime)
	token := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &lifetime}}
	if err := api.SubResource("token").Create(ctx, account, token); err != nil {
		return "", fmt.Errorf("a token of the operator's service account: %w", err)
	}
	const name = "rig"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: admin.Host, CertificateAuthorityData: admin.CAData}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{Token: token.Status.Token}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	config.CurrentContext = name
	path = filepath.Join(dir, "operator.kubeconfig")
	return path, clientcmd.WriteToFile(*config, path)
}
