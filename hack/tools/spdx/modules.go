package spdx

import (
	"bytes"
	"debug/buildinfo"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
)

// Program is an executable that the Go linker has written.
type Program struct {
	// Path names the program in errors.
	Path string
	Data []byte
}

// Modules returns the modules of all programs and Go's standard library, sorted by ID and
// without duplicates. The version of the main module, and of modules that are replaced by
// folders, is the revision. An error reports a program without build information, or a module
// that is missing from the list of licenses.
func Modules(programs []Program, revision string, licenses Licenses) ([]Package, error) {
	byID := map[string]Package{}
	for _, program := range programs {
		info, err := buildinfo.Read(bytes.NewReader(program.Data))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", program.Path, err)
		}
		modules := append([]*debug.Module{&info.Main, {Path: stdlib, Version: strings.TrimPrefix(info.GoVersion, "go")}}, info.Deps...)
		for _, module := range modules {
			p := ofModule(module, revision)
			if p.License, err = licenses.of(module.Path); err != nil {
				return nil, err
			}
			byID[p.ID] = p
		}
	}
	packages := make([]Package, 0, len(byID))
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		packages = append(packages, byID[id])
	}
	return packages, nil
}

// ofModule describes a module. The version of this repository's modules is the revision.
func ofModule(module *debug.Module, revision string) Package {
	version := module.Version
	if module.Replace != nil {
		version = module.Replace.Version
	}
	if version == "(devel)" {
		version = revision
	}
	p := Package{
		ID: "SPDXRef-go-" + identifier(module.Path), Name: module.Path, Version: version, Download: NoAssertion, Purpose: "LIBRARY",
		References: PURL("pkg:golang/" + module.Path + "@" + version),
	}
	if module.Sum != "" {
		p.SourceInfo = "go.sum " + module.Sum
	}
	return p
}

// identifier encodes a module's path with the characters that an SPDX identifier may
// have. Characters other than letters, digits and dots are replaced by their code, so
// that no two paths have the same identifier.
func identifier(path string) string {
	var text strings.Builder
	for _, r := range path {
		switch {
		case 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '.':
			text.WriteRune(r)
		case r == '/':
			text.WriteByte('-')
		default:
			fmt.Fprintf(&text, "-%x-", r)
		}
	}
	return text.String()
}
