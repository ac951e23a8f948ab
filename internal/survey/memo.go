package survey

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// memo reads ConfigMaps and Secrets at most once.
type memo struct {
	client.Reader
	read map[string]answer
}

// answer is the answer to one request.
type answer struct {
	object client.Object
	err    error
}

func newMemo(reader client.Reader) memo { return memo{reader, map[string]answer{}} }

// Get implements [client.Reader].
func (m memo) Get(ctx context.Context, key client.ObjectKey, into client.Object, options ...client.GetOption) error {
	id := fmt.Sprintf("%T %s", into, key)
	known, ok := m.read[id]
	if !ok {
		known.err = m.Reader.Get(ctx, key, into, options...)
		known.object, _ = into.DeepCopyObject().(client.Object)
		m.read[id] = known
		return known.err
	}
	switch into := into.(type) {
	case *corev1.ConfigMap:
		known.object.(*corev1.ConfigMap).DeepCopyInto(into) //nolint:forcetypeassert // the type is part of the key
	case *corev1.Secret:
		known.object.(*corev1.Secret).DeepCopyInto(into) //nolint:forcetypeassert // the type is part of the key
	default:
		return m.Reader.Get(ctx, key, into, options...)
	}
	return known.err
}
