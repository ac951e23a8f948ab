package localnode

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// dataLink is the link to the folder that a volume shows now.
const dataLink = "..data"

// show has a folder show these files, as a kubelet does it: each file is a link into
// a folder that is exchanged as a whole, so that a reader sees all of the old files or
// all of the new ones. Nothing is touched when nothing has changed.
func show(folder string, files map[string][]byte) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	link := filepath.Join(folder, dataLink)
	before, _ := os.Readlink(link) // there is none at first
	if before == "" && len(files) == 0 || before != "" && same(link, files) {
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
	if before != "" {
		err = os.RemoveAll(filepath.Join(folder, before))
	}
	return errors.Join(err, linkAll(folder, files))
}

// linkAll makes the links that lead to the files, and removes those that lead to
// none any more.
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

// same tells whether a folder has these files and no others.
func same(folder string, files map[string][]byte) bool {
	found := 0
	err := filepath.WalkDir(folder+"/", func(_ string, entry os.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			found++
		}
		return err
	})
	if err != nil || found != len(files) {
		return false
	}
	for path, content := range files {
		if shown, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(path))); err != nil || !bytes.Equal(shown, content) {
			return false
		}
	}
	return true
}
