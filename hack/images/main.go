// Command images builds the container images from binaries and packages that were
// built before, without a container runtime.
//
//	images --binaries DIR --packages DIR --out DIR --version V
//
// DIR of binaries has one folder for each architecture (amd64, arm64) with the
// programs trust-manager and trust-package-copy; DIR of packages has the default CA
// packages, one file <image>.json for each image of a package. For each image it
// writes <image>.tar, an OCI archive (a tar of an OCI image layout) with an index
// over the architectures, and prints the digest of the index. The archive carries the
// reference that the chart asks for, so that containerd imports it under that name:
// trust-manager.io/images/<image>:<tag>. The tag is the version of the programs, or
// that of the package.
//
// What always holds: an image is built from nothing but its own files, static and
// owned by root, and runs as the user 65532; the same input gives the same digest,
// since every time in it is fixed.
package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// user is a user and group without any rights: the nobody of images from nothing.
const user = "65532:65532"

// repository is what the chart puts before the name of an image.
const repository = "trust-manager.io/images/"

// epoch is the time of everything in an image.
var epoch = time.Unix(0, 0).UTC()

// file is one file of an image.
type file struct {
	path string
	mode int64
	data []byte
}

// recipe says what an image of one architecture is made of.
type recipe struct {
	name, version string
	architectures []string
	entrypoint    []string
	command       []string
	files         func(architecture string) ([]file, error)
}

func main() {
	binaries := flag.String("binaries", "", "folder with a folder of programs for each architecture")
	packages := flag.String("packages", "", "folder of default CA packages")
	out := flag.String("out", "", "folder for the archives")
	version := flag.String("version", "", "version of the programs")
	flag.Parse()
	if err := run(*binaries, *packages, *out, *version); err != nil {
		fmt.Fprintln(os.Stderr, "images:", err)
		os.Exit(1)
	}
}

func run(binaries, packages, out, version string) error {
	if binaries == "" || packages == "" || out == "" || version == "" {
		return errors.New("--binaries, --packages, --out and --version are needed")
	}
	recipes := []recipe{operator(binaries, version)}
	found, err := filepath.Glob(filepath.Join(packages, "*.json"))
	if err != nil {
		return err
	}
	for _, path := range found {
		r, err := packageOf(binaries, path)
		if err != nil {
			return err
		}
		recipes = append(recipes, r)
	}
	architectures, err := folders(binaries)
	if err != nil {
		return err
	}
	for _, r := range recipes {
		r.architectures = architectures
		digest, err := r.write(out)
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		fmt.Printf("%s %s %s\n", filepath.Join(out, r.name+".tar"), r.reference(), digest)
	}
	return nil
}

// folders names the folders in a folder, in order: the architectures.
func folders(path string) ([]string, error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		if entry.IsDir() {
			names = append(names, entry.Name())
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("no folder of an architecture in %s", path)
	}
	return names, nil
}

// operator is the image of the operator.
func operator(binaries, version string) recipe {
	return recipe{
		name: "trust-manager", version: version, entrypoint: []string{"/trust-manager"},
		files: func(architecture string) ([]file, error) {
			data, err := os.ReadFile(filepath.Join(binaries, architecture, "trust-manager"))
			return []file{{"trust-manager", 0o755, data}}, err
		},
	}
}

// packageOf is the image of a default CA package. Charts give it the name of the
// copier as its first argument, so it has no entry point.
func packageOf(binaries, path string) (recipe, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return recipe{}, err
	}
	var p struct{ Version string }
	if err := json.Unmarshal(content, &p); err != nil || p.Version == "" {
		return recipe{}, fmt.Errorf("%s is no package with a version (%v)", path, err)
	}
	return recipe{
		name: strings.TrimSuffix(filepath.Base(path), ".json"), version: p.Version,
		command: []string{"/copyandmaybepause", "/debian-package", "/packages"},
		files: func(architecture string) ([]file, error) {
			copier, err := os.ReadFile(filepath.Join(binaries, architecture, "trust-package-copy"))
			return []file{
				{"copyandmaybepause", 0o755, copier},
				{"debian-package/cert-manager-package-debian.json", 0o644, content},
			}, err
		},
	}, nil
}

// tag is the version as a tag, which may hold neither of two characters that
// Debian's versions have.
func (r recipe) tag() string {
	return strings.NewReplacer("~", "-", "+", "-").Replace(r.version)
}

func (r recipe) reference() string {
	return repository + r.name + ":" + r.tag()
}

// write writes the image as an OCI archive and gives the digest of its index.
func (r recipe) write(out string) (v1.Hash, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, architecture := range r.architectures {
		image, err := r.image(architecture)
		if err != nil {
			return v1.Hash{}, err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        image,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: architecture}},
		})
	}
	digest, err := index.Digest()
	if err != nil {
		return v1.Hash{}, err
	}
	folder, err := os.MkdirTemp("", "image-")
	if err != nil {
		return v1.Hash{}, err
	}
	defer os.RemoveAll(folder) //nolint:errcheck // a temporary folder
	path, err := layout.Write(folder, empty.Index)
	if err != nil {
		return v1.Hash{}, err
	}
	reference := map[string]string{"org.opencontainers.image.ref.name": r.tag(), "io.containerd.image.name": r.reference()}
	if err := path.AppendIndex(index, layout.WithAnnotations(reference)); err != nil {
		return v1.Hash{}, err
	}
	return digest, archive(folder, filepath.Join(out, r.name+".tar"))
}

// image makes the image of one architecture.
func (r recipe) image(architecture string) (v1.Image, error) {
	files, err := r.files(architecture)
	if err != nil {
		return nil, err
	}
	content, err := layer(files)
	if err != nil {
		return nil, err
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err := mutate.Append(base, mutate.Addendum{
		Layer:     content,
		MediaType: types.OCILayer,
		History:   v1.History{Created: v1.Time{Time: epoch}, CreatedBy: "trust-manager hack/images"},
	})
	if err != nil {
		return nil, err
	}
	return mutate.ConfigFile(image, r.config(image, architecture))
}

func (r recipe) config(image v1.Image, architecture string) *v1.ConfigFile {
	config, err := image.ConfigFile()
	if err != nil {
		config = &v1.ConfigFile{} // an image that was just made has one
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", architecture
	config.Created = v1.Time{Time: epoch}
	config.Config.User = user
	config.Config.Entrypoint, config.Config.Cmd = r.entrypoint, r.command
	config.Config.Labels = map[string]string{
		"org.opencontainers.image.title":    r.name,
		"org.opencontainers.image.version":  r.version,
		"org.opencontainers.image.licenses": "Apache-2.0",
	}
	return config
}

// layer makes a layer of files and the folders above them.
func layer(files []file) (v1.Layer, error) {
	var content bytes.Buffer
	writer := tar.NewWriter(&content)
	made := map[string]bool{}
	for _, f := range files {
		for at, r := range f.path {
			if folder := f.path[:at]; r == '/' && !made[folder] {
				made[folder] = true
				if err := writer.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: folder + "/", Mode: 0o755, ModTime: epoch}); err != nil {
					return nil, err
				}
			}
		}
		if err := writer.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.path, Mode: f.mode, Size: int64(len(f.data)), ModTime: epoch}); err != nil {
			return nil, err
		}
		if _, err := writer.Write(f.data); err != nil {
			return nil, err
		}
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content.Bytes())), nil })
}

// archive writes a folder as a tar, in one step.
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
	fresh, err := os.Create(to + ".new")
	if err != nil {
		return err
	}
	writer := tar.NewWriter(fresh)
	for _, path := range paths {
		if err := add(writer, folder, path); err != nil {
			return errors.Join(err, fresh.Close())
		}
	}
	if err := errors.Join(writer.Close(), fresh.Close()); err != nil {
		return err
	}
	return os.Rename(to+".new", to)
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
	header := &tar.Header{Typeflag: tar.TypeReg, Name: filepath.ToSlash(name), Mode: 0o644, Size: int64(len(data)), ModTime: epoch}
	if err := writer.WriteHeader(header); err != nil {
		return err
	}
	_, err = writer.Write(data)
	return err
}
