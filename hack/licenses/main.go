// Command licenses writes the list of all modules that are linked into the programs
// of this repository, with their licenses, in Markdown, to its standard output.
//
// It is an error if a module has no license text, or one that is not known here or not
// allowed: nothing is taken into a program before somebody has looked at its license.
// The licenses are those of the texts beside the packages that are linked, up to the
// top of their module, by what the texts say and not by their names.
package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// allowed are the licenses that may be linked: they ask for no more than that their
// text is passed on.
var allowed = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT"}

// programs are those that people get.
var programs = []string{"trust-manager", "trust-package", "trust-package-copy"}

func main() {
	if err := write(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "licenses:", err)
		os.Exit(1)
	}
}

// row is one module of the list.
type row struct {
	path, version string
	licenses      map[string]bool
	programs      map[string]bool
}

func write(out io.Writer) error {
	rows := map[string]*row{}
	var faults []error
	for _, program := range programs {
		linked, err := linkedInto(program)
		if err != nil {
			return err
		}
		for _, one := range linked {
			found, err := licensesOf(one)
			if err != nil {
				faults = append(faults, err)
				continue
			}
			add(rows, one, program, found)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(rows)) {
		for license := range rows[path].licenses {
			if !slices.Contains(allowed, license) {
				faults = append(faults, fmt.Errorf("%s has the license %s, and allowed are %s", path, license, strings.Join(allowed, ", ")))
			}
		}
	}
	if err := errors.Join(faults...); err != nil {
		return err
	}
	_, err := io.WriteString(out, document(rows))
	return err
}

func add(rows map[string]*row, one linked, program string, licenses []string) {
	found := rows[one.module]
	if found == nil {
		found = &row{path: one.module, version: one.version, licenses: map[string]bool{}, programs: map[string]bool{}}
		rows[one.module] = found
	}
	found.programs[program] = true
	for _, license := range licenses {
		found.licenses[license] = true
	}
}

func document(rows map[string]*row) string {
	var text strings.Builder
	fmt.Fprintf(&text, `# Licenses

This page is generated from the modules that are linked into the programs;
`+"`make generate`"+` writes it anew, and fails where a license is not one of
%s.

| module | version | licenses | in |
|---|---|---|---|
`, strings.Join(allowed, ", "))
	for _, path := range slices.Sorted(maps.Keys(rows)) {
		found := rows[path]
		fmt.Fprintf(&text, "| `%s` | %s | %s | %s |\n", path, found.version, listed(found.licenses), listed(found.programs))
	}
	text.WriteString(`
The certificates in default CA packages are not code: Mozilla publishes its list
under the MPL-2.0, and Debian's package ` + "`ca-certificates`" + ` is made of it. Bills of
materials of the images (SPDX) name module, version and checksum of all that is in them.
`)
	return text.String()
}

func listed(set map[string]bool) string {
	return strings.Join(slices.Sorted(maps.Keys(set)), ", ")
}
