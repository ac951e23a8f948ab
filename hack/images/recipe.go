package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// repository is what the chart puts before the name of an image.
const repository = "trust-manager.io/images/"

// The files of images. Those of a package are where images of packages made for
// cert-manager's trust-manager have them, so that charts can use either (D4).
const (
	operatorPath = "trust-manager"
	copierPath   = "copyandmaybepause"
	packagePath  = "debian-package/cert-manager-package-debian.json"
)

// file is one file of an image.
type file struct {
	path string
	mode int64
	data []byte
}

// recipe says what an image is made of.
type recipe struct {
	name, version, revision string
	entrypoint, command     []string
	// programs has the one program of the image for each architecture.
	programs map[string]file
	// content are the other files, the same for all.
	content []file
	// source is what the certificates of a package were taken from; the operator's
	// image has none.
	source *source
	// licenses are those of the modules in programs.
	licenses licenses
}

// recipesOf gives the recipes of the operator and of all packages in a folder.
func recipesOf(binaries, packages, version string) ([]recipe, error) {
	operators, err := programs(binaries, "trust-manager", operatorPath)
	if err != nil {
		return nil, err
	}
	recipes := []recipe{{name: "trust-manager", version: version, entrypoint: []string{"/" + operatorPath}, programs: operators}}
	copiers, err := programs(binaries, "trust-package-copy", copierPath)
	if err != nil {
		return nil, err
	}
	found, err := filepath.Glob(filepath.Join(packages, "*.json"))
	if err != nil {
		return nil, err
	}
	for _, path := range found {
		r, err := packageOf(path, copiers)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		recipes = append(recipes, r)
	}
	return recipes, nil
}

// programs reads the program of each architecture, which are the names of the folders.
func programs(binaries, name, path string) (map[string]file, error) {
	found, err := filepath.Glob(filepath.Join(binaries, "*", name))
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("there is no program %s for any architecture in %s", name, binaries)
	}
	read := map[string]file{}
	for _, program := range found {
		data, err := os.ReadFile(program)
		if err != nil {
			return nil, err
		}
		read[filepath.Base(filepath.Dir(program))] = file{path, 0o755, data}
	}
	return read, nil
}

// packageOf is the image of a default CA package. Charts give it the name of the
// copier as its first argument, so it has no entry point.
func packageOf(path string, copiers map[string]file) (recipe, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return recipe{}, err
	}
	var p struct{ Version string }
	if err := json.Unmarshal(data, &p); err != nil {
		return recipe{}, err
	}
	if p.Version == "" {
		return recipe{}, errors.New("the package has no version")
	}
	source, err := readSource(strings.TrimSuffix(path, ".json") + ".source")
	if err != nil {
		return recipe{}, err
	}
	return recipe{
		name: strings.TrimSuffix(filepath.Base(path), ".json"), version: p.Version,
		command:  []string{"/" + copierPath, "/debian-package", "/packages"},
		programs: copiers,
		content:  []file{{packagePath, 0o644, data}},
		source:   source,
	}, nil
}

// tag is the version as a tag, which may hold neither of two characters that
// Debian's versions have.
func (r recipe) tag() string {
	return strings.NewReplacer("~", "-", "+", "-").Replace(r.version)
}

func (r recipe) reference() string {
	return repository + r.name + ":" + r.tag()
}
