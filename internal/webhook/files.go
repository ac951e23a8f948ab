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

// The files of a certificate directory, which are those of a Secret of the type
// kubernetes.io/tls that is mounted as a volume.
const (
	CertificateFile = "tls.crt"
	KeyFile         = "tls.key"
)

// retry is the time between two looks for a certificate that can be used.
const retry = time.Second

// Files is the certificate in a folder that somebody else fills. A new certificate
// is taken when the files change; the old one stays where the new one cannot be
// used.
type Files struct {
	folder string
	log    logr.Logger
	// watched is nil until there is a certificate.
	watched atomic.Pointer[certwatcher.CertWatcher]
}

// NewFiles makes the certificate of CertificateFile and KeyFile in a folder.
func NewFiles(folder string, log logr.Logger) *Files { return &Files{folder: folder, log: log} }

// Start implements Certificate.
func (f *Files) Start(ctx context.Context) (ready <-chan struct{}) {
	found := make(chan struct{})
	go func() {
		certificate := f.await(ctx)
		if certificate == nil {
			return
		}
		f.watched.Store(certificate)
		close(found)
		f.follow(ctx, certificate)
	}()
	return found
}

// GetCertificate implements Certificate.
func (f *Files) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if certificate := f.watched.Load(); certificate != nil {
		return certificate.GetCertificate(hello)
	}
	return nil, errors.New("there is no certificate yet")
}

// await looks for a certificate that can be used, and tells whenever what is wrong
// with it has changed. It returns nil at the end of the context.
func (f *Files) await(ctx context.Context) *certwatcher.CertWatcher {
	told := ""
	for {
		certificate, err := certwatcher.New(filepath.Join(f.folder, CertificateFile), filepath.Join(f.folder, KeyFile))
		if err == nil {
			return certificate
		}
		if cause := err.Error(); cause != told {
			told = cause
			f.tellWaiting(err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(retry):
		}
	}
}

func (f *Files) tellWaiting(cause error) {
	if errors.Is(cause, fs.ErrNotExist) {
		f.log.Info("Waiting for the webhook's certificate, without which the webhook is not served and the operator not ready; all else goes on",
			"missing", cause.Error())
		return
	}
	f.log.Error(cause, "The webhook's certificate cannot be used; trying again", "folder", f.folder)
}

// follow has the certificate read anew whenever it changes. Where it cannot be
// watched, which the library tells after some seconds, it is read at that pace.
func (f *Files) follow(ctx context.Context, certificate *certwatcher.CertWatcher) {
	for ctx.Err() == nil {
		err := certificate.Start(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		f.log.Error(err, "The webhook's certificate cannot be watched, and is read now and then instead")
		if err := certificate.ReadCertificate(); err != nil {
			f.log.Error(err, "The webhook's certificate cannot be read; the old one stays")
		}
	}
}
