package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"

	"trust-manager.io/internal/capackage"
	"trust-manager.io/internal/certs"
)

const (
	// settle is how long after its first change a package file is read: a file
	// is often written in several steps, and what comes later is a change again.
	settle = 100 * time.Millisecond
	// fallback is how often the file is read where it cannot be watched.
	fallback = 10 * time.Second
)

// DefaultCAs is the default CA package in use. It is safe for concurrent use.
type DefaultCAs struct {
	path    string
	current atomic.Pointer[defaultCAs]
}

type defaultCAs struct {
	id     string
	parsed certs.Result
	// fault says why a later version of the file is not in use.
	fault string
}

// LoadDefaultCAs reads the default CA package at the given path. An empty path
// means that there is none.
func LoadDefaultCAs(path string) (*DefaultCAs, error) {
	d := &DefaultCAs{path: path}
	if path == "" {
		return d, nil
	}
	if extension := filepath.Ext(path); extension != ".json" {
		return nil, fmt.Errorf("default CA package %s: the file name must end in .json, not %q", path, extension)
	}
	loaded, err := readPackage(path)
	if err != nil {
		return nil, err
	}
	d.current.Store(loaded)
	return d, nil
}

// ID gives the id of the package in use, or "".
func (d *DefaultCAs) ID() string {
	if current := d.current.Load(); current != nil {
		return current.id
	}
	return ""
}

// Watch reloads the package when its file changes, and calls changed after
// each reload, until the context ends. A file that cannot be used replaces
// nothing. Where the file's folder cannot be watched, which is reported once,
// the file is looked at every few seconds.
func (d *DefaultCAs) Watch(ctx context.Context, changed func(err error)) error {
	if d.path == "" {
		return nil
	}
	// The folder is watched, not the file: a mounted volume swaps a symbolic
	// link beside the file, and an editor renames a new file over it.
	watcher, err := fsnotify.NewWatcher()
	if err == nil {
		defer func() { _ = watcher.Close() }()
		err = watcher.Add(filepath.Dir(d.path))
	}
	if err != nil {
		changed(fmt.Errorf("the folder of the default CA package cannot be watched, so the file is read every %s: %w", fallback, err))
		d.poll(ctx, changed)
		return nil
	}
	// What changed between loading and watching gave no event.
	rested := time.After(0)
	for {
		select {
		case <-ctx.Done():
			return nil
		case event := <-watcher.Events:
			if event.Name == filepath.Dir(d.path) { // the folder itself is gone or moved
				d.poll(ctx, changed)
				return nil
			}
			if rested == nil { // a busy neighbour must not put it off for ever
				rested = time.After(settle)
			}
		case err := <-watcher.Errors:
			changed(fmt.Errorf("watching the default CA package: %w", err))
		case <-rested:
			rested = nil
			d.look(changed)
		}
	}
}

// poll reloads the package every few seconds, until the context ends.
func (d *DefaultCAs) poll(ctx context.Context, changed func(err error)) {
	ticker := time.NewTicker(fallback)
	defer ticker.Stop()
	for {
		d.look(changed)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// look reloads the package and tells if anything has changed.
func (d *DefaultCAs) look(changed func(err error)) {
	if news, err := d.reload(); news {
		changed(err)
	}
}

// reload reads the file again. It says whether anything has changed, be it the
// package or what is wrong with the file.
func (d *DefaultCAs) reload() (news bool, err error) {
	before := d.current.Load()
	loaded, err := readPackage(d.path)
	if err != nil {
		if before.fault == err.Error() {
			return false, nil
		}
		d.current.Store(&defaultCAs{id: before.id, parsed: before.parsed, fault: err.Error()})
		return true, err
	}
	if before.id == loaded.id && before.fault == "" {
		return false, nil
	}
	d.current.Store(loaded)
	return true, nil
}

// readPackage reads and checks a package file whole.
func readPackage(path string) (*defaultCAs, error) {
	data, err := readBounded(path)
	if err != nil {
		return nil, fmt.Errorf("default CA package: %w", err)
	}
	content, err := capackage.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("default CA package %s: %w", path, err)
	}
	parsed, problem := certs.Parse(content.Bundle, certs.Origin{Object: "default CA package " + content.ID()})
	switch {
	case problem != nil:
		return nil, fmt.Errorf("default CA package %s: %w", path, problem)
	case len(parsed.Certificates) == 0:
		return nil, fmt.Errorf("default CA package %s: there is no certificate in its bundle", path)
	}
	return &defaultCAs{id: content.ID(), parsed: parsed}, nil
}

// readBounded reads a file of at most the size that a package may have.
func readBounded(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, capackage.MaxSize+1))
	if err != nil {
		return nil, err
	}
	if len(data) > capackage.MaxSize {
		return nil, errors.New(path + " is larger than a package may be")
	}
	return data, nil
}
