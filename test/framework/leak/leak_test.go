package leak

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"
)

func keys(t *testing.T) []Key {
	t.Helper()
	all, err := Keys()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// shown are ways in which a program may show a key.
var shown = map[string]func(k Key) []byte{
	"the file":                 func(k Key) []byte { return []byte("text " + k.PEM + " text") },
	"without the lines around": func(k Key) []byte { return []byte(k.Base64()) },
	"in one line":              func(k Key) []byte { return []byte(strings.ReplaceAll(k.Base64(), "\n", "")) },
	"with other line ends":     func(k Key) []byte { return []byte(strings.ReplaceAll(k.PEM, "\n", "\r\n")) },
	"its bytes":                func(k Key) []byte { return k.DER() },
	"in hex":                   func(k Key) []byte { return []byte(hex.EncodeToString(k.DER())) },
	"in capital hex":           func(k Key) []byte { return fmt.Appendf(nil, "%X", k.DER()) },
	"the file in hex":          func(k Key) []byte { return fmt.Appendf(nil, "%x", k.PEM) },
	"quoted":                   func(k Key) []byte { return []byte(strconv.Quote(k.PEM)) },
	"in JSON":                  func(k Key) []byte { text, _ := json.Marshal(map[string]any{"data": k.PEM}); return text },
	"as data of a Secret":      func(k Key) []byte { text, _ := json.Marshal(map[string]any{"data": []byte(k.PEM)}); return text },
	"as data behind others":    func(k Key) []byte { text, _ := json.Marshal([]byte("x" + k.PEM)); return text },
	"as data behind more":      func(k Key) []byte { text, _ := json.Marshal([]byte("xy" + k.PEM)); return text },
	"bytes behind others":      func(k Key) []byte { return []byte(base64.StdEncoding.EncodeToString(append([]byte{0}, k.DER()...))) },
	"in base64 for URLs": func(k Key) []byte {
		return []byte(base64.RawURLEncoding.EncodeToString(append([]byte{0, 0}, k.DER()...)))
	},
	"in UTF-16": func(k Key) []byte { return inUTF16(k.PEM) },
	"in a log of text": func(k Key) []byte {
		return logged(k, func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) })
	},
	"in a log of JSON": func(k Key) []byte {
		return logged(k, func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) })
	},
	"some bytes of it":      func(k Key) []byte { return k.secret[len(k.secret)-width-step+1:] },
	"some characters of it": func(k Key) []byte { return k.text()[5 : 5+3*width] },
	"as a name":             func(k Key) []byte { return []byte("bundle-" + k.Hex()[9:9+20]) },
}

func inUTF16(text string) []byte {
	var encoded []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		encoded = append(encoded, byte(unit), byte(unit>>8))
	}
	return encoded
}

func logged(k Key, handler func(*bytes.Buffer) slog.Handler) []byte {
	var out bytes.Buffer
	slog.New(handler(&out)).Error("failed", "bytes", k.DER(), "error", fmt.Errorf("cannot read %q", k.Base64()))
	return out.Bytes()
}

// A key is found in each form and reported by its own name.
func TestFind(t *testing.T) {
	t.Parallel()
	for _, key := range keys(t) {
		search := NewSearch(key)
		for way, show := range shown {
			found := search.Find(show(key))
			if len(found) == 0 || !strings.HasPrefix(found[0], key.Name) {
				t.Errorf("%s, %s: found %q", key.Name, way, found)
			}
		}
	}
}

// Other keys of the same kinds, and text without a key, are not found.
func TestFindNothing(t *testing.T) {
	t.Parallel()
	search := NewSearch(keys(t)...)
	for _, other := range keys(t) {
		for way, show := range shown {
			if found := search.Find(show(other)); len(found) > 0 {
				t.Errorf("another %s, %s: found %q", other.Name, way, found)
			}
		}
	}
	if found := search.Find([]byte(strings.Repeat("-----BEGIN PRIVATE KEY-----\n", 100))); len(found) > 0 {
		t.Errorf("found %q in text without a key", found)
	}
}
