package main

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// machines maps architectures to ELF machines.
var machines = map[string]elf.Machine{
	"amd64": elf.EM_X86_64, "arm": elf.EM_ARM, "arm64": elf.EM_AARCH64, "ppc64le": elf.EM_PPC64, "s390x": elf.EM_S390,
}

// check checks the properties of an archive that the chart, containerd and users of the
// images rely on: its name; all architectures; an unprivileged user; only the expected
// files, so no shell; and static programs. It returns the reference and the digest.
func check(archive string, architectures []string) (image string, err error) {
	folder, err := os.MkdirTemp("", "image-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(folder) //nolint:errcheck // a temporary folder
	entry, index, err := open(archive, folder)
	if err != nil {
		return "", err
	}
	name := strings.TrimSuffix(filepath.Base(archive), ".tar")
	reference := entry.Annotations[nameAnnotation]
	if !strings.HasPrefix(reference, repository+name+":") {
		return "", fmt.Errorf("it is named %q, want %s%s:<tag>", reference, repository, name)
	}
	return reference + " " + entry.Digest.String(), checkIndex(index, name, architectures)
}

func checkIndex(index v1.ImageIndex, name string, architectures []string) error {
	manifest, err := index.IndexManifest()
	if err != nil {
		return err
	}
	var found []string
	for _, entry := range manifest.Manifests {
		image, err := index.Image(entry.Digest)
		if err != nil {
			return err
		}
		if entry.Platform == nil || entry.Platform.OS != "linux" {
			return errors.New("an image is not for linux")
		}
		found = append(found, entry.Platform.Architecture)
		if err := checkImage(image, name, entry.Platform.Architecture); err != nil {
			return fmt.Errorf("%s: %w", entry.Platform.Architecture, err)
		}
	}
	if slices.Sort(found); !slices.Equal(found, slices.Sorted(slices.Values(architectures))) {
		return fmt.Errorf("architectures %q, want %q", found, architectures)
	}
	return nil
}

func checkImage(image v1.Image, name, architecture string) error {
	config, err := image.ConfigFile()
	if err != nil {
		return err
	}
	if config.Config.User != user || config.Architecture != architecture {
		return fmt.Errorf("user %q, architecture %q", config.Config.User, config.Architecture)
	}
	for _, label := range []string{"title", "version", "revision", "source"} {
		if config.Config.Labels["org.opencontainers.image."+label] == "" {
			return fmt.Errorf("missing label %s", label)
		}
	}
	layers, err := image.Layers()
	if err != nil {
		return err
	}
	if len(layers) != 1 {
		return fmt.Errorf("%d layers, want one", len(layers))
	}
	content, err := layers[0].Uncompressed()
	if err != nil {
		return err
	}
	defer content.Close() //nolint:errcheck // only read
	return checkFiles(content, name, architecture)
}

// checkFiles checks the files of a layer and their order.
func checkFiles(content io.Reader, name, architecture string) error {
	want := []string{operatorPath}
	if name != "trust-manager" {
		want = []string{copierPath, "debian-package/", packagePath}
	}
	var found []string
	for reader := tar.NewReader(content); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		found = append(found, header.Name)
		data, err := io.ReadAll(reader)
		if err != nil {
			return err
		}
		if err := checkFile(header, data, architecture); err != nil {
			return fmt.Errorf("%s: %w", header.Name, err)
		}
	}
	if !slices.Equal(found, want) {
		return fmt.Errorf("files %q, want %q", found, want)
	}
	return nil
}

func checkFile(header *tar.Header, data []byte, architecture string) error {
	if header.Uid != 0 || header.Gid != 0 || header.Mode&0o022 != 0 {
		return errors.New("users other than root may change it")
	}
	switch header.Name {
	case operatorPath, copierPath:
		return checkProgram(data, architecture)
	case packagePath:
		return checkPackage(data)
	}
	return nil
}

// checkProgram checks that a program is for the architecture and needs neither an
// interpreter nor shared libraries.
func checkProgram(data []byte, architecture string) error {
	program, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return err
	}
	if program.Machine != machines[architecture] {
		return fmt.Errorf("it is for %s", program.Machine)
	}
	for _, part := range program.Progs {
		if part.Type == elf.PT_INTERP || part.Type == elf.PT_DYNAMIC {
			return errors.New("it is not static")
		}
	}
	return nil
}

// checkPackage checks the format of a package (D4). hack/imagesverify.sh runs the copier
// to check that operators accept it.
func checkPackage(data []byte) error {
	var p map[string]string
	if err := json.Unmarshal(data, &p); err != nil {
		return err
	}
	if len(p) != 3 || p["name"] == "" || p["version"] == "" || !strings.HasPrefix(p["bundle"], "-----BEGIN CERTIFICATE-----\n") {
		return errors.New("it is not a package with only name, version and bundle")
	}
	return nil
}
