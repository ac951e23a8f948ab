package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/api/trustmanager/v1alpha2"
	"trust-manager.io/test/framework/ca"
	"trust-manager.io/test/framework/poll"
)

// roots are the CAs of the scripts. Their certificates are the same in every run.
// Those of explain and rotate are in no other script.
var roots = map[string]ca.CA{
	"root1": ca.Fixed(1), "root2": ca.Fixed(2), "root3": ca.Fixed(3),
	"root41": ca.Fixed(41), "root42": ca.Fixed(42), "root21": ca.Fixed(21), "root23": ca.Fixed(23), "root24": ca.Fixed(24), "root31": ca.Fixed(31),
	"root11": ca.Fixed(11), "root12": ca.Fixed(12), "root13": ca.Fixed(13), "root14": ca.Fixed(14),
	"old": ca.New("Old Root"), "new": ca.New("New Root"), "before": ca.New("Before"), "after": ca.New("After"),
}

// writeCertificates writes the roots, each into a file of its name.
func writeCertificates(dir string) error {
	for name, root := range roots {
		if err := os.WriteFile(filepath.Join(dir, name+".pem"), []byte(root.Certificate), 0o600); err != nil {
			return err
		}
	}
	two := ca.Pair{Certificate: roots["before"].Certificate + roots["after"].Certificate}
	for name, leaf := range map[string]ca.Pair{
		"two":  two,
		"leaf": roots["before"].Issue(ca.ForHosts("localhost")), "client": clientOf(roots["before"]),
		"orphan": ca.New("Orphan").Issue(ca.ForHosts("localhost")), "future": ca.New("Future", ca.Valid(time.Now().AddDate(1, 0, 0), time.Now().AddDate(2, 0, 0))).Pair,
	} {
		if err := os.WriteFile(filepath.Join(dir, name+".pem"), []byte(leaf.Certificate), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// clientOf returns a certificate of a client.
func clientOf(root ca.CA) ca.Pair {
	return root.Issue(ca.Named("client"), func(template *x509.Certificate) {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	})
}

// ready waits until the operator has rolled out bundles: ready KIND/NAME...
func ready(ts *testscript.TestScript, _ bool, args []string) {
	for _, arg := range args {
		kind, name := filepath.Split(arg)
		object := &unstructured.Unstructured{}
		object.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(v1alpha1.BundleKind))
		if kind == "clusterbundle/" {
			object.SetGroupVersionKind(v1alpha2.GroupVersion.WithKind(v1alpha2.ClusterBundleKind))
		}
		ts.Check(poll.Until(context.Background(), arg, func() error {
			if err := env.Client.Get(context.Background(), client.ObjectKey{Name: name}, object); err != nil {
				return err
			}
			observed, _, _ := unstructured.NestedInt64(object.Object, "status", "observedGeneration")
			conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
			for _, condition := range conditions {
				if c, _ := condition.(map[string]any); c["type"] == "Ready" && c["status"] == "True" && observed == object.GetGeneration() {
					return nil
				}
			}
			return fmt.Errorf("%s is not ready: %v", arg, conditions)
		}))
	}
}

// serve starts a server with a certificate of a root, and sets a variable to its address:
// serve VARIABLE ROOT [MODE]. In mode "keyless" it does not have the private key, and in mode "mutual"
// it requires a client certificate.
func serve(ts *testscript.TestScript, _ bool, args []string) {
	certificate, err := roots[args[1]].Issue(ca.ForHosts("localhost", "127.0.0.1")).TLS()
	ts.Check(err)
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	switch mode := strings.Join(args[2:], ""); mode {
	case "keyless":
		other, err := roots[args[1]].Issue().TLS()
		ts.Check(err)
		certificate.PrivateKey = other.PrivateKey
	case "mutual":
		config.ClientAuth, config.MaxVersion = tls.RequireAnyClientCert, tls.VersionTLS12
	}
	config.Certificates = []tls.Certificate{certificate}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	ts.Check(err)
	ts.Defer(func() { _ = listener.Close() })
	ts.Setenv(args[0], listener.Addr().String())
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = connection.Read(make([]byte, 1)) // the handshake
				_ = connection.Close()
			}()
		}
	}()
}
