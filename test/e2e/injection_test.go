package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/certs"
	"trust-manager.io/test/framework/ca"
)

const (
	// injectedName is that of the Bundle that namespaces opt in to, and of its targets.
	injectedName = "e2e-injected"
	injectKey    = "trust.cert-manager.io/inject"
	injectedKey  = "trust.cert-manager.io/injected"

	// The namespaces of the two modes.
	replaceNamespace = "inject-replace"
	addNamespace     = "inject-add"

	// clientsImage has CAs of its own, in the layout of Debian.
	clientsImage = "trust-manager.io/test/clients:1"
	publicCA     = "public CA"
	// settled is longer than a client needs for another connection.
	settled = 5 * time.Second
)

// connectInPython connects to a host once.
const connectInPython = `import socket, ssl, sys
with socket.create_connection((sys.argv[1], 8443), 5) as connection:
    ssl.create_default_context().wrap_socket(connection, server_hostname=sys.argv[1]).close()`

// clients are the containers that connect to a server, each connection in a new process.
var clients = []string{"go", "curl", "python"}

// podsFollowInjection runs the same pod in a namespace of each mode. Its image contains a public CA,
// which the Bundle then excludes (P3).
func podsFollowInjection(t *testing.T) {
	public, private := ca.New(publicCA), ca.New("CA beside a public CA")
	packClients(t, public)
	secret := serverSecret(public)
	secret.Name = "public-tls"
	create(t, secret)
	create(t, pod("public-server", []string{"/handshake", "serve", "/tls"}, "/tls",
		corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: secret.Name}}))
	server := awaitRunning(t, "public-server").Status.PodIP
	create(t, bundle(injectedName, v1alpha1.BundleSource{InLine: &public.Certificate}, v1alpha1.BundleSource{InLine: &private.Certificate}))
	create(t, optedIn(replaceNamespace, ""))
	create(t, optedIn(addNamespace, "add"))
	for _, namespace := range []string{replaceNamespace, addNamespace} {
		awaitTargetOf(t, injectedName, namespace, func(certificates string) bool { return strings.Contains(certificates, private.Certificate) })
		create(t, clientsPod(t, namespace, server))
	}
	for _, namespace := range []string{replaceNamespace, addNamespace} {
		created := &corev1.Pod{}
		get(t, namespace, "clients", created)
		if created.Annotations[injectedKey] != injectedName {
			t.Errorf("%s: the pod has the annotations %v, want it injected", namespace, created.Annotations)
		}
		for _, name := range clients {
			awaitClient(t, namespace, name, isTrust)
		}
	}

	began := time.Now()
	exclude(t, injectedName, "CN="+publicCA)
	for _, name := range clients {
		awaitClient(t, replaceNamespace, name, isRefusal)
	}
	t.Logf("from the exclusion to the last refusal of %v: %s", clients, time.Since(began).Round(time.Millisecond))
	// The pod in the mode "add" has the new bundle too, and each program still reads the image.
	awaitClient(t, addNamespace, "file", isRefusal)
	time.Sleep(settled)
	for _, name := range clients {
		awaitClient(t, addNamespace, name, isTrust)
	}
}

// optedIn returns a namespace whose pods get the bundle, in the default mode or another.
func optedIn(name, mode string) *corev1.Namespace {
	labels := map[string]string{injectKey: injectedName}
	if mode != "" {
		labels["trust.cert-manager.io/inject-mode"] = mode
	}
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
}

// packClients builds the image of the clients, which trusts a CA.
func packClients(t *testing.T, public ca.CA) {
	t.Helper()
	certificates, err := certs.ParseDER(public.DER())
	if err != nil {
		t.Fatal(err)
	}
	hash, err := certificates[0].OpenSSLHash()
	if err != nil {
		t.Fatal(err)
	}
	file := writeFile(t, "ca.crt", public.Certificate)
	if err := node.Pack(t.Context(), clientsImage, "handshake="+filepath.Join(node.Dir, "handshake"),
		"etc/ssl/certs/ca-certificates.crt="+file, "etc/ssl/certs/"+hash+".0="+file); err != nil {
		t.Fatal(err)
	}
}

// clientsPod returns a pod with programs of this machine, on the root file system of the image. It
// says nothing about CAs, except for the container "file", which shows what an injected volume
// contains.
func clientsPod(t *testing.T, namespace, server string) *corev1.Pod {
	t.Helper()
	python, folders := pythonOf(t)
	p := pod("clients", nil, "/usr", corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/usr"}})
	p.Namespace = namespace
	p.Spec.HostAliases = []corev1.HostAlias{{IP: server, Hostnames: []string{serverHost}}}
	common := p.Spec.Containers[0]
	common.Image = clientsImage
	for i, folder := range folders {
		name := fmt.Sprintf("machine-%d", i)
		p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: folder}}})
		common.VolumeMounts = append(common.VolumeMounts, corev1.VolumeMount{Name: name, MountPath: folder, ReadOnly: true})
	}
	p.Spec.Containers = nil
	for name, command := range map[string][]string{
		"go":     {"repeat", "/handshake", "connect", serverHost},
		"curl":   {"repeat", "/usr/bin/curl", "--silent", "--show-error", "--output", "/dev/null", "https://" + serverHost + ":8443"},
		"python": {"repeat", python, "-c", connectInPython, serverHost},
		"file":   {"dial", "/etc/trust-manager/ca-certificates.crt", serverHost},
	} {
		container := *common.DeepCopy()
		container.Name, container.Command = name, append([]string{"/handshake"}, command...)
		p.Spec.Containers = append(p.Spec.Containers, container)
	}
	return p
}

// pythonOf returns the path of Python, and the folders besides /usr that programs of this machine
// need.
func pythonOf(t *testing.T) (python string, folders []string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "python3", "-c", "import os, sys; print(os.path.realpath(sys.executable), sys.base_prefix)").Output()
	fields := strings.Fields(string(out))
	if err != nil || len(fields) != 2 {
		t.Fatalf("python3: %v: %s", err, out)
	}
	for _, folder := range []string{"/bin", "/lib", "/lib64", fields[1]} {
		if _, err := os.Stat(folder); err == nil && !strings.HasPrefix(folder+"/", "/usr/") {
			folders = append(folders, folder)
		}
	}
	return fields[0], folders
}

// exclude adds an exclusion to a Bundle.
func exclude(t *testing.T, name, subject string) {
	t.Helper()
	object := &v1alpha1.Bundle{}
	get(t, "", name, object)
	before := object.DeepCopy()
	object.Spec.Exclude = append(object.Spec.Exclude, v1alpha1.Exclusion{Subject: subject})
	if err := api.Patch(t.Context(), object, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
}

// awaitTargetOf waits until the certificates in a target are as expected.
func awaitTargetOf(t *testing.T, name, namespace string, isExpected func(certificates string) bool) {
	t.Helper()
	await(t, "the target in "+namespace, func() error {
		target := &corev1.ConfigMap{}
		if err := api.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, target); err != nil {
			return err
		}
		if !isExpected(target.Data[bundleKey]) {
			return fmt.Errorf("it has other certificates, at resource version %s", target.ResourceVersion)
		}
		return nil
	})
}

// awaitClient waits until the last outcome of a client is as expected.
func awaitClient(t *testing.T, namespace, container string, isExpected func(outcome string) bool) {
	t.Helper()
	awaitLastLine(t, namespace, "clients", container, isExpected)
}

func isTrust(outcome string) bool { return outcome == "trusted" }

// isRefusal reports whether a client has failed because it does not trust the server's certificate, and
// not for another reason.
func isRefusal(outcome string) bool {
	return strings.HasPrefix(outcome, "refused: ") &&
		(strings.Contains(outcome, "certificate signed by unknown authority") || strings.Contains(outcome, "unable to get local issuer certificate"))
}
