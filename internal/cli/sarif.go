package cli

import (
	"encoding/json"
	"io"

	"trust-manager.io/internal/lint"
)

// outputSARIF is the Static Analysis Results Interchange Format, version 2.1.0 (OASIS), which code
// hosts show beside the lines of a change.
const outputSARIF = "sarif"

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
	InformationURI string      `json:"informationUri"`
	Rules          []sarifRule `json:"rules"`
}

type sarifRule struct {
	ID                   string      `json:"id"`
	ShortDescription     sarifText   `json:"shortDescription"`
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
	run.Tool.Driver = sarifDriver{Name: "kubectl trust lint", InformationURI: "https://trust-manager.io"}
	for _, rule := range lint.Rules() {
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{
			ID: rule.ID, ShortDescription: sarifText{rule.Summary}, DefaultConfiguration: sarifConfig{sarifLevels[rule.Level.String()]},
		})
	}
	for _, found := range result.Findings {
		location := sarifLocation{Logical: []sarifLogical{{found.Of}}}
		if found.file != "" {
			location.Physical = &sarifPhysical{}
			location.Physical.Artifact.URI = found.file
		}
		text := found.Detail
		for _, before := range []string{found.Certificate, found.Where} {
			if before != "" {
				text = before + ": " + text
			}
		}
		run.Results = append(run.Results, sarifResult{
			RuleID: found.Rule, Level: sarifLevels[found.Level], Message: sarifText{text}, Locations: []sarifLocation{location},
		})
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
