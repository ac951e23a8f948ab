package rig

import (
	"context"
	"os"
	"path/filepath"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Token is a token of the operator's account that a test can invalidate. It is in a file
// that a kubeconfig refers to, like the token that the kubelet mounts into a pod.
type Token struct {
	// Kubeconfig is the path of a kubeconfig for a Proxy.
	Kubeconfig string

	rig  *Rig
	file string
	// bound is the Secret whose deletion invalidates the token.
	bound *corev1.Secret
}

// ExpiringToken creates a [Token] for operators behind the proxy.
func (r *Rig) ExpiringToken(ctx context.Context, p *Proxy) (*Token, error) {
	t := &Token{rig: r, file: filepath.Join(p.dir, "token"), Kubeconfig: filepath.Join(p.dir, "expiring.kubeconfig")}
	if err := t.Renew(ctx); err != nil {
		return nil, err
	}
	return t, writeKubeconfig(p.config(), &clientcmdapi.AuthInfo{TokenFile: t.file}, t.Kubeconfig)
}

// Renew writes a new token to the file.
func (t *Token) Renew(ctx context.Context) error {
	bound := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: TrustNamespace, GenerateName: "token-of-rig-"}}
	if err := t.rig.Client.Create(ctx, bound); err != nil {
		return err
	}
	token, err := requestToken(ctx, t.rig.Client, accountName, &authenticationv1.BoundObjectReference{
		APIVersion: "v1", Kind: "Secret", Name: bound.Name, UID: bound.UID,
	})
	if err != nil {
		return err
	}
	t.bound = bound
	return os.WriteFile(t.file, []byte(token), 0o600)
}

// Expire invalidates the token. The API server may accept it for 10 s more, since it
// caches the result of authentication.
func (t *Token) Expire(ctx context.Context) error {
	return t.rig.Client.Delete(ctx, t.bound)
}
