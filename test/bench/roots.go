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

// largeSize is the approximate size of Debian's public roots as PEM, in bytes:
// 144 certificates.
const largeSize = 220_000

// publicRoots returns Mozilla's roots as PEM, padded to largeSize with generated
// roots.
func publicRoots() (text string, certificates int) {
	var buffer bytes.Buffer
	for root := range mozilla.Roots() {
		_ = pem.Encode(&buffer, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // a buffer never fails
		certificates++
	}
	for ; buffer.Len() < largeSize; certificates++ {
		buffer.WriteString(newRoot(fmt.Sprintf("bench root %d", certificates)))
	}
	return buffer.String(), certificates
}

// newRoot returns a certificate about as large as one with a 4096-bit RSA key.
func newRoot(name string) string { return ca.New(name, ca.Padded(1000)).Certificate }

// The key stores of the row "stores".
const storePassword = "changeit"

var stores = []bundle.File{
	{Format: bundle.JKS, Key: "ca.jks", Password: storePassword},
	{Format: bundle.PKCS12, Key: "ca.p12", Password: storePassword, Profile: "Modern2023"},
}

// encodeStores returns the key stores of a PEM text and the duration of the
// encoding in seconds. A rollout encodes them once, regardless of the number of
// targets.
func encodeStores(text string) (files map[string][]byte, took float64, err error) {
	parsed, problem := certs.Parse(text, certs.Origin{})
	if problem != nil {
		return nil, 0, problem
	}
	files = map[string][]byte{}
	start := time.Now()
	for _, store := range stores {
		if files[store.Key], err = encode.File(store, parsed.Certificates); err != nil {
			return nil, 0, err
		}
	}
	return files, time.Since(start).Seconds(), nil
}
