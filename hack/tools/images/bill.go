package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// spdxDocument is a bill of materials, with the fields of SPDX 2.3 that are used here
// (https://spdx.github.io/spdx-spec/v2.3).
type spdxDocument struct {
	Version       string             `json:"spdxVersion"`
	License       string             `json:"dataLicense"`
	ID            string             `json:"SPDXID"`
	Name          string             `json:"name"`
	Namespace     string             `json:"documentNamespace"`
	Creation      spdxCreation       `json:"creationInfo"`
	Packages      []spdxPackage      `json:"packages"`
	Relationships []spdxRelationship `json:"relationships"`
}

type spdxCreation struct {
	Created  string   `json:"created"`
	Creators []string `json:"creators"`
}

type spdxPackage struct {
	ID            string          `json:"SPDXID"`
	Name          string          `json:"name"`
	Version       string          `json:"versionInfo,omitempty"`
	Download      string          `json:"downloadLocation"`
	FilesAnalyzed bool            `json:"filesAnalyzed"`
	License       string          `json:"licenseDeclared,omitempty"`
	Purpose       string          `json:"primaryPackagePurpose,omitempty"`
	SourceInfo    string          `json:"sourceInfo,omitempty"`
	References    []spdxReference `json:"externalRefs,omitempty"`
}

type spdxReference struct {
	Category string `json:"referenceCategory"`
	Type     string `json:"referenceType"`
	Locator  string `json:"referenceLocator"`
}

type spdxRelationship struct {
	From string `json:"spdxElementId"`
	Type string `json:"relationshipType"`
	To   string `json:"relatedSpdxElement"`
}

// stdlib is what a bill of materials calls Go's standard library.
const stdlib = "stdlib"

const (
	spdxNoAssertion = "NOASSERTION"
	spdxRoot        = "SPDXRef-DOCUMENT"
	spdxImage       = "SPDXRef-image"
)

// bill returns the bill of materials of the image with the digest: the modules that are
// recorded in the programs, and the source of the certificates.
func (r recipe) bill(digest v1.Hash) ([]byte, error) {
	materials, err := r.materials()
	if err != nil {
		return nil, err
	}
	document := spdxDocument{
		Version: "SPDX-2.3", License: "CC0-1.0", ID: spdxRoot, Name: r.reference(),
		Namespace: "https://trust-manager.io/spdx/" + r.name + "/" + digest.Hex,
		Creation:  spdxCreation{epoch.Format(time.RFC3339), []string{"Tool: trust-manager-hack-images"}},
		Packages: []spdxPackage{{
			ID: spdxImage, Name: repository + r.name, Version: r.version, Download: spdxNoAssertion, Purpose: "CONTAINER",
			SourceInfo: "commit " + r.revision,
			References: purl(fmt.Sprintf("pkg:oci/%s@%s?tag=%s", r.name, strings.Replace(digest.String(), ":", "%3A", 1), r.tag())),
		}},
		Relationships: []spdxRelationship{{spdxRoot, "DESCRIBES", spdxImage}},
	}
	for _, material := range materials {
		document.Packages = append(document.Packages, material)
		document.Relationships = append(document.Relationships, spdxRelationship{spdxImage, "CONTAINS", material.ID})
	}
	text, err := json.MarshalIndent(document, "", "  ")
	return append(text, '\n'), err
}

// materials returns the modules of the programs of all architectures, sorted and without
// duplicates, followed by the source of the certificates.
func (r recipe) materials() ([]spdxPackage, error) {
	byID := map[string]spdxPackage{}
	for _, program := range r.programs {
		info, err := buildinfo.Read(bytes.NewReader(program.data))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", program.path, err)
		}
		modules := append([]*debug.Module{&info.Main, {Path: stdlib, Version: strings.TrimPrefix(info.GoVersion, "go")}}, info.Deps...)
		for _, module := range modules {
			material := r.ofModule(module)
			if material.License, err = r.licenses.of(module.Path); err != nil {
				return nil, err
			}
			byID[material.ID] = material
		}
	}
	var materials []spdxPackage
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		materials = append(materials, byID[id])
	}
	if r.source != nil {
		materials = append(materials, spdxPackage{
			ID: "SPDXRef-certificates", Name: r.source.name, Version: r.source.version, Download: spdxNoAssertion,
			SourceInfo: r.source.sum, References: purl(r.source.purl),
		})
	}
	return materials, nil
}

// ofModule describes a module. The version of this repository's modules is the commit.
func (r recipe) ofModule(module *debug.Module) spdxPackage {
	version := module.Version
	if module.Replace != nil {
		version = module.Replace.Version
	}
	if version == "(devel)" {
		version = r.revision
	}
	material := spdxPackage{
		ID: "SPDXRef-go-" + identifier(module.Path), Name: module.Path, Version: version, Download: spdxNoAssertion, Purpose: "LIBRARY",
		References: purl("pkg:golang/" + module.Path + "@" + version),
	}
	if module.Sum != "" {
		material.SourceInfo = "go.sum " + module.Sum
	}
	return material
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

func purl(locator string) []spdxReference {
	return []spdxReference{{"PACKAGE-MANAGER", "purl", locator}}
}
