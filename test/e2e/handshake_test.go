package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/ca"
)

const (
	// patience is much longer than any step takes: without a pull, a pod is ready
	// in two seconds, and mounted files are updated within two.
	patience = 60 * time.Second

	appNamespace = "app"
	serverHost   = "server.private.example"

	unknownAuthority = "refused: tls: failed to verify certificate: x509: certificate signed by unknown authority"
)

// podComesToTrust runs a pod that serves TLS with a certificate of a private CA, and
// one that mounts the Bundle's target and connects to it. The latter runs throughout.
func podComesToTrust(t *testing.T) {
	private := ca.New("private CA")
	create(t, bundle(bundleName, v1alpha1.BundleSource{UseDefaultCAs: ptr(true)}))
	create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: appNamespace}})
	create(t, serverSecret(private))
	create(t, serverPod())
	server := awaitRunning(t, "server")
	create(t, clientPod("client", server.Status.PodIP,
		corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: bundleName}}}))
	before := awaitRunning(t, "client")

	awaitOutcome(t, "client", unknownAuthority)

	create(t, &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: trustNamespace, Name: "private-ca"},
		Data:       map[string]string{"ca.crt": private.Certificate},
	})
	began := time.Now()
	if err := addSource(t, v1alpha1.BundleSource{ConfigMap: &v1alpha1.SourceObject{Name: "private-ca", Key: "ca.crt"}}); err != nil {
		t.Fatal(err)
	}
	awaitTarget(t, appNamespace, private.Certificate)
	t.Logf("from the change of the Bundle to the target: %s", time.Since(began).Round(time.Millisecond))
	awaitOutcome(t, "client", "trusted")
	t.Logf("and to a handshake in the pod: %s", time.Since(began).Round(time.Millisecond))

	after := awaitRunning(t, "client")
	if after.UID != before.UID || after.Status.ContainerStatuses[0].RestartCount != 0 {
		t.Errorf("the client is another than before: UID %s, then %s, with %d restarts",
			before.UID, after.UID, after.Status.ContainerStatuses[0].RestartCount)
	}
}

// serverSecret holds a certificate for serverHost and its key.
func serverSecret(issuer ca.CA) *corev1.Secret {
	server := issuer.Issue(ca.ForHosts(serverHost))
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: appNamespace, Name: "server-tls"},
		Type:       corev1.SecretTypeTLS,
		StringData: map[string]string{corev1.TLSCertKey: server.Certificate, corev1.TLSPrivateKeyKey: server.Key},
	}
}

func serverPod() *corev1.Pod {
	return pod("server", []string{"/handshake", "serve", "/tls"}, "/tls",
		corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "server-tls"}})
}

func clientPod(name, server string, volume corev1.VolumeSource) *corev1.Pod {
	p := pod(name, []string{"/handshake", "dial", filepath.Join("/trust", bundleKey), serverHost}, "/trust", volume)
	// There is no cluster DNS.
	p.Spec.HostAliases = []corev1.HostAlias{{IP: server, Hostnames: []string{serverHost}}}
	return p
}

// pod runs a command of the handshake image, with one volume.
func pod(name string, command []string, path string, volume corev1.VolumeSource) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: appNamespace, Name: name},
		Spec: corev1.PodSpec{
			AutomountServiceAccountToken:  ptr(false),
			TerminationGracePeriodSeconds: ptr(int64(1)),
			Containers: []corev1.Container{{
				Name: name, Image: handshakeImage, ImagePullPolicy: corev1.PullNever, Command: command,
				VolumeMounts: []corev1.VolumeMount{{Name: "files", MountPath: path, ReadOnly: true}},
			}},
			Volumes: []corev1.Volume{{Name: "files", VolumeSource: volume}},
		},
	}
}

func awaitRunning(t *testing.T, name string) *corev1.Pod {
	t.Helper()
	running := &corev1.Pod{}
	await(t, "the pod "+name, func() error {
		if err := api.Get(t.Context(), client.ObjectKey{Namespace: appNamespace, Name: name}, running); err != nil {
			return err
		}
		if running.Status.Phase != corev1.PodRunning || len(running.Status.ContainerStatuses) == 0 {
			return fmt.Errorf("it is %s", running.Status.Phase)
		}
		return nil
	})
	return running
}

// awaitOutcome waits until the last line of a client is want.
func awaitOutcome(t *testing.T, client, want string) {
	t.Helper()
	awaitLastLine(t, appNamespace, client, client, func(line string) bool { return line == want })
}

// awaitLastLine waits until the last line of a container is as expected.
func awaitLastLine(t *testing.T, namespace, pod, container string, isExpected func(line string) bool) {
	t.Helper()
	await(t, "the outcome of "+container+" in "+namespace, func() error {
		out, err := node.Kubectl(t.Context(), "--namespace", namespace, "logs", pod, "--container", container)
		if err != nil {
			return err
		}
		lines := strings.Split(strings.TrimSpace(out), "\n")
		if last := lines[len(lines)-1]; !isExpected(last) {
			return fmt.Errorf("the last line is %q", last)
		}
		return nil
	})
}
