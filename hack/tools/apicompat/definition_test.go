package main

import (
	"slices"
	"strings"
	"testing"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// definitionText is a CustomResourceDefinition with a field for each rule.
const definitionText = `
metadata: {name: things.example.com}
spec:
  group: example.com
  scope: Cluster
  names: {kind: Thing, listKind: ThingList, plural: things, singular: thing, shortNames: [th]}
  versions:
  - name: v1alpha1
    served: true
    storage: true
    subresources: {status: {}}
    schema:
      openAPIV3Schema:
        type: object
        required: [spec]
        properties:
          spec:
            type: object
            properties:
              text: {type: string, maxLength: 10, minLength: 1, default: abc}
              level: {type: string, enum: [Low, High], nullable: true}
              count: {type: integer, format: int32, maximum: 5}
              free: {type: object, x-kubernetes-preserve-unknown-fields: true}
              labels: {type: object, additionalProperties: {type: string, maxLength: 63}}
              sources:
                type: array
                maxItems: 100
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [name]
                x-kubernetes-validations: [{rule: self.size() > 0}, {rule: self.size() < 9, message: too many}]
                items:
                  type: object
                  required: [name]
                  properties: {name: {type: string}, key: {type: string}}
`

func parse(t *testing.T, text string) map[string]*apiextensions.CustomResourceDefinition {
	t.Helper()
	definition := &apiextensions.CustomResourceDefinition{}
	if err := yaml.UnmarshalStrict([]byte(text), definition); err != nil {
		t.Fatal(err)
	}
	return map[string]*apiextensions.CustomResourceDefinition{definition.Name: definition}
}

// TestCompareDefinitions checks each rule with one change that it refuses.
func TestCompareDefinitions(t *testing.T) {
	t.Parallel()
	const version = "CRD: things.example.com v1alpha1"
	for name, tc := range map[string]struct{ old, updated, want string }{
		"kind":            {"kind: Thing,", "kind: Item,", "CRD: things.example.com: kind changed from Thing to Item"},
		"scope":           {"scope: Cluster", "scope: Namespaced", "CRD: things.example.com: scope changed from Cluster to Namespaced"},
		"short name":      {", shortNames: [th]", "", "CRD: things.example.com: short name th removed"},
		"version":         {"- name: v1alpha1", "- name: v1", version + ": removed"},
		"served":          {"served: true", "served: false", version + ": no longer served"},
		"conversion":      {"scope: Cluster", "scope: Cluster\n  conversion: {strategy: Webhook}", "CRD: things.example.com: conversion changed from None to Webhook"},
		"storage":         {"storage: true", "storage: false", version + ": no longer the storage version"},
		"unknown fields":  {"scope: Cluster", "scope: Cluster\n  preserveUnknownFields: true", "CRD: things.example.com: preserveUnknownFields changed from false to true"},
		"status":          {"    subresources: {status: {}}\n", "", version + ": subresource status removed"},
		"field":           {"              text: {type: string, maxLength: 10, minLength: 1, default: abc}\n", "", version + " .spec.text: removed"},
		"nested field":    {", key: {type: string}}", "}", version + " .spec.sources[].key: removed"},
		"type":            {"count: {type: integer, format: int32", "count: {type: number, format: int32", version + " .spec.count: type changed from integer to number"},
		"format":          {"format: int32", "format: int64", version + " .spec.count: format changed from int32 to int64"},
		"maximum":         {"maximum: 5", "maximum: 4", version + " .spec.count: maximum decreased from 5 to 4"},
		"minimum":         {"maximum: 5", "maximum: 5, minimum: 0", version + " .spec.count: minimum 0 added"},
		"maxLength":       {"maxLength: 10", "maxLength: 9", version + " .spec.text: maxLength decreased from 10 to 9"},
		"minLength":       {"minLength: 1", "minLength: 2", version + " .spec.text: minLength increased from 1 to 2"},
		"maxItems":        {"maxItems: 100", "maxItems: 10", version + " .spec.sources: maxItems decreased from 100 to 10"},
		"pattern":         {"maxLength: 10", "maxLength: 10, pattern: ^a", version + ` .spec.text: pattern changed from "" to "^a"`},
		"enum value":      {"enum: [Low, High]", "enum: [Low]", version + ` .spec.level: value "High" of the enum removed`},
		"new enum":        {"name: {type: string}", "name: {type: string, enum: [a]}", version + " .spec.sources[].name: enum added"},
		"nullable":        {", nullable: true", "", version + " .spec.level: nullable removed"},
		"default":         {"default: abc", "default: abd", version + ` .spec.text: default changed from "abc" to "abd"`},
		"new default":     {"maximum: 5", "maximum: 5, default: 1", version + " .spec.count: default changed from none to 1"},
		"required":        {"required: [name]", "required: [name, key]", version + " .spec.sources[].key: has become required"},
		"required field":  {"required: [name]\n                  properties: {", "required: [name, more]\n                  properties: {more: {type: string}, ", version + " .spec.sources[].more: has become required"},
		"list type":       {"x-kubernetes-list-type: map", "x-kubernetes-list-type: atomic", version + " .spec.sources: x-kubernetes-list-type changed from map to atomic"},
		"list keys":       {"list-map-keys: [name]", "list-map-keys: [key]", version + ` .spec.sources: x-kubernetes-list-map-keys changed from ["name"] to ["key"]`},
		"rule":            {"rule: self.size() > 0", "rule: self.size() > 1", version + " .spec.sources: rule added: self.size() > 1"},
		"changed rule":    {"self.size() < 9", "self.size() < 8", version + " .spec.sources: rule changed: too many: self.size() < 8"},
		"named rule":      {"[{rule: self.size() > 0}", "[{rule: self.size() > 2, message: too few}", version + " .spec.sources: rule added: too few: self.size() > 2"},
		"preserved":       {", x-kubernetes-preserve-unknown-fields: true", "", version + " .spec.free: x-kubernetes-preserve-unknown-fields removed"},
		"map":             {", additionalProperties: {type: string, maxLength: 63}", "", version + " .spec.labels[*]: additionalProperties removed"},
		"values of a map": {"maxLength: 63", "maxLength: 62", version + " .spec.labels[*]: maxLength decreased from 63 to 62"},
		"one of":          {"required: [name]\n", "required: [name]\n                  oneOf: [{required: [key]}]\n", version + " .spec.sources[]: oneOf added or changed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if strings.Count(definitionText, tc.old) != 1 {
				t.Fatalf("the definition does not contain %q once", tc.old)
			}
			got := compareDefinitions(parse(t, definitionText), parse(t, strings.Replace(definitionText, tc.old, tc.updated, 1)))
			if !slices.Equal(got, []string{tc.want}) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// TestCompatible checks that what is allowed in addition is compatible.
func TestCompatible(t *testing.T) {
	t.Parallel()
	for name, pair := range map[string][2]string{
		"nothing":                 {"", ""},
		"field":                   {"properties: {name:", "properties: {more: {type: string}, name:"},
		"required with default":   {"required: [name]\n                  properties: {", "required: [name, more]\n                  properties: {more: {type: string, default: a}, "},
		"no longer required":      {"                  required: [name]\n", ""},
		"higher limit":            {"maxLength: 10", "maxLength: 11"},
		"no limit":                {", maxLength: 10", ""},
		"minLength 0":             {"key: {type: string}", "key: {type: string, minLength: 0}"},
		"value of an enum":        {"enum: [Low, High]", "enum: [Low, High, Middle]"},
		"no enum":                 {", enum: [Low, High]", ""},
		"no rule":                 {"[{rule: self.size() > 0}, {rule: self.size() < 9, message: too many}]", "[]"},
		"message of a rule":       {"{rule: self.size() > 0}", "{rule: self.size() > 0, message: it must not be empty}"},
		"nullable":                {"maximum: 5", "maximum: 5, nullable: true"},
		"short name":              {"shortNames: [th]", "shortNames: [th, thi]"},
		"description of a field":  {"maximum: 5", "maximum: 5, description: number of things"},
		"additional printer data": {"subresources: {status: {}}", "subresources: {status: {}}\n    additionalPrinterColumns: [{name: Count, type: integer, jsonPath: .spec.count}]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if pair[0] != "" && strings.Count(definitionText, pair[0]) != 1 {
				t.Fatalf("the definition does not contain %q once", pair[0])
			}
			got := compareDefinitions(parse(t, definitionText), parse(t, strings.Replace(definitionText, pair[0], pair[1], 1)))
			if len(got) > 0 {
				t.Errorf("got %q", got)
			}
		})
	}
	status := "    subresources: {status: {}}\n"
	added := compareDefinitions(parse(t, strings.Replace(definitionText, status, "", 1)), parse(t, definitionText))
	if !slices.Equal(added, []string{"CRD: things.example.com v1alpha1: subresource status added"}) {
		t.Errorf("with a status subresource: %q", added)
	}
	if got := compareDefinitions(parse(t, definitionText), nil); !slices.Equal(got, []string{"CRD: things.example.com: removed"}) {
		t.Errorf("without the definition: %q", got)
	}
}
