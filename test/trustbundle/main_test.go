// Package trustbundle tests ClusterTrustBundles, as targets and as sources, on an API server that
// serves them in one version, in another, and not at all (F1 to F6). The operator has the rights
// that the chart renders.
package trustbundle

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"trust-manager.io/test/framework/rig"
	"trust-manager.io/test/framework/suite"
)

const (
	signer       = "example.com/my-signer"
	signerPrefix = "example.com:my-signer:"
)

// values enable the feature, with the names of all targets of the tests.
var values = []string{
	"clusterTrustBundles.enabled=true",
	"clusterTrustBundles.names={target,cluster-target," + signerPrefix + "signed," + signerPrefix + "cluster-signed,content,strange,versions,beside,first,another.example.com:signer:first}",
	"clusterTrustBundles.signers={" + signer + "}",
	"clusterTrustBundles.sources={allowed,target,kubernetes.io/kube-apiserver-serving,others.example.com/*}",
}

var (
	env *rig.Rig
	// enabled is the release of the operators with the feature.
	enabled *rig.Release
)

func TestMain(m *testing.M) {
	suite.Require("test/trustbundle", "test-integration", suite.Assets, suite.Built("helm"))
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "test/trustbundle:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	log.SetLogger(logr.Discard()) // the client's
	if env, err = rig.Start(context.Background(), os.Stderr); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, env.Stop()) }()
	if enabled, err = env.Install(context.Background(), "trust", values...); err != nil {
		return 1, err
	}
	if code = m.Run(); code != 0 {
		return code, nil
	}
	return code, checkAudit()
}

// restarted is the period in which the API server is restarted. It denies everything at times, until
// it has loaded the roles.
var restarted struct{ from, to time.Time }

// checkAudit checks that no request for ClusterTrustBundles was denied, and that every right on
// them was used.
func checkAudit() error {
	if selected("test.run") || selected("test.skip") {
		return nil
	}
	requests, err := env.Audit.Of(enabled.Account)
	if err != nil {
		return err
	}
	used := map[string]bool{}
	var errs []error
	for _, request := range requests {
		if request.Denied && (request.Received.Before(restarted.from) || request.Received.After(restarted.to)) {
			errs = append(errs, fmt.Errorf("denied: %s", request))
		}
		used[request.Verb+" "+request.Resource] = true
		if request.Verb == "watch" {
			used["list "+request.Resource] = true // for API servers that do not stream lists, or fail to
		}
		if request.Verb == "patch" && request.Code == http.StatusCreated {
			used["create "+request.Resource] = true // the API server asks for both rights
		}
	}
	for _, grant := range enabled.Grants {
		// Whether a user may attest is asked by the API server itself.
		if grant.Group == "certificates.k8s.io" && grant.Verb != "attest" && !used[grant.Verb+" "+grant.Resource] {
			errs = append(errs, fmt.Errorf("never used: %s", grant))
		}
	}
	return errors.Join(errs...)
}
