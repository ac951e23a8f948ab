package decode_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"trust-manager.io/internal/decode"
	"trust-manager.io/test/framework/ca"
)

// L4: what `openssl crl2pkcs7` and `openssl cms` write is read, in PEM and in binary, and with
// indefinite lengths, as `openssl cms -stream` writes them.
func TestPKCS7OfOpenSSL(t *testing.T) {
	t.Parallel()
	root := ca.New("root")
	server := root.Issue(func(template *x509.Certificate) { template.Subject.CommonName = "server" })
	names := map[string]string{string(root.DER()): "root", string(server.DER()): "server"}
	dir := t.TempDir()
	certificates := write(t, dir, "certificates", server.Certificate+root.Certificate)
	signer := []string{"cms", "-sign", "-nodetach", "-binary", "-in", certificates, "-signer", write(t, dir, "server", server.Certificate),
		"-inkey", write(t, dir, "key", server.Key), "-certfile", write(t, dir, "root", root.Certificate)}
	collection := []string{"crl2pkcs7", "-nocrl", "-certfile", certificates}
	for title, tc := range map[string]struct {
		arguments  []string
		outform    string
		format     string
		isStream   bool
		signatures int
	}{
		"CertificatesInPEM": {collection, "PEM", "PEM", false, 0},
		"CertificatesInDER": {collection, "DER", "PKCS#7", false, 0},
		"SignedInPEM":       {signer, "PEM", "PEM", false, 1},
		"SignedInDER":       {signer, "DER", "PKCS#7", false, 1},
		"SignedInBER":       {append(signer, "-stream"), "DER", "PKCS#7", true, 1},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(dir, title)
			arguments := slices.Concat(tc.arguments, []string{"-outform", tc.outform, "-out", path})
			data := made(t, path, "openssl", arguments...)
			if isIndefinite := data[1] == 0x80; isIndefinite != tc.isStream {
				t.Errorf("openssl has written an indefinite length: %t", isIndefinite)
			}
			content, err := decode.File(data, nil)
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]bool{}
			for _, row := range rows(content, names) {
				got[row.Certificate] = true
			}
			if diff := cmp.Diff(map[string]bool{"root": true, "server": true}, got); diff != "" || len(content.Entries) != 2 {
				t.Errorf("%d entries (-want +got):\n%s", len(content.Entries), diff)
			}
			if content.Description() != tc.format || counts(content)["signature"] != tc.signatures {
				t.Errorf("%s with %v", content.Description(), content.Others)
			}
		})
	}
}

// L4: a message that is not complete is refused as a whole.
func TestPKCS7Refused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "all")
	data := made(t, path, "openssl", "crl2pkcs7", "-nocrl", "-certfile", write(t, dir, "roots", ca.Roots(1, 2)), "-outform", "DER", "-out", path)
	certificate := ca.Fixed(1).DER()
	at := bytes.Index(data, certificate)
	damaged := bytes.Clone(data)
	damaged[at] = 0x31
	negative, _ := pem.Decode([]byte(ca.NegativeSerial()))
	nonconforming := made(t, filepath.Join(dir, "odd"), "openssl", "crl2pkcs7", "-nocrl", "-certfile", write(t, dir, "negative", string(pem.EncodeToMemory(negative))),
		"-outform", "DER", "-out", filepath.Join(dir, "odd"))
	for title, tc := range map[string]struct {
		data []byte
		want string
	}{
		"CutOff":          {data[:len(data)-1], "cut off"},
		"DataAfterTheEnd": {append(bytes.Clone(data), 0), "after the end"},
		"NotACertificate": {damaged, "openssl pkcs7 -print_certs"},
		"Nonconforming":   {nonconforming, "openssl pkcs7 -print_certs"},
		"OtherMessage":    {bytes.Replace(data, []byte("\x0d\x01\x07\x02"), []byte("\x0d\x01\x07\x03"), 1), "encrypted or other data"},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			content, err := decode.File(tc.data, nil)
			if err == nil || !strings.Contains(err.Error(), tc.want) || len(content.Entries) > 0 {
				t.Errorf("%d entries and error %v, want %q", len(content.Entries), err, tc.want)
			}
		})
	}
}
