// Command trust-package-copy copies default CA packages from one folder to
// another. It is the only program in the image of a package: an init container
// copies the package into a volume that the operator reads.
//
//	trust-package-copy [/copyandmaybepause] <input-folder> <output-folder>
//
// The first argument may be the name by which charts call the copier in the
// images built for cert-manager's trust-manager.
//
// Invariants: every file with the extension .json is checked before
// anything is written, and is replaced atomically, so that a reader sees the old
// package or the new one and never a part; a folder without a package is an
// error. Other files are not copied.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"trust-manager.io/internal/capackage"
)

// alias is the name of the copier in the package images of cert-manager's
// trust-manager.
const alias = "/copyandmaybepause"

func main() {
	if err := run(os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "trust-package-copy:", err)
		os.Exit(1)
	}
}

// run executes a command line, without the program's name, and logs what it copied.
func run(args []string, log io.Writer) error {
	if len(args) > 0 && args[0] == alias {
		args = args[1:]
	}
	if len(args) != 2 {
		return errors.New("usage: trust-package-copy <input-folder> <output-folder>")
	}
	packages, err := read(args[0])
	if err != nil {
		return err
	}
	for _, file := range packages {
		path := filepath.Join(args[1], file.name)
		if err := replace(path, file.data); err != nil {
			return fmt.Errorf("writing the default CA package: %w", err)
		}
		_, _ = fmt.Fprintf(log, "copied the default CA package %s to %s\n", file.id, path)
	}
	return nil
}

// packageFile is one package in a folder.
type packageFile struct {
	name, id string
	data     []byte
}

// read reads and checks all packages in a folder.
func read(folder string) ([]packageFile, error) {
	paths, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("no default CA package (a file *.json) found in %s", folder)
	}
	var files []packageFile
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		content, err := capackage.Parse(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		files = append(files, packageFile{filepath.Base(path), content.ID(), data})
	}
	return files, nil
}

// replace writes a file atomically. The file is readable by everyone, because the
// operator runs as another user.
func replace(path string, data []byte) error {
	temp, err := os.CreateTemp(filepath.Dir(path), ".package-*")
	if err != nil {
		return err
	}
	_, err = temp.Write(data)
	err = errors.Join(err, temp.Chmod(0o644), temp.Sync(), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	return nil
}
