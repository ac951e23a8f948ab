package spdx

import (
	"fmt"
	"os"
	"regexp"
	"strings"
)

const (
	// stdlib is the name of Go's standard library as a module.
	stdlib = "stdlib"
	// ownModule is the common prefix of the paths of this repository's modules, and
	// ownLicense is their license.
	ownModule  = "trust-manager.io"
	ownLicense = "Apache-2.0"
	// standardLibrary is the name of the standard library in the list of licenses.
	standardLibrary = "Go's standard library"
)

// Licenses maps modules to SPDX license expressions. A nil map means unknown licenses.
type Licenses map[string]string

var listed = regexp.MustCompile("^\\| `?([^`|]+?)`? \\| [^|]+ \\| ([A-Za-z0-9., -]+) \\|")

// ReadLicenses reads the list that hack/licenses generates: a table of modules,
// versions and licenses.
func ReadLicenses(path string) (Licenses, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	known := Licenses{}
	for line := range strings.Lines(string(text)) {
		if match := listed.FindStringSubmatch(line); match != nil {
			known[match[1]] = strings.ReplaceAll(match[2], ", ", " AND ")
		}
	}
	return known, nil
}

// of returns the license of a module. A module that is not in the list is an error: no
// code is shipped before its license has been reviewed.
func (l Licenses) of(module string) (string, error) {
	if l == nil {
		return NoAssertion, nil
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
	return "", fmt.Errorf("module %s is not in the list of licenses; run make generate", module)
}
