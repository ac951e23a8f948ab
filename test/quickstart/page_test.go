package quickstart

import (
	"bufio"
	"os"
	"strings"
	"testing"
)

// fence is a fenced block of a page.
type fence struct {
	// language is the info string of the fence. It is empty for commands.
	language, text string
}

// readPage returns the fences below a heading, up to the next heading of its
// level, or all fences if heading is empty.
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
		language, isFence := strings.CutPrefix(line, "```")
		switch {
		case isFence && open == nil:
			open = &fence{language: language}
		case isFence:
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
		t.Fatalf("%s: no fenced block below %q, or an unterminated one", path, heading)
	}
	return fences
}

// steps returns the fences with a placeholder replaced, as the page instructs its
// readers.
func steps(fences []fence, placeholder, value string) []fence {
	var replaced []fence
	for _, f := range fences {
		replaced = append(replaced, fence{f.language, strings.ReplaceAll(f.text, placeholder, value)})
	}
	return replaced
}
