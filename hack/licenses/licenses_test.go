package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	mit = `Permission is hereby granted, free of charge, to any person obtaining a copy
of this software … THE SOFTWARE IS PROVIDED “AS IS”, WITHOUT WARRANTY`
	twoClauses = `Redistribution and use in source and binary forms, with or without
 * modification, are permitted provided that`
)

// TestRecognize checks that licenses are recognized by their text, however its lines are
// broken, several in one text, and disallowed licenses beside an allowed one.
func TestRecognize(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		text string
		want []string
	}{
		"nothing":          {"Copyright 2026, all rights reserved.", nil},
		"Apache":           {"Apache License\n   Version 2.0, January 2004", []string{"Apache-2.0"}},
		"an Apache notice": {"Licensed under the Apache License, Version 2.0 (the \"License\")", []string{"Apache-2.0"}},
		"MIT":              {mit, []string{"MIT"}},
		"ISC":              {"Permission to use, copy, modify, and/or distribute this\nsoftware for any purpose", []string{"ISC"}},
		"BSD, two":         {twoClauses, []string{"BSD-2-Clause"}},
		"BSD, three":       {twoClauses + " Neither the name of", []string{"BSD-3-Clause"}},
		"several":          {mit + "\n" + twoClauses + "\nApache License, Version 2.0", []string{"Apache-2.0", "MIT", "BSD-2-Clause"}},
		"a disallowed one": {mit + "\nor under the GNU General Public License", []string{"MIT", "GPL"}},
		"Mozilla's":        {"Mozilla Public License, version 2.0", []string{"MPL"}},
	} {
		if got := recognize(tc.text); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

// TestLicensesOf checks that the license texts from the package up to the root of its
// module count, and that a package without a license text, or with an unknown one, is an
// error.
func TestLicensesOf(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	root := filepath.Join(outside, "module")
	inner := filepath.Join(root, "third_party", "forked")
	if err := os.MkdirAll(inner, 0o750); err != nil {
		t.Fatal(err)
	}
	put := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(filepath.Join(outside, "LICENSE"), "GNU General Public License")
	pkg := linked{module: "example.com/m", version: "v1.0.0", folder: inner, root: root}
	if _, err := licensesOf(pkg); err == nil || !strings.Contains(err.Error(), "no license") {
		t.Errorf("without a text: %v", err)
	}
	put(filepath.Join(root, "license.go"), "package m")
	put(filepath.Join(root, "COPYING.txt"), mit)
	put(filepath.Join(inner, "LICENSE"), twoClauses)
	if got, err := licensesOf(pkg); err != nil || !slices.Equal(got, []string{"BSD-2-Clause", "MIT"}) {
		t.Errorf("got %q (%v)", got, err)
	}
	put(filepath.Join(root, "LICENSE.extra"), "Do what you like.")
	if _, err := licensesOf(pkg); err == nil || !strings.Contains(err.Error(), "LICENSE.extra") {
		t.Errorf("with an unknown text: %v", err)
	}
}
