package localnode

import (
	"errors"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// accountMount is the mount path of a pod's service account token.
const accountMount = "/var/run/secrets/kubernetes.io/serviceaccount"

// accountConfig writes a kubeconfig that uses the token, CA and namespace mounted
// by a container, and returns the environment variable that refers to it. It
// returns nil for a container that mounts no token.
func accountConfig(server, dir string, c *corev1.Container, pod *corev1.Pod, at place) ([]string, error) {
	mounted, ok := at.mounts[accountMount]
	if !ok {
		return nil, nil
	}
	const name = "pod"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: server, CertificateAuthority: filepath.Join(mounted, corev1.ServiceAccountRootCAKey)}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{TokenFile: filepath.Join(mounted, corev1.ServiceAccountTokenKey)}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name, Namespace: pod.Namespace}
	config.CurrentContext = name
	file := filepath.Join(dir, c.Name+".kubeconfig")
	return []string{"KUBECONFIG=" + file}, errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), clientcmd.WriteToFile(*config, file))
}
