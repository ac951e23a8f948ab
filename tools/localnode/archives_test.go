package localnode

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// archive is an OCI archive under construction.
type archive struct {
	t     *testing.T
	files map[string][]byte
}

// add adds a blob and returns its digest.
func (a *archive) add(content []byte) string {
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256(content))
	a.files[blob(digest)] = content
	return digest
}

func (a *archive) addJSON(content any) string {
	text, err := json.Marshal(content)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.add(text)
}

// entry is one entry of a tar archive: a symlink if it has a target, otherwise a
// file.
type entry struct{ name, content, target string }

// tarOf returns a tar archive of the entries.
func tarOf(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var text bytes.Buffer
	writer := tar.NewWriter(&text)
	for _, e := range entries {
		header := &tar.Header{Typeflag: tar.TypeReg, Name: e.name, Mode: 0o755, Size: int64(len(e.content))}
		if e.target != "" {
			header.Typeflag, header.Linkname = tar.TypeSymlink, e.target
		}
		err := writer.WriteHeader(header)
		if err == nil {
			_, err = writer.Write([]byte(e.content))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

func zip(t *testing.T, content []byte) []byte {
	t.Helper()
	var text bytes.Buffer
	writer := gzip.NewWriter(&text)
	_, err := writer.Write(content)
	if err := errors.Join(err, writer.Close()); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

// writeArchive writes an archive with one image for the given architectures and
// returns its directory. The command of each architecture is its name.
func writeArchive(t *testing.T, reference string, layers [][]byte, architectures ...string) string {
	t.Helper()
	a := &archive{t: t, files: map[string][]byte{}}
	var manifests []any
	for _, architecture := range architectures {
		config := a.addJSON(map[string]any{"config": map[string]any{"Cmd": []string{architecture}}})
		var described []any
		for _, layer := range layers {
			described = append(described, map[string]any{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": a.add(zip(t, layer))})
		}
		manifest := a.addJSON(map[string]any{"config": map[string]any{"digest": config}, "layers": described})
		manifests = append(manifests, map[string]any{"digest": manifest, "platform": map[string]any{"os": "linux", "architecture": architecture}})
	}
	top := map[string]any{"digest": a.addJSON(map[string]any{"manifests": manifests}), "annotations": map[string]string{nameAnnotation: reference}}
	text, err := json.Marshal(map[string]any{"manifests": []any{top}})
	if err != nil {
		t.Fatal(err)
	}
	a.files["index.json"] = text
	entries := []entry{}
	for name, content := range a.files {
		entries = append(entries, entry{name: name, content: string(content)})
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "image.tar"), tarOf(t, entries...), 0o600); err != nil {
		t.Fatal(err)
	}
	return folder
}

const reference = "registry.example/images/it:1"

func TestImageIsFoundByItsReference(t *testing.T) {
	folder := writeArchive(t, reference, nil, "riscv64", runtime.GOARCH)
	found, err := findImage(folder, reference)
	if err != nil {
		t.Fatal(err)
	}
	if got := found.config.Cmd; len(got) != 1 || got[0] != runtime.GOARCH {
		t.Errorf("got the image for %q; want the one for this machine, %s", got, runtime.GOARCH)
	}
	for _, unknown := range []string{"registry.example/images/it:2", "it:1", reference + "@sha256:00"} {
		var missing imageNotFound
		if _, err := findImage(folder, unknown); !errors.As(err, &missing) {
			t.Errorf("%s: got %v; want an imageNotFound error", unknown, err)
		}
	}
}

func TestImageOfAnotherArchitectureIsRefused(t *testing.T) {
	if _, err := findImage(writeArchive(t, reference, nil, "riscv64"), reference); err == nil {
		t.Error("got no error")
	}
}

func TestLayersAreUnpackedInOrder(t *testing.T) {
	folder := writeArchive(t, reference, [][]byte{
		tarOf(t, entry{name: "a/old", content: "1"}, entry{name: "a/kept", content: "1"}, entry{name: "a/gone", content: "1"}),
		tarOf(t, entry{name: "./a/old", content: "2"}, entry{name: "a/.wh.gone"}, entry{name: "a/link", target: "kept"}),
	}, runtime.GOARCH)
	found, err := findImage(folder, reference)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	root, err := found.unpack(dir)
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{"a/old": "2", "a/kept": "1", "a/link": "1"} {
		if got, err := os.ReadFile(filepath.Join(root, file)); err != nil || string(got) != want {
			t.Errorf("%s: got %q, %v; want %q", file, got, err, want)
		}
	}
	if exists(filepath.Join(root, "a/gone")) {
		t.Error("a file removed by the second layer still exists")
	}
	if again, err := found.unpack(dir); err != nil || again != root {
		t.Errorf("second time: got %s, %v; want the same directory", again, err)
	}
}

func TestLayerCannotLeaveItsFolder(t *testing.T) {
	cases := map[string][]entry{
		"through an absolute link": {{name: "out", target: "/tmp"}, {name: "out/file", content: "x"}},
		"through a relative link":  {{name: "up", target: "../.."}, {name: "up/file", content: "x"}},
	}
	for name, entries := range cases {
		t.Run(name, func(t *testing.T) {
			found, err := findImage(writeArchive(t, reference, [][]byte{tarOf(t, entries...)}, runtime.GOARCH), reference)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			if root, err := found.unpack(dir); err == nil {
				t.Errorf("got no error; unpacked to %s", root)
			}
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Errorf("%s was not removed", left[0].Name())
			}
		})
	}
}
