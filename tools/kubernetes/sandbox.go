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

// sandboxImage is the image of the sandbox container of every pod.
const sandboxImage = "trust-manager.io/test/pause:1"

//go:embed pause/main.go
var pauseSource []byte

// imageUser is an unprivileged user and group.
const imageUser = "65532:65532"

// writeSandboxImage writes the sandbox image with the given binary.
func writeSandboxImage(binary, file string) error {
	program, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	return pack(sandboxImage, file, entry{"pause", 0o755, program})
}

// pack writes an image that contains the files and whose default command is the
// first one. The format is that of `docker save`: a tar archive of one layer, a
// configuration, and a manifest that refers to them.
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

// packFiles is like pack for pairs of the form PATH=FILE: the path in the image
// and the local file. It keeps the executable bits of the local file.
func packFiles(name, file string, pairs []string) error {
	var files []entry
	for _, pair := range pairs {
		inside, outside, ok := strings.Cut(pair, "=")
		if !ok || strings.Trim(inside, "/") == "" {
			return fmt.Errorf("%q: expected the form PATH=FILE", pair)
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

// entry is one file of a tar archive.
type entry struct {
	name string
	mode int64
	data []byte
}

// archive returns a tar archive of the entries.
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
