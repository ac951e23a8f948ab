package main

import (
	"archive/tar"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// The annotations from which containerd and other tools take the name of an image.
const (
	nameAnnotation = "io.containerd.image.name"
	tagAnnotation  = "org.opencontainers.image.ref.name"
)

// write writes an index and everything it refers to as an OCI archive.
func (r recipe) write(index v1.ImageIndex, to string) error {
	folder, err := os.MkdirTemp("", "image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder) //nolint:errcheck // a temporary folder
	path, err := layout.Write(folder, empty.Index)
	if err != nil {
		return err
	}
	reference := map[string]string{tagAnnotation: r.tag(), nameAnnotation: r.reference()}
	if err := path.AppendIndex(index, layout.WithAnnotations(reference)); err != nil {
		return err
	}
	return archive(folder, to)
}

// archive writes the files of a folder as a tar, sorted by name.
func archive(folder, to string) error {
	var paths []string
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		return err
	}
	slices.Sort(paths)
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	writer := tar.NewWriter(out)
	for _, path := range paths {
		if err := add(writer, folder, path); err != nil {
			return errors.Join(err, out.Close())
		}
	}
	return errors.Join(writer.Close(), out.Close())
}

func add(writer *tar.Writer, folder, path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	name, err := filepath.Rel(folder, path)
	if err != nil {
		return err
	}
	return writeFile(writer, file{filepath.ToSlash(name), 0o644, data})
}
