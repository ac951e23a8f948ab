package main

import (
	"fmt"
	"os"

	"golang.org/x/exp/apidiff"
	"golang.org/x/tools/go/packages"
)

// compareModules returns the incompatible changes of the exported API of a Go module, given the
// folders of its old and new version.
func compareModules(before, after string) ([]string, error) {
	old, err := loadModule(before)
	if err != nil {
		return nil, err
	}
	updated, err := loadModule(after)
	if err != nil {
		return nil, err
	}
	var changes []string
	for _, change := range apidiff.ModuleChanges(old, updated).Changes {
		if !change.Compatible {
			changes = append(changes, "Go: "+change.Message)
		}
	}
	return changes, nil
}

// loadModule loads the types of all packages of a module. It builds the dependencies.
func loadModule(folder string) (*apidiff.Module, error) {
	loaded, err := packages.Load(&packages.Config{
		Mode: packages.NeedName | packages.NeedTypes | packages.NeedModule,
		Dir:  folder,
		Env:  append(os.Environ(), "GOWORK=off"),
	}, "./...")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", folder, err)
	}
	if len(loaded) == 0 {
		return nil, fmt.Errorf("%s contains no Go package", folder)
	}
	module := &apidiff.Module{}
	for _, p := range loaded {
		if len(p.Errors) > 0 {
			return nil, fmt.Errorf("%s: %w", p.PkgPath, p.Errors[0])
		}
		module.Path = p.Module.Path
		module.Packages = append(module.Packages, p.Types)
	}
	return module, nil
}
