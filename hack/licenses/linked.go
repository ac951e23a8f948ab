package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// linked is a package that is linked into a program.
type linked struct {
	module, version string
	// folder is the folder of the package, root the folder of its module.
	folder, root string
}

// linkedInto returns the packages of other modules that a program links on any of the
// platforms, and the standard library as one more package.
func linkedInto(program string, platforms []string) ([]linked, error) {
	set := map[linked]bool{}
	for _, platform := range platforms {
		system, architecture, _ := strings.Cut(platform, "/")
		command := exec.Command("go", "list", "-deps", "-json=Dir,Goroot,Root,Module", "./cmd/"+program) //nolint:noctx // it ends by itself
		command.Env = append(os.Environ(), "GOOS="+system, "GOARCH="+architecture, "CGO_ENABLED=0", "GOWORK=off")
		output, err := command.Output()
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			return nil, fmt.Errorf("go list for %s: %w: %s", program, err, exit.Stderr)
		} else if err != nil {
			return nil, err
		}
		for decoder := json.NewDecoder(strings.NewReader(string(output))); ; {
			pkg, err := next(decoder)
			if errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return nil, err
			}
			if pkg.module != "" {
				set[pkg] = true
			}
		}
	}
	var list []linked
	for pkg := range set {
		list = append(list, pkg)
	}
	return list, nil
}

// next reads one package. The module of packages in this repository is empty.
func next(decoder *json.Decoder) (linked, error) {
	var read struct {
		Dir, Root string
		Goroot    bool
		Module    *struct {
			Path, Version, Dir string
			Main               bool
			Replace            *struct{ Path string }
		}
	}
	if err := decoder.Decode(&read); err != nil {
		return linked{}, err
	}
	switch {
	case read.Goroot:
		return linked{module: "Go's standard library", version: "of the toolchain", folder: read.Root, root: read.Root}, nil
	case read.Module == nil || read.Module.Main || read.Module.Replace != nil:
		return linked{}, nil
	}
	return linked{module: read.Module.Path, version: read.Module.Version, folder: read.Dir, root: read.Module.Dir}, nil
}

// licensesOf returns the licenses of all license texts from a package's folder up to the
// root of its module.
func licensesOf(pkg linked) ([]string, error) {
	var licenses []string
	for folder := pkg.folder; strings.HasPrefix(folder, pkg.root); folder = filepath.Dir(folder) {
		entries, err := os.ReadDir(folder)
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			if entry.IsDir() || !isLicense(entry.Name()) {
				continue
			}
			text, err := os.ReadFile(filepath.Join(folder, entry.Name()))
			if err != nil {
				return nil, err
			}
			recognized := recognize(string(text))
			if len(recognized) == 0 {
				return nil, fmt.Errorf("%s %s: hack/licenses does not recognize the license in %s", pkg.module, pkg.version, entry.Name())
			}
			licenses = append(licenses, recognized...)
		}
	}
	if len(licenses) == 0 {
		return nil, fmt.Errorf("%s %s: no license text found", pkg.module, pkg.version)
	}
	slices.Sort(licenses)
	return slices.Compact(licenses), nil
}

// isLicense reports whether a file contains a license text, judging by its name.
func isLicense(name string) bool {
	name = strings.ToUpper(name)
	return !strings.HasSuffix(name, ".GO") &&
		(strings.HasPrefix(name, "LICENSE") || strings.HasPrefix(name, "LICENCE") || strings.HasPrefix(name, "COPYING") || strings.HasPrefix(name, "UNLICENSE"))
}
