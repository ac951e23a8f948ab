package main

import (
	"archive/tar"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/match"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
)

func runUnpack(args []string) error {
	flags := flag.NewFlagSet("unpack", flag.ContinueOnError)
	architecture := flags.String("architecture", "amd64", "architecture of the image")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 2 {
		return errors.New("want two arguments: an archive and a folder")
	}
	return unpack(flags.Arg(0), *architecture, flags.Arg(1))
}

// unpack writes the files of one image of an archive to a folder.
func unpack(archive, architecture, to string) error {
	folder, err := os.MkdirTemp("", "image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder) //nolint:errcheck // a temporary folder
	_, index, err := open(archive, folder)
	if err != nil {
		return err
	}
	images, err := partial.FindImages(index, match.Platforms(v1.Platform{OS: "linux", Architecture: architecture}))
	if err != nil {
		return err
	}
	if len(images) == 0 {
		return fmt.Errorf("%s: no image for %s", archive, architecture)
	}
	content := mutate.Extract(images[0])
	defer content.Close() //nolint:errcheck // only read
	return extract(content, to)
}

// open unpacks an archive into a folder. It returns the descriptor and the index of its
// only image.
func open(archive, folder string) (v1.Descriptor, v1.ImageIndex, error) {
	file, err := os.Open(archive)
	if err != nil {
		return v1.Descriptor{}, nil, err
	}
	defer file.Close() //nolint:errcheck // only read
	if err := extract(file, folder); err != nil {
		return v1.Descriptor{}, nil, err
	}
	root, err := layout.ImageIndexFromPath(folder)
	if err != nil {
		return v1.Descriptor{}, nil, err
	}
	manifest, err := root.IndexManifest()
	if err != nil {
		return v1.Descriptor{}, nil, err
	}
	if len(manifest.Manifests) != 1 {
		return v1.Descriptor{}, nil, fmt.Errorf("%d images in the archive, want one", len(manifest.Manifests))
	}
	index, err := root.ImageIndex(manifest.Manifests[0].Digest)
	return manifest.Manifests[0], index, err
}

// extract unpacks the files of a tar into a folder and writes nothing outside it.
func extract(content io.Reader, folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // the content of images is public
		return err
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // all files are closed
	for reader := tar.NewReader(content); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		data, err := io.ReadAll(reader)
		if err != nil {
			return err
		}
		if err := errors.Join(root.MkdirAll(filepath.Dir(header.Name), 0o755), root.WriteFile(header.Name, data, header.FileInfo().Mode().Perm())); err != nil {
			return err
		}
	}
}
