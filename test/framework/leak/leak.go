// Package leak makes private keys to be planted, and finds what is left of them in
// whatever a program gives out.
//
// What always holds: a key is found by any 15 characters of it in a row, in each form
// in which programs show bytes: as they are, in hexadecimal, in base64 wherever it
// begins, in base64 of that again. What all keys of a type have in common does not
// count.
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
	// Name says what kind of key it is.
	Name string
	// PEM is the key as it stands in a file.
	PEM string
	// secret is what no other key has, as a part of the PEM block's bytes.
	secret []byte
}

// DER gives the bytes of the key.
func (k Key) DER() []byte {
	block, _ := pem.Decode([]byte(k.PEM))
	return block.Bytes
}

// Base64 gives the key without the lines around it.
func (k Key) Base64() string {
	lines := strings.Split(strings.TrimSpace(k.PEM), "\n")
	return strings.Join(lines[1:len(lines)-1], "\n") + "\n"
}

// Hex gives the secret part in hexadecimal, which can stand in the name of an object.
func (k Key) Hex() string { return hex.EncodeToString(k.secret) }

const (
	// width is the length of the fragments that are looked for, in bytes; by chance, a
	// text of 100 MB has one with a probability of 1 in 10^9.
	width = 12
	// step is how far apart they begin.
	step = 4
)

// Search finds fragments of keys.
type Search struct {
	// fragments have the key and the form that they are of.
	fragments map[[width]byte]string
}

// NewSearch makes a Search for keys.
func NewSearch(keys ...Key) *Search {
	s := &Search{fragments: map[[width]byte]string{}}
	for _, key := range keys {
		for form, texts := range key.forms() {
			for _, text := range texts {
				for at := 0; at+width <= len(text); at += step {
					s.fragments[[width]byte(text[at:])] = key.Name + " in " + form
				}
			}
		}
	}
	return s
}

// forms are how the secret may be written, from wherever it begins.
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

// text gives the part of the PEM text, with its line ends, that has the secret.
func (k Key) text() []byte {
	from := bytes.Index(k.DER(), k.secret)
	// Four characters hold three bytes, and a line 64 characters.
	place := func(at int) int { return at/3*4 + at/3*4/64 }
	text := []byte(k.Base64())
	return text[place(from+2):min(len(text), place(from+len(k.secret)))]
}

func inHex(data []byte) [][]byte {
	lower := []byte(hex.EncodeToString(data))
	return [][]byte{lower, bytes.ToUpper(lower)}
}

// inBase64 gives the text for each of the three places, of a group of three bytes, at
// which data can begin; without the last character, which depends on what follows.
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

// Find gives what is found in a text: each key once for each form, sorted.
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
	for at := 0; at+width <= len(text); at++ {
		if name, ok := s.fragments[[width]byte(text[at:])]; ok {
			found[name] = true
		}
	}
}
