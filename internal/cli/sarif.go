package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"trust-manager.io/internal/lint"
)

// outputSARIF is the Static Analysis Results Interchange Format, version 2.1.0 (OASIS), which code
// hosts show beside the lines of a change.
const outputSARIF = "sarif"

// homepage is the site of the project, and lintPage its page about lint.
const (
	homepage = "https://trust-manager.io"
	lintPage = homepage + "/docs/guide/cli#lint-what-is-usually-a-mistake-in-a-trust-store"
)

type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool struct {
		Driver sarifDriver `json:"driver"`
	} `json:"tool"`
	Results []sarifResult `json:"results"`
}

type sarifDriver struct {
	Name           string      `json:"name"`
	Version        string      `json:"version"`
	InformationURI string      `json:"informationUri"`
	Rules          []sarifRule `json:"rules"`
}

type sarifRule struct {
	ID                   string      `json:"id"`
	ShortDescription     sarifText   `json:"shortDescription"`
	HelpURI              string      `json:"helpUri"`
	DefaultConfiguration sarifConfig `json:"defaultConfiguration"`
}

type sarifConfig struct {
	Level string `json:"level"`
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifResult struct {
	RuleID    string          `json:"ruleId"`
	Level     string          `json:"level"`
	Message   sarifText       `json:"message"`
	Locations []sarifLocation `json:"locations"`
	// Fingerprints identify a finding in later runs.
	Fingerprints map[string]string `json:"partialFingerprints"`
	Properties   *sarifProperties  `json:"properties,omitempty"`
}

type sarifProperties struct {
	SHA256 string `json:"sha256"`
}

type sarifLocation struct {
	Physical *sarifPhysical `json:"physicalLocation,omitempty"`
	Logical  []sarifLogical `json:"logicalLocations,omitempty"`
}

type sarifPhysical struct {
	Artifact struct {
		URI string `json:"uri"`
	} `json:"artifactLocation"`
}

type sarifLogical struct {
	FullyQualifiedName string `json:"fullyQualifiedName"`
}

// sarifLevels are the levels of SARIF.
var sarifLevels = map[string]string{lint.Error.String(): "error", lint.Warning.String(): "warning", lint.Info.String(): "note"}

// printSARIF writes findings as one run.
func printSARIF(out io.Writer, result findings) error {
	run := sarifRun{Results: []sarifResult{}}
	run.Tool.Driver = sarifDriver{Name: "kubectl trust lint", Version: version, InformationURI: homepage}
	for _, rule := range lint.Rules() {
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{
			ID: rule.ID, ShortDescription: sarifText{rule.Summary}, HelpURI: lintPage,
			DefaultConfiguration: sarifConfig{sarifLevels[rule.Level.String()]},
		})
	}
	for _, found := range result.Findings {
		run.Results = append(run.Results, found.sarif())
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(sarifLog{
		Schema:  "https://json.schemastore.org/sarif-2.1.0.json",
		Version: "2.1.0",
		Runs:    []sarifRun{run},
	})
}

// sarif returns the finding as a result.
func (f *finding) sarif() sarifResult {
	location := sarifLocation{Logical: []sarifLogical{{f.Of}}}
	if uri := f.uri(); uri != "" {
		location.Physical = &sarifPhysical{}
		location.Physical.Artifact.URI = uri
	}
	text := f.Detail
	for _, before := range []string{f.Certificate, f.Where} {
		if before != "" {
			text = before + ": " + text
		}
	}
	result := sarifResult{
		RuleID: f.Rule, Level: sarifLevels[f.Level], Message: sarifText{text}, Locations: []sarifLocation{location},
		Fingerprints: map[string]string{"trust/v1": f.fingerprint()},
	}
	if f.SHA256 != "" {
		result.Properties = &sarifProperties{f.SHA256}
	}
	return result
}

// fingerprint identifies the finding: by its certificate if it has one, since the place of a
// certificate in a file changes, and else by its place.
func (f *finding) fingerprint() string {
	place := f.SHA256
	if place == "" {
		place = f.Where
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{f.Rule, f.Of, place}, "\x00")))
	return hex.EncodeToString(sum[:])
}

// uri returns the URI of the file, relative to the working directory if it is below it. An object of
// the cluster has one like bundle/NAME, since code hosts ignore results without a file. Standard input
// has none.
func (f *finding) uri() string {
	switch f.file {
	case "-":
		return ""
	case "":
		kind, name, _ := strings.Cut(f.Of, " ")
		return (&url.URL{Path: strings.ToLower(kind) + "/" + name}).EscapedPath()
	}
	path, err := filepath.Abs(f.file)
	if err != nil {
		return (&url.URL{Path: filepath.ToSlash(f.file)}).String()
	}
	if working, err := os.Getwd(); err == nil {
		if relative, err := filepath.Rel(working, path); err == nil && filepath.IsLocal(relative) {
			return (&url.URL{Path: filepath.ToSlash(relative)}).String() // with ./ before a colon
		}
	}
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // a drive of Windows
	}
	return (&url.URL{Scheme: "file", Path: path}).String()
}
