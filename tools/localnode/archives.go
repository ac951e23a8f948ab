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

// nameAnnotation holds the full reference of an image in the index of an archive.
const nameAnnotation = "io.containerd.image.name"

// descriptor points to a blob, as the OCI image specification has it.
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Annotations map[string]string `json:"annotations"`
	Platform    *struct {
		OS           string `json:"os"`
		Architecture string `json:"architecture"`
	} `json:"platform"`
}

// document is what is read of an index, a manifest or an image's configuration.
type document struct {
	Manifests []descriptor `json:"manifests"`
	Config    json.RawMessage
	Layers    []descriptor `json:"layers"`
}

// imageConfig is what an image says of its process.
type imageConfig struct {
	Entrypoint, Cmd, Env []string
	WorkingDir           string
}

// image is an image for this machine, in its archive.
type image struct {
	archive string
	// digest is that of the manifest, and names the content.
	digest string
	config imageConfig
	layers []descriptor
}

// notHere is the error of an image that no archive holds.
type notHere struct{ reference, folder string }

func (e notHere) Error() string {
	return fmt.Sprintf("no archive in %s holds the image %s, and this node pulls none", e.folder, e.reference)
}

// findImage finds the image with a reference in the archives of a folder. What the
// archives hold is read anew each time, since they are few and may change.
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
		for _, found := range index.Manifests {
			if found.Annotations[nameAnnotation] == name && (digest == "" || digest == found.Digest) {
				return openImage(archive, found)
			}
		}
	}
	return nil, notHere{reference, folder}
}

// openImage reads the manifest for this machine's architecture and its configuration.
func openImage(archive string, at descriptor) (*image, error) {
	var manifest document
	if err := readJSON(archive, blob(at.Digest), &manifest); err != nil {
		return nil, err
	}
	if len(manifest.Manifests) > 0 {
		for _, found := range manifest.Manifests {
			if p := found.Platform; p != nil && p.OS == "linux" && p.Architecture == runtime.GOARCH {
				return openImage(archive, found)
			}
		}
		return nil, fmt.Errorf("%s has no image for linux/%s", archive, runtime.GOARCH)
	}
	var config descriptor
	if err := json.Unmarshal(manifest.Config, &config); err != nil {
		return nil, fmt.Errorf("%s: the manifest %s: %w", archive, at.Digest, err)
	}
	var content document
	if err := readJSON(archive, blob(config.Digest), &content); err != nil {
		return nil, err
	}
	found := &image{archive: archive, digest: at.Digest, layers: manifest.Layers}
	if err := json.Unmarshal(content.Config, &found.config); err != nil {
		return nil, fmt.Errorf("%s: the configuration %s: %w", archive, config.Digest, err)
	}
	return found, nil
}

// blob gives the path of a blob in an archive.
func blob(digest string) string { return "blobs/" + strings.Replace(digest, ":", "/", 1) }

func readJSON(archive, path string, into any) error {
	return readFile(archive, path, func(content io.Reader) error { return json.NewDecoder(content).Decode(into) })
}

// readFile hands a file of an archive to a function.
func readFile(archive, path string, read func(io.Reader) error) (err error) {
	file, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	for reader := tar.NewReader(file); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("%s is no OCI archive: it has no %s", archive, path)
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
