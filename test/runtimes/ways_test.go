package runtimes

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/util/yaml"

	"trust-manager.io/internal/encode"
	"trust-manager.io/test/framework/ca"
)

// The programs, as the guide names them.
const (
	golang    = "Go"
	openssl   = "OpenSSL"
	curl      = "curl"
	pythonSSL = "Python `ssl`"
	requests  = "`requests`"
	node      = "Node.js"
	java      = "Java"
)

// way is one way of providing the bundle to a program.
type way struct {
	// program is the only one that a setting is for; empty for a way that any program may
	// notice.
	program string
	// title describes the way in a table of the guide.
	title       string
	environment []string
	mounts      []mount
}

// waysFor writes the volumes of a bundle, and returns the ways to provide it: first
// nothing, then the rows of the tables.
func waysFor(t *testing.T, authorities ...ca.CA) (nothing way, everyProgram, settings []way) {
	t.Helper()
	bundle := certificatesOf(t, authorities...)
	pkcs12, err := encode.PKCS12(bundle, "", encode.Modern2023)
	if err != nil {
		t.Fatal(err)
	}
	jks, pem := keyStore(t, bundle), map[string][]byte{certFile: encode.PEM(bundle)}
	elsewhere := volume(t, map[string][]byte{certFile: pem[certFile], "bundle.p12": pkcs12, "bundle.jks": jks})
	hashed := volume(t, hashedDirectory(t, bundle))
	over := func(files map[string][]byte) []mount { return []mount{{volume(t, files), certsDir}} }
	mounted, mountedHashed := over(pem), over(hashedDirectory(t, bundle))
	withKeyStore := func(store []byte) []mount {
		return over(map[string][]byte{certFile: pem[certFile], "java/cacerts": store})
	}

	file, mountedFile := filepath.Join(elsewhere, certFile), filepath.Join(certsDir, certFile)
	trustStore := "-Djavax.net.ssl.trustStore=" + elsewhere
	useOpenSSL := "NODE_OPTIONS=--use-openssl-ca"
	names := injectedVariables(t)
	everyProgram = []way{
		{"", "`SSL_CERT_FILE` names the bundle", []string{"SSL_CERT_FILE=" + file}, nil},
		{"", "the same, and `SSL_CERT_DIR` names an empty directory", []string{"SSL_CERT_FILE=" + file, "SSL_CERT_DIR=" + t.TempDir()}, nil},
		{"", "`SSL_CERT_DIR` names a mounted `hashedDirectory`", []string{"SSL_CERT_DIR=" + hashed}, nil},
		{"", "mounted over `/etc/ssl/certs` as `ca-certificates.crt`", nil, mounted},
		{"", "the same, and `SSL_CERT_FILE` names that file", []string{"SSL_CERT_FILE=" + mountedFile}, mounted},
		{"", "`hashedDirectory` mounted over `/etc/ssl/certs`", nil, mountedHashed},
		{"", "injection, mode `replace`", slices.Concat(set(names.File, mountedFile), set(names.Directory, certsDir)), mounted},
		{"", "injection, mode `add`", set(names.File, file), nil},
	}
	settings = []way{
		{curl, "`CURL_CA_BUNDLE` names the bundle", []string{"CURL_CA_BUNDLE=" + file}, nil},
		{requests, "`REQUESTS_CA_BUNDLE` names the bundle", []string{"REQUESTS_CA_BUNDLE=" + file}, nil},
		{node, "`NODE_EXTRA_CA_CERTS` names the bundle", []string{"NODE_EXTRA_CA_CERTS=" + file}, nil},
		{node, "`NODE_OPTIONS=--use-openssl-ca`, and `SSL_CERT_FILE` names the bundle", []string{useOpenSSL, "SSL_CERT_FILE=" + file}, nil},
		{node, "the same, and the bundle is mounted over `/etc/ssl/certs`", []string{useOpenSSL, "SSL_CERT_FILE=" + mountedFile}, mounted},
		{node, "`NODE_OPTIONS=--use-openssl-ca`, and `hashedDirectory` is mounted over `/etc/ssl/certs`", []string{useOpenSSL}, mountedHashed},
		{java, "`-Djavax.net.ssl.trustStore` names the PKCS#12 file", []string{"JAVA_TOOL_OPTIONS=" + trustStore + "/bundle.p12"}, nil},
		{java, "`-Djavax.net.ssl.trustStore` names the JKS file", []string{"JAVA_TOOL_OPTIONS=" + trustStore + "/bundle.jks"}, nil},
		{java, "`-Djavax.net.ssl.trustStore` names the PEM file", []string{"JAVA_TOOL_OPTIONS=" + trustStore + "/" + certFile}, nil},
		{java, "the mount over `/etc/ssl/certs` has the PKCS#12 file as `java/cacerts`", nil, withKeyStore(pkcs12)},
		{java, "the mount over `/etc/ssl/certs` has the JKS file as `java/cacerts`", nil, withKeyStore(jks)},
	}
	return way{title: "nothing"}, everyProgram, settings
}

// variables are the names of the variables that the policies of the chart set: to the path
// of the bundle and, in the mode "replace", to its directory.
type variables struct{ File, Directory []string }

// injectedVariables returns the defaults of the chart.
func injectedVariables(t *testing.T) variables {
	t.Helper()
	content, err := os.ReadFile("../../deploy/charts/trust-manager/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var values struct{ Injection struct{ Variables variables } }
	if err := yaml.Unmarshal(content, &values); err != nil {
		t.Fatal(err)
	}
	if len(values.Injection.Variables.File) == 0 || len(values.Injection.Variables.Directory) == 0 {
		t.Fatal("the values of the chart name no variables")
	}
	return values.Injection.Variables
}

// set returns variables with one value.
func set(names []string, value string) (environment []string) {
	for _, name := range names {
		environment = append(environment, name+"="+value)
	}
	return environment
}

// concerns reports whether a table has a result for a way and a program.
func (w way) concerns(p program) bool { return w.program == "" || w.program == p.name }
