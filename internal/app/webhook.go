package app

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"trust-manager.io/internal/source"
	"trust-manager.io/internal/webhook"
)

// addWebhook has the manager serve the admission webhook once the caches are
// complete and there is a certificate, and be ready only then.
//
// Without a port there is none. Nor is there one where nobody has said where a
// certificate is to be and the default folder has none, as outside of a cluster.
func (o *options) addWebhook(mgr manager.Manager, defaultCAs *source.DefaultCAs) error {
	logger := mgr.GetLogger().WithName("webhook")
	if o.webhookPort == 0 {
		return nil
	}
	if !o.certificateDirGiven && holdsNoCertificate(o.certificateDir) {
		logger.Info("RUNNING WITHOUT THE ADMISSION WEBHOOK: there is no certificate in the default folder. "+
			"Set --webhook-certificate-dir to have the webhook, or --webhook-port=0 if there is to be none", "folder", o.certificateDir)
		return nil
	}
	version, err := tlsVersion(o.tlsMinVersion)
	if err != nil {
		return err
	}
	suites, err := cipherSuites(o.tlsCipherSuites)
	if err != nil {
		return err
	}
	sources := source.NewGatherer(mgr.GetCache(), o.trustNamespace, defaultCAs)
	server := webhook.NewServer(webhook.Options{
		Host:         o.webhookHost,
		Port:         o.webhookPort,
		Certificate:  webhook.NewFiles(o.certificateDir, logger),
		MinVersion:   version,
		CipherSuites: suites,
	}, webhook.NewHandler(mgr.GetScheme(), sources, clock.RealClock{}))
	if err := mgr.AddReadyzCheck("webhook", server.Ready); err != nil {
		return err
	}
	return mgr.Add(server)
}

// holdsNoCertificate says whether a folder has no file where a certificate would
// be. One that cannot be looked at may have one.
func holdsNoCertificate(folder string) bool {
	_, err := os.Stat(filepath.Join(folder, webhook.CertificateFile))
	return errors.Is(err, fs.ErrNotExist)
}
