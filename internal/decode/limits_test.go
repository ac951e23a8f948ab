package decode_test

import (
	"bytes"
	"encoding/asn1"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"software.sslmate.com/src/go-pkcs12"

	"trust-manager.io/internal/decode"
	"trust-manager.io/internal/encode"
	"trust-manager.io/test/framework/ca"
)

// indefinite converts all constructed elements of a text in DER to indefinite lengths, and divides
// large strings, as browsers do.
func indefinite(tb testing.TB, der []byte) []byte {
	tb.Helper()
	var ber []byte
	for len(der) > 0 {
		var element asn1.RawValue
		rest, err := asn1.Unmarshal(der, &element)
		if err != nil {
			tb.Fatal(err)
		}
		const most = 1000
		switch {
		case element.IsCompound:
			ber = append(ber, der[0], 0x80)
			ber = append(ber, indefinite(tb, element.Bytes)...)
			ber = append(ber, 0, 0)
		case element.Tag == asn1.TagOctetString && len(element.Bytes) > most:
			ber = append(ber, asn1.TagOctetString|0x20, 0x80)
			for part := range slices.Chunk(element.Bytes, most) {
				encoded, err := asn1.Marshal(part)
				if err != nil {
					tb.Fatal(err)
				}
				ber = append(ber, encoded...)
			}
			ber = append(ber, 0, 0)
		default:
			ber = append(ber, element.FullBytes...)
		}
		der = rest
	}
	return ber
}

// L4: a store with the MAC of RFC 9579 is read.
func TestPKCS12WithPBMAC1(t *testing.T) {
	t.Parallel()
	entry := pkcs12.TrustStoreEntry{Cert: ca.Fixed(1).X509(), FriendlyName: "a"}
	data, err := pkcs12.Modern2026.EncodeTrustStoreEntries([]pkcs12.TrustStoreEntry{entry}, password)
	if err != nil {
		t.Fatal(err)
	}
	content, err := decode.File(data, []string{password})
	if err != nil || len(content.Entries) != 1 || content.Entries[0].Alias != "a" {
		t.Errorf("%+v and error %v", content.Entries, err)
	}
	_, err = decode.File(data, nil)
	checkPasswordError(t, err)
}

// L4: PKCS#12 with indefinite lengths, as browsers write it, is read.
func TestPKCS12WithIndefiniteLengths(t *testing.T) {
	t.Parallel()
	for _, profile := range []encode.Profile{encode.LegacyDES, encode.Modern2023} {
		data, err := encode.PKCS12(roots(t, 1, 2, 3, 4), password, profile)
		if err != nil {
			t.Fatal(err)
		}
		content, err := decode.File(indefinite(t, data), []string{password})
		if err != nil || len(content.Entries) != 4 {
			t.Errorf("%d entries and error %v", len(content.Entries), err)
		}
	}
}

// L4: a hostile file costs neither much memory nor much time, and is refused.
func TestHostileFiles(t *testing.T) {
	t.Parallel()
	jks, err := encode.JKS(roots(t, 1), password)
	if err != nil {
		t.Fatal(err)
	}
	store, err := encode.PKCS12(roots(t, 1), password, encode.Modern2023)
	if err != nil {
		t.Fatal(err)
	}
	iterations := func(count string) []byte {
		// The encoding of 2048, with the length of the elements around it unchanged.
		return bytes.ReplaceAll(store, []byte("\x02\x02\x08\x00"), []byte(count))
	}
	macIterations := func(count string) []byte {
		ber := indefinite(t, store)
		at := bytes.LastIndex(ber, []byte("\x02\x02\x08\x00"))
		return slices.Concat(ber[:at], []byte(count), ber[at+4:])
	}
	many := binary.BigEndian.AppendUint32([]byte("\xfe\xed\xfe\xed\x00\x00\x00\x02"), 1<<32-1)
	deep := slices.Concat([]byte(startOfPKCS7), bytes.Repeat([]byte("\x30\x80"), decode.MaxSize/2-len(startOfPKCS7)))
	for title, tc := range map[string]struct {
		data []byte
		want string
	}{
		"EntriesThatDoNotExist": {append(many, make([]byte, 100)...), "damaged"},
		"ALengthBeyondTheEnd":   {bytes.Replace(jks, []byte("X.509\x00\x00"), []byte("X.509\xff\xff"), 1), "damaged"},
		"JKSCutOff":             {jks[:len(jks)-1], "damaged"},
		"JKSOfAnotherVersion":   {bytes.Replace(jks, []byte{0, 0, 0, 2}, []byte{0, 0, 0, 3}, 1), "version"},
		"NegativeIterations":    {iterations("\x02\x02\xff\x00"), "number of iterations"},
		"TooManyIterations":     {macIterations("\x02\x04\x7f\xff\xff\xff"), "number of iterations"},
		"TooManyInTotal":        {macIterations("\x02\x03\x7f\xff\xff"), "with all passwords"},
		"NoIterations":          {iterations("\x02\x02\x00\x00"), "damaged"},
		"PKCS12CutOff":          {store[:len(store)-1], "damaged"},
		"ManyLevels":            {deep, "too many levels"},
		"ManyElements":          {elements(), "too many levels or elements"},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			content, err := decode.File(tc.data, []string{password})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("%d entries and error %v, want %q", len(content.Entries), err, tc.want)
			}
			checkSecrecy(t, err.Error(), password)
		})
	}
}

// elements returns a message of two million elements.
func elements() []byte {
	return slices.Concat([]byte(startOfPKCS7), bytes.Repeat([]byte("\x05\x00"), 2_000_000), make([]byte, 4))
}

// startOfPKCS7 is the start of a SignedData with indefinite lengths.
const startOfPKCS7 = "\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80"

// L4: a JKS is listed without its password, with a note; a wrong password is refused.
func TestJKSWithoutPassword(t *testing.T) {
	t.Parallel()
	for title, tc := range map[string]struct {
		password string
		given    []string
		opened   string
		note     string
		refused  bool
	}{
		"NoneGiven":     {password, nil, "unknown password", "not verified", false},
		"WrongOne":      {password, []string{"wrong"}, "", "", true},
		"SecondOfTwo":   {password, []string{"wrong", password}, "the given password", "", false},
		"Usual":         {"changeit", nil, "password changeit", "", false},
		"UsualButGiven": {"changeit", []string{"changeit"}, "the given password", "", false},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			data, err := encode.JKS(roots(t, 1, 2), tc.password)
			if err != nil {
				t.Fatal(err)
			}
			content, err := decode.File(data, tc.given)
			if tc.refused {
				checkPasswordError(t, err)
				return
			}
			if content.Password != tc.opened {
				t.Errorf("opened with %q, want %q", content.Password, tc.opened)
			}
			if notes := strings.Join(content.Notes, "\n"); err != nil || len(content.Entries) != 2 || !strings.Contains(notes, tc.note) || tc.note == "" && notes != "" {
				t.Errorf("%d entries, the notes %q and error %v", len(content.Entries), notes, err)
			}
		})
	}
}
