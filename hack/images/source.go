package main

import (
	"fmt"
	"os"
	"strings"
)

// source is what the certificates of a package were taken from.
type source struct {
	name, version string
	// purl is its package URL (https://github.com/package-url/purl-spec), and sum what
	// its content can be checked by.
	purl, sum string
}

// readSource reads a file of these four as words.
func readSource(path string) (*source, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	words := strings.Fields(string(text))
	if len(words) != 4 {
		return nil, fmt.Errorf("%s has not the four words NAME VERSION PURL SUM", path)
	}
	return &source{words[0], words[1], words[2], words[3]}, nil
}
