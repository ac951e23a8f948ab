package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"trust-manager.io/internal/capackage"
	"trust-manager.io/internal/certs"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"trust-package": main,
		"bundle-of":     bundleOf,
	})
}

// bundleOf prints the PEM text of the package file that its argument names, so
// that scripts can check it.
func bundleOf() {
	data, err := os.ReadFile(os.Args[1])
	if err == nil {
		var p capackage.Package
		p, err = capackage.Parse(data)
		fmt.Print(p.Bundle)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// TestScripts runs the scripts with the files of testdata/pem in their working
// directory.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			return os.CopyFS(env.WorkDir, os.DirFS("testdata/pem"))
		},
	})
}

// failingWriter simulates a closed pipe or a full disk.
type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestStandardOutputThatFails(t *testing.T) {
	t.Parallel()
	var stderr strings.Builder
	code := run([]string{"mozilla"}, strings.NewReader(""), failingWriter{}, &stderr)
	if code != 1 || !strings.Contains(stderr.String(), "trust-package: write the package: disk full") {
		t.Errorf("exit code %d, standard error:\n%s", code, stderr.String())
	}
	if strings.Contains(stderr.String(), "wrote package") {
		t.Errorf("reports a success:\n%s", stderr.String())
	}
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errors.New("input broke") }

func TestStandardInputThatFails(t *testing.T) {
	t.Parallel()
	var stdout, stderr strings.Builder
	code := run([]string{"pem", "--name=n", "--version=v", "-"}, failingReader{}, &stdout, &stderr)
	if code != 1 || stdout.Len() > 0 || !strings.Contains(stderr.String(), "read standard input: input broke") {
		t.Errorf("exit code %d, standard output %q, standard error:\n%s", code, stdout.String(), stderr.String())
	}
}

func TestInputThatIsTooLarge(t *testing.T) {
	t.Parallel()
	var stdout, stderr strings.Builder
	stdin := strings.NewReader(strings.Repeat("#", certs.MaxText+1))
	code := run([]string{"pem", "--name=n", "--version=v", "-"}, stdin, &stdout, &stderr)
	want := "trust-package: standard input: larger than the limit of 8388608 bytes\n"
	if code != 1 || stdout.Len() > 0 || stderr.String() != want {
		t.Errorf("exit code %d, standard output %q, standard error:\n%s", code, stdout.String(), stderr.String())
	}
}

// TestWriteFile checks that another user, such as the operator in its pod, can read
// the file, whatever existed before, and that nothing else stays in the folder.
func TestWriteFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "package.json")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(path, []byte("new")); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != "new" {
		t.Errorf("content %q, error %v", got, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o644 {
		t.Errorf("mode %v, want -rw-r--r--", info.Mode())
	}
	checkOnly(t, filepath.Dir(path), "package.json")
}

// TestWriteFileLeavesOtherFiles checks that a device is not replaced by a file: the
// rename would do that for root.
func TestWriteFileLeavesOtherFiles(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if err := os.Symlink(os.DevNull, filepath.Join(folder, "null")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(folder, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"null", "sub"} {
		err := writeFile(filepath.Join(folder, name), []byte("x"))
		if err == nil || !strings.Contains(err.Error(), "is not a regular file") {
			t.Errorf("%s: error %v", name, err)
		}
	}
	checkOnly(t, folder, "null", "sub")
}

// TestWriteFileCleansUp checks that the temporary file is removed if the last step
// fails.
func TestWriteFileCleansUp(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	file, err := os.Create(filepath.Join(folder, "temporary"))
	if err != nil {
		t.Fatal(err)
	}
	err = fillAndRename(file, []byte("x"), filepath.Join(folder, "missing", "package.json"))
	if err == nil {
		t.Error("no error")
	}
	checkOnly(t, folder)
}

// checkOnly reports an error unless the folder has exactly the named entries.
func checkOnly(t *testing.T, folder string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, entry := range entries {
		got = append(got, entry.Name())
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("folder holds %q, want %q", got, want)
	}
}
