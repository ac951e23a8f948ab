package main

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

const extension = ".mutation"

// mutation is one small change that must make a test fail.
type mutation struct {
	// name is the name of the file without its extension.
	name string
	// id is the behaviour of docs/contract.md that the mutation breaks.
	id string
	// change describes the change in words.
	change string
	// file is the file to change, relative to the root of the checkout.
	file string
	test testRef
	// before and after are whole lines; before occurs count times in the file.
	before, after string
	count         int
}

// testRef refers to a test as docs/contract.md does: by folder and name.
type testRef struct{ folder, name string }

func (t testRef) String() string { return t.folder + " " + t.name }

// needsServer reports whether the test runs on a real API server.
func (t testRef) needsServer() bool { return strings.HasPrefix(t.folder, "test/") }

var (
	nameForm = regexp.MustCompile(`^([A-Z]\d+)-[a-z0-9-]+$`)
	testForm = regexp.MustCompile(`^([a-z0-9/-]+) ((?:Test|Fuzz)\w+)$`)
)

// parse reads the text of a mutation file; see the package comment.
func parse(name, text string) (mutation, error) {
	m := mutation{name: name, count: 1}
	header, body, ok := strings.Cut(text, "\n\n")
	if !ok {
		return m, errors.New("no empty line between the header and the change")
	}
	for line := range strings.SplitSeq(header, "\n") {
		if err := m.parseHeader(line); err != nil {
			return m, err
		}
	}
	if form := nameForm.FindStringSubmatch(name); form == nil || form[1] != m.id {
		return m, fmt.Errorf("the name must have the form <ID>-<short-name>, with the id %q of the header", m.id)
	}
	if m.change == "" || m.file == "" || m.test == (testRef{}) {
		return m, errors.New("the header must have id, change, file and test")
	}
	return m, m.parseBody(body)
}

func (m *mutation) parseHeader(line string) (err error) {
	key, value, _ := strings.Cut(line, ": ")
	switch key {
	case "id":
		m.id = value
	case "change":
		m.change = value
	case "file":
		m.file = value
	case "test":
		form := testForm.FindStringSubmatch(value)
		if form == nil {
			return fmt.Errorf("test: %q is not a folder and a test, such as internal/bundle TestBuild", value)
		}
		m.test = testRef{form[1], form[2]}
	case "count":
		if m.count, err = strconv.Atoi(value); err != nil || m.count < 2 {
			return fmt.Errorf("count: %q is not a number above 1", value)
		}
	default:
		return fmt.Errorf("unknown header %q", line)
	}
	return nil
}

func (m *mutation) parseBody(body string) error {
	for line := range strings.Lines(body) {
		switch line[0] {
		case ' ':
			m.before += line[1:]
			m.after += line[1:]
		case '-':
			m.before += line[1:]
		case '+':
			m.after += line[1:]
		default:
			return fmt.Errorf("a line of the change must start with '-', '+' or a space, unlike %q", line)
		}
	}
	switch {
	case !strings.HasSuffix(body, "\n"):
		return errors.New("the file must end in a newline")
	case m.before == "":
		return errors.New("the change removes no line and has no unchanged line")
	case m.before == m.after:
		return errors.New("the change changes nothing")
	}
	return nil
}

// apply returns the text of the mutation's file with the change. It returns an error that
// names both if the text does not have the old lines as often as it should.
func (m *mutation) apply(text string) (string, error) {
	// The newline before the text and before the old lines matches whole lines only.
	text, before, after := "\n"+text, "\n"+m.before, "\n"+m.after
	if count := strings.Count(text, before); count != m.count {
		return "", fmt.Errorf("%s: the old lines occur %d times in %s, want %d:\n%s", m.name, count, m.file, m.count, m.before)
	}
	return strings.ReplaceAll(text, before, after)[1:], nil
}

// compare orders mutations by letter and number of their IDs, then by name.
func compare(a, b mutation) int {
	number := func(m mutation) int {
		n, _ := strconv.Atoi(m.id[1:]) // the form of an ID was checked
		return n
	}
	return cmp.Or(cmp.Compare(a.id[0], b.id[0]), cmp.Compare(number(a), number(b)), cmp.Compare(a.name, b.name))
}
