package spdx

import (
	"encoding/json"
	"time"
)

// Document is a bill of materials, with the fields of SPDX 2.3 that are used here.
type Document struct {
	Version       string         `json:"spdxVersion"`
	License       string         `json:"dataLicense"`
	ID            string         `json:"SPDXID"`
	Name          string         `json:"name"`
	Namespace     string         `json:"documentNamespace"`
	Creation      Creation       `json:"creationInfo"`
	Packages      []Package      `json:"packages"`
	Relationships []Relationship `json:"relationships"`
}

// Creation describes when and by which tools a document was created.
type Creation struct {
	Created  string   `json:"created"`
	Creators []string `json:"creators"`
}

// Package is what a document describes, or a part of it.
type Package struct {
	ID            string      `json:"SPDXID"`
	Name          string      `json:"name"`
	Version       string      `json:"versionInfo,omitempty"`
	FileName      string      `json:"packageFileName,omitempty"`
	Download      string      `json:"downloadLocation"`
	FilesAnalyzed bool        `json:"filesAnalyzed"`
	Checksums     []Checksum  `json:"checksums,omitempty"`
	License       string      `json:"licenseDeclared,omitempty"`
	Purpose       string      `json:"primaryPackagePurpose,omitempty"`
	SourceInfo    string      `json:"sourceInfo,omitempty"`
	References    []Reference `json:"externalRefs,omitempty"`
}

// Checksum is the digest of a package's file, in lower-case hexadecimal.
type Checksum struct {
	Algorithm string `json:"algorithm"`
	Value     string `json:"checksumValue"`
}

// Reference is an identifier of a package in another system.
type Reference struct {
	Category string `json:"referenceCategory"`
	Type     string `json:"referenceType"`
	Locator  string `json:"referenceLocator"`
}

// Relationship relates two elements of a document.
type Relationship struct {
	From string `json:"spdxElementId"`
	Type string `json:"relationshipType"`
	To   string `json:"relatedSpdxElement"`
}

// NoAssertion is the value of a required field that nothing is known about.
const NoAssertion = "NOASSERTION"

// CertificatesID is the ID of the source of the certificates of a default CA package.
const CertificatesID = "SPDXRef-certificates"

const root = "SPDXRef-DOCUMENT"

// New returns a document that describes a subject which contains the given packages. The
// namespace is a URI that identifies the document; it is not resolved.
func New(namespace, tool string, created time.Time, subject Package, contained []Package) Document {
	d := Document{
		Version: "SPDX-2.3", License: "CC0-1.0", ID: root, Name: subject.Name, Namespace: namespace,
		Creation:      Creation{created.UTC().Format(time.RFC3339), []string{"Tool: " + tool}},
		Packages:      append([]Package{subject}, contained...),
		Relationships: []Relationship{{root, "DESCRIBES", subject.ID}},
	}
	for _, p := range contained {
		d.Relationships = append(d.Relationships, Relationship{subject.ID, "CONTAINS", p.ID})
	}
	return d
}

// Encode returns the document as indented JSON.
func (d Document) Encode() ([]byte, error) {
	text, err := json.MarshalIndent(d, "", "  ")
	return append(text, '\n'), err
}

// PURL returns the reference to a package URL (https://github.com/package-url/purl-spec).
func PURL(locator string) []Reference {
	return []Reference{{"PACKAGE-MANAGER", "purl", locator}}
}
