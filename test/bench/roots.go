package main

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"time"

	mozilla "golang.org/x/crypto/x509roots/fallback/bundle"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/encode"
	"trust-manager.io/test/framework/ca"
)

// largeSize is about that of Debian's list of public roots as PEM, in bytes: 144
// certificates.
const largeSize = 220_000

// publicRoots returns Mozilla's roots as PEM, topped up to largeSize with roots of its own.
func publicRoots() (text string, certificates int) {
	var buffer bytes.Buffer
	for root := range mozilla.Roots() {
		_ = pem.Encode(&buffer, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // a buffer takes every write
		certificates++
	}
	for ; buffer.Len() < largeSize; certificates++ {
		buffer.WriteString(newRoot(fmt.Sprintf("bench root %d", certificates)))
	}
	return buffer.String(), certificates
}

// newRoot returns a certificate as long as one with an RSA key of 4,096 bits.
func newRoot(name string) string { return ca.New(name, ca.Padded(1000)).Certificate }

// The key stores of the row "stores".
const storePassword = "changeit"

var stores = []bundle.File{
	{Format: bundle.JKS, Key: "ca.jks", Password: storePassword},
	{Format: bundle.PKCS12, Key: "ca.p12", Password: storePassword, Profile: "Modern2023"},
}

// encodeStores makes the key stores of a text, and returns how long it took, in
// seconds: the one encoding that a roll-out needs however many targets it has.
func encodeStores(text string) (files map[string][]byte, took float64, err error) {
	parsed, problem := certs.Parse(text, certs.Origin{})
	if problem != nil {
		return nil, 0, problem
	}
	files = map[string][]byte{}
	began := time.Now()
	for _, store := range stores {
		if files[store.Key], err = encode.File(store, parsed.Certificates); err != nil {
			return nil, 0, err
		}
	}
	return files, time.Since(began).Seconds(), nil
}
