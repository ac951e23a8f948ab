package main

import (
	"archive/tar"
	"bytes"
	"io"
	"maps"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// user is an unprivileged user and group, as is common in images built from scratch.
const user = "65532:65532"

// epoch is the timestamp of all files in an image.
var epoch = time.Unix(0, 0).UTC()

// index builds the index of the images of all architectures.
func (r recipe) index() (v1.ImageIndex, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, architecture := range slices.Sorted(maps.Keys(r.programs)) {
		image, err := r.image(architecture)
		if err != nil {
			return nil, err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        image,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: architecture, Variant: variantOf(architecture)}},
		})
	}
	return index, nil
}

// variantOf returns the variant of an architecture: 32-bit Arm means v7, as hack/images.sh
// builds it.
func variantOf(architecture string) string {
	if architecture == "arm" {
		return "v7"
	}
	return ""
}

// image builds the image of one architecture.
func (r recipe) image(architecture string) (v1.Image, error) {
	content, err := layer(append([]file{r.programs[architecture]}, r.content...))
	if err != nil {
		return nil, err
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err := mutate.Append(base, mutate.Addendum{
		Layer:     content,
		MediaType: types.OCILayer,
		History:   v1.History{Created: v1.Time{Time: r.created}, CreatedBy: "trust-manager hack/images"},
	})
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	return mutate.ConfigFile(image, r.config(config.DeepCopy(), architecture))
}

func (r recipe) config(config *v1.ConfigFile, architecture string) *v1.ConfigFile {
	config.OS, config.Architecture, config.Variant = "linux", architecture, variantOf(architecture)
	config.Created = v1.Time{Time: r.created}
	config.Config.User = user
	config.Config.Entrypoint, config.Config.Cmd = r.entrypoint, r.command
	config.Config.Labels = map[string]string{
		"org.opencontainers.image.title":    r.name,
		"org.opencontainers.image.version":  r.version,
		"org.opencontainers.image.revision": r.revision,
		"org.opencontainers.image.source":   "https://trust-manager.io",
		"org.opencontainers.image.licenses": "Apache-2.0",
	}
	return config
}

// layer builds a layer with the files and their parent folders.
func layer(files []file) (v1.Layer, error) {
	var content bytes.Buffer
	writer := tar.NewWriter(&content)
	created := map[string]bool{}
	for _, f := range files {
		for at, r := range f.path {
			if folder := f.path[:at]; r == '/' && !created[folder] {
				created[folder] = true
				if err := writer.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: folder + "/", Mode: 0o755, ModTime: epoch}); err != nil {
					return nil, err
				}
			}
		}
		if err := writeFile(writer, f); err != nil {
			return nil, err
		}
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content.Bytes())), nil })
}

// writeFile writes a file, owned by root, to a tar.
func writeFile(writer *tar.Writer, f file) error {
	header := &tar.Header{Typeflag: tar.TypeReg, Name: f.path, Mode: f.mode, Size: int64(len(f.data)), ModTime: epoch}
	if err := writer.WriteHeader(header); err != nil {
		return err
	}
	_, err := writer.Write(f.data)
	return err
}
