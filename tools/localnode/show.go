package localnode

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// dataLink is the name of the link to the current content of a volume.
const dataLink = "..data"

// show makes a directory contain these files, like a kubelet: each file is a link
// into a directory that is replaced as a whole, so that a reader sees either all
// old or all new files. It changes nothing if the files are the same.
func show(folder string, files map[string][]byte) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	link := filepath.Join(folder, dataLink)
	previous, _ := os.Readlink(link) // a new volume has no link
	if previous == "" && len(files) == 0 || previous != "" && same(link, files) {
		return nil
	}
	fresh, err := os.MkdirTemp(folder, "..content-*")
	if err != nil {
		return err
	}
	for path, content := range files {
		file := filepath.Join(fresh, filepath.FromSlash(path))
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, content, 0o600)); err != nil {
			return err
		}
	}
	if err := errors.Join(os.Symlink(filepath.Base(fresh), link+"_tmp"), os.Rename(link+"_tmp", link)); err != nil {
		return err
	}
	if previous != "" {
		err = os.RemoveAll(filepath.Join(folder, previous))
	}
	return errors.Join(err, linkAll(folder, files))
}

// linkAll creates the links to the files and removes links whose target no longer
// exists.
func linkAll(folder string, files map[string][]byte) error {
	wanted := map[string]bool{}
	for path := range files {
		first, _, _ := strings.Cut(path, "/")
		wanted[first] = true
		if err := os.Symlink(filepath.Join(dataLink, first), filepath.Join(folder, first)); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	entries, err := os.ReadDir(folder)
	for _, entry := range entries {
		if name := entry.Name(); !strings.HasPrefix(name, "..") && !wanted[name] {
			err = errors.Join(err, os.Remove(filepath.Join(folder, name)))
		}
	}
	return err
}

// same reports whether a directory contains exactly these files.
func same(folder string, files map[string][]byte) bool {
	count := 0
	err := filepath.WalkDir(folder+"/", func(_ string, entry os.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			count++
		}
		return err
	})
	if err != nil || count != len(files) {
		return false
	}
	for path, content := range files {
		if shown, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(path))); err != nil || !bytes.Equal(shown, content) {
			return false
		}
	}
	return true
}
