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
	"trust-manager.io/internal/request"
	"trust-manager.io/internal/target"
)

// permissionRetry is how often the operator checks whether it may watch namespaces that it
// could not watch at the start.
const permissionRetry = 30 * time.Second

// splitByPermission separates the namespaces of --target-namespaces in which the operator
// may list targets from those in which it may not. The caches are complete only when all
// of them are, so a namespace that was deleted together with its Role would keep the
// operator from working anywhere. Other errors are left to the caches, which retry.
func splitByPermission(ctx context.Context, live client.Reader, namespaces []string, kinds []bundle.Kind) (watched, forbidden []string) {
	for _, namespace := range namespaces {
		if canList(ctx, live, namespace, kinds) {
			watched = append(watched, namespace)
		} else {
			forbidden = append(forbidden, namespace)
		}
	}
	return watched, forbidden
}

func canList(ctx context.Context, live client.Reader, namespace string, kinds []bundle.Kind) bool {
	ctx, cancel := context.WithTimeout(ctx, request.Deadline)
	defer cancel()
	for _, kind := range kinds {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(target.TypeOf(kind).GVK)
		if apierrors.IsForbidden(live.List(ctx, list, client.InNamespace(namespace), client.Limit(1))) {
			return false
		}
	}
	return true
}

// restartWhenPermitted ends the operator with an error once one of the namespaces can be
// watched: a restart is cheap and writes nothing. Until then it logs what is missing.
func restartWhenPermitted(live client.Reader, forbidden []string, kinds []bundle.Kind, log logr.Logger) allReplicas {
	return func(ctx context.Context) error {
		ticker := time.NewTicker(permissionRetry)
		defer ticker.Stop()
		for {
			log.Error(nil, "Namespaces of --target-namespaces get no targets: the operator may not list ConfigMaps there, or Secrets if they are enabled; "+
				"grant it a Role there, or remove them from the list", "namespaces", strings.Join(forbidden, ","))
			select {
			case <-ctx.Done():
				return nil
			case <-ticker.C:
			}
			if allowed, _ := splitByPermission(ctx, live, forbidden, kinds); len(allowed) > 0 && ctx.Err() == nil {
				return fmt.Errorf("--target-namespaces: access to %s was granted; restarting to use it", strings.Join(allowed, ", "))
			}
		}
	}
}

// allReplicas is run by every replica, whether it leads or not.
type allReplicas func(ctx context.Context) error

// Start implements manager.Runnable.
func (f allReplicas) Start(ctx context.Context) error { return f(ctx) }

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (f allReplicas) NeedLeaderElection() bool { return false }
