package main

import (
	"regexp"
	"strings"
)

// marks lists, for each SPDX identifier, the phrases by which the text of a license, or a
// reference to it, is recognized, in lower case and on one line. It includes licenses
// that are not allowed, so that they are not missed beside an allowed one.
var marks = []struct {
	license string
	has     []string
}{
	{"Apache-2.0", []string{"apache license", "version 2.0"}},
	{"MIT", []string{"permission is hereby granted, free of charge, to any person obtaining a copy", "the software is provided \"as is\""}},
	{"ISC", []string{"permission to use, copy, modify, and/or distribute this software for any purpose"}},
	{"ISC", []string{"permission to use, copy, modify, and distribute this software for any purpose"}},
	{"BSD-3-Clause", []string{bsd, "neither the name"}},
	{"BSD-3-Clause", []string{bsd, "names of its contributors may not be used to endorse"}},
	{"BSD-4-Clause", []string{bsd, "advertising materials mentioning features"}},
	{"MPL", []string{"mozilla public license"}},
	{"GPL", []string{"gnu general public license"}},
	{"LGPL", []string{"gnu lesser general public license"}},
	{"AGPL", []string{"affero general public license"}},
	{"EPL", []string{"eclipse public license"}},
	{"CDDL", []string{"common development and distribution license"}},
	{"SSPL", []string{"server side public license"}},
	{"BUSL", []string{"business source license"}},
	{"CC", []string{"creative commons"}},
	{"Unlicense", []string{"this is free and unencumbered software released into the public domain"}},
}

// bsd is the beginning of every BSD license. A text with no other known condition is the
// two-clause license.
const bsd = "redistribution and use in source and binary forms, with or without modification, are permitted"

var blanks = regexp.MustCompile(`[\s#*/>]+`)

// recognize returns the licenses that a text contains or refers to, or nil if it
// recognizes none.
func recognize(text string) (licenses []string) {
	text = strings.NewReplacer("“", `"`, "”", `"`).Replace(strings.ToLower(text))
	text = blanks.ReplaceAllString(text, " ")
	known := func(text string, parts []string) bool {
		for _, part := range parts {
			if !strings.Contains(text, blanks.ReplaceAllString(part, " ")) {
				return false
			}
		}
		return true
	}
	found, isBSD := map[string]bool{}, false
	for _, mark := range marks {
		if !found[mark.license] && known(text, mark.has) {
			found[mark.license] = true
			licenses = append(licenses, mark.license)
			isBSD = isBSD || strings.HasPrefix(mark.license, "BSD")
		}
	}
	if !isBSD && strings.Contains(text, bsd) {
		licenses = append(licenses, "BSD-2-Clause")
	}
	return licenses
}
