package quickstart

import (
	"bufio"
	"os"
	"strings"
	"testing"
)

// fence is one fenced block of a page.
type fence struct {
	// language is what follows the opening fence; commands have none.
	language, text string
}

// readPage gives the fences of a page, from a heading to the next of its level; or all
// of them without a heading.
func readPage(t *testing.T, path, heading string) []fence {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close() //nolint:errcheck // only read
	var fences []fence
	var open *fence
	within := heading == ""
	for lines := bufio.NewScanner(file); lines.Scan(); {
		line := lines.Text()
		mark, is := strings.CutPrefix(line, "```")
		switch {
		case is && open == nil:
			open = &fence{language: mark}
		case is:
			if within {
				fences = append(fences, *open)
			}
			open = nil
		case open != nil:
			open.text += line + "\n"
		case heading != "" && strings.HasPrefix(line, "## "):
			within = line == "## "+heading
		}
	}
	if open != nil || len(fences) == 0 {
		t.Fatalf("%s: no fenced commands under %q, or one that does not end", path, heading)
	}
	return fences
}

// steps gives the fences with a placeholder replaced as the reader is told to do.
func steps(fences []fence, placeholder, value string) []fence {
	var replaced []fence
	for _, f := range fences {
		replaced = append(replaced, fence{f.language, strings.ReplaceAll(f.text, placeholder, value)})
	}
	return replaced
}
