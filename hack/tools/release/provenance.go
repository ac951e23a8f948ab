package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"trust-manager.io/hack/tools/spdx"
)

const (
	provenanceFile = "provenance.intoto.json"
	imagesFile     = "images.txt"
)

// build describes one build of a release.
type build struct {
	version, revision, tag, goVersion string
	architectures, platforms, suites  []string
}

// statement returns the statement on the files in a folder.
func (b build) statement(folder string) ([]byte, error) {
	files, err := files(folder)
	if err != nil {
		return nil, err
	}
	images, err := images(filepath.Join(folder, imagesFile))
	if err != nil {
		return nil, err
	}
	certificates, err := certificates(folder)
	if err != nil {
		return nil, err
	}
	source := resource{URI: repositoryURI, Digest: map[string]string{"gitCommit": b.revision}}
	if b.tag != "" {
		source.URI += "@refs/tags/" + b.tag
	}
	text, err := json.MarshalIndent(statement{
		Type: statementType, Subject: append(files, images...), PredicateType: predicateType,
		Predicate: predicate{
			BuildDefinition: buildDefinition{
				BuildType:            buildType,
				ExternalParameters:   externalParameters{b.version, b.tag == "", b.architectures, b.platforms, append([]string{}, b.suites...)},
				ResolvedDependencies: append([]resource{source, {URI: "pkg:generic/go@" + strings.TrimPrefix(b.goVersion, "go")}}, certificates...),
			},
			RunDetails: runDetails{Builder: builder{ID: builderID}},
		},
	}, "", "  ")
	return append(text, '\n'), err
}

// files returns all files in a folder except the provenance, sorted by name.
func files(folder string) ([]resource, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var all []resource
	for _, entry := range entries {
		if entry.Name() == provenanceFile {
			continue
		}
		data, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(data)
		all = append(all, resource{Name: entry.Name(), Digest: map[string]string{"sha256": hex.EncodeToString(sum[:])}})
	}
	return all, nil
}

// images reads a list with the words REFERENCE DIGEST ARCHIVE on each line. The digest is that
// of the index of all architectures, which a registry states too.
func images(path string) ([]resource, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var all []resource
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) != 3 || !strings.HasPrefix(words[1], "sha256:") {
			return nil, fmt.Errorf("%s: want REFERENCE sha256:DIGEST ARCHIVE, got %q", path, line)
		}
		all = append(all, resource{Name: words[0], Digest: map[string]string{"sha256": strings.TrimPrefix(words[1], "sha256:")}})
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s lists no image", path)
	}
	return all, nil
}

// certificates returns the sources of the default CA packages, which are not part of the
// repository. The bills of materials of the images list them.
func certificates(folder string) ([]resource, error) {
	paths, err := filepath.Glob(filepath.Join(folder, "trust-pkg-*.spdx.json"))
	if err != nil {
		return nil, err
	}
	slices.Sort(paths)
	var all []resource
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		var document spdx.Document
		if err := json.Unmarshal(text, &document); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		for _, p := range document.Packages {
			if p.ID != spdx.CertificatesID {
				continue
			}
			digest, err := digestOf(p.SourceInfo)
			if err != nil || len(p.References) != 1 {
				return nil, fmt.Errorf("%s: the source of the certificates has %d references and the sum %q", path, len(p.References), p.SourceInfo)
			}
			all = append(all, resource{URI: p.References[0].Locator, Digest: digest})
		}
	}
	return all, nil
}

// digestOf returns a sum as an in-toto digest set: the SHA-256 of a file, or the hash of a Go
// module, which is called dirHash there and is hexadecimal.
func digestOf(sum string) (map[string]string, error) {
	algorithm, value, _ := strings.Cut(sum, ":")
	switch algorithm {
	case "sha256":
		return map[string]string{"sha256": value}, nil
	case "h1":
		hash, err := base64.StdEncoding.DecodeString(value)
		return map[string]string{"dirHash": hex.EncodeToString(hash)}, err
	}
	return nil, fmt.Errorf("unknown kind of sum %q", sum)
}
