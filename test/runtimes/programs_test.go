package runtimes

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trust-manager.io/test/framework/ca"
)

// clientVariable makes the test binary a client.
const clientVariable = "RUNTIMES_CLIENT"

// program is a TLS client.
type program struct {
	name string
	// command precedes the addresses.
	command     []string
	environment []string
	mounts      []mount
}

// interpreter is a Python and the folder of its OpenSSL.
type interpreter struct{ path, openssl string }

// require returns Python and the folders in which programs look for OpenSSL's defaults.
// It skips the test if a prerequisite is missing. In CI it fails instead.
func require(t *testing.T) (python interpreter, folders []string) {
	t.Helper()
	var missing []string
	for _, name := range []string{openSSLCommand, "curl", "python3", "node", "java", "javac", "unshare", "mount"} {
		if _, err := exec.LookPath(name); err != nil {
			missing = append(missing, name)
		}
	}
	if os.Getuid() != 0 {
		missing = append(missing, "root, for a mount namespace")
	}
	if _, err := os.Stat(certsDir); err != nil {
		missing = append(missing, certsDir)
	}
	if len(missing) == 0 {
		// The name python3 may be that of a script that needs the user's environment.
		found, err := exec.Command("python3", "-c",
			"import os, ssl, sys, requests; print(sys.executable, os.path.dirname(ssl.get_default_verify_paths().openssl_cafile))").Output()
		if fields := strings.Fields(string(found)); err == nil && len(fields) == 2 {
			python = interpreter{fields[0], fields[1]}
		} else {
			missing = append(missing, "Python's requests")
		}
		folders = slices.Compact(slices.Sorted(slices.Values([]string{openSSLFolder(t), python.openssl})))
	}
	for _, folder := range folders {
		// A folder that contains certsDir cannot be replaced on its own.
		if stat, err := os.Stat(folder); err != nil || !stat.IsDir() || strings.HasPrefix(certsDir, folder) {
			missing = append(missing, fmt.Sprintf("an OpenSSL that Debian has built: one looks in %q", folder))
		}
	}
	if len(missing) == 0 {
		return python, folders
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("missing: %s", strings.Join(missing, ", "))
	}
	t.Skipf("skipped; missing: %s", strings.Join(missing, ", "))
	return python, folders
}

// openSSLCommand is the command line of OpenSSL.
const openSSLCommand = "openssl"

// openSSLFolder returns the folder of the installed OpenSSL.
func openSSLFolder(t *testing.T) string {
	t.Helper()
	return strings.Trim(strings.TrimPrefix(run(t, openSSLCommand, "version", "-d"), "OPENSSLDIR: "), `"`)
}

// programs returns the columns of the table. The lists that programs bring along have one
// CA, that of the image.
func programs(t *testing.T, python interpreter, image ca.CA) []program {
	t.Helper()
	here, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	file := func(name string) string { return filepath.Join(here, name) }
	own, classes := t.TempDir(), t.TempDir()
	write(t, own, map[string][]byte{"cacert.pem": []byte(image.Certificate)})
	run(t, "javac", "-d", classes, file("Client.java"))
	return []program{
		{name: golang, command: []string{os.Args[0]}, environment: []string{clientVariable + "=1"}},
		{name: openssl, command: []string{"sh", file("openssl.sh")}},
		{name: curl, command: []string{"sh", file("curl.sh")}},
		{name: pythonSSL, command: []string{python.path, file("ssl_client.py")}},
		{name: requests, command: []string{python.path, file("requests_client.py"), filepath.Join(own, "cacert.pem")}},
		// The default of Node.js, but not of Debian's package.
		{name: node, command: []string{"node", file("client.js")}, environment: []string{"NODE_OPTIONS=--use-bundled-ca"}, mounts: []mount{nodeWith(t, image)}},
		{name: java, command: []string{"java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", classes, "Client"}},
	}
}

// nodeWith returns a copy of Node.js with a CA in place of one of those that are compiled
// into it, to be mounted over the original. These are PEM texts in the program or, in
// Debian's package, in a library.
func nodeWith(t *testing.T, image ca.CA) mount {
	t.Helper()
	var about struct {
		PEM   string
		Files []string
	}
	const script = `JSON.stringify({
		pem: require("tls").rootCertificates[0],
		files: require("fs").readFileSync("/proc/self/maps", "utf8").match(/\/\S*node\S*$/gm)})`
	if err := json.Unmarshal([]byte(run(t, "node", "-p", script)), &about); err != nil {
		t.Fatal(err)
	}
	original := []byte(strings.TrimSpace(about.PEM))
	for _, path := range slices.Compact(slices.Sorted(slices.Values(about.Files))) {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if at := bytes.Index(content, original); at >= 0 {
			replacement := bytes.Repeat([]byte("\n"), len(original))
			copy(replacement, image.Certificate)
			copy(content[at:], replacement)
			changed := filepath.Join(t.TempDir(), "node")
			if err := os.WriteFile(changed, content, 0o755); err != nil {
				t.Fatal(err)
			}
			return mount{changed, path}
		}
	}
	t.Fatalf("no file of Node.js contains its CAs as text: %v", about.Files)
	return mount{}
}

// run returns the output of a program.
func run(t *testing.T, name string, arguments ...string) string {
	t.Helper()
	var fault bytes.Buffer
	command := exec.Command(name, arguments...)
	command.Stderr = &fault
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", name, err, fault.String())
	}
	return strings.TrimSpace(string(out))
}
