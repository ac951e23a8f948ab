package controller

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/internal/bundle"
)

// forbiddenPause is how often it is tried whether namespaces can be watched that
// could not at the start.
const forbiddenPause = 30 * time.Second

// watchable tells the namespaces of --target-namespaces in which targets can be
// watched from those in which the operator has no right to. Caches are complete
// only when all of them are, so a namespace that was deleted together with its Role
// would keep the operator from working anywhere. What fails in another way is left
// to the caches, which try again.
func watchable(ctx context.Context, live client.Reader, namespaces []string, kinds []bundle.Kind) (watched, forbidden []string) {
	for _, namespace := range namespaces {
		if mayWatch(ctx, live, namespace, kinds) {
			watched = append(watched, namespace)
		} else {
			forbidden = append(forbidden, namespace)
		}
	}
	return watched, forbidden
}

func mayWatch(ctx context.Context, live client.Reader, namespace string, kinds []bundle.Kind) bool {
	ctx, cancel := context.WithTimeout(ctx, writeDeadline)
	defer cancel()
	for _, kind := range kinds {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(targetKind(kind))
		if apierrors.IsForbidden(live.List(ctx, list, client.InNamespace(namespace), client.Limit(1))) {
			return false
		}
	}
	return true
}

// awaitRights ends the operator with an error when one of the namespaces can be
// watched: it is started again then, which is cheap and writes nothing. Until then
// it says again and again what is missing.
func awaitRights(live client.Reader, forbidden []string, kinds []bundle.Kind, log logr.Logger) everyReplica {
	return func(ctx context.Context) error {
		ticker := time.NewTicker(forbiddenPause)
		defer ticker.Stop()
		for {
			log.Error(nil, "Namespaces of --target-namespaces get no targets, since the operator has no right to list ConfigMaps, or Secrets if they are enabled, in them; "+
				"give it a Role there, or take them off the list", "namespaces", strings.Join(forbidden, ","))
			select {
			case <-ctx.Done():
				return nil
			case <-ticker.C:
			}
			if allowed, _ := watchable(ctx, live, forbidden, kinds); len(allowed) > 0 && ctx.Err() == nil {
				return fmt.Errorf("--target-namespaces: the operator has the rights that it lacked in %s, and ends to be started with them", strings.Join(allowed, ", "))
			}
		}
	}
}
