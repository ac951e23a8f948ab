package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"trust-manager.io/hack/tools/spdx"
)

// bill returns the bill of materials of the image with the digest: the modules that are
// recorded in the programs, and the source of the certificates.
func (r recipe) bill(digest v1.Hash) ([]byte, error) {
	materials, err := r.materials()
	if err != nil {
		return nil, err
	}
	image := spdx.Package{
		ID: "SPDXRef-image", Name: repository + r.name, Version: r.version, Download: spdx.NoAssertion, Purpose: "CONTAINER",
		SourceInfo: "commit " + r.revision,
		References: spdx.PURL(fmt.Sprintf("pkg:oci/%s@%s?tag=%s", r.name, strings.Replace(digest.String(), ":", "%3A", 1), r.tag())),
	}
	document := spdx.New("https://trust-manager.io/spdx/"+r.name+"/"+digest.Hex, "trust-manager-hack-images", r.created, image, materials)
	document.Name = r.reference()
	return document.Encode()
}

// materials returns the modules of the programs of all architectures, followed by the source
// of the certificates.
func (r recipe) materials() ([]spdx.Package, error) {
	var programs []spdx.Program
	for _, architecture := range slices.Sorted(maps.Keys(r.programs)) {
		program := r.programs[architecture]
		programs = append(programs, spdx.Program{Path: program.path, Data: program.data})
	}
	materials, err := spdx.Modules(programs, r.revision, r.licenses)
	if err != nil {
		return nil, err
	}
	if r.source != nil {
		materials = append(materials, spdx.Package{
			ID: spdx.CertificatesID, Name: r.source.name, Version: r.source.version, Download: spdx.NoAssertion,
			SourceInfo: r.source.sum, References: spdx.PURL(r.source.purl),
		})
	}
	return materials, nil
}
