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
	"time"

	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/rig"
)

// audit verifies, after all tests, that the rights which the chart renders are
// sufficient, and that the suite needs each of them. The test that causes a denied
// request, of any account, must have marked it.
func audit(progress io.Writer) error {
	err := refusals.check()
	if left := leftOut(); left != "" {
		_, _ = fmt.Fprintf(progress, "test/integration: whether all rights of the chart are used was not looked at, since %s is set\n", left)
		return err
	}
	if !finalizersProven.Load() {
		err = errors.Join(err, fmt.Errorf("the rights to update %s were not shown to be needed", finalizers))
	}
	// The audit log contains a watch only after its end.
	err = errors.Join(err, poll.UntilWithin(context.Background(), auditPatience, "a clean audit", func() error { return complaints(env.Main) }))
	if err != nil {
		return err
	}
	requests, err := env.Audit.Of(env.Main.Account)
	if err == nil {
		_, err = fmt.Fprintf(progress, "test/integration: %d requests used all %d rights of the chart; none was denied unasked\n", len(requests), len(env.Main.Grants))
	}
	return err
}

// auditPatience bounds the wait until the API server logs the end of the last watches.
const auditPatience = 5 * time.Second

// leftOut returns a flag that has excluded tests.
func leftOut() string {
	for name, all := range map[string]string{"test.run": "", "test.skip": "", "test.list": "", "test.short": "false"} {
		if flag.Lookup(name).Value.String() != all {
			return "-" + strings.TrimPrefix(name, "test.")
		}
	}
	return ""
}

// refusals are the requests that the API server denies on purpose.
var refusals refused

type refused struct {
	mu    sync.Mutex
	marks []refusal
}

// refusal matches requests of one account, with one of some verbs, for one resource
// in one namespace or in those of one scene; or all requests in a period.
type refusal struct {
	test, account, verbs, resource, namespace string
	from, to                                  time.Time
}

// refuse marks requests of an account as denied on purpose: verbs such as "list
// watch" on a resource in a namespace, or in those of a scene. The audit fails if none
// is denied.
func refuse(t *testing.T, account, verbs, resource, namespace string) {
	t.Helper()
	refusals.mu.Lock()
	defer refusals.mu.Unlock()
	refusals.marks = append(refusals.marks, refusal{test: t.Name(), account: account, verbs: verbs, resource: resource, namespace: namespace})
}

// restartAPIServer restarts the API server, which may deny everything until it has
// loaded the roles.
func restartAPIServer(t *testing.T) error {
	t.Helper()
	mark := refusal{test: t.Name(), from: time.Now()}
	err := env.Restart(rig.APIServer)
	mark.to = time.Now()
	refusals.mu.Lock()
	defer refusals.mu.Unlock()
	refusals.marks = append(refusals.marks, mark)
	return err
}

func (r refusal) covers(q rig.Request) bool {
	if r.account == "" {
		return q.Received.After(r.from) && q.Received.Before(r.to)
	}
	inPlace := q.Namespace == r.namespace || r.namespace != "" && strings.HasPrefix(q.Namespace, r.namespace+"-")
	return inPlace && rig.UserOf(r.account) == q.User && slices.Contains(strings.Fields(r.verbs), q.Verb) && r.resource == q.Resource
}

// wanted reports whether a test has marked a request.
func (r *refused) wanted(q rig.Request) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.marks, func(mark refusal) bool { return mark.covers(q) })
}

// check compares the denied requests with the marked ones.
func (r *refused) check() error {
	denied, err := env.Audit.Denied()
	if err != nil {
		return err
	}
	for _, q := range denied {
		if !r.wanted(q) {
			err = errors.Join(err, fmt.Errorf("denied, and no test wants that: %s by %s", q, q.User))
		}
	}
	for _, mark := range r.marks {
		if mark.account != "" && !slices.ContainsFunc(denied, mark.covers) {
			err = errors.Join(err, fmt.Errorf("%s expects that %s may not %s %s in %q, and no such request was denied", mark.test, mark.account, mark.verbs, mark.resource, mark.namespace))
		}
	}
	return err
}
