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
	// folder is that of the package, root that of its module.
	folder, root string
}

// architectures are those that images are built for.
var architectures = []string{"amd64", "arm64"}

// linkedInto gives the packages of other modules in a program, and the standard
// library as one more.
func linkedInto(program string) ([]linked, error) {
	found := map[linked]bool{}
	for _, architecture := range architectures {
		command := exec.Command("go", "list", "-deps", "-json=Dir,Goroot,Root,Module", "./cmd/"+program) //nolint:noctx // it ends by itself
		command.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+architecture, "CGO_ENABLED=0")
		output, err := command.Output()
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			return nil, fmt.Errorf("go list for %s: %w: %s", program, err, exit.Stderr)
		} else if err != nil {
			return nil, err
		}
		for decoder := json.NewDecoder(strings.NewReader(string(output))); ; {
			one, err := next(decoder)
			if errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return nil, err
			}
			if one.module != "" {
				found[one] = true
			}
		}
	}
	var list []linked
	for one := range found {
		list = append(list, one)
	}
	return list, nil
}

// next reads one package; those of this repository have no module.
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
		return linked{module: "Go's standard library", version: "that of the build", folder: read.Root, root: read.Root}, nil
	case read.Module == nil || read.Module.Main || read.Module.Replace != nil:
		return linked{}, nil
	}
	return linked{module: read.Module.Path, version: read.Module.Version, folder: read.Dir, root: read.Module.Dir}, nil
}

// licensesOf gives the licenses of all texts from a package's folder up to the top of
// its module.
func licensesOf(one linked) ([]string, error) {
	var found []string
	for folder := one.folder; strings.HasPrefix(folder, one.root); folder = filepath.Dir(folder) {
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
			licenses := recognize(string(text))
			if len(licenses) == 0 {
				return nil, fmt.Errorf("%s %s: the license in %s is not known to hack/licenses", one.module, one.version, entry.Name())
			}
			found = append(found, licenses...)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s %s: there is no license text in it", one.module, one.version)
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

// isLicense says whether a file has the text of a license, by its name.
func isLicense(name string) bool {
	name = strings.ToUpper(name)
	return !strings.HasSuffix(name, ".GO") &&
		(strings.HasPrefix(name, "LICENSE") || strings.HasPrefix(name, "LICENCE") || strings.HasPrefix(name, "COPYING") || strings.HasPrefix(name, "UNLICENSE"))
}
