package decode

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
)

// isUTF16 reports whether a text begins with the byte order mark of UTF-16, or has ASCII dashes
// and zero bytes by turns.
func isUTF16(data []byte) bool {
	return bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) ||
		bytes.Contains(data, []byte("-\x00-\x00-\x00"))
}

// decodeUTF16 decodes a text by its byte order mark, or else by the position of its first zero
// byte. A text from Windows has its low bytes first.
func decodeUTF16(data []byte) []byte {
	var order binary.ByteOrder = binary.LittleEndian
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xfe")):
		data = data[2:]
	case bytes.HasPrefix(data, []byte("\xfe\xff")):
		data, order = data[2:], binary.BigEndian
	case bytes.IndexByte(data, 0)%2 == 0:
		order = binary.BigEndian
	}
	units := make([]uint16, len(data)/2)
	for i := range units {
		units[i] = order.Uint16(data[2*i:])
	}
	return []byte(string(utf16.Decode(units)))
}

// minBase64 is the length of the shortest text that is tried as base64: a shorter one holds no
// certificate.
const minBase64 = 64

// decodeBase64 decodes a text that is base64, with any line ends and blanks, with or without
// padding.
func decodeBase64(data []byte) (decoded []byte, ok bool) {
	compact := bytes.Map(func(r rune) rune {
		switch r {
		case '\n', '\r', '\t', ' ', '\ufeff':
			return -1
		case '-': // the alphabet for URLs
			return '+'
		case '_':
			return '/'
		}
		return r
	}, bytes.TrimRight(data, "\x00\x1a"))
	compact = bytes.TrimRight(compact, "=")
	if len(compact) < minBase64 {
		return nil, false
	}
	decoded = make([]byte, base64.RawStdEncoding.DecodedLen(len(compact)))
	n, err := base64.RawStdEncoding.Decode(decoded, compact)
	return decoded[:n], err == nil
}

func isText(data []byte) bool {
	return utf8.Valid(data) && !bytes.Contains(data, []byte{0})
}
