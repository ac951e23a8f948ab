package source

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"

	"trust-manager.io/internal/capackage"
	"trust-manager.io/internal/certs"
)

const (
	// settleTime is the delay between the first event and the read of a package file,
	// because a file is often written in several steps. Later events start a new delay.
	settleTime = 100 * time.Millisecond
	// pollInterval is the interval at which a file that cannot be watched is read.
	pollInterval = 10 * time.Second
)

// DefaultCAs holds the current default CA package. It is safe for concurrent use.
type DefaultCAs struct {
	path    string
	current atomic.Pointer[defaultCAs]
}

type defaultCAs struct {
	id     string
	parsed certs.Result
	// reloadError is the reason why a later version of the file is not used, or empty.
	reloadError string
}

// LoadDefaultCAs reads the default CA package at the given path. An empty path means
// that no package is configured.
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

// NewDefaultCAs returns a package of certificates that are known without its file.
func NewDefaultCAs(id string, certificates []certs.Certificate) *DefaultCAs {
	d := &DefaultCAs{}
	d.current.Store(&defaultCAs{id: id, parsed: certs.Result{Certificates: certificates}})
	return d
}

// packagePrefix begins the origin of certificates of the package; its ID follows.
const packagePrefix = "default CA package "

// OriginOf returns the origin of the certificates of a package.
func OriginOf(id string) certs.Origin { return certs.Origin{Object: packagePrefix + id} }

// IsDefaultCAs reports whether a certificate is from a default CA package.
func IsDefaultCAs(origin certs.Origin) bool { return strings.HasPrefix(origin.Object, packagePrefix) }

// Certificates returns the certificates of the current package, which must not be modified.
func (d *DefaultCAs) Certificates() []certs.Certificate {
	if current := d.current.Load(); current != nil {
		return current.parsed.Certificates
	}
	return nil
}

// ID returns the ID of the current package, or "" if no package is configured.
func (d *DefaultCAs) ID() string {
	if current := d.current.Load(); current != nil {
		return current.id
	}
	return ""
}

// Watch reloads the package whenever its file changes, until ctx is canceled. It calls
// changed after each reload, with an error if the new file is invalid; the current
// package stays in use then. If the directory of the file cannot be watched, Watch
// reports that once and polls the file instead.
func (d *DefaultCAs) Watch(ctx context.Context, changed func(err error)) error {
	if d.path == "" {
		return nil
	}
	// Watch the directory, not the file: a mounted volume swaps a symbolic link beside the
	// file, and an editor renames a new file over it.
	watcher, err := fsnotify.NewWatcher()
	if err == nil {
		defer func() { _ = watcher.Close() }()
		err = watcher.Add(filepath.Dir(d.path))
	}
	if err != nil {
		changed(fmt.Errorf("the directory of the default CA package cannot be watched, so the file is read every %s: %w", pollInterval, err))
		d.poll(ctx, changed)
		return nil
	}
	// A change between load and watch caused no event.
	settled := time.After(0)
	for {
		select {
		case <-ctx.Done():
			return nil
		case event := <-watcher.Events:
			if event.Name == filepath.Dir(d.path) { // the directory itself was removed or moved
				d.poll(ctx, changed)
				return nil
			}
			if settled == nil { // frequent changes of other files must not delay it forever
				settled = time.After(settleTime)
			}
		case err := <-watcher.Errors:
			changed(fmt.Errorf("watching the default CA package: %w", err))
		case <-settled:
			settled = nil
			d.check(changed)
		}
	}
}

// poll reloads the package every [pollInterval], until ctx is canceled.
func (d *DefaultCAs) poll(ctx context.Context, changed func(err error)) {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		d.check(changed)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// check reloads the package and calls changed if the package or the error differs.
func (d *DefaultCAs) check(changed func(err error)) {
	if isChanged, err := d.reload(); isChanged {
		changed(err)
	}
}

// reload reads the file again. It reports whether the package or the error of the file
// differs from the previous one.
func (d *DefaultCAs) reload() (isChanged bool, err error) {
	before := d.current.Load()
	loaded, err := readPackage(d.path)
	if err != nil {
		if before.reloadError == err.Error() {
			return false, nil
		}
		d.current.Store(&defaultCAs{id: before.id, parsed: before.parsed, reloadError: err.Error()})
		return true, err
	}
	if before.id == loaded.id && before.reloadError == "" {
		return false, nil
	}
	d.current.Store(loaded)
	return true, nil
}

// readPackage reads and validates a package file.
func readPackage(path string) (*defaultCAs, error) {
	data, err := readBounded(path)
	if err != nil {
		return nil, fmt.Errorf("default CA package: %w", err)
	}
	content, err := capackage.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("default CA package %s: %w", path, err)
	}
	parsed, err := content.Certificates()
	if err != nil {
		return nil, fmt.Errorf("default CA package %s: %w", path, err)
	}
	return &defaultCAs{id: content.ID(), parsed: parsed}, nil
}

// readBounded reads a file of at most [capackage.MaxSize] bytes.
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
		return nil, fmt.Errorf("%s is larger than %d bytes, the limit for a package", path, capackage.MaxSize)
	}
	return data, nil
}
