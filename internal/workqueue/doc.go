// Package workqueue holds the operator's queues: a priority queue for each controller,
// and a pool of workers in which keys that hang or fail do not hold up the others.
//
// Invariants: a key runs at most once at a time; keys that have failed hold at
// most a quarter of the workers; keys that hang keep no worker, and no other key of their
// group starts meanwhile; a key that fails is retried; a panic is a failure of its key.
//
// The package has no word of the domain: keys and groups are type parameters.
package workqueue
