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

// leases are the one group whose requests Since and AllSince leave out: keeping a
// Lease is no work.
const leases = "coordination.k8s.io"

// auditPolicy has the API server log what accounts of the operator's namespace do,
// once it is done: writes and reads of single objects, lists and watches.
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

// Request is one request of the operator that the API server has answered.
type Request struct {
	// Verb is that of Kubernetes, in lower case: get, create, update and so on.
	Verb string
	// User is who asked.
	User string
	// Group is the API group, empty for the core's. Resource is the plural, with the
	// subresource after a slash, if any; it is empty where a URL was asked for.
	Group, Resource string
	Namespace, Name string
	// Code is the HTTP status of the answer.
	Code int
	// Denied says that the account had no right to it.
	Denied bool
	// Received and Answered are the API server's times.
	Received, Answered time.Time
}

// String gives a request as failures of tests show it.
func (q Request) String() string {
	return fmt.Sprintf("%s %s %s/%s: %d", q.Verb, q.Resource, q.Namespace, q.Name, q.Code)
}

// IsWrite says whether the request was to change something.
func (q Request) IsWrite() bool { return q.Verb != "get" }

// Done says whether the API server did what was asked.
func (q Request) Done() bool { return q.Code < 300 }

// Mark is a moment in the audit log.
type Mark struct {
	offset int64
	time   time.Time
}

func newAudit(dir string) (*Audit, error) {
	a := &Audit{policy: filepath.Join(dir, "audit-policy.yaml"), log: filepath.Join(dir, "audit.log")}
	return a, os.WriteFile(a.policy, []byte(auditPolicy), 0o600)
}

// arguments are those of the API server that make it write the log.
func (a *Audit) arguments() []string {
	return []string{"--audit-policy-file=" + a.policy, "--audit-log-path=" + a.log}
}

// Mark gives the present moment.
func (a *Audit) Mark() Mark {
	mark := Mark{time: time.Now()}
	if info, err := os.Stat(a.log); err == nil {
		mark.offset = info.Size()
	}
	return mark
}

// Since gives the requests about single objects that the API server received after
// the mark and has answered by now, in the order of the answers.
func (a *Audit) Since(mark Mark) ([]Request, error) {
	all, err := a.AllSince(mark)
	return slices.DeleteFunc(all, func(q Request) bool { return q.Verb == "list" || q.Verb == "watch" }), err
}

// AllSince gives what Since does, and lists and watches too. A watch that goes on
// has not been answered.
func (a *Audit) AllSince(mark Mark) ([]Request, error) {
	all, err := a.read(mark.offset)
	return slices.DeleteFunc(all, func(q Request) bool { return q.Group == leases || !q.Received.After(mark.time) }), err
}

// Of gives all that an account of TrustNamespace has asked for since the start.
func (a *Audit) Of(account string) ([]Request, error) {
	all, err := a.read(0)
	user := UserOf(account)
	return slices.DeleteFunc(all, func(q Request) bool { return q.User != user }), err
}

// Denied gives the requests since the start that an account had no right to.
func (a *Audit) Denied() ([]Request, error) {
	all, err := a.read(0)
	return slices.DeleteFunc(all, func(q Request) bool { return !q.Denied }), err
}

// read gives the requests that were answered after an offset in the log.
func (a *Audit) read(offset int64) ([]Request, error) {
	file, err := os.Open(a.log)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // nothing has happened yet
	} else if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(io.NewSectionReader(file, offset, 1<<40))
	if err != nil {
		return nil, err
	}
	// The last line may be in the making.
	text = text[:bytes.LastIndexByte(text, '\n')+1]
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
