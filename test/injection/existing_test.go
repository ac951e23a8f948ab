package injection

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

// P3: what a pod has already stays as it is, and what it lacks is added.
func TestExistingFields(t *testing.T) {
	t.Parallel()
	own := volume("own")
	always := corev1.ContainerRestartPolicyAlways
	everything := append([]string{"SSL_CERT_DIR"}, fileVariables...)
	checkAll(t, map[string]example{
		"volumes":               {pod: own, want: injected()},
		"annotations":           {pod: annotated("other", "annotation"), want: injected()},
		"an unrelated mount":    {pod: all(own, container("other", mounting("/data"))), want: injected()},
		"unrelated variables":   {pod: container("other", setting("A", "B")), want: injected()},
		"an init container":     {pod: initContainer("init"), want: injected()},
		"several of both kinds": {pod: all(initContainer("init"), initContainer("init2", setting("A")), container("other")), want: injected()},
		"a sidecar":             {pod: initContainer("init", func(c *corev1.Container) { c.RestartPolicy = &always }), want: injected()},
		"a variable": {pod: all(container("other", setting("SSL_CERT_FILE")), initContainer("init", setting("A", "PIP_CERT", "SSL_CERT_DIR"))),
			want: injected()},
		"a variable from elsewhere": {pod: container("other", func(c *corev1.Container) {
			c.Env = []corev1.EnvVar{{Name: "CURL_CA_BUNDLE", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}}}
		}), want: injected()},
		"all variables": {pod: container("other", setting(everything...)), want: injected()},
		"variables from a ConfigMap": {pod: all(container("other", func(c *corev1.Container) {
			c.EnvFrom = []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "a"}}}}
		}), initContainer("init")), want: injected(func(a *addition) { a.mountOnly = []string{"other"} })},
		"variables from a Secret": {pod: initContainer("init", setting("A"), func(c *corev1.Container) {
			c.EnvFrom = []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "a"}}}}
		}), want: injected(func(a *addition) { a.mountOnly = []string{"init"} })},
		"a volume of that name":          {pod: volume(volumeName)},
		"a volume of that name, stamped": {pod: all(volume(volumeName), annotated(stamp, "example"))},
		"the volume without a stamp":     {pod: fromConfigMap(volumeName, "example")},
		"a stamp and another volume":     {pod: all(fromConfigMap("own", "example"), annotated(stamp, "example")), want: injected()},
		"only a stamp":                   {pod: annotated(stamp, "other"), want: injected()},
		"a block device": {pod: all(claim, container("other", func(c *corev1.Container) {
			c.VolumeDevices = []corev1.VolumeDevice{{Name: "claim", DevicePath: "/dev/xvda"}}
		})), want: injected()},
		"a block device in the way": {pod: all(claim, container("other", func(c *corev1.Container) {
			c.VolumeDevices = []corev1.VolumeDevice{{Name: "claim", DevicePath: replaced}}
		}))},
		"a file by subPath": {pod: all(own, container("other", func(c *corev1.Container) {
			c.VolumeMounts = []corev1.VolumeMount{{Name: "own", MountPath: replaced + file, SubPath: "a"}}
		}))},
		// The init container writes to its own /etc/ssl/certs.
		"an init container that fills the store of another container": {pod: all(own,
			initContainer("init", mounting("/work")), func(p *corev1.Pod) { mounting(replaced)(&p.Spec.Containers[0]) })},
		"mounts in the way in each container": {pod: all(own, func(p *corev1.Pod) { mounting(replaced)(&p.Spec.Containers[0]) },
			initContainer("init", mounting("/etc")))},
		"add, with a mount over the CAs of the image": {labels: labels(bundleKey, "example", modeKey, "add"),
			pod: all(own, container("other", mounting(replaced))), want: injected(adding)},
	})
}

// fromConfigMap adds a volume with a ConfigMap.
func fromConfigMap(name, object string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
			ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: object}},
		}})
	}
}

// claim adds a volume that is a block device.
func claim(p *corev1.Pod) {
	p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: "claim", VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "claim"},
	}})
}

// P3: a pod remains as it is if one of its containers has a mount at, above or below the directory of
// the bundle, or a place where images have their CAs. A directory whose name begins in the same way is a
// different one.
func TestMounts(t *testing.T) {
	t.Parallel()
	examples := map[string]example{}
	for mode, paths := range map[string]map[string]bool{
		"replace": {
			"/etc/ssl/certs": true, "/etc/ssl/certs/": true, "//etc/./ssl//certs/.": true, "etc/ssl/certs": true, "./etc/ssl/certs": true,
			"/etc/ssl": true, "/etc": true, "/": true, ".": true, "/etc/ssl/certs/java": true, "/etc/ssl/certs//a/b": true,
			"/etc/x/../ssl/certs": true, "/data/..": true, "..": true,
			"/etc/ssl/certs-extra": false, "/etc/ssl/cert": false, "/etc/ssl/private": false, "/etc/s": false, "/data/etc/ssl/certs": false,
			"/etc/trust-manager": false, "/etc/ssl/..data": false,
			// Alpine
			"/etc/ssl/cert.pem": true, "/etc/ssl/cert.pem.d": false,
			// Debian
			"/usr/lib/ssl/cert.pem": true, "/usr/lib/ssl/certs": true, "/usr/lib/ssl/certs/x.pem": true, "/usr/lib/ssl": true,
			"/usr/local/share/ca-certificates": true, "/usr/local/share/ca-certificates/x.crt": true,
			"/usr/lib": false, "/usr/lib/ssl3": false, "/usr/local/share": false, "/usr": false,
			// Red Hat
			"/etc/pki/tls/certs/x.pem": true, "/etc/pki/tls/certs": true, "/etc/pki/tls": true, "/etc/pki": true, "/etc/pki/tls/cert.pem": true,
			"/etc/pki/ca-trust": true, "/etc/pki/ca-trust/extracted/pem": true, "/etc/pki/ca-trust/source/anchors": true,
			"/etc/pki/tls/private": false, "/etc/pki/nssdb": false,
			// SUSE
			"/var/lib/ca-certificates": true, "/var/lib/ca-certificates/pem/x.pem": true, "/var/lib": true, "/var": true,
			"/etc/ssl/ca-bundle.pem": true, "/etc/pki/trust/anchors/x.pem": true, "/var/lib/ca": false, "/var/cache": false,
		},
		"add": {
			"/etc/trust-manager": true, "/etc": true, "/": true, "/etc/trust-manager/a": true,
			"/etc/trust-manager-a": false, "/etc/trust": false, "/etc/ssl/certs": false, "/etc/pki/tls/certs": false, "/usr/lib/ssl/certs": false,
		},
	} {
		for path, inTheWay := range paths {
			want := injected(func(a *addition) { a.mode = mode })
			if inTheWay {
				want = nil
			}
			for field, with := range map[string]func(*corev1.Pod){
				"container":      container("other", mounting("/data/first"), mounting(path)),
				"init container": initContainer("init", mounting("/data/first"), mounting(path)),
			} {
				examples[fmt.Sprintf("%s %q in a %s", mode, path, field)] = example{
					labels: labels(bundleKey, "example", modeKey, mode),
					pod:    all(volume("own"), with),
					want:   want,
				}
			}
		}
	}
	checkAll(t, examples)
}

// P3: a pod that is created from an injected one gets nothing twice. A container that was added to it
// gets the bundle too, unless it has a mount in the way.
func TestInjectedPod(t *testing.T) {
	t.Parallel()
	for from, change := range map[string]func(*addition){"ConfigMap": func(*addition) {}, "ClusterTrustBundle": trustBundle} {
		t.Run(from, func(t *testing.T) {
			t.Parallel()
			namespace := namespaceWith(t, labels(bundleKey, "example", fromKey, from))
			first := create(t, namespace, newPod(volume("own"), initContainer("init")))
			check(t, namespace, first, nil)
			more, others := first.DeepCopy(), all(container("other", setting("PIP_CERT")), container("late", mounting("/etc/pki/tls/certs")))
			others(more)
			want := create(t, baseline, newPod(volume("own"), initContainer("init"), others))
			injected(change, skipping("late"))(want)
			if diff := cmp.Diff(want, create(t, namespace, more)); diff != "" {
				t.Errorf("with more containers (-want +got):\n%s", diff)
			}
			check(t, namespaceWith(t, labels(bundleKey, "another", fromKey, from)), more, nil)
		})
	}
}

// P3: the volume of the service account's token, which the API server adds before, stays.
func TestServiceAccountToken(t *testing.T) {
	t.Parallel()
	yes := true
	stored := create(t, namespaceWith(t, labels(bundleKey, "example")), newPod(func(p *corev1.Pod) { p.Spec.AutomountServiceAccountToken = &yes }))
	if len(stored.Spec.Volumes) != 2 || stored.Spec.Volumes[1].Name != volumeName {
		t.Fatalf("the volumes are %v", stored.Spec.Volumes)
	}
	want := newPod().Spec.Containers[0]
	want.VolumeMounts = []corev1.VolumeMount{{Name: stored.Spec.Volumes[0].Name, MountPath: "/var/run/secrets/kubernetes.io/serviceaccount", ReadOnly: true}}
	(&addition{mode: "replace"}).applyTo(&want)
	got := stored.Spec.Containers[0]
	if diff := cmp.Diff(want.VolumeMounts, got.VolumeMounts) + cmp.Diff(want.Env, got.Env); diff != "" {
		t.Errorf("the container (-want +got):\n%s", diff)
	}
}
