package rig

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// leases is the API group whose requests Since and AllSince leave out.
const leases = "coordination.k8s.io"

// auditPolicy makes the API server log the completed requests of the service accounts in
// the operator's namespace.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
- level: Metadata
  userGroups: ["system:serviceaccounts:` + TrustNamespace + `"]
  verbs: [get, list, watch, create, update, patch, delete, deletecollection]
- level: None
`

// Audit reads the API server's audit log.
type Audit struct {
	policy, log string
}

// Request is a completed request of the operator.
type Request struct {
	// Verb is the Kubernetes verb, in lower case: get, create, update and so on.
	Verb string
	// User is the name of the user that made the request.
	User string
	// Group is the API group, empty for the core group. Resource is the plural name,
	// followed by a slash and the subresource, if any; it is empty for a non-resource URL.
	Group, Resource string
	Namespace, Name string
	// Code is the HTTP status of the response.
	Code int
	// Denied reports whether the authorizer denied it.
	Denied bool
	// Received and Answered are times of the API server's clock.
	Received, Answered time.Time
}

// String returns the request as shown in failures of tests.
func (q Request) String() string {
	return fmt.Sprintf("%s %s %s/%s: %d", q.Verb, q.Resource, q.Namespace, q.Name, q.Code)
}

// IsWrite reports whether the request, one for a single object, changes it.
func (q Request) IsWrite() bool { return q.Verb != "get" }

// Done reports whether the request succeeded.
func (q Request) Done() bool { return q.Code < 300 }

// Mark is a position in the audit log.
type Mark struct {
	offset int64
	time   time.Time
}

func newAudit(dir string) (*Audit, error) {
	a := &Audit{policy: filepath.Join(dir, "audit-policy.yaml"), log: filepath.Join(dir, "audit.log")}
	return a, os.WriteFile(a.policy, []byte(auditPolicy), 0o600)
}

// arguments returns the arguments that make the API server write the log.
func (a *Audit) arguments() []string {
	return []string{"--audit-policy-file=" + a.policy, "--audit-log-path=" + a.log}
}

// Mark returns the current position.
func (a *Audit) Mark() Mark {
	mark := Mark{time: time.Now()}
	if info, err := os.Stat(a.log); err == nil {
		mark.offset = info.Size()
	}
	return mark
}

// Since returns the completed requests for single objects that the API server received
// after the mark, in the order of completion.
func (a *Audit) Since(mark Mark) ([]Request, error) {
	all, err := a.AllSince(mark)
	return slices.DeleteFunc(all, func(q Request) bool { return q.Verb == "list" || q.Verb == "watch" }), err
}

// AllSince returns what [Audit.Since] does, and lists and watches too. A watch completes
// when it ends.
func (a *Audit) AllSince(mark Mark) ([]Request, error) {
	all, err := a.read(mark.offset)
	return slices.DeleteFunc(all, func(q Request) bool { return q.Group == leases || !q.Received.After(mark.time) }), err
}

// Of returns all completed requests of a service account in [TrustNamespace].
func (a *Audit) Of(account string) ([]Request, error) {
	all, err := a.read(0)
	user := UserOf(account)
	return slices.DeleteFunc(all, func(q Request) bool { return q.User != user }), err
}

// Denied returns all requests that the authorizer denied.
func (a *Audit) Denied() ([]Request, error) {
	all, err := a.read(0)
	return slices.DeleteFunc(all, func(q Request) bool { return !q.Denied }), err
}

// read returns the requests in the log after an offset.
func (a *Audit) read(offset int64) ([]Request, error) {
	file, err := os.Open(a.log)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // no request yet
	} else if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // only read
	begin := max(0, offset-1)
	text, err := io.ReadAll(io.NewSectionReader(file, begin, 1<<40))
	if err != nil {
		return nil, err
	}
	// The last line may be incomplete, and so may have been the one at the offset.
	text = text[:bytes.LastIndexByte(text, '\n')+1]
	if offset > 0 {
		text = text[bytes.IndexByte(text, '\n')+1:]
	}
	var requests []Request
	for line := range bytes.Lines(text) {
		request, err := parseRequest(line)
		if err != nil {
			return nil, fmt.Errorf("audit log: %w: %s", err, line)
		}
		requests = append(requests, request)
	}
	return requests, nil
}

// parseRequest reads an Event of audit.k8s.io/v1.
func parseRequest(line []byte) (Request, error) {
	var event struct {
		Verb                     string
		User                     struct{ Username string }
		ObjectRef                struct{ APIGroup, Resource, Subresource, Namespace, Name string }
		ResponseStatus           struct{ Code int }
		RequestReceivedTimestamp metav1.MicroTime
		StageTimestamp           metav1.MicroTime
		Annotations              map[string]string
	}
	if err := json.Unmarshal(line, &event); err != nil {
		return Request{}, err
	}
	resource := event.ObjectRef.Resource
	if event.ObjectRef.Subresource != "" {
		resource += "/" + event.ObjectRef.Subresource
	}
	return Request{
		Verb: event.Verb, User: event.User.Username, Group: event.ObjectRef.APIGroup, Resource: resource,
		Namespace: event.ObjectRef.Namespace, Name: event.ObjectRef.Name,
		Code:     event.ResponseStatus.Code,
		Denied:   event.Annotations["authorization.k8s.io/decision"] == "forbid",
		Received: event.RequestReceivedTimestamp.Time, Answered: event.StageTimestamp.Time,
	}, nil
}
