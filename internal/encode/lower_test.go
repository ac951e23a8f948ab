package encode_test

import (
	"crypto/sha256"
	"encoding/hex"
	"runtime"
	"strings"
	"testing"
	"unicode"

	"trust-manager.io/internal/encode"
)

// T2: the mapping is character by character, and the same with every Go release.
func TestLower(t *testing.T) {
	t.Parallel()
	for title, tc := range map[string]struct{ text, want string }{
		"Nothing":              {"", ""},
		"ASCII":                {"CN=@AZ[`az{", "cn=@az[`az{"},
		"Latin":                {"ÀÖ×ØÞßŠŽŸ", "àö×øþßšžÿ"},
		"EverySecondIsCapital": {"ĀāĂăĹĺ", "āāăăĺĺ"},
		"GreekAndCyrillic":     {"ΑΘΗΝΑΣ ЁЖ", "αθηνασ ёж"},
		"IWithADot":            {"İ", "i"},
		"TitleCase":            {"ǅ", "ǆ"},
		"SharpS":               {"ẞ", "ß"},
		"KelvinAndOhm":         {"\u212a\u2126", "kω"},
		"Georgian":             {"Ა", "ა"},
		"FullWidth":            {"Ａ", "ａ"},
		"Unicode16And17":       {"\ua7cb\ua7dc\u1c89\ua7ce\ua7d2\ua7d4", "\u0264\u019b\u1c8a\ua7cf\ua7d3\ua7d5"},
		"OutsideTheBMP":        {"𐐀", "𐐀"},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			if got := encode.Lower(tc.text); got != tc.want {
				t.Errorf("%q becomes %q, want %q", tc.text, got, tc.want)
			}
		})
	}
}

// T2: the mapping of each of the 65,536 characters, as one checksum. It must never change,
// because aliases would change.
func TestLowerGolden(t *testing.T) {
	t.Parallel()
	const want = "273bf07553296f11daae04a97e3bb4f59b0e1535ef233ef9873be37805a30096"
	sum := sha256.Sum256([]byte(encode.Lower(allOfTheBMP())))
	if got := hex.EncodeToString(sum[:]); got != want {
		t.Errorf("the mapping has the sum %s, want %s", got, want)
	}
}

// The mapping is idempotent: Java does not find an alias that is not in lower case.
func TestLowerTwiceIsLower(t *testing.T) {
	t.Parallel()
	once := encode.Lower(allOfTheBMP())
	if encode.Lower(once) != once {
		t.Error("lower case changes when put in lower case")
	}
}

// The mapping is that of Unicode 15.0, which Go 1.26 has, plus the letters that 16.0 and
// 17.0 added.
func TestLowerIsThatOfGo126(t *testing.T) {
	t.Parallel()
	if !strings.HasPrefix(runtime.Version(), "go1.26") {
		t.Skipf("SKIPPED: %s is not the release to compare with", runtime.Version())
	}
	const later = "\u1c89\ua7cb\ua7cc\ua7ce\ua7d2\ua7d4\ua7da\ua7dc"
	for _, r := range allOfTheBMP() {
		got := encode.Lower(string(r))
		if want := string(unicode.ToLower(r)); got != want && !strings.ContainsRune(later, r) {
			t.Errorf("%U becomes %q, want %q", r, got, want)
		}
	}
}

// allOfTheBMP has each character of the Basic Multilingual Plane.
func allOfTheBMP() string {
	var text strings.Builder
	for r := rune(0); r <= 0xffff; r++ {
		text.WriteRune(r)
	}
	return text.String()
}
