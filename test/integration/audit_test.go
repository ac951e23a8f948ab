package integration

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"trust-manager.io/test/integration/rig"
)

// audit proves, when all tests have run, that the rights which the chart renders are
// enough, and that no right is one too many: the whole suite is the proof of need.
// Requests that the API server denied, of whatever account, must have been marked by
// the test that caused them.
func audit(progress io.Writer) error {
	if err := refusals.check(); err != nil {
		return err
	}
	if left := leftOut(); left != "" {
		_, err := fmt.Fprintf(progress, "test/integration: whether all rights of the chart are used was not looked at, since %s is set\n", left)
		return err
	}
	if !finalizersProven.Load() {
		return errors.New("the right to update " + finalizers + " was not shown to be needed")
	}
	// Watches are told of at their end.
	err := rig.Await(context.Background(), "an audit without complaints", func() error { return complaints(env.Main) })
	if err != nil {
		return err
	}
	requests, err := env.Audit.Of(env.Main.Account)
	if err == nil {
		_, err = fmt.Fprintf(progress, "test/integration: %d requests used all %d rights of the chart; none was denied unasked\n", len(requests), len(env.Main.Grants))
	}
	return err
}

// leftOut names a flag because of which not all tests have run.
func leftOut() string {
	for name, all := range map[string]string{"test.run": "", "test.skip": "", "test.list": "", "test.short": "false"} {
		if flag.Lookup(name).Value.String() != all {
			return "-" + strings.TrimPrefix(name, "test.")
		}
	}
	return ""
}

// refusals are the requests that tests have the API server deny on purpose.
var refusals refused

type refused struct {
	mu    sync.Mutex
	marks []refusal
}

// refusal is about requests of one account, with one of some verbs, for one resource
// in one namespace.
type refusal struct {
	test, account, verbs, resource, namespace string
}

// refuse marks requests of an account as denied on purpose: such verbs as "list
// watch" on a resource in a namespace. It is an error if none is denied.
func refuse(t *testing.T, account, verbs, resource, namespace string) {
	t.Helper()
	refusals.mu.Lock()
	defer refusals.mu.Unlock()
	refusals.marks = append(refusals.marks, refusal{t.Name(), account, verbs, resource, namespace})
}

func (r refusal) covers(q rig.Request) bool {
	return rig.UserOf(r.account) == q.User && slices.Contains(strings.Fields(r.verbs), q.Verb) && r.resource == q.Resource && r.namespace == q.Namespace
}

// check compares what was denied with what was marked.
func (r *refused) check() error {
	denied, err := env.Audit.Denied()
	if err != nil {
		return err
	}
	for _, q := range denied {
		if !slices.ContainsFunc(r.marks, func(mark refusal) bool { return mark.covers(q) }) {
			err = errors.Join(err, fmt.Errorf("denied, and no test wants that: %s by %s", q, q.User))
		}
	}
	for _, mark := range r.marks {
		if !slices.ContainsFunc(denied, mark.covers) {
			err = errors.Join(err, fmt.Errorf("%s says that %s may not %s %s in %q, and no such request was denied", mark.test, mark.account, mark.verbs, mark.resource, mark.namespace))
		}
	}
	return err
}
