package decode_test

import (
	"strings"
	"testing"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/decode"
	"trust-manager.io/internal/encode"
	"trust-manager.io/test/framework/ca"
)

// FuzzFile verifies for any file that File does not panic, that an error comes without content,
// that no error has the password, and that the certificates can be written and read back.
func FuzzFile(f *testing.F) {
	list := roots(f, 1, 2)
	for _, file := range []bundle.File{
		{Format: bundle.PEM}, {Format: bundle.JKS, Password: password}, {Format: bundle.JKS, Password: "changeit"}, {Format: bundle.PKCS12},
		{Format: bundle.PKCS12, Password: password}, {Format: bundle.PKCS12, Password: password, Profile: string(encode.Modern2023)},
	} {
		data, err := encode.File(file, list)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		if file.Format == bundle.PKCS12 {
			f.Add(indefinite(f, data))
		}
	}
	f.Add([]byte("\xfe\xed\xfe\xed0000000000000000"))
	f.Add(list[0].DER)
	f.Add(inBase64(list[0].DER))
	f.Add([]byte(ca.Fixed(1).Key + ca.Roots(1)))
	f.Add([]byte(`{"name": "a", "version": "1", "bundle": "` + strings.ReplaceAll(ca.Roots(1), "\n", `\n`) + `"}`))
	f.Add([]byte("-----BEGIN PKCS7-----\nMCcGCSqGSIb3DQEHAqAaMBgCAQExADALBgkqhkiG9w0BBwGgAKEAMQA=\n-----END PKCS7-----\n"))
	f.Add([]byte("\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80\x30\x80\x02\x01\x01\x31\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		content, err := decode.File(data, []string{password})
		if err != nil {
			if content.Format != "" || content.Entries != nil || strings.Contains(err.Error(), password) {
				t.Fatalf("%+v beside the error %v", content, err)
			}
			return
		}
		var read []certs.Certificate
		for _, entry := range content.Entries {
			read = append(read, entry.Certificate)
		}
		if len(read) == 0 {
			return
		}
		again, err := decode.File(encode.PEM(read), nil)
		if err != nil || len(again.Entries) != len(read) {
			t.Fatalf("%d of %d certificates are read back, with the error %v", len(again.Entries), len(read), err)
		}
	})
}
