package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"io/fs"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
)

// The files of a certificate directory, which are those of a mounted Secret of the type
// kubernetes.io/tls.
const (
	CertificateFile = "tls.crt"
	KeyFile         = "tls.key"
)

// retryInterval is the time between two attempts to load a certificate.
const retryInterval = time.Second

// Files is a [Certificate] in a directory that another component writes. It reloads the
// certificate when the files change, and keeps the old one if the new one is invalid.
type Files struct {
	dir string
	log logr.Logger
	// watcher is nil until a valid certificate exists.
	watcher atomic.Pointer[certwatcher.CertWatcher]
}

// NewFiles returns the certificate in the files [CertificateFile] and [KeyFile] of a
// directory.
func NewFiles(dir string, log logr.Logger) *Files { return &Files{dir: dir, log: log} }

// Start implements [Certificate].
func (f *Files) Start(ctx context.Context) (ready <-chan struct{}) {
	loaded := make(chan struct{})
	go func() {
		watcher := f.waitForCertificate(ctx)
		if watcher == nil {
			return
		}
		f.watcher.Store(watcher)
		close(loaded)
		f.watch(ctx, watcher)
	}()
	return loaded
}

// GetCertificate implements [Certificate].
func (f *Files) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if watcher := f.watcher.Load(); watcher != nil {
		return watcher.GetCertificate(hello)
	}
	return nil, errors.New("the webhook has no certificate yet")
}

// waitForCertificate retries until it can load the certificate, and logs each new error
// once. It returns nil when ctx is canceled.
func (f *Files) waitForCertificate(ctx context.Context) *certwatcher.CertWatcher {
	lastError := ""
	for {
		watcher, err := certwatcher.New(filepath.Join(f.dir, CertificateFile), filepath.Join(f.dir, KeyFile))
		if err == nil {
			return watcher
		}
		if text := err.Error(); text != lastError {
			lastError = text
			f.logWaiting(err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(retryInterval):
		}
	}
}

func (f *Files) logWaiting(err error) {
	if errors.Is(err, fs.ErrNotExist) {
		f.log.Info("Waiting for the webhook's certificate; until it exists, the webhook is not served and the operator is not ready",
			"missing", err.Error())
		return
	}
	f.log.Error(err, "The webhook's certificate cannot be used; retrying", "folder", f.dir)
}

// watch reloads the certificate whenever it changes. If it cannot be watched, which
// certwatcher reports after some seconds, watch reloads it at that interval.
func (f *Files) watch(ctx context.Context, watcher *certwatcher.CertWatcher) {
	for ctx.Err() == nil {
		err := watcher.Start(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		f.log.Error(err, "The webhook's certificate cannot be watched; reading it periodically instead")
		if err := watcher.ReadCertificate(); err != nil {
			f.log.Error(err, "The webhook's certificate cannot be read; keeping the previous one")
		}
	}
}
