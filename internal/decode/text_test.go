package decode_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"trust-manager.io/internal/capackage"
	"trust-manager.io/internal/decode"
	"trust-manager.io/test/framework/ca"
)

// inUTF16 encodes a text, with a byte order mark.
func inUTF16(text string, order binary.AppendByteOrder) []byte {
	data := order.AppendUint16(nil, 0xfeff)
	for _, unit := range utf16.Encode([]rune(text)) {
		data = order.AppendUint16(data, unit)
	}
	return data
}

func inBase64(data []byte) []byte { return []byte(base64.StdEncoding.EncodeToString(data)) }

// L4: texts and DER, in other encodings of text as well.
func TestTexts(t *testing.T) {
	t.Parallel()
	one, two := ca.Fixed(1), ca.Fixed(2)
	names := map[string]string{string(one.DER()): "1", string(two.DER()): "2"}
	both := one.Certificate + two.Certificate
	packed, err := capackage.Encode(capackage.Package{Name: "roots", Version: "1", Bundle: both})
	if err != nil {
		t.Fatal(err)
	}
	for title, tc := range map[string]struct {
		data   []byte
		format string
	}{
		"PEM":                 {[]byte(both), "PEM"},
		"Indented":            {[]byte("\ufeff  " + strings.ReplaceAll(both, "\n", "\r\n  ")), "PEM"},
		"DER":                 {append(one.DER(), two.DER()...), "DER"},
		"UTF16LittleEndian":   {inUTF16(both, binary.LittleEndian), "PEM in UTF-16"},
		"UTF16BigEndian":      {inUTF16(both, binary.BigEndian), "PEM in UTF-16"},
		"UTF16WithoutMark":    {inUTF16(both, binary.LittleEndian)[2:], "PEM in UTF-16"},
		"UTF16BigWithoutMark": {inUTF16(both, binary.BigEndian)[2:], "PEM in UTF-16"},
		"PEMInBase64":         {inBase64([]byte(both)), "PEM in base64"},
		"DERInBase64":         {inBase64(append(one.DER(), two.DER()...)), "DER in base64"},
		"Base64Twice":         {inBase64(inBase64([]byte(both))), "PEM in base64 in base64"},
		"UTF16InBase64":       {inBase64(inUTF16(both, binary.LittleEndian)), "PEM in UTF-16 in base64"},
		"ForURLs":             {[]byte(base64.RawURLEncoding.EncodeToString([]byte(both)) + "\n"), "PEM in base64"},
		"CAPackage":           {packed, "CA package"},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			content, err := decode.File(tc.data, nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]row{{Certificate: "1"}, {Certificate: "2"}}, rows(content, names)); diff != "" {
				t.Errorf("entries (-want +got):\n%s", diff)
			}
			if got := content.Description(); got != tc.format {
				t.Errorf("format %q, want %q", got, tc.format)
			}
		})
	}
}

// L4: a CA package has a name and an ID, and a note if the operator refuses it.
func TestPackage(t *testing.T) {
	t.Parallel()
	p := capackage.Package{Name: "roots", Version: "1", Bundle: ca.Roots(1) + ca.NegativeSerial()}
	data, err := capackage.Encode(p)
	if err != nil {
		t.Fatal(err)
	}
	content, err := decode.File(data, nil)
	if err != nil {
		t.Fatal(err)
	}
	if content.ID != p.ID() || content.Package.Name != "roots" || content.Package.Version != "1" || content.Package.Bundle != "" {
		t.Errorf("package %+v with the ID %q", content.Package, content.ID)
	}
	if len(content.Entries) != 2 || len(content.Notes) != 1 || !strings.Contains(content.Notes[0], "operator refuses") {
		t.Errorf("%d entries and the notes %q", len(content.Entries), content.Notes)
	}
}

// L4: blocks of other types are counted, and the numbers of blocks include them.
func TestOtherBlocks(t *testing.T) {
	t.Parallel()
	block := func(label string) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: label, Bytes: []byte("content of the block")}))
	}
	one := ca.Fixed(1)
	text := "# comment\n" + block("PRIVATE KEY") + one.Certificate + block("CERTIFICATE REQUEST") + block("X509 CRL") +
		strings.TrimSuffix(block("EC PARAMETERS"), "\n") + block("EC PRIVATE KEY") + "  " + block("TRUSTED CERTIFICATE") +
		block("ENCRYPTED PRIVATE KEY") + block("PUBLIC KEY") + block("SOMETHING") + ca.Fixed(2).Certificate
	content, err := decode.File([]byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{
		"private key": 2, "certificate request": 1, "revocation list": 1, "block of parameters": 1, "OpenSSL trusted certificate": 1,
		"encrypted private key": 1, "public key": 1, "block of another type": 1,
	}
	if diff := cmp.Diff(want, counts(content)); diff != "" {
		t.Errorf("others (-want +got):\n%s", diff)
	}
	var blocks []int
	for _, entry := range content.Entries {
		blocks = append(blocks, entry.Certificate.Origin.Block)
	}
	if diff := cmp.Diff([]int{2, 11}, blocks); diff != "" {
		t.Errorf("blocks (-want +got):\n%s", diff)
	}
}

// L4: what is not recognized results in an error that describes it, and has no part of it.
func TestRefusals(t *testing.T) {
	t.Parallel()
	pair := ca.New("root").Issue()
	key, _ := pem.Decode([]byte(pair.Key))
	publicKey := pair.X509().RawSubjectPublicKeyInfo
	long := strings.Repeat("secret-content ", 20)
	for title, tc := range map[string]struct {
		data []byte
		want string
	}{
		"Empty":             {nil, "is empty"},
		"Blank":             {[]byte(" \n\x00"), "is empty"},
		"TooLarge":          {make([]byte, decode.MaxSize+1), "the limit is"},
		"Text":              {[]byte(long), "text without a BEGIN CERTIFICATE line"},
		"Words":             {[]byte(strings.Repeat("secretwords\n", 32)), "text without a BEGIN CERTIFICATE line"},
		"Manifest":          {[]byte("apiVersion: v1\ndata:\n  a: " + long), "manifest"},
		"HTML":              {[]byte("<!doctype html>" + long), "HTML"},
		"ZIP":               {[]byte("PK\x03\x04" + long), "ZIP"},
		"Gzip":              {[]byte("\x1f\x8b\x08" + long), "gzip"},
		"BouncyCastle":      {[]byte("\x00\x00\x00\x02" + long), "Bouncy Castle"},
		"SSH":               {[]byte("ssh-ed25519 " + long), "OpenSSH"},
		"Binary":            {[]byte("\x01\xff\x00" + long), "binary"},
		"JSON":              {[]byte(`{"a": "` + long + `"}`), "not a CA package"},
		"PrivateKeyInDER":   {key.Bytes, "private key"},
		"PublicKeyInDER":    {padded(publicKey), "public key"},
		"CutOffDER":         {pair.DER()[:100], "cut off"},
		"CutOffKey":         {[]byte(pair.Certificate + strings.Split(pair.Key, "-----END")[0]), "block 2: the block is cut off"},
		"DamagedBlock":      {[]byte(pair.Key + strings.Replace(pair.Certificate, "M", "?", 1)), "block 2"},
		"DamagedBeginLine":  {[]byte("BEGIN CERTIFICATE\n" + pair.Key[27:] + "----"), "damaged"},
		"DamagedBase64OfP7": {[]byte("-----BEGIN PKCS7-----\n?\n-----END PKCS7-----\n"), "block 1: the base64"},
		"TooManyEncodings":  {inBase64(inBase64(inBase64(inBase64([]byte(pair.Certificate))))), "text without"},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			content, err := decode.File(tc.data, []string{password})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("%+v and error %v, want %q", content, err, tc.want)
			}
			checkSecrecy(t, err.Error(), pair.Key, pair.Certificate, "secret-content", "secretwords", password)
		})
	}
}

// padded makes a public key as long as formats in DER are, by a longer point.
func padded(publicKey []byte) []byte {
	bits := append([]byte{0x03, 0x81, 0x91, 0}, bytes.Repeat([]byte{1}, 0x90)...)
	algorithm := publicKey[2 : 4+publicKey[3]]
	return append([]byte{0x30, 0x81, byte(len(bits) + len(algorithm))}, append(bytes.Clone(algorithm), bits...)...)
}
