package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// validity is the lifetime of all certificates. A development control plane may
// be left running for long and takes seconds to replace.
const validity = 365 * 24 * time.Hour

// authority is a certificate authority whose key never leaves the process.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// leaf describes a certificate to issue.
type leaf struct {
	file         string // the base name of the certificate and key files
	signer       *authority
	user, group  string
	hosts        []string
	addresses    []net.IP
	client, peer bool // a client; a server that is also a client of its peers
}

// writePKI writes PEM files to dir: NAME.crt and NAME.key, the CA certificates
// ca.crt and etcd-ca.crt, and the service account key pair sa.key and sa.pub.
// etcd has its own CA: it accepts every client that its CA has signed, and the
// API server's CA also signs clients that must not reach etcd. gateway is the
// node's address for pods, or nil without a node.
func writePKI(dir string, now time.Time, gateway net.IP) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	ca, err := writeAuthority(dir, "ca", now)
	if err != nil {
		return err
	}
	etcdCA, err := writeAuthority(dir, "etcd-ca", now)
	if err != nil {
		return err
	}
	for _, l := range leaves(ca, etcdCA, gateway) {
		if err := l.write(dir, now); err != nil {
			return err
		}
	}
	return writeServiceAccountKey(dir)
}

// leaves returns the certificates of the control plane.
func leaves(ca, etcdCA *authority, gateway net.IP) []leaf {
	loopback := net.IPv4(127, 0, 0, 1)
	all := []leaf{
		{file: "etcd", signer: etcdCA, user: "etcd", hosts: []string{"localhost"}, addresses: []net.IP{loopback}, peer: true},
		{file: "etcd-client", signer: etcdCA, user: "kube-apiserver", client: true},
		{
			file: "apiserver", signer: ca, user: "kube-apiserver",
			hosts: []string{
				"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
				"kubernetes.default.svc.cluster.local",
			},
			addresses: []net.IP{loopback, net.ParseIP(serviceAddress)},
		},
		{file: "controller-manager", signer: ca, user: "kube-controller-manager", hosts: []string{"localhost"}, addresses: []net.IP{loopback}},
		{file: "controller-manager-client", signer: ca, user: "system:kube-controller-manager", client: true},
		{file: "admin", signer: ca, user: "admin", group: "system:masters", client: true},
	}
	if gateway != nil {
		server := &all[slices.IndexFunc(all, func(l leaf) bool { return l.file == "apiserver" })]
		server.addresses = append(server.addresses, gateway)
		all = append(all, nodeLeaves(ca, loopback, gateway)...)
	}
	return all
}

// nodeLeaves returns the additional certificates of a cluster with a node.
func nodeLeaves(ca *authority, loopback, gateway net.IP) []leaf {
	return []leaf{
		{file: "scheduler", signer: ca, user: "kube-scheduler", hosts: []string{"localhost"}, addresses: []net.IP{loopback}},
		{file: "scheduler-client", signer: ca, user: "system:kube-scheduler", client: true},
		{file: "kubelet", signer: ca, user: "system:node:" + nodeName, group: "system:nodes", addresses: []net.IP{gateway}},
		{file: "kubelet-client", signer: ca, user: "system:node:" + nodeName, group: "system:nodes", client: true},
		{file: "apiserver-kubelet-client", signer: ca, user: "kube-apiserver", group: "system:masters", client: true},
	}
}

// writeAuthority creates a CA and writes its certificate.
func writeAuthority(dir, name string, now time.Time) (*authority, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	template := certificate(pkix.Name{CommonName: "test cluster " + name}, now)
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	cert, err := sign(template, &authority{cert: template, key: key}, key)
	if err != nil {
		return nil, err
	}
	return &authority{cert: cert, key: key}, writePEM(filepath.Join(dir, name+".crt"), "CERTIFICATE", cert.Raw)
}

// write issues the certificate and writes it and its key.
func (l leaf) write(dir string, now time.Time) error {
	key, err := newKey()
	if err != nil {
		return err
	}
	subject := pkix.Name{CommonName: l.user}
	if l.group != "" {
		subject.Organization = []string{l.group}
	}
	template := certificate(subject, now)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.DNSNames, template.IPAddresses = l.hosts, l.addresses
	if !l.client {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	if l.client || l.peer {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	}
	cert, err := sign(template, l.signer, key)
	if err != nil {
		return err
	}
	if err := writePEM(filepath.Join(dir, l.file+".crt"), "CERTIFICATE", cert.Raw); err != nil {
		return err
	}
	return writeKey(filepath.Join(dir, l.file+".key"), key)
}

// writeServiceAccountKey writes the key pair that signs service account tokens.
func writeServiceAccountKey(dir string) error {
	key, err := newKey()
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	if err := writePEM(filepath.Join(dir, "sa.pub"), "PUBLIC KEY", public); err != nil {
		return err
	}
	return writeKey(filepath.Join(dir, "sa.key"), key)
}

func newKey() (*ecdsa.PrivateKey, error) {
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

// certificate returns a template for sign.
func certificate(subject pkix.Name, now time.Time) *x509.Certificate {
	return &x509.Certificate{
		Subject:   subject,
		NotBefore: now.Add(-time.Hour), // tolerates a clock that is set back
		NotAfter:  now.Add(validity),
	}
}

// sign issues the certificate of key with a random serial number.
func sign(template *x509.Certificate, signer *authority, key *ecdsa.PrivateKey) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial.Add(serial, big.NewInt(1)) // RFC 5280 requires a positive number
	der, err := x509.CreateCertificate(rand.Reader, template, signer.cert, key.Public(), signer.key)
	if err != nil {
		return nil, fmt.Errorf("certificate of %s: %w", template.Subject, err)
	}
	return x509.ParseCertificate(der)
}

// writeKey writes a key in SEC 1 form, which the API server also accepts as the
// service account key.
func writeKey(file string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(file, "EC PRIVATE KEY", der)
}

func writePEM(file, kind string, der []byte) error {
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
