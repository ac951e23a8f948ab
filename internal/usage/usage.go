package usage

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"trust-manager.io/internal/bundle"
)

// Object is a target of a bundle, as pods refer to it.
type Object struct {
	Kind bundle.Kind
	Name string
	// Keys are the keys of the bundle's files in a ConfigMap or Secret. A pod that uses other keys
	// only does not use the bundle.
	Keys []string
	// Hashed reports that there is also a hashed directory.
	Hashed bool
	// Signer and Labels are those of a ClusterTrustBundle.
	Signer string
	Labels labels.Set
}

// Way is how a container gets the content of an object.
type Way string

// The ways.
const (
	// Volume and Projected are files that the kubelet updates.
	Volume    Way = "volume"
	Projected Way = "projected"
	// SubPath is a file that is mounted by its subPath, Env a variable, and EnvFrom the variables
	// of a whole object. They are read once, when the container starts.
	SubPath Way = "subPath"
	Env     Way = "env"
	EnvFrom Way = "envFrom"
)

// IsUpdated reports whether a running container gets changes.
func (w Way) IsUpdated() bool { return w == Volume || w == Projected }

// Use is one use of an object by a container.
type Use struct {
	Container string
	Kind      bundle.Kind
	Name      string
	Way       Way
	// Init reports that the container has ended before the containers of the pod start.
	Init bool
	// Started is when the container started, or nil if it does not run. A container that has
	// initialized the pod counts, since the pod may use what it left.
	Started *metav1.Time
}

// Reason is why a container still has the content from before a change.
type Reason string

// The reasons.
const (
	// NeverUpdated: variables and subPath mounts are read when the container starts.
	NeverUpdated Reason = "neverUpdated"
	// MayNotReload: the kubelet has updated the file, but most programs read it once.
	MayNotReload Reason = "mayNotReload"
)

// Stale returns why a container may still have the content from before a change; ok is false if it
// does not run, or started after the change. A start in the same second counts as before it, since
// targets are written after the change.
func (u Use) Stale(changed metav1.Time) (reason Reason, ok bool) {
	switch {
	case u.Started == nil || u.Started.After(changed.Time):
		return "", false
	case u.Way.IsUpdated() || u.Init:
		return MayNotReload, true
	}
	return NeverUpdated, true
}

// Of returns how the containers of a pod use objects, in the order of the pod's specification.
func Of(pod *corev1.Pod, objects []Object) (uses []Use) {
	mounted := map[string][]file{}
	for i := range pod.Spec.Volumes {
		mounted[pod.Spec.Volumes[i].Name] = filesOf(&pod.Spec.Volumes[i].VolumeSource, objects)
	}
	for _, c := range containersOf(pod) {
		found := append(inMounts(c.mounts, mounted), inVariables(c.env, c.envFrom, objects)...)
		for i, use := range found {
			if slices.Contains(found[:i], use) {
				continue
			}
			use.Container, use.Init, use.Started = c.name, c.init, c.started
			uses = append(uses, use)
		}
	}
	return uses
}

// file is a file of a bundle in a volume.
type file struct {
	object *Object
	way    Way
	path   string
}

// filesOf returns the files of bundles in a volume.
func filesOf(volume *corev1.VolumeSource, objects []Object) (files []file) {
	for i := range objects {
		object := &objects[i]
		switch {
		case volume.ConfigMap != nil && object.is(bundle.ConfigMap, volume.ConfigMap.Name):
			files = append(files, object.files(Volume, volume.ConfigMap.Items)...)
		case volume.Secret != nil && object.is(bundle.Secret, volume.Secret.SecretName):
			files = append(files, object.files(Volume, volume.Secret.Items)...)
		case volume.Projected != nil:
			for j := range volume.Projected.Sources {
				files = append(files, object.projected(&volume.Projected.Sources[j])...)
			}
		}
	}
	return files
}

// is reports whether a pod refers to the object.
func (o *Object) is(kind bundle.Kind, name string) bool { return o.Kind == kind && o.Name == name }

// has reports whether a key is one of a file of the bundle.
func (o *Object) has(key string) bool {
	return slices.Contains(o.Keys, key) || o.Hashed && bundle.IsHashedName(key)
}

// files returns the files of the bundle in a volume with these items; no item selects all keys.
func (o *Object) files(way Way, items []corev1.KeyToPath) (files []file) {
	if len(items) == 0 {
		for _, key := range o.Keys {
			files = append(files, file{o, way, key})
		}
	}
	for _, item := range items {
		if o.has(item.Key) {
			files = append(files, file{o, way, item.Path})
		}
	}
	return files
}

// projected returns the files of the bundle in a source of a projected volume.
func (o *Object) projected(source *corev1.VolumeProjection) []file {
	switch {
	case source.ConfigMap != nil && o.is(bundle.ConfigMap, source.ConfigMap.Name):
		return o.files(Projected, source.ConfigMap.Items)
	case source.Secret != nil && o.is(bundle.Secret, source.Secret.Name):
		return o.files(Projected, source.Secret.Items)
	case source.ClusterTrustBundle != nil && o.isSelected(source.ClusterTrustBundle):
		return []file{{o, Projected, source.ClusterTrustBundle.Path}}
	}
	return nil
}

// isSelected reports whether a projection selects the object: by its name, or by its signer and
// labels. A projection with a signer and without a selector selects nothing.
func (o *Object) isSelected(projection *corev1.ClusterTrustBundleProjection) bool {
	if o.Kind != bundle.ClusterTrustBundle {
		return false
	}
	if projection.Name != nil {
		return *projection.Name == o.Name
	}
	selector, err := metav1.LabelSelectorAsSelector(projection.LabelSelector)
	return err == nil && projection.SignerName != nil && *projection.SignerName == o.Signer && selector.Matches(o.Labels)
}

// inMounts returns the uses by volume mounts.
func inMounts(mounts []corev1.VolumeMount, mounted map[string][]file) (uses []Use) {
	for _, mount := range mounts {
		for _, f := range mounted[mount.Name] {
			use := Use{Kind: f.object.Kind, Name: f.object.Name, Way: f.way}
			if mount.SubPath != "" || mount.SubPathExpr != "" {
				use.Way = SubPath
			}
			if mount.SubPath == "" || f.path == mount.SubPath || strings.HasPrefix(f.path, mount.SubPath+"/") ||
				f.object.Hashed && bundle.IsHashedName(mount.SubPath) {
				uses = append(uses, use)
			}
		}
	}
	return uses
}

// inVariables returns the uses by environment variables.
func inVariables(env []corev1.EnvVar, envFrom []corev1.EnvFromSource, objects []Object) (uses []Use) {
	add := func(kind bundle.Kind, name string, way Way, has func(*Object) bool) {
		for i := range objects {
			if objects[i].is(kind, name) && has(&objects[i]) {
				uses = append(uses, Use{Kind: kind, Name: name, Way: way})
			}
		}
	}
	for _, variable := range env {
		if variable.ValueFrom == nil {
			continue
		}
		if ref := variable.ValueFrom.ConfigMapKeyRef; ref != nil {
			add(bundle.ConfigMap, ref.Name, Env, func(o *Object) bool { return o.has(ref.Key) })
		}
		if ref := variable.ValueFrom.SecretKeyRef; ref != nil {
			add(bundle.Secret, ref.Name, Env, func(o *Object) bool { return o.has(ref.Key) })
		}
	}
	for _, source := range envFrom {
		if source.ConfigMapRef != nil {
			add(bundle.ConfigMap, source.ConfigMapRef.Name, EnvFrom, func(*Object) bool { return true })
		}
		if source.SecretRef != nil {
			add(bundle.Secret, source.SecretRef.Name, EnvFrom, func(*Object) bool { return true })
		}
	}
	return uses
}
