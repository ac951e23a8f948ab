package rig

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Fault is one kind of harm that a Proxy does to a request.
type Fault string

// The faults, by the names under which they are counted.
const (
	// Conflict: a write is answered as where somebody else was faster, and never
	// reaches the API server.
	Conflict Fault = "writes answered by 409 (Conflict, AlreadyExists)"
	// NamespaceEnd: a write into a namespace that is active is refused as if it were
	// terminating, or gone, as the API server does for a moment after the namespace was
	// created again.
	NamespaceEnd Fault = "writes refused as if their namespace were terminating or gone"
	// TooManyRequests: as by the API server's priority and fairness.
	TooManyRequests Fault = "requests answered by 429 with Retry-After"
	ServerError     Fault = "requests answered by 500"
	Unauthorized    Fault = "requests answered by 401"
	// Hang: no answer, until the caller has enough of it.
	Hang Fault = "requests left without an answer"
	// LostAnswer: the API server does what was asked, and nobody hears of it.
	LostAnswer Fault = "requests done whose answer was lost"
	// CutAnswer: the connection ends within the answer.
	CutAnswer Fault = "answers cut in the middle"
	// HalfClosed: the connection is closed in the direction of the caller within the
	// answer, and what the caller still sends is taken for a while.
	HalfClosed Fault = "connections half closed in the middle of an answer"
	// CutWatch: the watch ends after a while, between two events or within one.
	CutWatch Fault = "watches cut"
	// DelayedWatch: nothing comes for a while, and then all of it.
	DelayedWatch Fault = "watches delayed"
	// ReplayedWatch: the watch begins in the past, so that the API server tells
	// again what has happened since, or says that it does not remember.
	ReplayedWatch Fault = "watches replayed from an older resource version"
)

// AllFaults are all that meet requests which are in order. Unauthorized is not one
// of them: it is about who asks.
var AllFaults = []Fault{
	Conflict, NamespaceEnd, TooManyRequests, ServerError, Hang, LostAnswer, CutAnswer, HalfClosed, CutWatch, DelayedWatch, ReplayedWatch,
}

// hits says whether a fault can be done to a request.
func (f Fault) hits(request *http.Request) bool {
	query := request.URL.Query()
	watches, _ := strconv.ParseBool(query.Get("watch"))
	switch f {
	case Conflict:
		_, ok := written(request)
		return ok
	case NamespaceEnd:
		// The trust namespace exists as long as the operator does.
		_, ok := written(request)
		return ok && request.Method != http.MethodDelete && namespaceOf(request) != "" && namespaceOf(request) != TrustNamespace
	case LostAnswer, CutAnswer:
		return !watches
	case CutWatch, DelayedWatch:
		return watches
	case ReplayedWatch:
		return watches && resourceVersion(query) > 2*mostReplayed && query.Get("sendInitialEvents") == ""
	default:
		return true
	}
}

// mostReplayed is how many resource versions a watch is put back at most. All
// resources share them.
const mostReplayed = 50

// resourceVersion gives that of a query, or 0.
func resourceVersion(query url.Values) int {
	number, err := strconv.Atoi(query.Get("resourceVersion"))
	if err != nil {
		return 0
	}
	return number
}

// namespaceOf returns the namespace of a request's object, or "".
func namespaceOf(request *http.Request) string {
	// api/v1/namespaces/NAMESPACE/configmaps/NAME
	if parts := strings.Split(strings.Trim(request.URL.Path, "/"), "/"); len(parts) > 4 && parts[2] == "namespaces" {
		return parts[3]
	}
	return ""
}

// written says whether a request is a write of a ConfigMap, a Secret or the status
// of a Bundle, and gives the object's name, if it is in the path.
func written(request *http.Request) (name string, ok bool) {
	switch request.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
	default:
		return "", false
	}
	// api/v1/namespaces/NAMESPACE/configmaps/NAME
	if parts := strings.Split(strings.Trim(request.URL.Path, "/"), "/"); len(parts) > 4 && parts[2] == "namespaces" {
		return strings.Join(parts[5:], "/"), parts[4] == "configmaps" || parts[4] == "secrets"
	}
	_, bundle, ok := strings.Cut(request.URL.Path, "/bundles/")
	name, status := strings.CutSuffix(bundle, "/status")
	return name, ok && status
}
