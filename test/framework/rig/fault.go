package rig

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Fault is a kind of fault that a [Proxy] injects into a request.
type Fault string

// The faults. [Proxy.Injected] counts them by these names.
const (
	// Conflict: a write fails as if it had lost a race, and does not reach the API
	// server.
	Conflict Fault = "writes rejected with 409 (Conflict, AlreadyExists)"
	// NamespaceEnd: a write in an active namespace is denied as if the namespace were
	// terminating or did not exist. The API server does this for a moment after a
	// namespace is re-created.
	NamespaceEnd Fault = "writes rejected as if their namespace were terminating or deleted"
	// TooManyRequests: the response of the API server's priority and fairness.
	TooManyRequests Fault = "requests rejected with 429 and Retry-After"
	ServerError     Fault = "requests rejected with 500"
	Unauthorized    Fault = "requests rejected with 401"
	// Hang: no response until the caller gives up.
	Hang Fault = "requests without a response"
	// LostAnswer: the API server handles the request, and its response is lost.
	LostAnswer Fault = "requests whose response was lost"
	// CutAnswer: the connection ends in the middle of the response.
	CutAnswer Fault = "responses cut in the middle"
	// HalfClosed: the connection is closed towards the caller in the middle of the
	// response, and accepts what the caller sends for a while.
	HalfClosed Fault = "connections half-closed in the middle of a response"
	// CutWatch: the watch ends after a while, between two events or in the middle of one.
	CutWatch Fault = "watches cut"
	// DelayedWatch: the watch delivers nothing for a while, and then everything.
	DelayedWatch Fault = "watches delayed"
	// ReplayedWatch: the watch begins at an older resource version, so that the API
	// server repeats events or reports that the version is too old.
	ReplayedWatch Fault = "watches restarted at an older resource version"
)

// AllFaults are all faults except Unauthorized, which depends on the caller.
var AllFaults = []Fault{
	Conflict, NamespaceEnd, TooManyRequests, ServerError, Hang, LostAnswer, CutAnswer, HalfClosed, CutWatch, DelayedWatch, ReplayedWatch,
}

// appliesTo reports whether a fault applies to a request.
func (f Fault) appliesTo(request *http.Request) bool {
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

// mostReplayed is the largest number of resource versions by which a watch is set back.
// All resources share one sequence of versions.
const mostReplayed = 50

// resourceVersion returns the resource version in a query, or 0.
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

// written reports whether a request writes a ConfigMap, a Secret, a ClusterTrustBundle or the
// status of a Bundle, and returns the object's name, if it is in the path.
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
	if _, name, ok := strings.Cut(request.URL.Path, "/clustertrustbundles/"); ok {
		return name, true
	}
	_, bundle, ok := strings.Cut(request.URL.Path, "/bundles/")
	name, status := strings.CutSuffix(bundle, "/status")
	return name, ok && status
}
