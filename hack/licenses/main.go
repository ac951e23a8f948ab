// Command licenses writes a list of all modules that are linked into the programs of
// this repository, with their licenses, in Markdown, to standard output.
//
// A module without a license text, or with an unknown or disallowed license, is an error:
// no code is linked before its license has been reviewed. The command reads the license
// texts beside the linked packages, up to the root of their module, and recognizes
// licenses by their text and not by file names.
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

// allowed are the licenses of code that may be linked: they only require that their text
// is distributed with it.
var allowed = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT"}

// programs maps the programs that are distributed to users to the platforms that they are built
// for. The modules that a program links differ between operating systems.
var programs = map[string][]string{
	"kubectl-trust":      {"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64", "windows/arm64"},
	"trust-manager":      images,
	"trust-package":      images,
	"trust-package-copy": images,
}

// images are the platforms of the images.
var images = []string{"linux/amd64", "linux/arm", "linux/arm64", "linux/ppc64le", "linux/s390x"}

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
	for program, platforms := range programs {
		linked, err := linkedInto(program, platforms)
		if err != nil {
			return err
		}
		for _, pkg := range linked {
			licenses, err := licensesOf(pkg)
			if err != nil {
				faults = append(faults, err)
				continue
			}
			add(rows, pkg, program, licenses)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(rows)) {
		for license := range rows[path].licenses {
			if !slices.Contains(allowed, license) {
				faults = append(faults, fmt.Errorf("%s has the license %s; allowed are %s", path, license, strings.Join(allowed, ", ")))
			}
		}
	}
	if err := errors.Join(faults...); err != nil {
		return err
	}
	_, err := io.WriteString(out, document(rows))
	return err
}

func add(rows map[string]*row, pkg linked, program string, licenses []string) {
	r := rows[pkg.module]
	if r == nil {
		r = &row{path: pkg.module, version: pkg.version, licenses: map[string]bool{}, programs: map[string]bool{}}
		rows[pkg.module] = r
	}
	r.programs[program] = true
	for _, license := range licenses {
		r.licenses[license] = true
	}
}

func document(rows map[string]*row) string {
	var text strings.Builder
	fmt.Fprintf(&text, `# Licenses

`+"`make generate`"+` generates this page from the modules that are linked into the programs, and
fails if a license is not one of %s.

| module | version | licenses | in |
|---|---|---|---|
`, strings.Join(allowed, ", "))
	for _, path := range slices.Sorted(maps.Keys(rows)) {
		r := rows[path]
		fmt.Fprintf(&text, "| `%s` | %s | %s | %s |\n", path, r.version, listed(r.licenses), listed(r.programs))
	}
	text.WriteString(`
The certificates in default CA packages are not code: Mozilla publishes its list
under the MPL-2.0, and Debian's package ` + "`ca-certificates`" + ` is derived from it. The bills of
materials of the images and of the command line (SPDX) list module, version and checksum of
everything in them.
`)
	return text.String()
}

func listed(set map[string]bool) string {
	return strings.Join(slices.Sorted(maps.Keys(set)), ", ")
}
