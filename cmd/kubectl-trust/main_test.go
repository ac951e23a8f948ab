package main

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/encode"
	"trust-manager.io/test/framework/ca"
	"trust-manager.io/test/framework/script"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"kubectl-trust": main})
}

var update = flag.Bool("update", false, "write the output of the binary into the scripts that compare it")

// L1, L3, L4, L5, L8: the output and exit status of commands that need no cluster.
func TestScripts(t *testing.T) {
	t.Parallel()
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	completer, err := filepath.Abs("kubectl_complete-trust")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: *update,
		Setup: func(env *testscript.Env) error {
			env.Setenv("EXAMPLES", examples)
			env.Setenv("COMPLETER", completer)
			env.Setenv("ESCAPE", "\x1b[31mred")
			return writeFiles(env.WorkDir)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){"exits": script.Exits},
	})
}

// writeFiles writes the files that scripts read: certificates, which are the same in every run, and
// what is made of them.
func writeFiles(dir string) error {
	root1, root2 := ca.Fixed(1), ca.Fixed(2)
	// The key of a leaf has to be the same in every run as well; any CA's will do.
	leaf := ca.Fixed(3, ca.NotCA, ca.IssuedBy("Root 1"), ca.ForHosts("a.example"))
	past := ca.Fixed(4, ca.NotCA, ca.ValidUntil(time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)))
	key := "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\n"
	jks, err := decodedJKS(root1)
	files := map[string]string{
		"root1.pem": root1.Certificate, "root2.pem": root2.Certificate, "chain.pem": leaf.Certificate, "out.jks": jks,
		"same.pem": ca.Roots(1, 2), "mixed.pem": ca.Fixed(5).Certificate + past.Certificate + key,
		"formats.json": bundleManifest(ca.Roots(1, 2)), "large.json": string(largeBundle()),
	}
	for name, text := range files {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return err
}

// bundleManifest returns a Bundle with files of all formats.
func bundleManifest(roots string) string {
	return `{"apiVersion": "trust.cert-manager.io/v1alpha1", "kind": "Bundle", "metadata": {"name": "all"}, "spec": {
		"sources": [{"inLine": ` + strconv.Quote(roots) + `}],
		"target": {"configMap": {"key": "ca.crt"}, "additionalFormats": {"jks": {"key": "ca.jks"}, "pkcs12": {"key": "ca.p12"}}}}}`
}

// decodedJKS returns a Java KeyStore with one trusted certificate.
func decodedJKS(root ca.CA) (string, error) {
	parsed, problem := certs.Parse(root.Certificate, certs.Origin{})
	if problem != nil {
		return "", problem
	}
	store, err := encode.JKS(parsed.Certificates, "changeit")
	return string(store), err
}

// largeBundle returns a Bundle whose texts do not fit into the one of a ClusterBundle.
func largeBundle() []byte {
	text := `{"inLine": "` + strings.Repeat("x", 600_000) + `"}`
	return []byte(`{"apiVersion": "trust.cert-manager.io/v1alpha1", "kind": "Bundle", "metadata": {"name": "large"},
		"spec": {"sources": [` + text + "," + text + "]}}")
}
