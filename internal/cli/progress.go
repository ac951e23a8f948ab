package cli

import (
	"fmt"

	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// progress shows how far long work is, on a terminal only.
func progress(streams genericiooptions.IOStreams, noun string) func(done, total int) {
	if !isTerminal(streams.ErrOut) {
		return func(int, int) {}
	}
	return func(done, total int) {
		line := fmt.Sprintf("\r%s %d of %d", noun, done+1, total)
		if done+1 >= total {
			line += "\r\x1b[K" // nothing is left of it below the result
		}
		_, _ = fmt.Fprint(streams.ErrOut, line)
	}
}
