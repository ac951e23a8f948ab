package runtimes

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/encode"
	"trust-manager.io/test/framework/ca"
)

const (
	certsDir = "/etc/ssl/certs"
	certFile = "ca-certificates.crt"
	// storePassword is the password of Java's own key store.
	storePassword = "changeit"
)

// layout is where the base images of a distribution have their CAs: always in the file
// certFile in certsDir.
type layout struct {
	name string
	// hasHashLinks reports whether certsDir also has links by which OpenSSL finds a
	// certificate.
	hasHashLinks bool
	// hasFileLink reports whether the folder of OpenSSL has the link cert.pem to certFile.
	hasFileLink bool
	// environment is that of the image.
	environment []string
}

// layouts are the lines of a table cell, in this order. docs/guide/pods.md describes them.
var layouts = []layout{
	{name: "Debian 12", hasHashLinks: true, hasFileLink: true},
	{name: "Debian 11", hasHashLinks: true},
	{name: "Alpine", hasFileLink: true},
	{name: "distroless", environment: []string{"SSL_CERT_FILE=" + filepath.Join(certsDir, certFile)}},
}

// mount is a file or folder that a bind mount puts in place of another.
type mount struct{ source, target string }

// mounts writes the files of an image with a CA, for the folders in which programs look
// for OpenSSL's defaults.
func (l layout) mounts(t *testing.T, image ca.CA, openssl []string) []mount {
	t.Helper()
	certificates, defaults := t.TempDir(), t.TempDir()
	write(t, certificates, map[string][]byte{
		certFile:       []byte(image.Certificate),
		"java/cacerts": keyStore(t, certificatesOf(t, image)),
	})
	if l.hasHashLinks {
		write(t, certificates, map[string][]byte{"Image.pem": []byte(image.Certificate)})
		if out, err := exec.Command("openssl", "rehash", certificates).CombinedOutput(); err != nil {
			t.Fatalf("openssl rehash: %v: %s", err, out)
		}
	}
	link(t, certsDir, filepath.Join(defaults, "certs"))
	if l.hasFileLink {
		link(t, filepath.Join(certsDir, certFile), filepath.Join(defaults, "cert.pem"))
	}
	mounts := []mount{{certificates, certsDir}}
	for _, folder := range openssl {
		mounts = append(mounts, mount{defaults, folder})
	}
	return mounts
}

// volume writes files like the kubelet writes those of a ConfigMap: each name is a link
// through ..data, which the kubelet points to another folder after a change.
func volume(t *testing.T, files map[string][]byte) (folder string) {
	t.Helper()
	folder = t.TempDir()
	const version = "..2026_01_01"
	write(t, filepath.Join(folder, version), files)
	link(t, version, filepath.Join(folder, "..data"))
	for name := range files {
		first, _, _ := strings.Cut(name, "/")
		link(t, filepath.Join("..data", first), filepath.Join(folder, first))
	}
	return folder
}

// hashedDirectory returns the files of a target with the format hashedDirectory.
func hashedDirectory(t *testing.T, certificates []certs.Certificate) map[string][]byte {
	t.Helper()
	entries, err := encode.HashedDirectory(certificates)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{certFile: encode.PEM(certificates)}
	for _, entry := range entries {
		files[entry.Key] = entry.Data
	}
	return files
}

func keyStore(t *testing.T, certificates []certs.Certificate) []byte {
	t.Helper()
	store, err := encode.JKS(certificates, storePassword)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func certificatesOf(t *testing.T, authorities ...ca.CA) (certificates []certs.Certificate) {
	t.Helper()
	for _, authority := range authorities {
		parsed, err := certs.ParseDER(authority.DER())
		if err != nil {
			t.Fatal(err)
		}
		certificates = append(certificates, parsed...)
	}
	return certificates
}

func write(t *testing.T, folder string, files map[string][]byte) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(folder, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, content, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}
