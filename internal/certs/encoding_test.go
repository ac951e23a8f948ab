package certs_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"unicode/utf16"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/encode"
	"trust-manager.io/test/framework/ca"
)

// S5: a text without PEM in a recognizable encoding is described by its name and the
// command that converts it.
func TestOtherEncoding(t *testing.T) {
	t.Parallel()
	der, pem := string(ca.Fixed(1).DER()), ca.Fixed(1).Certificate
	parsed, problem := certs.Parse(pem, origin)
	if problem != nil {
		t.Fatal(problem)
	}
	store := func(file bundle.File) string {
		data, err := encode.File(file, parsed.Certificates)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	wide := func(mark string, high, low int) string {
		var text strings.Builder
		text.WriteString(mark)
		for _, unit := range utf16.Encode([]rune(pem)) {
			text.Write([]byte{byte(unit >> high), byte(unit >> low)})
		}
		return text.String()
	}
	bare := strings.Join(strings.Split(pem, "\n")[1:strings.Count(pem, "\n")-1], "\n")
	for name, tc := range map[string]struct{ text, want string }{
		"DER":                      {der, "openssl x509 -inform DER"},
		"UTF-16, little endian":    {wide("\xff\xfe", 0, 8), "iconv -f UTF-16"},
		"UTF-16, big endian":       {wide("\xfe\xff", 8, 0), "iconv -f UTF-16"},
		"UTF-16 without a mark":    {wide("", 0, 8), "iconv -f UTF-16"},
		"JKS":                      {store(bundle.File{Format: bundle.JKS, Password: "changeit"}), "keytool -list -rfc"},
		"PKCS#12":                  {store(bundle.File{Format: bundle.PKCS12, Password: "p", Profile: "Modern2023"}), "openssl pkcs12"},
		"PKCS#12, no password":     {store(bundle.File{Format: bundle.PKCS12, Profile: "LegacyRC2"}), "openssl pkcs12"},
		"PKCS #7 in DER":           {"0\x0b\x06\x09*\x86H\x86\xf7\r\x01\x07\x02", "openssl pkcs7 -inform DER"},
		"PKCS #7 in BER":           {"0\x80\x06\x09*\x86H\x86\xf7\r\x01\x07\x02\xa0\x80\x00\x00\x00\x00", "openssl pkcs7 -inform DER"},
		"PKCS#12 in BER":           {"0\x80\x02\x01\x030\x80\x06\x09*\x86H\x86\xf7\r\x01\x07\x01\xa0\x80", "openssl pkcs12"},
		"a CRL in DER":             {"0\x070\x000\x00\x03\x01\x00", ""},
		"base64 with a mark":       {"\ufeff" + bare + "\n\x1a", "without BEGIN and END lines"},
		"base64 of PEM":            {base64.StdEncoding.EncodeToString([]byte(pem)), "base64 -d"},
		"base64 of a JKS":          {base64.StdEncoding.EncodeToString([]byte(store(bundle.File{Format: bundle.JKS, Password: "changeit"}))), "base64 -d`, and convert the result with `keytool"},
		"many small elements":      {"0\x83\x01\x00\x00" + strings.Repeat("\x05\x00", 1<<15), ""},
		"base64 without armor":     {bare, "without BEGIN and END lines"},
		"base64 without padding":   {base64.RawStdEncoding.EncodeToString([]byte(der)), "without BEGIN and END lines"},
		"DER of something else":    {"0\x03\x02\x01\x01", ""},
		"DER that is cut off":      {der[:len(der)-1], ""},
		"text":                     {"no certificate here", ""},
		"base64 of something":      {base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", 100))), ""},
		"nothing":                  {"", ""},
		"a damaged outer SEQUENCE": {"0\x82\xff\xff", ""},
	} {
		got, problem := certs.Parse(tc.text, origin)
		if problem != nil || !got.Empty() {
			t.Errorf("%s: problem %v, empty %t", name, problem, got.Empty())
		}
		other := got.OtherEncoding
		if !strings.Contains(other.Description, tc.want) || (tc.want == "") != (other.Description == "") {
			t.Errorf("%s: %q, want %q", name, other.Description, tc.want)
		}
		if isStore := strings.Contains(name, "JKS") || strings.Contains(name, "PKCS#12"); other.KeyStore != isStore {
			t.Errorf("%s: key store %t", name, other.KeyStore)
		}
	}
}

// S7, optional: a text with white space and comments only is no damaged certificate.
func TestIsBlank(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"": true, " \n\t\r\n": true, "# none yet\n\n  # nor here": true, "\ufeff# none": true,
		"none": false, "# a\nb": false, "# a\r-----BEGIN": false, "\x00\x1a\n": true,
		`# a\n-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----`: false, "# a\u2028-----BEGIN": false, ca.Fixed(1).Certificate: false,
	} {
		if got := certs.IsBlank(text); got != want {
			t.Errorf("%q: %t, want %t", text, got, want)
		}
	}
}
