package encode_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/asn1"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/x509roots/fallback/bundle"

	"trust-manager.io/internal/certs"
)

// oddSubject is an unusual subject and its rendering.
type oddSubject struct {
	der  []byte
	text string
	// java is how Java converts the text in a PKCS#12 store to lower case, if it differs
	// from package encode.
	java string
}

var (
	cn           = []int{2, 5, 4, 3}
	serialNumber = []int{2, 5, 4, 5}
	country      = []int{2, 5, 4, 6}
	locality     = []int{2, 5, 4, 7}
	state        = []int{2, 5, 4, 8}
	street       = []int{2, 5, 4, 9}
	organization = []int{2, 5, 4, 10}
	unit         = []int{2, 5, 4, 11}
	postalCode   = []int{2, 5, 4, 17}
	identifier   = []int{2, 5, 4, 97}
	mail         = []int{1, 2, 840, 113549, 1, 9, 1}
)

// oddSubjects are subjects that Go's certificate parser accepts.
func oddSubjects(tb testing.TB) map[string]oddSubject {
	tb.Helper()
	utf8 := func(oid []int, value string) []byte { return attribute(tb, oid, asn1.TagUTF8String, value) }
	printable := func(oid []int, value string) []byte { return attribute(tb, oid, asn1.TagPrintableString, value) }
	commonName := func(value string) []byte { return name(tb, rdn(tb, utf8(cn, value))) }
	// separate has each attribute in an RDN of its own, as most certificates do.
	separate := func(attributes ...[]byte) []byte {
		var rdns [][]byte
		for _, attribute := range attributes {
			rdns = append(rdns, rdn(tb, attribute))
		}
		return name(tb, rdns...)
	}
	return map[string]oddSubject{
		"AnEmptySubject": {der: name(tb), text: ""},
		"AnEmptyRDN":     {der: name(tb, rdn(tb), rdn(tb, utf8(cn, "a"))), text: "CN=a"},
		"KeywordsInAFixedOrder": {
			der: separate(utf8(postalCode, "8001"), printable(country, "CH"), utf8(cn, "a"), utf8(street, "Weg 1"), utf8(locality, "Z"),
				utf8(organization, "o"), utf8(unit, "u"), printable(serialNumber, "7"), utf8(state, "ZH")),
			text: "SERIALNUMBER=7,CN=a,OU=u,O=o,POSTALCODE=8001,STREET=Weg 1,L=Z,ST=ZH,C=CH",
		},
		"ValuesOfOneKeyword": {
			der:  separate(utf8(unit, "b"), utf8(organization, "o"), utf8(unit, "a"), utf8(unit, "")),
			text: "OU=b+OU=a+OU=,O=o",
		},
		"AnRDNOfSeveralValues": {
			der:  name(tb, rdn(tb, utf8(cn, "a"), utf8(unit, "u"), utf8(identifier, "v")), rdn(tb, utf8(organization, "o"))),
			text: "CN=a,OU=u,O=o,2.5.4.97=#130176",
		},
		"OfSeveralCommonNamesTheLast": {der: separate(utf8(cn, "a"), utf8(cn, "b")), text: "CN=b"},
		"AnEmptyCommonNameAtTheEnd":   {der: separate(utf8(cn, "a"), utf8(cn, ""), utf8(organization, "o")), text: "O=o"},
		"UnknownTypesInHex": {
			der:  separate(utf8(identifier, "VATCH-1"), utf8(cn, "a"), attribute(tb, mail, asn1.TagIA5String, "a@b")),
			text: "CN=a,1.2.840.113549.1.9.1=#0c03614062,2.5.4.97=#130756415443482d31",
		},
		"AnUnknownTypeWithALongValue":    {der: separate(utf8(identifier, strings.Repeat("x", 200))), text: "2.5.4.97=#1381c8" + strings.Repeat("78", 200)},
		"AnUnknownTypeWithAStar":         {der: separate(printable(identifier, "*&")), text: "2.5.4.97=#0c022a26"},
		"AnUnknownTypeWithoutAValue":     {der: separate(utf8(identifier, "")), text: "2.5.4.97=#1300"},
		"BMPString":                      {der: separate(attribute(tb, cn, asn1.TagBMPString, "\x00A\x01\x7e\x20\xac")), text: "CN=Až€"},
		"BMPStringWithATerminator":       {der: separate(attribute(tb, cn, asn1.TagBMPString, "\x00A\x00\x00")), text: "CN=A"},
		"T61String":                      {der: separate(attribute(tb, cn, asn1.TagT61String, "Tele\xe9\xd6")), text: "CN=TeleéÖ"},
		"NumericString":                  {der: separate(attribute(tb, serialNumber, asn1.TagNumericString, "12 3")), text: "SERIALNUMBER=12 3"},
		"UTF8StringBeyondASCII":          {der: commonName("Żółć Россия 中国"), text: "CN=Żółć Россия 中国"},
		"SpecialCharacters":              {der: commonName(`a,b+c"d\e<f>g;h=i#j k`), text: `CN=a\,b\+c\"d\\e\<f\>g\;h=i#j k`},
		"ANumberSignAtTheStart":          {der: commonName("#1"), text: `CN=\#1`},
		"SpacesAtTheEnds":                {der: commonName("  a  "), text: `CN=\  a \ `},
		"OneSpace":                       {der: commonName(" "), text: `CN=\ `},
		"NUL":                            {der: commonName("a\x00b"), text: `CN=a\00b`},
		"NULInABMPString":                {der: separate(attribute(tb, cn, asn1.TagBMPString, "\x00A\x00\x00\x00B\x00\x00\x00\x00")), text: `CN=A\00B\00`},
		"OutsideTheBMP":                  {der: commonName("Root 😀 𝐀"), text: `CN=Root \f0\9f\98\80 \f0\9d\90\80`},
		"TheTextOfAnEscape":              {der: commonName(`\f0\9f\98\80`), text: `CN=\\f0\\9f\\98\\80`},
		"OutsideTheBMPInAnUnknownType":   {der: separate(utf8(identifier, "😀")), text: "2.5.4.97=#0c04f09f9880"},
		"ControlCharacters":              {der: commonName("a\tb\nc\x1bd\x7fe"), text: "CN=a\tb\nc\x1bd\x7fe"},
		"TheLastCharactersOfTheBMP":      {der: commonName("\ufffd\ufffe\uffff"), text: "CN=\ufffd\ufffe\uffff"},
		"LettersWithoutASmallOne":        {der: commonName("ßſẞ"), text: "CN=ßſẞ"},
		"AnIWithADot":                    {der: commonName("İstanbul"), text: "CN=İstanbul", java: "cn=i\u0307stanbul"},
		"ASigmaAtTheEnd":                 {der: commonName("ΑΘΗΝΑΣ"), text: "CN=ΑΘΗΝΑΣ", java: "cn=αθηνας"},
		"LettersThatGrowInLowerCase":     {der: commonName("ȺȾ"), text: "CN=ȺȾ"},
		"TheLongestSubject":              {der: commonName(strings.Repeat("Ⱥ", 20_997)), text: "CN=" + strings.Repeat("Ⱥ", 20_997)},
		"MoreThanAStoreHolds":            {der: commonName(strings.Repeat("Ⱥ", 70_000)), text: "CN=" + strings.Repeat("Ⱥ", 70_000)},
		"MoreThanAStoreHoldsWhenEscaped": {der: commonName(strings.Repeat("\x00", 30_000)), text: "CN=" + strings.Repeat(`\00`, 30_000)},
		"ATypeOfTheLargestNumbers":       {der: separate(utf8([]int{2, 2147483567, 2147483647, 1}, "a")), text: "2.2147483567.2147483647.1=#130161"},
	}
}

// name returns the DER of a Name with these RDNs.
func name(tb testing.TB, rdns ...[]byte) []byte {
	tb.Helper()
	return constructed(tb, asn1.TagSequence, rdns...)
}

// rdn returns the DER of a RelativeDistinguishedName, with its attributes unchanged.
func rdn(tb testing.TB, attributes ...[]byte) []byte {
	tb.Helper()
	return constructed(tb, asn1.TagSet, attributes...)
}

// attribute returns the DER of one part of a Name; value is its content.
func attribute(tb testing.TB, oid []int, tag int, value string) []byte {
	tb.Helper()
	return constructed(tb, asn1.TagSequence,
		marshal(tb, asn1.ObjectIdentifier(oid)), marshal(tb, asn1.RawValue{Tag: tag, Bytes: []byte(value)}))
}

func constructed(tb testing.TB, tag int, parts ...[]byte) []byte {
	tb.Helper()
	return marshal(tb, asn1.RawValue{Tag: tag, IsCompound: true, Bytes: slices.Concat(parts...)})
}

func marshal(tb testing.TB, value any) []byte {
	tb.Helper()
	der, err := asn1.Marshal(value)
	if err != nil {
		tb.Fatal(err)
	}
	return der
}

type validity struct{ NotBefore, NotAfter time.Time }

type publicKey struct {
	Algorithm pkix.AlgorithmIdentifier
	Key       asn1.BitString
}

type unsigned struct {
	Version   int `asn1:"explicit,tag:0"`
	Serial    *big.Int
	Algorithm pkix.AlgorithmIdentifier
	Issuer    asn1.RawValue
	Validity  validity
	Subject   asn1.RawValue
	Key       publicKey
	// Extensions makes Java accept an empty subject.
	Extensions []pkix.Extension `asn1:"explicit,tag:3"`
}

type signed struct {
	Certificate unsigned
	Algorithm   pkix.AlgorithmIdentifier
	Signature   asn1.BitString
}

// withSubject returns a certificate with these bytes as its subject, valid from the start
// of a year. It is assembled here, and not signed, so that it is the same with every Go
// release; no reader of stores checks signatures.
func withSubject(tb testing.TB, subject []byte, year int) certs.Certificate {
	tb.Helper()
	algorithm := pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 3, 101, 112}}
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)).Public().(ed25519.PublicKey)
	der := marshal(tb, signed{
		Certificate: unsigned{
			Version:   2,
			Serial:    big.NewInt(1),
			Algorithm: algorithm,
			Issuer:    asn1.RawValue{FullBytes: name(tb, rdn(tb, attribute(tb, cn, asn1.TagPrintableString, "Issuer")))},
			Validity: validity{
				NotBefore: time.Date(year, 1, 2, 3, 4, 5, 0, time.UTC),
				NotAfter:  time.Date(2046, 1, 1, 0, 0, 0, 0, time.UTC),
			},
			Subject: asn1.RawValue{FullBytes: subject},
			Key:     publicKey{algorithm, asn1.BitString{Bytes: key, BitLength: 8 * len(key)}},
			Extensions: []pkix.Extension{{
				Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Critical: true,
				Value: constructed(tb, asn1.TagSequence, marshal(tb, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 2, Bytes: []byte("a.example")})),
			}},
		},
		Algorithm: algorithm,
		Signature: asn1.BitString{Bytes: make([]byte, ed25519.SignatureSize), BitLength: 8 * ed25519.SignatureSize},
	})
	return certs.Certificate{DER: der, Fingerprint: sha256.Sum256(der)}
}

// oddCertificates returns a certificate for each odd subject, with dates from 1950 on, in
// an order that no store has.
func oddCertificates(tb testing.TB) (list []certs.Certificate, texts map[[sha256.Size]byte]oddSubject) {
	tb.Helper()
	subjects := oddSubjects(tb)
	texts = make(map[[sha256.Size]byte]oddSubject)
	for i, title := range slices.Sorted(maps.Keys(subjects)) {
		certificate := withSubject(tb, subjects[title].der, 1950+i)
		list = append(list, certificate)
		texts[certificate.Fingerprint] = subjects[title]
	}
	return list, texts
}

// mozilla returns the public roots that Mozilla trusts.
func mozilla(tb testing.TB) []certs.Certificate {
	tb.Helper()
	var list []certs.Certificate
	for root := range bundle.Roots() {
		list = append(list, certs.Certificate{DER: root.Certificate, Fingerprint: sha256.Sum256(root.Certificate)})
	}
	return list
}
