package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestPKI(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pki")
	now := time.Now()
	if err := writePKI(dir, now, nil); err != nil {
		t.Fatal(err)
	}
	client, server := x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth
	cases := map[string]struct {
		file, authority, host string
		usage                 x509.ExtKeyUsage
		refused               bool
	}{
		"API server serves on loopback":            {"apiserver", "ca", "127.0.0.1", server, false},
		"API server serves its Service":            {"apiserver", "ca", "kubernetes.default.svc", server, false},
		"API server serves its Service's address":  {"apiserver", "ca", serviceAddress, server, false},
		"API server's certificate is not a client": {"apiserver", "ca", "", client, true},
		"controller manager serves":                {"controller-manager", "ca", "127.0.0.1", server, false},
		"controller manager is a client":           {"controller-manager-client", "ca", "", client, false},
		"admin is a client":                        {"admin", "ca", "", client, false},
		"admin is not a server":                    {"admin", "ca", "", server, true},
		"admin is unknown to etcd":                 {"admin", "etcd-ca", "", client, true},
		"etcd serves":                              {"etcd", "etcd-ca", "127.0.0.1", server, false},
		"etcd is a client of its peers":            {"etcd", "etcd-ca", "", client, false},
		"etcd serves no other host":                {"etcd", "etcd-ca", "example.com", server, true},
		"API server is etcd's client":              {"etcd-client", "etcd-ca", "", client, false},
		"etcd's client is unknown to API server":   {"etcd-client", "ca", "", client, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			roots := x509.NewCertPool()
			roots.AddCert(readCertificate(t, filepath.Join(dir, c.authority+".crt")))
			_, err := readCertificate(t, filepath.Join(dir, c.file+".crt")).Verify(x509.VerifyOptions{
				Roots: roots, DNSName: c.host, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{c.usage},
			})
			if (err != nil) != c.refused {
				t.Errorf("got error %v, want refused: %v", err, c.refused)
			}
		})
	}
}

func TestPKISubjects(t *testing.T) {
	dir := t.TempDir()
	if err := writePKI(dir, time.Now(), nil); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		"admin":                     "CN=admin,O=system:masters",
		"controller-manager-client": "CN=system:kube-controller-manager",
	} {
		if got := readCertificate(t, filepath.Join(dir, file+".crt")).Subject.String(); got != want {
			t.Errorf("%s: got subject %s, want %s", file, got, want)
		}
	}
	if !readCertificate(t, filepath.Join(dir, "ca.crt")).IsCA {
		t.Error("ca.crt: is not a CA, which the controller manager requires of its --root-ca-file")
	}
}

func TestPKIFilesArePrivateAndMatch(t *testing.T) {
	dir := t.TempDir()
	if err := writePKI(dir, time.Now(), nil); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, want 0600", entry.Name(), info.Mode())
		}
	}
	for _, l := range leaves(nil, nil, nil) {
		file := filepath.Join(dir, l.file)
		if _, err := tls.LoadX509KeyPair(file+".crt", file+".key"); err != nil {
			t.Errorf("%s: %v", l.file, err)
		}
	}
}

func readCertificate(t *testing.T, file string) *x509.Certificate {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
