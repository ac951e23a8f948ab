package controller

import (
	"context"
	"errors"
	"net/url"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// namespaceIsGoing says whether a write was refused because its namespace is
// terminating or gone, which is no failure (T9).
func namespaceIsGoing(err error) bool {
	if apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return true
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) || !apierrors.IsNotFound(err) {
		return false
	}
	details := status.Status().Details
	return details != nil && details.Kind == "namespaces"
}

// explain gives the cause of a failed target as its owner should read it: the
// same words for the same cause, and on one line.
func explain(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer within " + writeDeadline.String() + "; look for a slow admission webhook"
	}
	if network := (*url.Error)(nil); errors.As(err, &network) {
		return "the API server cannot be reached" // the rest changes with each try
	}
	text, _, _ := strings.Cut(err.Error(), "\n")
	text = localAddress.ReplaceAllString(text, "")
	return timeOfDay.ReplaceAllString(text, "it is")
}

// What the API server says of an admission webhook that it cannot call has parts
// that are others with each try: the address that it called from, and what the time
// was when it found a certificate expired.
var (
	localAddress = regexp.MustCompile(`\S+:\d+->`)
	timeOfDay    = regexp.MustCompile(`current time \S+ is`)
)
