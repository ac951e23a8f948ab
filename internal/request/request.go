package request

import (
	"context"
	"errors"
	"net/url"
	"regexp"
	"strings"
	"time"

	"trust-manager.io/internal/text"
)

// Deadline bounds each request about one object. It is as long as the API server's own
// default for an admission webhook.
const Deadline = 10 * time.Second

// Explain returns the cause of a failed request as a user should read it: one line, at
// most about 1 KiB, and the same text for the same cause.
func Explain(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer within " + Deadline.String() + "; look for a slow admission webhook"
	}
	if network := (*url.Error)(nil); errors.As(err, &network) {
		return "the API server cannot be reached" // the rest changes with each try
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	line = localAddress.ReplaceAllString(text.Truncate(line, maxExplanation), "")
	return timeOfDay.ReplaceAllString(line, "it is")
}

// maxExplanation bounds the text, in bytes: it may name an owner reference, whose name
// can be as long as a megabyte.
const maxExplanation = 1 << 10

// The API server's error about an admission webhook that it cannot call has parts that
// change with each try: the local address, and the time at which it found a certificate
// expired.
var (
	localAddress = regexp.MustCompile(`\S+:\d+->`)
	timeOfDay    = regexp.MustCompile(`current time \S+ is`)
)
