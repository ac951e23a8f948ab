package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"

	mozilla "golang.org/x/crypto/x509roots/fallback/bundle"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/encode"
)

// largeSize is about that of Debian's list of public roots as PEM, in bytes: 144
// certificates.
const largeSize = 220_000

// publicRoots gives Mozilla's roots as PEM, filled up with made ones to largeSize.
func publicRoots() (text string, certificates int, err error) {
	var buffer bytes.Buffer
	for root := range mozilla.Roots() {
		_ = pem.Encode(&buffer, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // a buffer takes every write
		certificates++
	}
	for ; buffer.Len() < largeSize; certificates++ {
		root, err := madeRoot(fmt.Sprintf("bench root %d", certificates))
		if err != nil {
			return "", 0, err
		}
		buffer.WriteString(root)
	}
	return buffer.String(), certificates, nil
}

// madeRoot makes a certificate as long as one with an RSA key of 4,096 bits.
func madeRoot(name string) (string, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: name},
		NotAfter:     time.Now().AddDate(10, 0, 0), IsCA: true, BasicConstraintsValid: true,
		ExtraExtensions: []pkix.Extension{{Id: []int{2, 999, 1}, Value: make([]byte, 1000)}},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		return "", err
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), nil
}

// The key stores of the row "stores".
const storePassword = "changeit"

var stores = []bundle.Store{
	{Format: bundle.JKS, Key: "ca.jks", Password: storePassword},
	{Format: bundle.PKCS12, Key: "ca.p12", Password: storePassword, Profile: "Modern2023"},
}

// encodeStores makes the key stores of a text, and says how long it took, in
// seconds: the one encoding that a roll-out needs however many targets it has.
func encodeStores(text string) (files map[string][]byte, took float64, err error) {
	parsed, problem := certs.Parse(text, certs.Origin{})
	if problem != nil {
		return nil, 0, problem
	}
	files = map[string][]byte{}
	began := time.Now()
	for _, store := range stores {
		if files[store.Key], err = encode.Store(store, parsed.Certificates); err != nil {
			return nil, 0, err
		}
	}
	return files, time.Since(began).Seconds(), nil
}
