package app

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/controller"
	"trust-manager.io/internal/source"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/webhook"
	"trust-manager.io/internal/webhook/serving"
)

// addWebhook registers the admission webhook with the manager. The webhook is served,
// and the operator ready, once the caches have synced and the certificate exists.
//
// There is no webhook if its port is 0, or if no flag configures a certificate and the
// default directory has none, as when the operator runs outside a cluster.
func (o *options) addWebhook(mgr manager.Manager, defaultCAs *source.DefaultCAs, ready readiness) error {
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
	sources := source.NewGatherer(source.Config{Objects: mgr.GetCache(), TrustNamespace: o.trustNamespace, DefaultCAs: defaultCAs})
	namespaces := controller.CountNamespaces(mgr.GetCache(), o.targetNamespaces)
	handlers := map[string]http.Handler{}
	for _, adapter := range apis.All() {
		path := webhook.Path(adapter)
		// controller-runtime labels its webhook metrics with the path.
		handlers[path], err = admission.StandaloneWebhook(webhook.NewHandler(apis.All(), mgr.GetScheme(), sources, namespaces, o.clock),
			admission.StandaloneOptions{MetricsPath: path})
		if err != nil {
			return err
		}
	}
	server := webhook.NewServer(webhook.Options{
		Host:         o.webhookHost,
		Port:         o.webhookPort,
		Certificate:  certificate,
		MinVersion:   version,
		CipherSuites: suites,
	}, handlers)
	ready["webhook"] = server.Ready
	return mgr.Add(server)
}

// certificate returns the webhook's certificate, or nil if the webhook is not served.
func (o *options) certificate(mgr manager.Manager, logger logr.Logger) (webhook.Certificate, error) {
	if o.selfManaged != "" {
		return o.ownCertificate(mgr, logger)
	}
	if !o.certificateDirGiven && lacksCertificate(o.certificateDir) {
		logger.Info("Running without the admission webhook, because the default directory contains no certificate. "+
			"Set --webhook-certificate-dir or --webhook-self-managed to enable the webhook, or --webhook-port=0 to disable it", "folder", o.certificateDir)
		return nil, nil
	}
	return webhook.NewFiles(o.certificateDir, logger), nil
}

// ownCertificate returns the Keeper of a certificate that the operator issues itself.
// The Keeper does not read from the manager's cache, which may hold neither of its
// objects.
func (o *options) ownCertificate(mgr manager.Manager, logger logr.Logger) (*serving.Keeper, error) {
	uncached, err := client.New(mgr.GetConfig(), client.Options{HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper()})
	if err != nil {
		return nil, err
	}
	namespace := o.ownNamespace(podNamespaceFile)
	cacheOptions := cache.Options{HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper()}
	return serving.NewKeeper(serving.Options{
		Name:      o.selfManaged,
		Namespace: namespace,
		Client:    client.WithFieldOwner(uncached, target.FieldManager),
		Manager:   target.FieldManager,
		Watch:     serving.Watch(mgr.GetConfig(), cacheOptions, o.selfManaged, namespace),
		Clock:     o.clock,
		Log:       logger,
	}), nil
}

// lacksCertificate reports whether a directory has no certificate file. It returns false
// for a directory that cannot be read, which may have one.
func lacksCertificate(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, webhook.CertificateFile))
	return errors.Is(err, fs.ErrNotExist)
}
