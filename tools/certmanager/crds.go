package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	// Linked in so that the build info contains the version of its module.
	_ "github.com/prometheus-operator/prometheus-operator/pkg/versionutil"
)

// neighbour is a project with custom resource definitions.
type neighbour struct {
	name, module string
	// files are patterns below the module's directory.
	files []string
}

var neighbours = []neighbour{
	{"cert-manager", "github.com/cert-manager/cert-manager", []string{"deploy/crds/*.yaml"}},
	{"approver-policy", "github.com/cert-manager/approver-policy", []string{"deploy/crds/*.yaml"}},
	// The chart and users' alerts use only these two. The others are large.
	{"prometheus-operator", "github.com/prometheus-operator/prometheus-operator", []string{
		"example/prometheus-operator-crd/*_prometheusrules.yaml",
		"example/prometheus-operator-crd/*_servicemonitors.yaml",
	}},
}

func crdsCommand(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("certmanager crds", flag.ContinueOnError)
	only := flags.String("only", "", "print only this `project`: cert-manager, approver-policy or prometheus-operator")
	if err := parse(flags, args); err != nil {
		return err
	}
	chosen := slices.DeleteFunc(slices.Clone(neighbours), func(n neighbour) bool { return *only != "" && n.name != *only })
	if len(chosen) == 0 {
		return fmt.Errorf("--only %s: unknown project", *only)
	}
	for _, n := range chosen {
		text, err := n.crds(ctx)
		if err != nil {
			return err
		}
		if _, err := out.Write(text); err != nil {
			return err
		}
	}
	return nil
}

// crdsOf returns the definitions of the named project.
func crdsOf(ctx context.Context, name string) ([]byte, error) {
	i := slices.IndexFunc(neighbours, func(n neighbour) bool { return n.name == name })
	return neighbours[i].crds(ctx)
}

// crds returns the definitions as YAML documents, each preceded by "---".
func (n neighbour) crds(ctx context.Context) ([]byte, error) {
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return nil, errors.New("this binary contains no build info")
	}
	pin, err := pinned(build, n.module)
	if err != nil {
		return nil, err
	}
	dir, err := moduleFolder(ctx, pin)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	for _, pattern := range n.files {
		paths, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(paths) == 0 {
			return nil, fmt.Errorf("%s@%s has no files %s", pin.Path, pin.Version, pattern)
		}
		for _, path := range paths {
			document, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			text.WriteString("---\n")
			text.WriteString(strings.TrimPrefix(string(document), "---\n"))
		}
	}
	return text.Bytes(), nil
}

// pinned returns the version and checksum of a module that this binary was built
// with. They are those in go.mod and go.sum.
func pinned(build *debug.BuildInfo, path string) (*debug.Module, error) {
	for _, module := range build.Deps {
		if module.Path == path {
			return module, nil
		}
	}
	return nil, fmt.Errorf("module %s is not linked into this binary", path)
}

// moduleFolder returns the directory of a module in the module cache, which the
// build of this binary has filled. It works in any working directory.
func moduleFolder(ctx context.Context, pin *debug.Module) (string, error) {
	command := exec.CommandContext(ctx, "go", "mod", "download", "-json", pin.Path+"@"+pin.Version)
	command.Dir = os.TempDir() // without a go.mod or go.work
	command.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	command.Stderr = os.Stderr
	output, err := command.Output()
	var module struct{ Dir, Sum, Error string }
	if parseErr := json.Unmarshal(output, &module); parseErr == nil && module.Error != "" {
		return "", errors.New(module.Error)
	}
	if err != nil {
		return "", fmt.Errorf("go mod download %s@%s: %w", pin.Path, pin.Version, err)
	}
	if module.Sum != pin.Sum {
		return "", fmt.Errorf("%s@%s is not what this binary was built from: its checksum is %s, not %s",
			pin.Path, pin.Version, module.Sum, pin.Sum)
	}
	return module.Dir, nil
}
