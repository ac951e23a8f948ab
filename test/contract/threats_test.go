package contract

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

var (
	threatID = regexp.MustCompile(`^\d+\.\d+$`)
	testName = regexp.MustCompile(`^[a-z0-9/-]+ (Test|Fuzz)[A-Za-z0-9]+$`)
)

// leastThreats is about how many the threat model has: it must not lose its form, and
// with it this check.
const leastThreats = 30

// Every threat has tests that exist, or a reason to accept it and advice.
func TestEveryThreatIsAnswered(t *testing.T) {
	t.Parallel()
	tests := testsOf(t)
	seen := map[string]bool{}
	for _, cells := range cellsOf(t, threats, threatID) {
		if id := cells[0]; seen[id] {
			t.Errorf("%s is there twice", id)
		}
		seen[cells[0]] = true
		for _, fault := range threatFaults(cells, tests) {
			t.Errorf("%s: %s", cells[0], fault)
		}
	}
	if len(seen) < leastThreats {
		t.Errorf("%s has %d threats, want at least %d", threats, len(seen), leastThreats)
	}
}

// A threat that nothing answers is noticed.
func TestThreatFaults(t *testing.T) {
	t.Parallel()
	tests := map[string]string{"a/b-c TestOne": "", "a FuzzTwo": ""}
	const accepted = "Accepted: nothing is gained by it. Do that."
	for name, tc := range map[string]struct {
		cells  []string
		faults int
	}{
		"tests":                   {[]string{"1.1", "a threat", "what happens", "`a/b-c TestOne`, `a FuzzTwo`"}, 0},
		"a test and other quotes": {[]string{"1.1", "a `threat`", "`happens`", "`a FuzzTwo`; use `app.x`"}, 0},
		"no such test":            {[]string{"1.1", "a threat", "what happens", "`a FuzzTwo`, `a TestTwo`"}, 1},
		"nothing":                 {[]string{"1.1", "a threat", "what happens", ""}, 1},
		"only other quotes":       {[]string{"1.1", "a threat", "what happens", "`app.x`"}, 1},
		"accepted":                {[]string{"1.1", "a threat", accepted, ""}, 0},
		"accepted at the end":     {[]string{"1.1", "a threat", "what happens", accepted}, 0},
		"accepted without reason": {[]string{"1.1", "a threat", "Accepted.", ""}, 1},
	} {
		if got := threatFaults(tc.cells, tests); len(got) != tc.faults {
			t.Errorf("%s: %q, want %d faults", name, got, tc.faults)
		}
	}
}

func threatFaults(cells []string, tests map[string]string) (faults []string) {
	named := 0
	for _, name := range quotedIn(strings.Join(cells[2:], " ")) {
		if !testName.MatchString(name) {
			continue
		}
		named++
		if _, exists := tests[name]; !exists {
			faults = append(faults, fmt.Sprintf("there is no test %q", name))
		}
	}
	const reason = 20
	_, why, isAccepted := strings.Cut(strings.Join(cells[2:], " "), "Accepted")
	if named == 0 && (!isAccepted || len(why) < reason) {
		faults = append(faults, "no test is named, and no reason to accept it")
	}
	return faults
}
