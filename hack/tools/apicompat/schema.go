package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// schema adds the incompatible changes of a schema and of everything below it: what the old
// schema accepts and the new one refuses, drops, defaults or merges in another way. What is only
// allowed in addition is compatible.
func (c *comparison) schema(path string, before, after *apiextensions.JSONSchemaProps) {
	c.changed(path, "type", before.Type, after.Type)
	c.changed(path, "format", before.Format, after.Format)
	c.changed(path, "x-kubernetes-int-or-string", before.XIntOrString, after.XIntOrString)
	c.changed(path, "x-kubernetes-embedded-resource", before.XEmbeddedResource, after.XEmbeddedResource)
	c.limits(path, before, after)
	c.values(path, before, after)
	c.merging(path, before, after)
	c.rules(path, before, after)
	c.properties(path, before, after)
	c.children(path, before, after)
}

// limits adds limits that are new or tighter.
func (c *comparison) limits(path string, before, after *apiextensions.JSONSchemaProps) {
	upper(c, path, "maxLength", before.MaxLength, after.MaxLength)
	upper(c, path, "maxItems", before.MaxItems, after.MaxItems)
	upper(c, path, "maxProperties", before.MaxProperties, after.MaxProperties)
	upper(c, path, "maximum", before.Maximum, after.Maximum)
	lower(c, path, "minLength", before.MinLength, after.MinLength)
	lower(c, path, "minItems", before.MinItems, after.MinItems)
	lower(c, path, "minProperties", before.MinProperties, after.MinProperties)
	lower(c, path, "minimum", before.Minimum, after.Minimum)
	if after.MultipleOf != nil && (before.MultipleOf == nil || *before.MultipleOf != *after.MultipleOf) {
		c.add(path, "multipleOf added or changed to %v", *after.MultipleOf)
	}
	c.turnedOn(path, "exclusiveMaximum", before.ExclusiveMaximum, after.ExclusiveMaximum)
	c.turnedOn(path, "exclusiveMinimum", before.ExclusiveMinimum, after.ExclusiveMinimum)
	c.turnedOn(path, "uniqueItems", before.UniqueItems, after.UniqueItems)
}

type number interface{ ~int64 | ~float64 }

func upper[N number](c *comparison, path, what string, before, after *N) {
	switch {
	case after == nil:
	case before == nil:
		c.add(path, "%s %v added", what, *after)
	case *after < *before:
		c.add(path, "%s decreased from %v to %v", what, *before, *after)
	}
}

func lower[N number](c *comparison, path, what string, before, after *N) {
	switch {
	case after == nil:
	case before == nil:
		// 0 is what an absent limit means for a length, but not for a number.
		if *after > 0 || what == "minimum" {
			c.add(path, "%s %v added", what, *after)
		}
	case *after > *before:
		c.add(path, "%s increased from %v to %v", what, *before, *after)
	}
}

func (c *comparison) turnedOn(path, what string, before, after bool) {
	if after && !before {
		c.add(path, "%s added", what)
	}
}

// values adds values that are no longer accepted, or mean something else. A client must accept
// values of an enum that it does not know, so that a new one is compatible.
func (c *comparison) values(path string, before, after *apiextensions.JSONSchemaProps) {
	if after.Pattern != "" && after.Pattern != before.Pattern {
		c.add(path, "pattern changed from %q to %q", before.Pattern, after.Pattern)
	}
	if len(before.Enum) == 0 && len(after.Enum) > 0 {
		c.add(path, "enum added")
	}
	for _, value := range before.Enum {
		has := func(other apiextensions.JSON) bool { return bytes.Equal(value.Raw, other.Raw) }
		if len(after.Enum) > 0 && !slices.ContainsFunc(after.Enum, has) {
			c.add(path, "value %s of the enum removed", value.Raw)
		}
	}
	if before.Nullable && !after.Nullable {
		c.add(path, "nullable removed")
	}
	c.changed(path, "default", raw(before.Default), raw(after.Default))
}

func raw(value *apiextensions.JSON) string {
	if value == nil {
		return "none"
	}
	return string(value.Raw)
}

// merging adds changes of what server-side apply merges, and of what the API server drops.
func (c *comparison) merging(path string, before, after *apiextensions.JSONSchemaProps) {
	c.changed(path, "x-kubernetes-list-type", value(before.XListType), value(after.XListType))
	c.changed(path, "x-kubernetes-map-type", value(before.XMapType), value(after.XMapType))
	if !slices.Equal(before.XListMapKeys, after.XListMapKeys) {
		c.add(path, "x-kubernetes-list-map-keys changed from %q to %q", before.XListMapKeys, after.XListMapKeys)
	}
	if keeps(before) && !keeps(after) {
		c.add(path, "x-kubernetes-preserve-unknown-fields removed")
	}
}

func value(text *string) string {
	if text == nil {
		return "none"
	}
	return *text
}

func keeps(schema *apiextensions.JSONSchemaProps) bool {
	return schema.XPreserveUnknownFields != nil && *schema.XPreserveUnknownFields
}

// rules adds rules that may refuse more. Whether an expression is stricter than another cannot be
// decided, so every new and every changed one counts. A change states the rule, so that
// accepting it accepts no later change of the same rule.
func (c *comparison) rules(path string, before, after *apiextensions.JSONSchemaProps) {
	for _, rule := range after.XValidations {
		text := strings.Join(strings.Fields(rule.Rule), " ") // one line in the list of accepted changes
		same := func(other apiextensions.ValidationRule) bool { return other.Rule == rule.Rule }
		named := func(other apiextensions.ValidationRule) bool { return other.Message == rule.Message }
		switch {
		case slices.ContainsFunc(before.XValidations, same):
		case rule.Message == "":
			c.add(path, "rule added: %s", text)
		case slices.ContainsFunc(before.XValidations, named):
			c.add(path, "rule changed: %s: %s", rule.Message, text)
		default:
			c.add(path, "rule added: %s: %s", rule.Message, text)
		}
	}
	for _, junctor := range []struct {
		name          string
		before, after any
		isEmpty       bool
	}{
		{"allOf", before.AllOf, after.AllOf, len(after.AllOf) == 0},
		{"anyOf", before.AnyOf, after.AnyOf, len(after.AnyOf) == 0},
		{"oneOf", before.OneOf, after.OneOf, len(after.OneOf) == 0},
		{"not", before.Not, after.Not, after.Not == nil},
	} {
		if !junctor.isEmpty && !isSame(junctor.before, junctor.after) {
			c.add(path, "%s added or changed", junctor.name)
		}
	}
}

// isSame compares values as JSON, which has no difference between absent and empty.
func isSame(before, after any) bool {
	a, errA := json.Marshal(before)
	b, errB := json.Marshal(after)
	return errA == nil && errB == nil && bytes.Equal(a, b) || reflect.DeepEqual(before, after)
}

// properties adds fields that are removed or have become required. A required field with a
// default does not have to be set.
func (c *comparison) properties(path string, before, after *apiextensions.JSONSchemaProps) {
	for _, name := range after.Required {
		if !slices.Contains(before.Required, name) && after.Properties[name].Default == nil {
			c.add(path+"."+name, "has become required")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before.Properties)) {
		old := before.Properties[name]
		updated, ok := after.Properties[name]
		if !ok {
			c.add(path+"."+name, "removed")
			continue
		}
		c.schema(path+"."+name, &old, &updated)
	}
}

// children adds the changes of the elements of a list and of the values of a map.
func (c *comparison) children(path string, before, after *apiextensions.JSONSchemaProps) {
	if before.Items != nil && before.Items.Schema != nil {
		if after.Items == nil || after.Items.Schema == nil {
			c.add(path+"[]", "schema of the elements removed")
		} else {
			c.schema(path+"[]", before.Items.Schema, after.Items.Schema)
		}
	}
	if before.AdditionalProperties == nil {
		return
	}
	switch old, updated := before.AdditionalProperties, after.AdditionalProperties; {
	case updated == nil || old.Allows && updated.Schema == nil && !updated.Allows:
		c.add(path+"[*]", "additionalProperties removed")
	case old.Schema != nil && updated.Schema != nil:
		c.schema(path+"[*]", old.Schema, updated.Schema)
	case old.Schema == nil && updated.Schema != nil:
		c.add(path+"[*]", "schema of the values added")
	}
}
