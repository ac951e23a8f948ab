package controller

import (
	"context"
	"errors"
	"net/url"
	"regexp"
	"strings"
)

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
	if len(text) > maxExplanation {
		text = strings.ToValidUTF8(text[:maxExplanation], "") + "…"
	}
	text = localAddress.ReplaceAllString(text, "")
	return timeOfDay.ReplaceAllString(text, "it is")
}

// maxExplanation bounds an explanation, in bytes: an owner reference, from which its
// text may come, can have a name of a megabyte.
const maxExplanation = 1 << 10

// What the API server says of an admission webhook that it cannot call has parts
// that are others with each try: the address that it called from, and what the time
// was when it found a certificate expired.
var (
	localAddress = regexp.MustCompile(`\S+:\d+->`)
	timeOfDay    = regexp.MustCompile(`current time \S+ is`)
)
