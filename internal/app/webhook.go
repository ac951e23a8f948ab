package app

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"trust-manager.io/internal/source"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/webhook"
	"trust-manager.io/internal/webhook/serving"
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
	certificate, err := o.certificate(mgr, logger)
	if err != nil || certificate == nil {
		return err
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
		Certificate:  certificate,
		MinVersion:   version,
		CipherSuites: suites,
	}, webhook.NewHandler(mgr.GetScheme(), sources, o.clock))
	if err := mgr.AddReadyzCheck("webhook", server.Ready); err != nil {
		return err
	}
	return mgr.Add(server)
}

// certificate gives what the webhook is served with, or nil if there is to be no
// webhook.
func (o *options) certificate(mgr manager.Manager, logger logr.Logger) (webhook.Certificate, error) {
	if o.selfManaged != "" {
		return o.ownCertificate(mgr, logger)
	}
	if !o.certificateDirGiven && holdsNoCertificate(o.certificateDir) {
		logger.Info("RUNNING WITHOUT THE ADMISSION WEBHOOK: there is no certificate in the default folder. "+
			"Set --webhook-certificate-dir or --webhook-self-managed to have the webhook, or --webhook-port=0 if there is to be none", "folder", o.certificateDir)
		return nil, nil
	}
	return webhook.NewFiles(o.certificateDir, logger), nil
}

// ownCertificate makes the keeper of a certificate that nobody else makes. It reads
// without the manager's cache, which holds neither of its objects for certain.
func (o *options) ownCertificate(mgr manager.Manager, logger logr.Logger) (*serving.Keeper, error) {
	direct, err := client.New(mgr.GetConfig(), client.Options{HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper()})
	if err != nil {
		return nil, err
	}
	namespace := o.ownNamespace(podNamespaceFile)
	watched := cache.Options{HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper()}
	return serving.NewKeeper(serving.Options{
		Name:      o.selfManaged,
		Namespace: namespace,
		Client:    client.WithFieldOwner(direct, target.FieldManager),
		Manager:   target.FieldManager,
		Watch:     serving.Watch(mgr.GetConfig(), watched, o.selfManaged, namespace),
		Clock:     o.clock,
		Log:       logger,
	}), nil
}

// holdsNoCertificate says whether a folder has no file where a certificate would
// be. One that cannot be looked at may have one.
func holdsNoCertificate(folder string) bool {
	_, err := os.Stat(filepath.Join(folder, webhook.CertificateFile))
	return errors.Is(err, fs.ErrNotExist)
}
