package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"trust-manager.io/internal/capackage"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/encode"
)

func addOutFlag(command *cobra.Command, out *string) {
	command.Flags().StringVar(out, "out", standardStream, `file to write, atomically and with mode 0644; "-" is standard output`)
}

// writePackage adds the certificates to p, writes it to out and reports the result
// on standard error.
func writePackage(command *cobra.Command, p capackage.Package, certificates []certs.Certificate, out string) error {
	p.Bundle = string(encode.PEM(certificates))
	data, err := capackage.Encode(p)
	if err != nil {
		return err
	}
	if out == standardStream {
		_, err = command.OutOrStdout().Write(data)
	} else {
		err = writeFile(out, data)
	}
	if err != nil {
		return fmt.Errorf("write the package: %w", err)
	}
	_, _ = fmt.Fprintf(command.ErrOrStderr(), "wrote package %s: %d certificates, %d bytes\n", p.ID(), len(certificates), len(data))
	return nil
}

// writeFile writes a temporary file beside path and renames it, so that a reader of
// path sees the old content or the new, never a part.
func writeFile(path string, data []byte) error {
	if path == "" {
		return errors.New(`--out is empty; set it to a file, or "-" for standard output`)
	}
	// Renaming onto a device such as /dev/null would replace it.
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", path)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	return fillAndRename(file, data, path)
}

// fillAndRename writes data to a temporary file and renames it to path. On failure
// it removes the file.
func fillAndRename(file *os.File, data []byte, path string) error {
	err := fill(file, data)
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// fill writes data to a file and closes it. The mode allows the operator's own user
// to read it; the content is not secret.
func fill(file *os.File, data []byte) error {
	_, err := file.Write(data)
	if err == nil {
		err = file.Chmod(0o644)
	}
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}
