// Command trust-package-copy copies default CA packages from one folder to
// another. It is the only program in the image of a package: an init container
// copies the package into a volume that the operator reads.
//
//	trust-package-copy [/copyandmaybepause] <input-folder> <output-folder>
//
// The first word may be the name by which charts call the copier in the images
// made for cert-manager's trust-manager.
//
// What always holds: each file with the extension .json is checked before
// anything is written, and replaced in one step, so that a reader sees an old
// package or a new one and never a part; a folder without a package is an error.
// Other files are left out.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"trust-manager.io/internal/capackage"
)

// alias is the name of the copier in other images of packages.
const alias = "/copyandmaybepause"

func main() {
	if err := run(os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "trust-package-copy:", err)
		os.Exit(1)
	}
}

// run executes a command line, without the program's name.
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
	for _, one := range packages {
		to := filepath.Join(args[1], one.name)
		if err := replace(to, one.data); err != nil {
			return fmt.Errorf("writing the default CA package: %w", err)
		}
		_, _ = fmt.Fprintf(log, "copied the default CA package %s to %s\n", one.id, to)
	}
	return nil
}

// file is one package as it stands in a folder.
type file struct {
	name, id string
	data     []byte
}

// read reads and checks all packages in a folder.
func read(folder string) ([]file, error) {
	paths, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("there is no default CA package, a file *.json, in %s", folder)
	}
	var files []file
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		content, err := capackage.Parse(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		files = append(files, file{filepath.Base(path), content.ID(), data})
	}
	return files, nil
}

// replace writes a file in one step, readable for all: the operator runs under
// another user.
func replace(path string, data []byte) error {
	fresh, err := os.CreateTemp(filepath.Dir(path), ".package-*")
	if err != nil {
		return err
	}
	_, err = fresh.Write(data)
	err = errors.Join(err, fresh.Chmod(0o644), fresh.Sync(), fresh.Close())
	if err == nil {
		err = os.Rename(fresh.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(fresh.Name()))
	}
	return nil
}
