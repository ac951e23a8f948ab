package localnode

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// whiteout is the name prefix of an entry that removes a file of a lower layer.
const whiteout = ".wh."

// unpack returns the directory with the files of an image. It is a subdirectory
// of dir that is created once and never changed.
func (i *image) unpack(dir string) (folder string, err error) {
	folder = filepath.Join(dir, strings.ReplaceAll(i.digest, ":", "-"))
	if _, err := os.Stat(folder); err == nil {
		return folder, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	temporary, err := os.MkdirTemp(dir, ".new-*")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temporary)) }()
	root, err := os.OpenRoot(temporary)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	for _, layer := range i.layers {
		if err := readFile(i.archive, blob(layer.Digest), func(content io.Reader) error { return unpackLayer(root, layer.MediaType, content) }); err != nil {
			return "", err
		}
	}
	// Another pod may have unpacked the image first.
	if err := os.Rename(temporary, folder); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	return folder, nil
}

// unpackLayer writes the entries of one layer.
func unpackLayer(root *os.Root, mediaType string, content io.Reader) error {
	switch {
	case strings.HasSuffix(mediaType, "gzip"):
		unzipped, err := gzip.NewReader(content)
		if err != nil {
			return err
		}
		content = unzipped
	case !strings.HasSuffix(mediaType, "tar"):
		return fmt.Errorf("layer type %s is not supported", mediaType)
	}
	for reader := tar.NewReader(content); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := unpackEntry(root, header, reader); err != nil {
			return fmt.Errorf("%s: %w", header.Name, err)
		}
	}
}

// unpackEntry writes one entry of a layer. The root ensures that no entry escapes
// it.
func unpackEntry(root *os.Root, header *tar.Header, content io.Reader) error {
	name := strings.TrimPrefix(path.Clean("/"+header.Name), "/")
	if name == "" {
		return nil
	}
	if removed, ok := strings.CutPrefix(path.Base(name), whiteout); ok {
		return root.RemoveAll(path.Join(path.Dir(name), removed))
	}
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	switch header.Typeflag {
	case tar.TypeDir:
		return root.MkdirAll(name, 0o755)
	case tar.TypeSymlink:
		return errors.Join(root.RemoveAll(name), root.Symlink(header.Linkname, name))
	case tar.TypeReg:
		if err := root.RemoveAll(name); err != nil {
			return err
		}
		file, err := root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_EXCL, os.FileMode(header.Mode&0o777))
		if err != nil {
			return err
		}
		_, err = io.Copy(file, content)
		return errors.Join(err, file.Close())
	default:
		return fmt.Errorf("entry type %q is not supported", header.Typeflag)
	}
}
