package contract

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	groupHeading = regexp.MustCompile(`^### ([A-Z])\. `)
	textStart    = regexp.MustCompile(`^- \*\*([A-Z]\d+)\.\*\* (.*)`)
)

// minText is the minimum length of a text, in bytes: it has to describe the behaviour
// without another document.
const minText = 40

// behaviour is the text of one id.
type behaviour struct {
	// id is the id, and group the letter of the heading that the text is under.
	id, group string
	text      string
}

// Every id of the table has a text that describes it, and every text has a row.
func TestEveryBehaviourIsDescribed(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile(filepath.Join(root, table))
	if err != nil {
		t.Fatal(err)
	}
	var proven []string
	for _, r := range rowsOf(t) {
		proven = append(proven, r.id)
	}
	for _, fault := range textFaults(textsOf(string(document)), proven) {
		t.Errorf("%s: %s", table, fault)
	}
}

// An id without a text is noticed, and so is a text without a row.
func TestTextFaults(t *testing.T) {
	t.Parallel()
	const long = " describes in full what the operator does."
	for name, tc := range map[string]struct {
		document string
		proven   []string
		faults   int
	}{
		"described":            {"### S. Sources\n\n- **S1.** One" + long + "\n- **S2.** Two" + long, []string{"S1", "S2"}, 0},
		"on several lines":     {"### S. Sources\n\n- **S1.** One\n " + long + "\n", []string{"S1"}, 0},
		"no text":              {"### S. Sources\n\n- **S1.** One" + long, []string{"S1", "S2"}, 1},
		"no row":               {"### S. Sources\n\n- **S1.** One" + long, nil, 1},
		"two texts":            {"### S. Sources\n\n- **S1.** One" + long + "\n- **S1.** One" + long, []string{"S1"}, 1},
		"another order":        {"### S. Sources\n\n- **S2.** Two" + long + "\n- **S1.** One" + long, []string{"S1", "S2"}, 1},
		"in another group":     {"### T. Targets\n\n- **S1.** One" + long, []string{"S1"}, 1},
		"before every group":   {"- **S1.** One" + long, []string{"S1"}, 1},
		"too short":            {"### S. Sources\n\n- **S1.** One.\n\nA paragraph that" + long, []string{"S1"}, 1},
		"followed by a header": {"### S. Sources\n\n- **S1.** One" + long + "\n\n## Tests\n\n| S1 | one | a |", []string{"S1"}, 0},
	} {
		if got := textFaults(textsOf(tc.document), tc.proven); len(got) != tc.faults {
			t.Errorf("%s: %q, want %d faults", name, got, tc.faults)
		}
	}
}

// textFaults compares the texts with the ids of the table, in its order.
func textFaults(texts []behaviour, proven []string) (faults []string) {
	var described []string
	for _, b := range texts {
		switch {
		case slices.Contains(described, b.id):
			faults = append(faults, fmt.Sprintf("%s has two texts", b.id))
			continue
		case !slices.Contains(proven, b.id):
			faults = append(faults, fmt.Sprintf("%s has a text, but no row in the table", b.id))
		case b.group != b.id[:1]:
			faults = append(faults, fmt.Sprintf("%s is not under the heading of its letter", b.id))
		case len(b.text) < minText:
			faults = append(faults, fmt.Sprintf("the text of %s is too short to describe it", b.id))
		}
		described = append(described, b.id)
	}
	for _, id := range proven {
		if !slices.Contains(described, id) {
			faults = append(faults, fmt.Sprintf("%s has a row in the table, but no text", id))
		}
	}
	if len(faults) == 0 && !slices.Equal(described, proven) {
		faults = append(faults, "the texts are not in the order of the table")
	}
	return faults
}

// textsOf returns the texts of a document: list items that start with an id, under headings
// that start with its letter.
func textsOf(document string) []behaviour {
	var texts []behaviour
	var group string
	open := false
	for line := range strings.Lines(document) {
		line = strings.TrimRight(line, "\n")
		heading, item := groupHeading.FindStringSubmatch(line), textStart.FindStringSubmatch(line)
		switch {
		case heading != nil:
			group, open = heading[1], false
		case item != nil:
			texts = append(texts, behaviour{id: item[1], group: group, text: item[2]})
			open = true
		case open && strings.HasPrefix(line, "  "):
			texts[len(texts)-1].text += " " + strings.TrimSpace(line)
		default:
			open = false
		}
	}
	return texts
}
