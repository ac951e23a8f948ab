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

// OtherEncoding is an encoding of certificates other than PEM. The zero value is none.
type OtherEncoding struct {
	// Description names the encoding and the command that converts it to PEM, for users.
	Description string
	// KeyStore reports that it is a key store, JKS or PKCS#12.
	KeyStore bool
}

// binaryFormat is a binary encoding of certificates.
type binaryFormat struct {
	// name and command are for users: what it is, and what converts it to PEM.
	name, command string
	keyStore      bool
}

var (
	derFormat    = binaryFormat{name: "a certificate in DER", command: "openssl x509 -inform DER"}
	pkcs7Format  = binaryFormat{name: "PKCS #7 in DER", command: "openssl pkcs7 -inform DER -print_certs"}
	pkcs12Format = binaryFormat{name: "a PKCS #12 store", command: "openssl pkcs12 -nokeys", keyStore: true}
	jksFormat    = binaryFormat{name: "a Java KeyStore", command: "keytool -list -rfc -keystore", keyStore: true}
)

// otherEncodingOf returns how a text without PEM blocks is encoded. It does not check the
// certificates.
func otherEncodingOf(text string) OtherEncoding {
	if isUTF16(text) {
		return OtherEncoding{Description: "the text is UTF-16, but PEM must be ASCII or UTF-8; convert it with `iconv -f UTF-16 -t UTF-8`"}
	}
	if format := binaryFormatOf(text); format != nil {
		return OtherEncoding{KeyStore: format.keyStore,
			Description: "the value is " + format.name + ", but PEM is required; convert it with `" + format.command + "`"}
	}
	decoded, ok := decodeBase64(text)
	if !ok {
		return OtherEncoding{}
	}
	format := binaryFormatOf(decoded)
	switch {
	case strings.Contains(decoded, beginLabel):
		return OtherEncoding{Description: "the text is PEM encoded in base64 once more; decode it with `base64 -d`, or use the field stringData of the Secret"}
	case format == nil:
		return OtherEncoding{}
	case format == &derFormat:
		return OtherEncoding{Description: "the text is base64 without BEGIN and END lines; put it between -----BEGIN CERTIFICATE----- and -----END CERTIFICATE-----, " +
			"or convert it with `base64 -d | openssl x509 -inform DER`"}
	}
	return OtherEncoding{KeyStore: format.keyStore,
		Description: "the text is base64 of " + format.name + ", but PEM is required; decode it with `base64 -d`, and convert the result with `" + format.command + "`"}
}

// isUTF16 reports whether a text begins with the byte order mark of UTF-16, or has ASCII
// dashes and zero bytes by turns.
func isUTF16(text string) bool {
	return strings.HasPrefix(text, "\xff\xfe") || strings.HasPrefix(text, "\xfe\xff") ||
		strings.Contains(text, "-\x00-\x00-\x00")
}

// binaryFormatOf returns the format of a binary file, or nil.
func binaryFormatOf(data string) *binaryFormat {
	if strings.HasPrefix(data, "\xfe\xed\xfe\xed") || strings.HasPrefix(data, "\xce\xce\xce\xce") {
		return &jksFormat
	}
	parts := sequence(data)
	switch {
	case len(parts) == 0:
	case parts[0].Tag == asn1.TagOID && isPKCS7(parts[0]):
		return &pkcs7Format
	case parts[0].Tag == asn1.TagInteger && len(parts) > 1 && isPKCS7(first(sequence(string(parts[1].FullBytes)))):
		return &pkcs12Format
	case isCertificate(data):
		return &derFormat
	}
	return nil
}

// maxElements is how many elements of a SEQUENCE are read: one more than a certificate has.
const maxElements = 4

// sequence returns the first elements of a SEQUENCE that the data begins with, or nil.
func sequence(data string) (elements []asn1.RawValue) {
	if data == "" || data[0] != asn1.TagSequence|constructed {
		return nil
	}
	var outer asn1.RawValue
	if isIndefinite([]byte(data)) {
		outer.Bytes = []byte(data)[2:]
	} else if _, err := asn1.Unmarshal([]byte(data), &outer); err != nil {
		return nil
	}
	for rest := outer.Bytes; len(rest) > 0 && len(elements) < maxElements; {
		if isIndefinite(rest) {
			// Its end is unknown, so it is the last one.
			return append(elements, asn1.RawValue{Tag: int(rest[0] & tagMask), FullBytes: rest})
		}
		var element asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(rest, &element); err != nil {
			return nil
		}
		elements = append(elements, element)
	}
	return elements
}

// isIndefinite reports whether data begins with an element of indefinite length, which BER
// allows and DER does not (X.690, 8.1.3.6).
func isIndefinite(data []byte) bool {
	return len(data) >= 2 && data[0]&constructed != 0 && data[1] == 0x80
}

// tagMask has the bits of an identifier octet with the tag number.
const tagMask = 0x1f

// isCertificate reports whether data has the structure of a certificate. That of a certificate
// request or revocation list is similar.
func isCertificate(data string) bool {
	_, malformed := readStructure([]byte(data))
	return malformed == ""
}

// constructed is the bit of an identifier octet that marks a constructed encoding (X.690,
// 8.1.2.5).
const constructed = 0x20

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
	text = strings.TrimRight(strings.TrimPrefix(text, byteOrderMark), endOfFile+" \t\r\n")
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
	text = strings.TrimRight(strings.TrimPrefix(text, byteOrderMark), endOfFile+" \t\r\n")
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !isComment(line) {
			return false
		}
	}
	return true
}
