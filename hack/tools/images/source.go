package main

import (
	"fmt"
	"os"
	"strings"
)

// source is the source of a package's certificates.
type source struct {
	name, version string
	// purl is the package URL (https://github.com/package-url/purl-spec), and sum the
	// checksum of the content.
	purl, sum string
}

// readSource reads a file with the four words NAME VERSION PURL SUM.
func readSource(path string) (*source, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	words := strings.Fields(string(text))
	if len(words) != 4 {
		return nil, fmt.Errorf("%s: want the four words NAME VERSION PURL SUM, got %d", path, len(words))
	}
	return &source{words[0], words[1], words[2], words[3]}, nil
}
