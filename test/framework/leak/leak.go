package leak

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"slices"
	"strings"
)

// Key is a private key.
type Key struct {
	// Name describes the kind of key.
	Name string
	// PEM is the key in a file.
	PEM string
	// secret is the part of the PEM block's bytes that is unique to this key.
	secret []byte
}

// DER returns the bytes of the key.
func (k Key) DER() []byte {
	block, _ := pem.Decode([]byte(k.PEM))
	return block.Bytes
}

// Base64 returns the lines between BEGIN and END.
func (k Key) Base64() string {
	lines := strings.Split(strings.TrimSpace(k.PEM), "\n")
	return strings.Join(lines[1:len(lines)-1], "\n") + "\n"
}

// Hex returns the secret part in hexadecimal, which is valid in the name of an object.
func (k Key) Hex() string { return hex.EncodeToString(k.secret) }

const (
	// width is the length of a fragment in bytes. A random text of 100 MB contains one
	// with a probability of 1 in 10^9.
	width = 12
	// step is the distance between the starts of two fragments.
	step = 4
)

// Search finds fragments of keys.
type Search struct {
	// fragments holds the key and the form of each fragment.
	fragments map[[width]byte]string
}

// NewSearch returns a [Search] for keys.
func NewSearch(keys ...Key) *Search {
	s := &Search{fragments: map[[width]byte]string{}}
	for _, key := range keys {
		for form, texts := range key.forms() {
			for _, text := range texts {
				for i := 0; i+width <= len(text); i += step {
					s.fragments[[width]byte(text[i:])] = key.Name + " in " + form
				}
			}
		}
	}
	return s
}

// forms returns the ways in which programs write the secret, at each offset.
func (k Key) forms() map[string][][]byte {
	text := k.text()
	forms := map[string][][]byte{
		"bytes":                     {k.secret},
		"hexadecimal":               inHex(k.secret),
		"base64":                    inBase64(k.secret),
		"base64 of the PEM text":    inBase64(text),
		"hexadecimal of PEM text":   inHex(text),
		"base64 of bytes in base64": {},
	}
	for _, once := range inBase64(k.secret) {
		forms["base64 of bytes in base64"] = append(forms["base64 of bytes in base64"], inBase64(once)...)
	}
	return forms
}

// text returns the part of the PEM text, including line ends, that encodes the secret.
func (k Key) text() []byte {
	start := bytes.Index(k.DER(), k.secret)
	// Four characters encode three bytes, and a line has 64 characters.
	position := func(i int) int { return i/3*4 + i/3*4/64 }
	text := []byte(k.Base64())
	return text[position(start+2):min(len(text), position(start+len(k.secret)))]
}

func inHex(data []byte) [][]byte {
	lower := []byte(hex.EncodeToString(data))
	return [][]byte{lower, bytes.ToUpper(lower)}
}

// inBase64 returns the text for each of the three offsets, in a group of three bytes, at
// which data can begin. It leaves out the last character, which depends on what follows.
func inBase64(data []byte) (texts [][]byte) {
	for skipped := range 3 {
		rest := data[min(skipped, len(data)):]
		rest = rest[:len(rest)/3*3]
		for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
			texts = append(texts, []byte(encoding.EncodeToString(rest)))
		}
	}
	return texts
}

// Find returns the keys in a text, sorted, once for each form.
func (s *Search) Find(text []byte) []string {
	found := map[string]bool{}
	s.find(text, found)
	if bytes.IndexByte(text, 0) >= 0 { // it may be UTF-16
		s.find(bytes.ReplaceAll(text, []byte{0}, nil), found)
	}
	var names []string
	for name := range found {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (s *Search) find(text []byte, found map[string]bool) {
	for i := 0; i+width <= len(text); i++ {
		if name, ok := s.fragments[[width]byte(text[i:])]; ok {
			found[name] = true
		}
	}
}
