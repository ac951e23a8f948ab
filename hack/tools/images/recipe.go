package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"trust-manager.io/hack/tools/spdx"
)

// repository is the prefix of image names in the chart.
const repository = "trust-manager.io/images/"

// The paths of files in images. Those of a package are the same as in the package images
// of cert-manager's trust-manager, so that charts can use either (D4).
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

// recipe is the description of an image.
type recipe struct {
	name, version, revision string
	// created is the time of creation that the image and its bill of materials state.
	created             time.Time
	entrypoint, command []string
	// programs maps each architecture to the one program of the image.
	programs map[string]file
	// content are the other files, the same for all architectures.
	content []file
	// source is the source of a package's certificates; nil for the operator's image.
	source *source
	// licenses are the licenses of the modules in programs.
	licenses spdx.Licenses
}

// recipesOf returns the recipes of the operator and of all packages in a folder.
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
	paths, err := filepath.Glob(filepath.Join(packages, "*.json"))
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		r, err := packageOf(path, copiers)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		recipes = append(recipes, r)
	}
	return recipes, nil
}

// programs reads the program of each architecture from the folder of that name.
func programs(binaries, name, path string) (map[string]file, error) {
	paths, err := filepath.Glob(filepath.Join(binaries, "*", name))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("%s contains no program %s for any architecture", binaries, name)
	}
	byArchitecture := map[string]file{}
	for _, program := range paths {
		data, err := os.ReadFile(program)
		if err != nil {
			return nil, err
		}
		byArchitecture[filepath.Base(filepath.Dir(program))] = file{path, 0o755, data}
	}
	return byArchitecture, nil
}

// packageOf returns the recipe of a default CA package. Charts pass the name of the
// copier as the first argument, so the image has no entry point.
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

// tag returns the version as a tag. Tags must not contain "~" and "+", which occur in
// versions of Debian packages.
func (r recipe) tag() string {
	return strings.NewReplacer("~", "-", "+", "-").Replace(r.version)
}

func (r recipe) reference() string {
	return repository + r.name + ":" + r.tag()
}
