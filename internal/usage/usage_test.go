package usage

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"trust-manager.io/internal/bundle"
)

var objects = []Object{
	{Kind: bundle.ConfigMap, Name: "roots", Keys: []string{"ca.crt", "ca.jks"}, Hashed: true},
	{Kind: bundle.Secret, Name: "roots", Keys: []string{"ca.crt"}},
	{Kind: bundle.ClusterTrustBundle, Name: "roots"},
	{Kind: bundle.ClusterTrustBundle, Name: "example.com:ca:roots", Signer: "example.com/ca", Labels: labels.Set{"channel": "live"}},
}

func pointer[T any](value T) *T { return &value }

func local(name string) corev1.LocalObjectReference { return corev1.LocalObjectReference{Name: name} }

// mounting returns a pod whose container mounts a volume.
func mounting(source corev1.VolumeSource, changes ...func(*corev1.VolumeMount)) corev1.PodSpec {
	mount := corev1.VolumeMount{Name: "v", MountPath: "/certs"}
	for _, change := range changes {
		change(&mount)
	}
	return corev1.PodSpec{
		Volumes:    []corev1.Volume{{Name: "v", VolumeSource: source}},
		Containers: []corev1.Container{{Name: "app", VolumeMounts: []corev1.VolumeMount{mount}}},
	}
}

func configMap(name string, items ...corev1.KeyToPath) corev1.VolumeSource {
	return corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: local(name), Items: items}}
}

func projected(sources ...corev1.VolumeProjection) corev1.VolumeSource {
	return corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: sources}}
}

func trustBundle(projection corev1.ClusterTrustBundleProjection) corev1.VolumeSource {
	projection.Path = "ca.crt"
	return projected(corev1.VolumeProjection{ClusterTrustBundle: &projection})
}

func subPath(path string) func(*corev1.VolumeMount) {
	return func(mount *corev1.VolumeMount) { mount.SubPath = path }
}

func use(kind bundle.Kind, way Way) []Use {
	return []Use{{Container: "app", Kind: kind, Name: "roots", Way: way}}
}

func signed() []Use {
	return []Use{{Container: "app", Kind: bundle.ClusterTrustBundle, Name: "example.com:ca:roots", Way: Projected}}
}

func withEnv(source *corev1.EnvVarSource) corev1.PodSpec {
	return corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Env: []corev1.EnvVar{{Name: "PLAIN", Value: "x"}, {Name: "CA", ValueFrom: source}}}}}
}

// L11: all ways in which a pod uses a bundle, and references that are none.
func TestOf(t *testing.T) {
	t.Parallel()
	other := corev1.KeyToPath{Key: "foreign", Path: "ca.crt"}
	for name, tc := range map[string]struct {
		spec corev1.PodSpec
		want []Use
	}{
		"ConfigMap":                    {mounting(configMap("roots")), use(bundle.ConfigMap, Volume)},
		"item":                         {mounting(configMap("roots", corev1.KeyToPath{Key: "ca.jks", Path: "java/cacerts"})), use(bundle.ConfigMap, Volume)},
		"another ConfigMap":            {mounting(configMap("other")), nil},
		"item of a foreign key":        {mounting(configMap("roots", other)), nil},
		"mounted nowhere":              {corev1.PodSpec{Volumes: mounting(configMap("roots")).Volumes, Containers: []corev1.Container{{Name: "app"}}}, nil},
		"subPath":                      {mounting(configMap("roots"), subPath("ca.crt")), use(bundle.ConfigMap, SubPath)},
		"subPath of a folder":          {mounting(configMap("roots", corev1.KeyToPath{Key: "ca.jks", Path: "java/cacerts"}), subPath("java")), use(bundle.ConfigMap, SubPath)},
		"subPath of a foreign key":     {mounting(configMap("roots"), subPath("foreign")), nil},
		"hashed name":                  {mounting(configMap("roots", corev1.KeyToPath{Key: "5ad8a5d6.0", Path: "a"})), use(bundle.ConfigMap, Volume)},
		"subPath of a hashed name":     {mounting(configMap("roots"), subPath("5ad8a5d6.0")), use(bundle.ConfigMap, SubPath)},
		"hashed name of another":       {mounting(corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "roots"}}, subPath("5ad8a5d6.0")), nil},
		"subPathExpr":                  {mounting(configMap("roots"), func(m *corev1.VolumeMount) { m.SubPathExpr = "$(X)" }), use(bundle.ConfigMap, SubPath)},
		"Secret":                       {mounting(corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "roots"}}), use(bundle.Secret, Volume)},
		"projected ConfigMap":          {mounting(projected(corev1.VolumeProjection{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: local("roots")}})), use(bundle.ConfigMap, Projected)},
		"projected Secret":             {mounting(projected(corev1.VolumeProjection{Secret: &corev1.SecretProjection{LocalObjectReference: local("roots")}})), use(bundle.Secret, Projected)},
		"projected token":              {mounting(projected(corev1.VolumeProjection{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token"}})), nil},
		"ClusterTrustBundle":           {mounting(trustBundle(corev1.ClusterTrustBundleProjection{Name: pointer("roots")})), use(bundle.ClusterTrustBundle, Projected)},
		"ClusterTrustBundle, another":  {mounting(trustBundle(corev1.ClusterTrustBundleProjection{Name: pointer("other")})), nil},
		"ClusterTrustBundle, subPath":  {mounting(trustBundle(corev1.ClusterTrustBundleProjection{Name: pointer("roots")}), subPath("ca.crt")), use(bundle.ClusterTrustBundle, SubPath)},
		"signer, all":                  {mounting(trustBundle(corev1.ClusterTrustBundleProjection{SignerName: pointer("example.com/ca"), LabelSelector: &metav1.LabelSelector{}})), signed()},
		"signer and labels":            {mounting(trustBundle(corev1.ClusterTrustBundleProjection{SignerName: pointer("example.com/ca"), LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"channel": "live"}}})), signed()},
		"signer and other labels":      {mounting(trustBundle(corev1.ClusterTrustBundleProjection{SignerName: pointer("example.com/ca"), LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"channel": "canary"}}})), nil},
		"signer without a selector":    {mounting(trustBundle(corev1.ClusterTrustBundleProjection{SignerName: pointer("example.com/ca")})), nil},
		"another signer":               {mounting(trustBundle(corev1.ClusterTrustBundleProjection{SignerName: pointer("example.com/b"), LabelSelector: &metav1.LabelSelector{}})), nil},
		"variable of a ConfigMap":      {withEnv(&corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: local("roots"), Key: "ca.crt"}}), use(bundle.ConfigMap, Env)},
		"variable of a Secret":         {withEnv(&corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: local("roots"), Key: "ca.crt"}}), use(bundle.Secret, Env)},
		"variable of a foreign key":    {withEnv(&corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: local("roots"), Key: "foreign"}}), nil},
		"variables of a ConfigMap":     {corev1.PodSpec{Containers: []corev1.Container{{Name: "app", EnvFrom: []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: local("roots")}}}}}}, use(bundle.ConfigMap, EnvFrom)},
		"variables of a Secret":        {corev1.PodSpec{Containers: []corev1.Container{{Name: "app", EnvFrom: []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: local("roots")}}}}}}, use(bundle.Secret, EnvFrom)},
		"variables of another Secret":  {corev1.PodSpec{Containers: []corev1.Container{{Name: "app", EnvFrom: []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: local("other")}}}}}}, nil},
		"pod without any of the kinds": {corev1.PodSpec{Containers: []corev1.Container{{Name: "app"}}}, nil},
	} {
		if diff := cmp.Diff(tc.want, Of(&corev1.Pod{Spec: tc.spec}, objects)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

var (
	changed = metav1.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	before  = metav1.NewTime(changed.Add(-time.Hour))
	after   = metav1.NewTime(changed.Add(time.Hour))
)

func running(name string, at metav1.Time) corev1.ContainerStatus {
	return corev1.ContainerStatus{Name: name, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: at}}}
}

func ended(name string, code int32) corev1.ContainerStatus {
	return corev1.ContainerStatus{Name: name, State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{StartedAt: before, ExitCode: code}}}
}

// L11: which containers started before the change, and whether they can have reloaded the files.
func TestStale(t *testing.T) {
	t.Parallel()
	variable := withEnv(&corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: local("roots"), Key: "ca.crt"}}).Containers[0]
	mount := corev1.Container{Name: "app", VolumeMounts: []corev1.VolumeMount{{Name: "v"}}}
	sidecar := mount
	sidecar.RestartPolicy = pointer(corev1.ContainerRestartPolicyAlways)
	spec := func(init, containers []corev1.Container) corev1.PodSpec {
		return corev1.PodSpec{Volumes: mounting(configMap("roots")).Volumes, InitContainers: init, Containers: containers}
	}
	debug := corev1.PodSpec{Volumes: mounting(configMap("roots")).Volumes, EphemeralContainers: []corev1.EphemeralContainer{
		{EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "app", VolumeMounts: mount.VolumeMounts}},
	}}
	for name, tc := range map[string]struct {
		spec   corev1.PodSpec
		status corev1.PodStatus
		want   Reason
	}{
		"file, started before":          {spec(nil, []corev1.Container{mount}), corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{running("other", after), running("app", before)}}, MayNotReload},
		"file, started after":           {spec(nil, []corev1.Container{mount}), corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{running("app", after)}}, ""},
		"file, started in that second":  {spec(nil, []corev1.Container{mount}), corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{running("app", changed)}}, MayNotReload},
		"not started":                   {spec(nil, []corev1.Container{mount}), corev1.PodStatus{}, ""},
		"ended":                         {spec(nil, []corev1.Container{mount}), corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{ended("app", 0)}}, ""},
		"variable, started before":      {spec(nil, []corev1.Container{variable}), corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{running("app", before)}}, NeverUpdated},
		"variable, started after":       {spec(nil, []corev1.Container{variable}), corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{running("app", after)}}, ""},
		"initialized before the change": {spec([]corev1.Container{variable}, nil), corev1.PodStatus{InitContainerStatuses: []corev1.ContainerStatus{ended("app", 0)}}, MayNotReload},
		"initialization fails":          {spec([]corev1.Container{variable}, nil), corev1.PodStatus{InitContainerStatuses: []corev1.ContainerStatus{ended("app", 1)}}, ""},
		"sidecar, started before":       {spec([]corev1.Container{sidecar}, nil), corev1.PodStatus{InitContainerStatuses: []corev1.ContainerStatus{running("app", before)}}, MayNotReload},
		"sidecar, ended":                {spec([]corev1.Container{sidecar}, nil), corev1.PodStatus{InitContainerStatuses: []corev1.ContainerStatus{ended("app", 0)}}, ""},
		"ephemeral container":           {debug, corev1.PodStatus{EphemeralContainerStatuses: []corev1.ContainerStatus{running("app", before)}}, MayNotReload},
	} {
		uses := Of(&corev1.Pod{Spec: tc.spec, Status: tc.status}, objects)
		if len(uses) != 1 {
			t.Errorf("%s: %d uses, want 1", name, len(uses))
			continue
		}
		if got, ok := uses[0].Stale(changed); got != tc.want || ok != (tc.want != "") {
			t.Errorf("%s: %q, %v, want %q", name, got, ok, tc.want)
		}
	}
}

// L11: a use is reported once for each container and way.
func TestOfSeveral(t *testing.T) {
	t.Parallel()
	pod := &corev1.Pod{Spec: mounting(configMap("roots"))}
	first := &pod.Spec.Containers[0]
	first.VolumeMounts = append(first.VolumeMounts, first.VolumeMounts[0], corev1.VolumeMount{Name: "v", SubPath: "ca.crt"})
	pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: "second", VolumeMounts: first.VolumeMounts[:1]})
	want := append(use(bundle.ConfigMap, Volume), use(bundle.ConfigMap, SubPath)...)
	want = append(want, Use{Container: "second", Kind: bundle.ConfigMap, Name: "roots", Way: Volume})
	if diff := cmp.Diff(want, Of(pod, objects)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOwner(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ kind, owner, hash, want string }{
		"Deployment":             {"ReplicaSet", "api-5d9f", "5d9f", "Deployment/api"},
		"ReplicaSet":             {"ReplicaSet", "api", "", "ReplicaSet/api"},
		"ReplicaSet with a hash": {"ReplicaSet", "api", "5d9f", "ReplicaSet/api"},
		"StatefulSet":            {"StatefulSet", "db", "", "StatefulSet/db"},
		"no controller":          {},
	} {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"pod-template-hash": tc.hash}}}
		if tc.kind != "" {
			pod.OwnerReferences = []metav1.OwnerReference{{Kind: tc.kind, Name: tc.owner, Controller: pointer(true)}}
		}
		if got := Owner(pod); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}
