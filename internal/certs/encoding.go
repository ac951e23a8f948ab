package certs

import (
	"encoding/asn1"
	"encoding/base64"
	"strings"
)

// Object identifiers of the content of PKCS #7 files (RFC 5652, 4 and 5.1).
const (
	oidData       = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01"
	oidSignedData = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"
)

// otherEncoding returns how a text without PEM blocks is encoded, and the command that
// converts it, or "" if it is in no encoding that holds certificates. It does not check
// the certificates.
func otherEncoding(text string) string {
	if isUTF16(text) {
		return "the text is UTF-16, but PEM must be ASCII or UTF-8; convert it with `iconv -f UTF-16 -t UTF-8`"
	}
	if description := binaryEncoding(text); description != "" {
		return description
	}
	decoded, ok := decodeBase64(text)
	switch {
	case !ok:
		return ""
	case strings.Contains(decoded, beginLabel):
		return "the text is PEM encoded in base64 once more; decode it with `base64 -d`, or use the field stringData of the Secret"
	case binaryEncoding(decoded) != "":
		return "the text is base64 without BEGIN and END lines; put it between -----BEGIN CERTIFICATE----- and -----END CERTIFICATE-----, " +
			"or convert it with `base64 -d | openssl x509 -inform DER`"
	}
	return ""
}

// isUTF16 reports whether a text begins with the byte order mark of UTF-16, or has ASCII
// dashes and zero bytes by turns.
func isUTF16(text string) bool {
	return strings.HasPrefix(text, "\xff\xfe") || strings.HasPrefix(text, "\xfe\xff") ||
		strings.Contains(text, "-\x00-\x00-\x00")
}

// binaryEncoding returns the description of a binary file, or "".
func binaryEncoding(data string) string {
	if strings.HasPrefix(data, "\xfe\xed\xfe\xed") || strings.HasPrefix(data, "\xce\xce\xce\xce") {
		return "the value is a Java KeyStore, but PEM is required; export its certificates with `keytool -list -rfc -keystore`"
	}
	parts := sequence([]byte(data))
	switch {
	case len(parts) == 0:
	case parts[0].Tag == asn1.TagOID && isPKCS7(parts[0]):
		return "the value is PKCS #7 in DER, but PEM is required; convert it with `openssl pkcs7 -inform DER -print_certs`"
	case parts[0].Tag == asn1.TagInteger && len(parts) > 1 && isPKCS7(first(sequence(parts[1].FullBytes))):
		return "the value is a PKCS #12 store, but PEM is required; convert it with `openssl pkcs12 -nokeys`"
	case len(parts) == 3 && parts[0].Tag == asn1.TagSequence && parts[1].Tag == asn1.TagSequence && parts[2].Tag == asn1.TagBitString:
		return "the value is a certificate in DER, but PEM is required; convert it with `openssl x509 -inform DER`"
	}
	return ""
}

// sequence returns the elements of a SEQUENCE that the data begins with, or nil.
func sequence(data []byte) (elements []asn1.RawValue) {
	var outer asn1.RawValue
	if _, err := asn1.Unmarshal(data, &outer); err != nil || outer.Tag != asn1.TagSequence || outer.Class != asn1.ClassUniversal {
		return nil
	}
	for rest := outer.Bytes; len(rest) > 0; {
		var element asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(rest, &element); err != nil {
			return nil
		}
		elements = append(elements, element)
	}
	return elements
}

func first(elements []asn1.RawValue) asn1.RawValue {
	if len(elements) == 0 {
		return asn1.RawValue{}
	}
	return elements[0]
}

func isPKCS7(element asn1.RawValue) bool {
	return string(element.Bytes) == oidData || string(element.Bytes) == oidSignedData
}

// minBase64 is the length of the shortest text that is tried as base64: a shorter one holds
// no certificate.
const minBase64 = 64

// decodeBase64 decodes a text that is base64 with line ends and blanks.
func decodeBase64(text string) (decoded string, ok bool) {
	compact := strings.NewReplacer("\n", "", "\r", "", "\t", "", " ", "").Replace(text)
	if len(compact) < minBase64 {
		return "", false
	}
	data, err := base64.StdEncoding.DecodeString(compact)
	if err != nil {
		data, err = base64.RawStdEncoding.DecodeString(compact)
	}
	return string(data), err == nil
}

// IsBlank reports whether a text has nothing but white space and comments, which are lines
// that begin with #. Unlike a text without a certificate, it cannot be a damaged one.
func IsBlank(text string) bool {
	for line := range strings.Lines(strings.TrimPrefix(text, byteOrderMark)) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "#") || strings.Contains(line, "\r") {
			return false
		}
	}
	return true
}
