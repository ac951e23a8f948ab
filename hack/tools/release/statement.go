package main

// statement is an in-toto statement v1
// (https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md).
type statement struct {
	Type          string     `json:"_type"`
	Subject       []resource `json:"subject"`
	PredicateType string     `json:"predicateType"`
	Predicate     predicate  `json:"predicate"`
}

// resource is a resource descriptor: a file, an image, or an input of the build.
type resource struct {
	Name   string            `json:"name,omitempty"`
	URI    string            `json:"uri,omitempty"`
	Digest map[string]string `json:"digest,omitempty"`
}

// predicate is the SLSA provenance v1 (https://slsa.dev/spec/v1.0/provenance). It leaves out the
// times and the id of the build, which differ between two builds of the same commit.
type predicate struct {
	BuildDefinition buildDefinition `json:"buildDefinition"`
	RunDetails      runDetails      `json:"runDetails"`
}

type buildDefinition struct {
	BuildType            string             `json:"buildType"`
	ExternalParameters   externalParameters `json:"externalParameters"`
	ResolvedDependencies []resource         `json:"resolvedDependencies"`
}

// externalParameters are the variables of `make release`. Snapshot means that neither tags nor
// the changelog were checked, and that the installed Go built the files.
type externalParameters struct {
	Version       string   `json:"VERSION"`
	Snapshot      bool     `json:"SNAPSHOT"`
	Architectures []string `json:"ARCHITECTURES"`
	Platforms     []string `json:"PLATFORMS"`
	Suites        []string `json:"SUITES"`
}

type runDetails struct {
	Builder builder `json:"builder"`
}

type builder struct {
	ID string `json:"id"`
}

const (
	statementType = "https://in-toto.io/Statement/v1"
	predicateType = "https://slsa.dev/provenance/v1"
	// buildType means `make release`, and builderID a maintainer's machine: RELEASE.md describes
	// both.
	buildType = "https://trust-manager.io/release/v1"
	builderID = "https://trust-manager.io/release/maintainer"
	// repositoryURI is the source repository.
	repositoryURI = "git+https://trust-manager.io"
)
