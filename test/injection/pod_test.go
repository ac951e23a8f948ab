package injection

import (
	"context"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// What the policies read and write, as documented in docs/guide/injection.md.
const (
	bundleKey  = "trust.cert-manager.io/inject"
	modeKey    = "trust.cert-manager.io/inject-mode"
	fromKey    = "trust.cert-manager.io/inject-from"
	keyKey     = "trust.cert-manager.io/inject-key"
	javaKey    = "trust.cert-manager.io/inject-java-key"
	stamp      = "trust.cert-manager.io/injected"
	volumeName = "trust-manager-bundle"
	defaultKey = "trust-bundle.pem"
	replaced   = "/etc/ssl/certs"
	added      = "/etc/trust-manager"
	file       = "/ca-certificates.crt"
)

// fileVariables are the variables of chart value injection.variables.file.
var fileVariables = []string{
	"SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "AWS_CA_BUNDLE", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
	"GIT_SSL_CAINFO", "CARGO_HTTP_CAINFO", "NODE_EXTRA_CA_CERTS", "NIX_SSL_CERT_FILE",
}

// labels returns a map of labels or annotations.
func labels(pairs ...string) map[string]string {
	all := map[string]string{}
	for pair := range slices.Chunk(pairs, 2) {
		all[pair[0]] = pair[1]
	}
	return all
}

// newPod returns a pod of one container, "app", without volumes.
func newPod(changes ...func(*corev1.Pod)) *corev1.Pod {
	no := false
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "pod-"},
		Spec:       corev1.PodSpec{AutomountServiceAccountToken: &no, Containers: []corev1.Container{{Name: "app", Image: "image"}}},
	}
	for _, change := range changes {
		change(pod)
	}
	return pod
}

// annotated adds annotations to a pod.
func annotated(pairs ...string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		if p.Annotations == nil {
			p.Annotations = map[string]string{}
		}
		maps.Copy(p.Annotations, labels(pairs...))
	}
}

// container adds a container to a pod.
func container(name string, changes ...func(*corev1.Container)) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		c := corev1.Container{Name: name, Image: "image"}
		for _, change := range changes {
			change(&c)
		}
		p.Spec.Containers = append(p.Spec.Containers, c)
	}
}

// initContainer adds an init container to a pod.
func initContainer(name string, changes ...func(*corev1.Container)) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		c := corev1.Container{Name: name, Image: "image"}
		for _, change := range changes {
			change(&c)
		}
		p.Spec.InitContainers = append(p.Spec.InitContainers, c)
	}
}

// all combines changes of a pod.
func all(changes ...func(*corev1.Pod)) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		for _, change := range changes {
			change(p)
		}
	}
}

// volume adds an empty volume to a pod.
func volume(name string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
	}
}

// mounting mounts the volume "own" in a container.
func mounting(path string) func(*corev1.Container) {
	return func(c *corev1.Container) {
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: "own", MountPath: path})
	}
}

// setting sets variables in a container.
func setting(names ...string) func(*corev1.Container) {
	return func(c *corev1.Container) {
		for _, name := range names {
			c.Env = append(c.Env, corev1.EnvVar{Name: name, Value: "own"})
		}
	}
}

// addition is what the policies add to a pod.
type addition struct {
	bundle, mode, from, key, javaKey string
	required                         bool
	// skipped are the containers that remain as they are, and mountOnly those that get no variables.
	skipped, mountOnly []string
}

// injected returns the change that the policies make to a pod, with the bundle "example" and the
// default settings unless changed.
func injected(changes ...func(*addition)) func(*corev1.Pod) {
	a := &addition{bundle: "example", mode: "replace", from: "ConfigMap", key: defaultKey}
	for _, change := range changes {
		change(a)
	}
	return a.apply
}

// skipping makes containers remain as they are.
func skipping(names ...string) func(*addition) { return func(a *addition) { a.skipped = names } }

func (a *addition) apply(p *corev1.Pod) {
	annotated(stamp, a.bundle)(p)
	p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: volumeName, VolumeSource: a.source()})
	for _, containers := range [][]corev1.Container{p.Spec.InitContainers, p.Spec.Containers} {
		for i := range containers {
			a.applyTo(&containers[i])
		}
	}
}

// source returns the source of the volume, with the defaults of the API server.
func (a *addition) source() corev1.VolumeSource {
	optional, mode := !a.required, int32(0o644)
	if a.from == "ClusterTrustBundle" {
		return corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{DefaultMode: &mode, Sources: []corev1.VolumeProjection{{
			ClusterTrustBundle: &corev1.ClusterTrustBundleProjection{Name: &a.bundle, Optional: &optional, Path: "ca-certificates.crt"},
		}}}}
	}
	items := []corev1.KeyToPath{{Key: a.key, Path: "ca-certificates.crt"}}
	if a.javaKey != "" {
		items = append(items, corev1.KeyToPath{Key: a.javaKey, Path: "java/cacerts"})
	}
	return corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
		LocalObjectReference: corev1.LocalObjectReference{Name: a.bundle}, Items: items, Optional: &optional, DefaultMode: &mode,
	}}
}

func (a *addition) applyTo(c *corev1.Container) {
	if slices.Contains(a.skipped, c.Name) {
		return
	}
	directory := map[string]string{"replace": replaced, "add": added}[a.mode]
	c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: volumeName, MountPath: directory, ReadOnly: true})
	if slices.Contains(a.mountOnly, c.Name) {
		return
	}
	variables := []corev1.EnvVar{}
	for _, name := range fileVariables {
		variables = append(variables, corev1.EnvVar{Name: name, Value: directory + file})
	}
	if a.mode == "replace" {
		variables = append(variables, corev1.EnvVar{Name: "SSL_CERT_DIR", Value: directory})
	}
	own := slices.Clone(c.Env)
	for _, variable := range variables {
		if !slices.ContainsFunc(own, func(e corev1.EnvVar) bool { return e.Name == variable.Name }) {
			c.Env = append(c.Env, variable)
		}
	}
}

// createNamespace creates a namespace with the service account that pods need. Kubernetes would
// create the account too, but a minute late after a restart of the API server.
func createNamespace(ctx context.Context, namespace *corev1.Namespace) error {
	if err := env.Client.Create(ctx, namespace); err != nil {
		return err
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace.Name, Name: "default"}}
	return client.IgnoreAlreadyExists(env.Client.Create(ctx, account))
}

// namespaceWith creates a namespace with labels, and returns its name.
func namespaceWith(t *testing.T, labels map[string]string) string {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "place-", Labels: labels}}
	if err := createNamespace(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	return namespace.Name
}

// create creates a pod, and returns what the API server has stored, without what is different for
// each pod.
func create(t *testing.T, namespace string, pod *corev1.Pod) *corev1.Pod {
	t.Helper()
	stored, err := tryCreate(t.Context(), namespace, pod)
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

func tryCreate(ctx context.Context, namespace string, pod *corev1.Pod) (*corev1.Pod, error) {
	pod = pod.DeepCopy()
	pod.Namespace = namespace
	err := env.Client.Create(ctx, pod)
	pod.Name, pod.Namespace, pod.UID, pod.ResourceVersion, pod.ManagedFields = "", "", "", "", nil
	pod.CreationTimestamp = metav1.Time{}
	return pod, err
}

// check creates a pod in a namespace, and compares it with the pod that the API server stores
// without the policies, changed by a function. nil means unchanged.
func check(t *testing.T, namespace string, pod *corev1.Pod, change func(*corev1.Pod)) {
	t.Helper()
	want, got := create(t, baseline, pod), create(t, namespace, pod)
	if change != nil {
		change(want)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("the pod (-want +got):\n%s", diff)
	}
}

// example is a case: a pod, in a namespace with these labels, and the change of the policies.
type example struct {
	labels map[string]string
	pod    func(*corev1.Pod)
	want   func(*corev1.Pod)
}

// checkAll checks examples. If they have no labels, the namespace opts in.
func checkAll(t *testing.T, examples map[string]example) {
	t.Helper()
	for name, tc := range examples {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pod := newPod()
			if tc.pod != nil {
				tc.pod(pod)
			}
			if tc.labels == nil {
				tc.labels = labels(bundleKey, "example")
			}
			check(t, namespaceWith(t, tc.labels), pod, tc.want)
		})
	}
}
