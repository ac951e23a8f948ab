package source_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/capackage"
	"trust-manager.io/internal/source"
	"trust-manager.io/test/framework/ca"
)

const (
	// patience is how long a test waits for an expected report.
	patience = 20 * time.Second
	// silence is how long a test waits to see that no report arrives: a few times the
	// delay before a changed file is read.
	silence = 500 * time.Millisecond
)

// watched is a default CA package that is being watched.
type watched struct {
	*testing.T
	cas     *source.DefaultCAs
	path    string
	reports chan error
	ended   chan error
	stop    context.CancelFunc
}

// watch loads the package at a path and watches it until the test ends.
func watch(t *testing.T, path string) *watched {
	t.Helper()
	cas, err := source.LoadDefaultCAs(path)
	if err != nil {
		t.Fatal(err)
	}
	return watchLoaded(t, cas, path)
}

func watchLoaded(t *testing.T, cas *source.DefaultCAs, path string) *watched {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	w := &watched{T: t, cas: cas, path: path, reports: make(chan error, 100), ended: make(chan error, 1), stop: stop}
	go func() { w.ended <- cas.Watch(ctx, func(err error) { w.reports <- err }) }()
	t.Cleanup(w.end)
	return w
}

// end stops the watch and waits until it has returned.
func (w *watched) end() {
	w.stop()
	select {
	case err := <-w.ended:
		if err != nil {
			w.Errorf("Watch: %v", err)
		}
	case <-time.After(patience):
		w.Error("Watch does not return when its context is canceled")
	}
	w.ended <- nil
}

// report waits for a report.
func (w *watched) report() error {
	w.Helper()
	select {
	case err := <-w.reports:
		return err
	case <-time.After(patience):
		w.Fatal("no change was reported")
		return nil
	}
}

// quiet checks that no report arrives. At the beginning of a test, it also gives Watch
// the time to start, so that later changes cause events.
func (w *watched) quiet() {
	w.Helper()
	select {
	case err := <-w.reports:
		w.Errorf("a change was reported: %v", err)
	case <-time.After(silence):
	}
}

// becomes waits for a change to a package, which must be the last one. On a busy machine,
// Watch may read a partially written file before.
func (w *watched) becomes(p capackage.Package) {
	w.Helper()
	for err := w.report(); err != nil; err = w.report() {
		w.Logf("reported: %v", err)
	}
	if w.cas.ID() != p.ID() {
		w.Errorf("id %q, want %q", w.cas.ID(), p.ID())
	}
	w.quiet()
}

// input returns the input of a Bundle that uses the default CAs.
func (w *watched) input() bundle.Input {
	w.Helper()
	g := source.NewGatherer(source.Config{Objects: newObjects(), TrustNamespace: "cert-manager", DefaultCAs: w.cas})
	got, err := g.Gather(w.Context(), bundle.Spec{Sources: []bundle.Source{{Field: "f", DefaultCAs: true}}})
	if err != nil {
		w.Fatal(err)
	}
	return got.Inputs[0]
}

// D1: Watch notices every way to change the file.
func TestWatchNoticesChanges(t *testing.T) {
	t.Parallel()
	before, after := packageOf("1", ca.Roots(1)), packageOf("2", ca.Roots(2))
	data := encoded(t, after)
	cases := map[string]func(t *testing.T, path string){
		"written in place": func(t *testing.T, path string) { write(t, path, data) },
		"written in pieces": func(t *testing.T, path string) {
			t.Helper()
			file, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, piece := range bytes.SplitAfter(data, []byte(",")) {
				if _, err := file.Write(piece); err != nil {
					t.Fatal(err)
				}
				time.Sleep(5 * time.Millisecond)
			}
			if err := file.Close(); err != nil {
				t.Fatal(err)
			}
		},
		"renamed over": func(t *testing.T, path string) {
			t.Helper()
			write(t, path+".new", data)
			rename(t, path+".new", path)
		},
		"deleted and re-created": func(t *testing.T, path string) {
			t.Helper()
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			write(t, path, data)
		},
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := watch(t, packageFile(t, before))
			w.quiet()
			change(t, w.path)
			w.becomes(after)
		})
	}
}

// D1: a mounted volume swaps a symbolic link beside the file, never the file.
func TestWatchNoticesASwappedVolume(t *testing.T) {
	t.Parallel()
	before, after := packageOf("1", ca.Roots(1)), packageOf("2", ca.Roots(2))
	folder := t.TempDir()
	mount := func(version string, p capackage.Package) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(folder, version), 0o750); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(folder, version, "package.json"), encoded(t, p))
		if err := os.Symlink(version, filepath.Join(folder, "..data_tmp")); err != nil {
			t.Fatal(err)
		}
		rename(t, filepath.Join(folder, "..data_tmp"), filepath.Join(folder, "..data"))
	}
	mount("..2026_11_22", before)
	path := filepath.Join(folder, "package.json")
	if err := os.Symlink(filepath.Join("..data", "package.json"), path); err != nil {
		t.Fatal(err)
	}
	w := watch(t, path)
	w.quiet()
	mount("..2026_11_23", after)
	w.becomes(after)
	if err := os.RemoveAll(filepath.Join(folder, "..2026_11_22")); err != nil {
		t.Fatal(err)
	}
	w.quiet()
}

// D1: an invalid later version is reported once, and the previous one stays in use, with
// a note, until a valid version appears, even the previous one.
func TestWatchKeepsTheLastGoodVersion(t *testing.T) {
	t.Parallel()
	good := packageOf("1", ca.Roots(1))
	w := watch(t, packageFile(t, good))
	w.quiet()
	write(t, w.path, []byte("{"))
	err := w.report()
	if err == nil || !strings.Contains(err.Error(), w.path) || !strings.Contains(err.Error(), "truncated") {
		t.Errorf("reported: %v", err)
	}
	input := w.input()
	if w.cas.ID() != good.ID() || input.Problem != nil || len(input.Texts[0].Parsed.Certificates) != 1 {
		t.Errorf("the current version is %q, the input %v", w.cas.ID(), input)
	}
	if !strings.Contains(input.Note, good.ID()+" stays in use") || !strings.Contains(input.Note, "truncated") {
		t.Errorf("note %q", input.Note)
	}
	write(t, w.path, []byte("{ ")) // invalid in the same way
	w.quiet()
	if err := os.Remove(w.path); err != nil { // invalid in another way
		t.Fatal(err)
	}
	if err := w.report(); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("reported: %v", err)
	}
	w.quiet()
	write(t, w.path, encoded(t, good))
	w.becomes(good)
	if note := w.input().Note; note != "" {
		t.Errorf("note %q after the recovery", note)
	}
}

// A file that is rewritten with the same package is not a change.
func TestWatchIgnoresTheSameVersion(t *testing.T) {
	t.Parallel()
	p := packageOf("1", ca.Roots(1))
	w := watch(t, packageFile(t, p))
	w.quiet()
	write(t, w.path, encoded(t, p))
	write(t, w.path+".other", []byte("of no interest"))
	w.quiet()
	if w.cas.ID() != p.ID() {
		t.Errorf("id %q", w.cas.ID())
	}
}

// A change between load and watch causes no event, and is noticed nevertheless.
func TestWatchNoticesWhatChangedBefore(t *testing.T) {
	t.Parallel()
	before, after := packageOf("1", ca.Roots(1)), packageOf("2", ca.Roots(2))
	path := packageFile(t, before)
	cas, err := source.LoadDefaultCAs(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, encoded(t, after))
	watchLoaded(t, cas, path).becomes(after)
}

// A directory that cannot be watched is reported, and the file is polled instead.
func TestWatchWithoutFolder(t *testing.T) {
	t.Parallel()
	path := packageFile(t, packageOf("1", ca.Roots(1)))
	cas, err := source.LoadDefaultCAs(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Dir(path)); err != nil {
		t.Fatal(err)
	}
	w := watchLoaded(t, cas, path)
	for _, part := range []string{"cannot be watched", "no such file"} {
		if err := w.report(); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("reported: %v, want %q", err, part)
		}
	}
	after := packageOf("2", ca.Roots(2))
	if err := os.Mkdir(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	write(t, path, encoded(t, after))
	w.becomes(after)
}

// D1: Watch notices the file in a directory that replaces the watched one.
func TestWatchNoticesANewFolder(t *testing.T) {
	t.Parallel()
	after := packageOf("2", ca.Roots(2))
	folder := filepath.Join(t.TempDir(), "packages")
	path := filepath.Join(folder, "package.json")
	if err := os.Mkdir(folder, 0o750); err != nil {
		t.Fatal(err)
	}
	write(t, path, encoded(t, packageOf("1", ca.Roots(1))))
	w := watch(t, path)
	w.quiet()
	rename(t, folder, folder+".old")
	if err := os.Mkdir(folder, 0o750); err != nil {
		t.Fatal(err)
	}
	write(t, path, encoded(t, after))
	w.becomes(after)
}

// Readers always see a complete version; the race detector checks the rest.
func TestWatchWhileReading(t *testing.T) {
	t.Parallel()
	before, after := packageOf("1", ca.Roots(1)), packageOf("2", ca.Roots(2)+ca.Roots(3))
	w := watch(t, packageFile(t, before))
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			input := w.input()
			count := len(input.Texts[0].Parsed.Certificates)
			if isAfter := strings.HasSuffix(input.Origin.Object, after.ID()); isAfter != (count == 2) {
				w.Errorf("%d certificates of %s", count, input.Origin.Object)
				return
			}
		}
	}()
	write(t, w.path+".new", encoded(t, after))
	rename(t, w.path+".new", w.path)
	w.becomes(after)
	close(stop)
	<-done
}
