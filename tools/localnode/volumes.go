package localnode

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// refreshPause is the interval at which volumes are updated. Secrets and
// ConfigMaps are read from a cache.
const refreshPause = time.Second

// filesOf returns the content of a volume as sources of a projected volume. An
// emptyDir has none. It returns an error for an unsupported volume.
func filesOf(volume corev1.Volume) ([]corev1.VolumeProjection, error) {
	switch {
	case volume.EmptyDir != nil:
		return nil, nil
	case volume.Secret != nil:
		name := corev1.LocalObjectReference{Name: volume.Secret.SecretName}
		return []corev1.VolumeProjection{{Secret: &corev1.SecretProjection{LocalObjectReference: name, Items: volume.Secret.Items, Optional: volume.Secret.Optional}}}, nil
	case volume.ConfigMap != nil:
		return []corev1.VolumeProjection{{ConfigMap: &corev1.ConfigMapProjection{
			LocalObjectReference: volume.ConfigMap.LocalObjectReference, Items: volume.ConfigMap.Items, Optional: volume.ConfigMap.Optional,
		}}}, nil
	case volume.Projected == nil:
		return nil, errors.New("the volume type")
	}
	for _, source := range volume.Projected.Sources {
		switch {
		case source.DownwardAPI != nil:
			for _, item := range source.DownwardAPI.Items {
				if item.FieldRef == nil || item.FieldRef.FieldPath != "metadata.namespace" && item.FieldRef.FieldPath != "metadata.name" {
					return nil, fmt.Errorf("the downward API field for %s", item.Path)
				}
			}
		case source.Secret == nil && source.ConfigMap == nil && source.ServiceAccountToken == nil:
			return nil, errors.New("a projected source")
		}
	}
	return volume.Projected.Sources, nil
}

// mounter maintains the volumes of one pod.
type mounter struct {
	objects client.Client
	pod     *corev1.Pod
	dir     string
	tokens  map[string]*cachedToken
}

// cachedToken is a token of the pod's service account.
type cachedToken struct {
	text    []byte
	renewAt time.Time
}

// newMounter returns a mounter that stores the volumes in a subdirectory of dir.
func newMounter(objects client.Client, pod *corev1.Pod, dir string) *mounter {
	return &mounter{objects: objects, pod: pod, dir: filepath.Join(dir, "volumes"), tokens: map[string]*cachedToken{}}
}

// folder returns the directory of a volume.
func (m *mounter) folder(volume string) string { return filepath.Join(m.dir, volume) }

// refresh updates all volumes. It fails if a source is missing, and then leaves
// that volume unchanged.
func (m *mounter) refresh(ctx context.Context) error {
	for _, volume := range m.pod.Spec.Volumes {
		sources, err := filesOf(volume)
		if err != nil {
			return err
		}
		content := map[string][]byte{}
		for _, source := range sources {
			files, err := m.read(ctx, volume.Name, source)
			if err != nil {
				return fmt.Errorf("volume %s: %w", volume.Name, err)
			}
			maps.Copy(content, files)
		}
		if err := show(m.folder(volume.Name), content); err != nil {
			return fmt.Errorf("volume %s: %w", volume.Name, err)
		}
	}
	return nil
}

// keep updates all volumes until ctx ends, and calls report with failures.
func (m *mounter) keep(ctx context.Context, report func(error)) {
	ticker := time.NewTicker(refreshPause)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if err := m.refresh(ctx); err != nil && ctx.Err() == nil {
				report(err)
			}
		}
	}
}

// read returns the files of one source by path in the volume.
func (m *mounter) read(ctx context.Context, volume string, source corev1.VolumeProjection) (map[string][]byte, error) {
	switch {
	case source.Secret != nil:
		secret := &corev1.Secret{}
		if err := m.get(ctx, source.Secret.Name, secret, source.Secret.Optional); err != nil {
			return nil, err
		}
		return choose(secret.Data, source.Secret.Items, source.Secret.Optional)
	case source.ConfigMap != nil:
		configMap := &corev1.ConfigMap{}
		if err := m.get(ctx, source.ConfigMap.Name, configMap, source.ConfigMap.Optional); err != nil {
			return nil, err
		}
		data := map[string][]byte{}
		maps.Copy(data, configMap.BinaryData)
		for key, text := range configMap.Data {
			data[key] = []byte(text)
		}
		return choose(data, source.ConfigMap.Items, source.ConfigMap.Optional)
	case source.DownwardAPI != nil:
		files := map[string][]byte{}
		for _, item := range source.DownwardAPI.Items {
			files[item.Path] = []byte(m.pod.Name)
			if item.FieldRef.FieldPath == "metadata.namespace" {
				files[item.Path] = []byte(m.pod.Namespace)
			}
		}
		return files, nil
	default:
		token, err := m.token(ctx, volume, source.ServiceAccountToken)
		return map[string][]byte{source.ServiceAccountToken.Path: token}, err
	}
}

// get reads an object in the pod's namespace. A missing optional object is not an error.
func (m *mounter) get(ctx context.Context, name string, object client.Object, optional *bool) error {
	err := m.objects.Get(ctx, client.ObjectKey{Namespace: m.pod.Namespace, Name: name}, object)
	if apierrors.IsNotFound(err) && optional != nil && *optional {
		return nil
	}
	return err
}

// choose returns all of data, or the keys selected by items under their paths.
func choose(data map[string][]byte, items []corev1.KeyToPath, optional *bool) (map[string][]byte, error) {
	if len(items) == 0 {
		return data, nil
	}
	chosen := map[string][]byte{}
	for _, item := range items {
		content, ok := data[item.Key]
		switch {
		case ok:
			chosen[item.Path] = content
		case optional == nil || !*optional:
			return nil, fmt.Errorf("missing key %s", item.Key)
		}
	}
	return chosen, nil
}

// token returns a token of the pod's service account that is bound to the pod. It
// is renewed after 80% of its lifetime, as on a node.
func (m *mounter) token(ctx context.Context, volume string, source *corev1.ServiceAccountTokenProjection) ([]byte, error) {
	key := volume + "/" + source.Path
	now := time.Now()
	if cached := m.tokens[key]; cached != nil && now.Before(cached.renewAt) {
		return cached.text, nil
	}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		ExpirationSeconds: source.ExpirationSeconds,
		BoundObjectRef:    &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: m.pod.Name, UID: m.pod.UID},
	}}
	if source.Audience != "" {
		request.Spec.Audiences = []string{source.Audience}
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: m.pod.Namespace, Name: m.pod.Spec.ServiceAccountName}}
	if err := m.objects.SubResource("token").Create(ctx, account, request); err != nil {
		return nil, fmt.Errorf("requesting a token of service account %s: %w", account.Name, err)
	}
	lifetime := request.Status.ExpirationTimestamp.Sub(now)
	m.tokens[key] = &cachedToken{text: []byte(request.Status.Token), renewAt: now.Add(lifetime * 8 / 10)}
	return m.tokens[key].text, nil
}
