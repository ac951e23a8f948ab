package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
)

const (
	// ownModule is the start of the paths of this repository's modules, and ownLicense
	// theirs.
	ownModule  = "trust-manager.io"
	ownLicense = "Apache-2.0"
	// standardLibrary is what the list of licenses calls it.
	standardLibrary = "Go's standard library"
)

// licenses has the SPDX expression of each module; nil knows none.
type licenses map[string]string

var listed = regexp.MustCompile("^\\| `?([^`|]+?)`? \\| [^|]+ \\| ([A-Za-z0-9., -]+) \\|")

// readLicenses reads the list that hack/licenses has made: a table of modules,
// versions and licenses.
func readLicenses(path string) (licenses, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	known := licenses{}
	for line := range strings.Lines(string(text)) {
		if found := listed.FindStringSubmatch(line); found != nil {
			known[found[1]] = strings.ReplaceAll(found[2], ", ", " AND ")
		}
	}
	return known, nil
}

// of gives the license of a module. One that is not in the list is an error: nothing is
// shipped whose license nobody has looked at.
func (l licenses) of(module string) (string, error) {
	if l == nil {
		return spdxNoAssertion, nil
	}
	if module == ownModule || strings.HasPrefix(module, ownModule+"/") {
		return ownLicense, nil
	}
	if module == stdlib {
		module = standardLibrary
	}
	if license := l[module]; license != "" {
		return license, nil
	}
	return "", fmt.Errorf("the list of licenses does not have %s; make generate writes it anew", module)
}
