package localnode

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// nameAnnotation is the annotation in an archive's index with the full reference
// of an image.
const nameAnnotation = "io.containerd.image.name"

// descriptor refers to a blob, as in the OCI image specification.
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Annotations map[string]string `json:"annotations"`
	Platform    *struct {
		OS           string `json:"os"`
		Architecture string `json:"architecture"`
	} `json:"platform"`
}

// document contains the fields that are read from an index, a manifest or an
// image configuration.
type document struct {
	Manifests []descriptor `json:"manifests"`
	Config    json.RawMessage
	Layers    []descriptor `json:"layers"`
}

// imageConfig is the part of an image configuration that describes the process.
type imageConfig struct {
	Entrypoint, Cmd, Env []string
	WorkingDir           string
}

// image is an image for this machine in an archive.
type image struct {
	archive string
	// digest is the digest of the manifest.
	digest string
	config imageConfig
	layers []descriptor
}

// imageNotFound reports an image that is in no archive.
type imageNotFound struct{ reference, folder string }

func (e imageNotFound) Error() string {
	return fmt.Sprintf("image %[2]s is in no archive in %[1]s, and this node pulls no images", e.folder, e.reference)
}

// findImage returns the image with the given reference from the archives of a
// directory. It reads the archives each time, since they are few and may change.
func findImage(folder, reference string) (*image, error) {
	archives, err := filepath.Glob(filepath.Join(folder, "*.tar"))
	if err != nil {
		return nil, err
	}
	name, digest, _ := strings.Cut(reference, "@")
	for _, archive := range archives {
		var index document
		if err := readJSON(archive, "index.json", &index); err != nil {
			return nil, err
		}
		for _, manifest := range index.Manifests {
			if manifest.Annotations[nameAnnotation] == name && (digest == "" || digest == manifest.Digest) {
				return openImage(archive, manifest)
			}
		}
	}
	return nil, imageNotFound{reference, folder}
}

// openImage reads the manifest for this machine's architecture and its image
// configuration.
func openImage(archive string, at descriptor) (*image, error) {
	var manifest document
	if err := readJSON(archive, blob(at.Digest), &manifest); err != nil {
		return nil, err
	}
	if len(manifest.Manifests) > 0 {
		for _, candidate := range manifest.Manifests {
			if p := candidate.Platform; p != nil && p.OS == "linux" && p.Architecture == runtime.GOARCH {
				return openImage(archive, candidate)
			}
		}
		return nil, fmt.Errorf("%s has no image for linux/%s", archive, runtime.GOARCH)
	}
	var config descriptor
	if err := json.Unmarshal(manifest.Config, &config); err != nil {
		return nil, fmt.Errorf("%s: manifest %s: %w", archive, at.Digest, err)
	}
	var content document
	if err := readJSON(archive, blob(config.Digest), &content); err != nil {
		return nil, err
	}
	img := &image{archive: archive, digest: at.Digest, layers: manifest.Layers}
	if err := json.Unmarshal(content.Config, &img.config); err != nil {
		return nil, fmt.Errorf("%s: image configuration %s: %w", archive, config.Digest, err)
	}
	return img, nil
}

// blob returns the path of a blob in an archive.
func blob(digest string) string { return "blobs/" + strings.Replace(digest, ":", "/", 1) }

// readJSON decodes a JSON file of an archive.
func readJSON(archive, path string, into any) error {
	return readFile(archive, path, func(content io.Reader) error { return json.NewDecoder(content).Decode(into) })
}

// readFile calls read with the content of a file of an archive.
func readFile(archive, path string, read func(io.Reader) error) (err error) {
	file, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	for reader := tar.NewReader(file); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("%s is not an OCI archive: it does not contain %s", archive, path)
		} else if err != nil {
			return fmt.Errorf("%s: %w", archive, err)
		}
		if filepath.Clean(header.Name) != path {
			continue
		}
		if err := read(reader); err != nil {
			return fmt.Errorf("%s: %s: %w", archive, path, err)
		}
		return nil
	}
}
