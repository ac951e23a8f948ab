package watch

import (
	"context"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
)

// Change is one change of an object.
type Change[O client.Object] struct {
	// Before is the object as it was; it is not set if the object is new.
	Before O
	// After is the object as it is; it is not set if the object was deleted.
	After O
	// Created and Deleted report which of the two is not set.
	Created, Deleted bool
	// Initial reports that the object existed when the watch began.
	Initial bool
	// StateUnknown reports that the watch missed the deletion.
	StateUnknown bool
}

// Object returns the object as it is, or as it was before its deletion.
func (c Change[O]) Object() O {
	if c.Deleted {
		return c.Before
	}
	return c.After
}

// Handler returns an event handler that calls a function for each change. The queue that
// the handler is given is not used: the function enqueues what it wants where it wants.
func Handler[O client.Object, K comparable](onChange func(context.Context, Change[O])) handler.TypedEventHandler[O, K] {
	type queue = workqueue.TypedRateLimitingInterface[K]
	return handler.TypedFuncs[O, K]{
		CreateFunc: func(ctx context.Context, e event.TypedCreateEvent[O], _ queue) {
			onChange(ctx, Change[O]{After: e.Object, Created: true, Initial: e.IsInInitialList})
		},
		UpdateFunc: func(ctx context.Context, e event.TypedUpdateEvent[O], _ queue) {
			onChange(ctx, Change[O]{Before: e.ObjectOld, After: e.ObjectNew})
		},
		DeleteFunc: func(ctx context.Context, e event.TypedDeleteEvent[O], _ queue) {
			onChange(ctx, Change[O]{Before: e.Object, Deleted: true, StateUnknown: e.DeleteStateUnknown})
		},
	}
}
