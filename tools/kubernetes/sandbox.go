package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strings"
)

// sandboxImage is what every pod begins with.
const sandboxImage = "trust-manager.io/test/pause:1"

//go:embed pause/main.go
var pauseSource []byte

// imageUser is a user and group without any rights.
const imageUser = "65532:65532"

// writeSandboxImage packs the program that every pod begins with.
func writeSandboxImage(binary, file string) error {
	program, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	return pack(sandboxImage, file, entry{"pause", 0o755, program})
}

// pack writes an image that holds these files and runs the first one unless a pod
// says otherwise, in the form that `docker save` writes: a tar of one layer, a
// configuration, and a manifest that names them.
func pack(name, file string, files ...entry) error {
	layer, err := archive(files...)
	if err != nil {
		return err
	}
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{"Cmd": []string{"/" + files[0].name}, "User": imageUser},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{fmt.Sprintf("sha256:%x", sha256.Sum256(layer))}},
	})
	if err != nil {
		return err
	}
	manifest, err := json.Marshal([]any{map[string]any{
		"Config": "config.json", "RepoTags": []string{name}, "Layers": []string{"layer.tar"},
	}})
	if err != nil {
		return err
	}
	image, err := archive(entry{"layer.tar", 0o644, layer}, entry{"config.json", 0o644, config}, entry{"manifest.json", 0o644, manifest})
	if err != nil {
		return err
	}
	return writeFile(file, image)
}

// packFiles is pack for files given as PATH=FILE: where it is in the image, and
// here. Who may run a file here may run it there.
func packFiles(name, file string, pairs []string) error {
	var files []entry
	for _, pair := range pairs {
		inside, outside, ok := strings.Cut(pair, "=")
		if !ok || strings.Trim(inside, "/") == "" {
			return fmt.Errorf("%q: want the form PATH=FILE", pair)
		}
		info, err := os.Stat(outside)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(outside)
		if err != nil {
			return err
		}
		files = append(files, entry{strings.Trim(inside, "/"), int64(info.Mode().Perm()&0o111 | 0o644), data})
	}
	return pack(name, file, files...)
}

// entry is one file of an archive.
type entry struct {
	name string
	mode int64
	data []byte
}

func archive(entries ...entry) ([]byte, error) {
	var text bytes.Buffer
	writer := tar.NewWriter(&text)
	for _, e := range entries {
		header := &tar.Header{Typeflag: tar.TypeReg, Name: e.name, Mode: e.mode, Size: int64(len(e.data))}
		if err := writer.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := writer.Write(e.data); err != nil {
			return nil, err
		}
	}
	err := writer.Close()
	return text.Bytes(), err
}
