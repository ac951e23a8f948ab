package controller

import (
	"context"
	"errors"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"trust-manager.io/internal/ledger"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/workqueue"
)

// rollOut brings a revision into force and has all its targets looked at. It is
// in force before the namespaces are listed: the event of one that comes later
// finds it.
func (b *bundles) rollOut(ctx context.Context, name string, revision *target.Revision) error {
	before, _ := b.registry.current(name)
	number := b.registry.put(name, revision)
	namespaces, noNamespaces := b.namespaces(ctx, revision)
	existing, noTargets := b.existing(ctx, name)
	if err := errors.Join(noNamespaces, noTargets); err != nil {
		b.registry.put(name, before)
		return err
	}
	present := make(map[target.Key]struct{}, len(existing))
	for _, key := range existing {
		present[key] = struct{}{}
	}
	var wanted []ledger.Place
	var keys []target.Key
	for kind := range revision.Shapes {
		for _, namespace := range namespaces {
			key := target.Key{Bundle: name, Kind: kind, Namespace: namespace}
			wanted = append(wanted, place(key))
			if _, there := present[key]; !there {
				keys = append(keys, key)
			}
		}
	}
	b.ledger.Begin(name, number, wanted, b.clock.Now())
	b.pool.Enqueue(workqueue.DefaultPriority, keys...)
	b.pool.Enqueue(priorityOf(before), existing...)
	log.FromContext(ctx).Info("A new revision of the bundle is rolled out", "bundle", name, "targets", len(wanted))
	return nil
}

// priorityOf gives the priority of the targets that are there already: after a
// start they are most likely in order, and only have to be looked at.
func priorityOf(before *target.Revision) int {
	if before == nil {
		return workqueue.LowPriority
	}
	return workqueue.DefaultPriority
}

// existing finds the targets of a bundle that are there, by a look into the cache
// for each namespace: an index of them would take a quarter of all the memory that
// a target takes. A target in a namespace that is not known yet has an event of its
// own, and so has the namespace.
func (b *bundles) existing(ctx context.Context, name string) ([]target.Key, error) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(namespaceKind)
	if err := b.objects.List(ctx, list); err != nil {
		return nil, err
	}
	var keys []target.Key
	for _, kind := range b.kinds {
		into := metadataOf(targetKind(kind))
		for i := range list.Items {
			namespace := list.Items[i].Name
			if !b.reaches(namespace) {
				continue
			}
			found, err := get(ctx, b.observed, into, types.NamespacedName{Namespace: namespace, Name: name})
			if err != nil {
				return nil, err
			}
			if found != nil && len(bundleOf(found)) > 0 {
				keys = append(keys, target.Key{Bundle: name, Kind: kind, Namespace: namespace})
			}
		}
	}
	return keys, nil
}

// gone sees to what a Bundle leaves behind that garbage collection does not
// take: its part of the objects that it shared with others.
func (b *bundles) gone(ctx context.Context, name string) error {
	b.drop(name)
	keys, err := b.existing(ctx, name)
	b.targets.Add(workqueue.DefaultPriority, keys...)
	return err
}

func (b *bundles) drop(name string) {
	b.registry.drop(name)
	b.ledger.Drop(name)
}
