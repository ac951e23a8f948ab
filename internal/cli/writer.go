package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/printers"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/target"
)

// The outputs of objects.
const (
	outputYAML = "yaml"
	outputJSON = "json"
	dirPrefix  = "dir="
)

// The modes of directories and files: certificates are public.
const (
	dirMode  = 0o755
	fileMode = 0o644
)

// writer writes objects in the form that a user has chosen.
type writer struct {
	out     io.Writer
	printer printers.ResourcePrinter
	// dir is the directory for the files of the objects, instead of a printer.
	dir string
	// list collects the objects for a form that has one document only.
	list *metav1.List
}

// objectWriter returns a writer for the value of the flag --output. It writes files only for a
// command that has some.
func objectWriter(out io.Writer, output string, hasFiles bool) (*writer, error) {
	dir, isDir := strings.CutPrefix(output, dirPrefix)
	switch {
	case output == outputYAML:
		return &writer{out: out, printer: &printers.YAMLPrinter{}}, nil
	case output == outputJSON:
		return &writer{out: out, printer: &printers.JSONPrinter{}, list: &metav1.List{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "List"}}}, nil
	case isDir && dir != "" && hasFiles:
		return &writer{dir: dir}, nil
	}
	if hasFiles {
		return nil, fmt.Errorf("--output: %q is neither yaml, json nor dir=PATH", output)
	}
	return nil, fmt.Errorf("--output: %q is neither yaml nor json", output)
}

// object writes the object of an action, which has these files.
func (w *writer) object(action target.Action, files []bundle.File) error {
	if w.dir != "" {
		return w.files(action, files)
	}
	object := action.Object()
	object.GetObjectKind().SetGroupVersionKind(target.TypeOf(action.Key.Kind).GVK)
	if owned, ok := object.(metav1.Object); ok && action.Owner.UID == "" {
		owned.SetOwnerReferences(nil) // a manifest has no UID
	}
	return w.print(object)
}

// print writes an object, whose version and kind are set.
func (w *writer) print(object runtime.Object) error {
	if w.list != nil {
		w.list.Items = append(w.list.Items, runtime.RawExtension{Object: object})
		return nil
	}
	return w.printer.PrintObj(object, w.out)
}

// keysOf returns the keys of files in an object. No API server has checked that they differ.
func keysOf(shape *target.Shape, files []bundle.File) (keys []string, err error) {
	for _, file := range files {
		switch {
		case file.Format == bundle.HashedDirectory:
			names := slices.AppendSeq(slices.Collect(maps.Keys(shape.Text)), maps.Keys(shape.Binary))
			keys = append(keys, slices.DeleteFunc(names, func(name string) bool { return !bundle.IsHashedName(name) })...)
		case slices.Contains(keys, file.Key) || shape.HashedDirectory && bundle.IsHashedName(file.Key):
			return nil, fmt.Errorf("%s: two files have the key %q", file.Field, file.Key)
		default:
			keys = append(keys, file.Key)
		}
	}
	return keys, nil
}

// files writes the files of the object of an action to a directory for its kind, namespace, if
// any, and name. Names from manifests, which no API server has checked, cannot lead out of it.
func (w *writer) files(action target.Action, files []bundle.File) error {
	keys, err := keysOf(action.Shape, files)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(w.dir, dirMode); err != nil {
		return err
	}
	root, err := os.OpenRoot(w.dir)
	if err != nil {
		return err
	}
	dir := filepath.Join(target.TypeOf(action.Key.Kind).Resource, action.Key.Namespace, action.Key.Name)
	err = root.MkdirAll(dir, dirMode)
	if err == nil && action.Shape.HashedDirectory {
		err = removeHashed(root, dir)
	}
	for _, key := range keys {
		if err == nil {
			data := append([]byte(action.Shape.Text[key]), action.Shape.Binary[key]...)
			err = root.WriteFile(filepath.Join(dir, key), data, fileMode)
		}
	}
	return errors.Join(err, root.Close())
}

// removeHashed removes the files of an earlier hashed directory: programs would trust those of
// certificates that are no longer in the bundle.
func removeHashed(root *os.Root, dir string) error {
	entries, err := fs.ReadDir(root.FS(), filepath.ToSlash(dir))
	for _, entry := range entries {
		if err == nil && bundle.IsHashedName(entry.Name()) {
			err = root.Remove(filepath.Join(dir, entry.Name()))
		}
	}
	return err
}

// close writes what is left.
func (w *writer) close() error {
	if w.list == nil {
		return nil
	}
	return w.printer.PrintObj(w.list, w.out)
}
