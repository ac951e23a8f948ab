package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// readDefinitions reads the CustomResourceDefinitions in a folder, one in each file, by name.
func readDefinitions(folder string) (map[string]*apiextensions.CustomResourceDefinition, error) {
	paths, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("%s contains no CustomResourceDefinition", folder)
	}
	all := map[string]*apiextensions.CustomResourceDefinition{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		definition := &apiextensions.CustomResourceDefinition{}
		if err := yaml.UnmarshalStrict(text, definition); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all[definition.Name] = definition
	}
	return all, nil
}

// compareDefinitions returns the incompatible changes of CustomResourceDefinitions.
func compareDefinitions(before, after map[string]*apiextensions.CustomResourceDefinition) []string {
	c := &comparison{}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if after[name] == nil {
			c.add(name, "removed")
			continue
		}
		c.definition(name, before[name].Spec, after[name].Spec)
	}
	return c.changes
}

// comparison collects incompatible changes.
type comparison struct{ changes []string }

func (c *comparison) add(path, format string, args ...any) {
	c.changes = append(c.changes, "CRD: "+strings.TrimSpace(path)+": "+fmt.Sprintf(format, args...))
}

// changed adds a change of a value that must stay the same.
func (c *comparison) changed(path, what string, before, after any) {
	if before != after {
		c.add(path, "%s changed from %v to %v", what, before, after)
	}
}

func (c *comparison) definition(path string, before, after apiextensions.CustomResourceDefinitionSpec) {
	c.changed(path, "group", before.Group, after.Group)
	c.changed(path, "scope", before.Scope, after.Scope)
	c.changed(path, "kind", before.Names.Kind, after.Names.Kind)
	c.changed(path, "listKind", before.Names.ListKind, after.Names.ListKind)
	c.changed(path, "singular name", before.Names.Singular, after.Names.Singular)
	c.removed(path, "short name", before.Names.ShortNames, after.Names.ShortNames)
	c.removed(path, "category", before.Names.Categories, after.Names.Categories)
	c.changed(path, "preserveUnknownFields", before.PreserveUnknownFields, after.PreserveUnknownFields)
	c.changed(path, "conversion", conversion(before), conversion(after))
	for _, version := range before.Versions {
		at := path + " " + version.Name
		i := slices.IndexFunc(after.Versions, func(v apiextensions.CustomResourceDefinitionVersion) bool { return v.Name == version.Name })
		switch {
		case i < 0:
			c.add(at, "removed")
		case version.Served && !after.Versions[i].Served:
			c.add(at, "no longer served")
		default:
			c.version(at, version, after.Versions[i])
		}
	}
}

func (c *comparison) version(path string, before, after apiextensions.CustomResourceDefinitionVersion) {
	// Objects are written in another version then, which a downgrade may not have.
	if before.Storage && !after.Storage {
		c.add(path, "no longer the storage version")
	}
	c.removed(path, "selectable field", selectable(before), selectable(after))
	switch had, has := hasStatus(before), hasStatus(after); {
	case had && !has:
		c.add(path, "subresource status removed")
	case has && !had:
		// Writes of the object no longer change its status.
		c.add(path, "subresource status added")
	}
	if before.Subresources != nil && before.Subresources.Scale != nil && (after.Subresources == nil || after.Subresources.Scale == nil) {
		c.add(path, "subresource scale removed")
	}
	switch {
	case before.Schema == nil || before.Schema.OpenAPIV3Schema == nil:
	case after.Schema == nil || after.Schema.OpenAPIV3Schema == nil:
		c.add(path, "schema removed")
	default:
		c.schema(path+" ", before.Schema.OpenAPIV3Schema, after.Schema.OpenAPIV3Schema)
	}
}

func hasStatus(version apiextensions.CustomResourceDefinitionVersion) bool {
	return version.Subresources != nil && version.Subresources.Status != nil
}

func conversion(spec apiextensions.CustomResourceDefinitionSpec) apiextensions.ConversionStrategyType {
	if spec.Conversion == nil {
		return apiextensions.NoneConverter
	}
	return spec.Conversion.Strategy
}

func selectable(version apiextensions.CustomResourceDefinitionVersion) (paths []string) {
	for _, field := range version.SelectableFields {
		paths = append(paths, field.JSONPath)
	}
	return paths
}

// removed adds the values that a list no longer has.
func (c *comparison) removed(path, what string, before, after []string) {
	for _, value := range before {
		if !slices.Contains(after, value) {
			c.add(path, "%s %s removed", what, value)
		}
	}
}
