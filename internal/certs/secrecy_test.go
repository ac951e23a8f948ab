package certs_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"trust-manager.io/internal/certs"
	"trust-manager.io/test/framework/ca"
)

// canary represents a secret. It is planted wherever a text can hold one, and is at
// least four letters long, so that it is found in base64 and in hex as well.
const canary = "canarycanary"

// S5: no problem ever shows content, whatever the text and wherever in it.
func TestProblemsHoldNothingOfTheText(t *testing.T) {
	t.Parallel()
	one := ca.Fixed(1).Certificate
	texts := map[string]string{
		"the label of a block":         strings.ReplaceAll(one, " CERTIFICATE-", " CANARYCANARY-"),
		"the label of a private key":   strings.ReplaceAll(one, " CERTIFICATE-", " CANARYCANARY PRIVATE KEY-"),
		"the label of END":             strings.Replace(one, "END CERTIFICATE", "END CANARYCANARY", 1),
		"the body of a private key":    "-----BEGIN PRIVATE KEY-----\n" + canary + "\n-----END PRIVATE KEY-----\n",
		"a body that is base64":        "-----BEGIN CERTIFICATE-----\n" + canary + "\n-----END CERTIFICATE-----\n",
		"a body that is not base64":    "-----BEGIN CERTIFICATE-----\n" + canary + "!\n-----END CERTIFICATE-----\n",
		"bytes that are no DER":        ca.PEM([]byte(canary)),
		"a body without END":           "-----BEGIN CERTIFICATE-----\n" + canary,
		"the name of a header":         strings.Replace(one, "\n", "\nCanarycanary: 1\n", 1),
		"the value of a header":        strings.Replace(one, "\n", "\nProc-Type: canarycanary\n", 1),
		"text before BEGIN":            canary + one,
		"text after BEGIN":             strings.Replace(one, "E-----\n", "E-----"+canary+"\n", 1),
		"text after END":               strings.TrimSuffix(one, "\n") + canary,
		"a line of dashes in a block":  strings.Replace(one, "\n", "\n-----"+canary+"-----\n", 1),
		"a damaged BEGIN":              "-----BEGIN " + canary,
		"a damaged END":                canary + "-----END",
		"a comment before a bad block": "# " + canary + "\n" + ca.PEM(nil),
		"a comment after a bad block":  ca.PEM(nil) + "# " + canary + "\n",
		"the subject of a bad block":   ca.PEM(append(ca.Fixed(1, ca.Named(canary)).DER(), 0)),
		"a block before the bad one":   ca.Fixed(1, ca.Named(canary)).Certificate + ca.PEM(nil),
		"a text that is too large":     strings.Repeat(canary+"\n", certs.MaxText/len(canary)),
	}
	for name, der := range quotedByTheParser(t) {
		texts[name] = ca.PEM(der)
	}
	for name, text := range texts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			result, problem := certs.Parse(text, certs.Origin{Field: "spec.sources[0].inLine"})
			switch {
			case problem != nil:
				checkNoCanary(t, problem.Error())
			case result.Certificates[0].Nonconforming != "":
				checkNoCanary(t, result.Certificates[0].Nonconforming)
			default:
				t.Fatal("accepted")
			}
		})
	}
}

// checkNoCanary searches for the canary, for what it decodes to as base64, and for other
// encodings of both.
func checkNoCanary(t *testing.T, message string) {
	t.Helper()
	decoded, err := base64.StdEncoding.DecodeString(canary)
	if err != nil {
		t.Fatal(err)
	}
	message = strings.ToLower(message)
	for _, form := range []string{
		canary, string(decoded),
		hex.EncodeToString([]byte(canary)), hex.EncodeToString(decoded),
		base64.StdEncoding.EncodeToString([]byte(canary)),
	} {
		if strings.Contains(message, strings.ToLower(form)) {
			t.Errorf("the message shows the text: %s", message)
		}
	}
}

// quotedByTheParser returns certificates for which Go's parser returns an error that
// quotes them.
func quotedByTheParser(tb testing.TB) map[string][]byte {
	tb.Helper()
	list := map[string][]byte{
		"a URI that does not parse":     ca.Fixed(1, extension(oidAltName, tagged(tb, 6, "http://["+canary))).DER(),
		"a URI without a valid domain":  ca.Fixed(1, extension(oidAltName, tagged(tb, 6, "http://"+canary+"..x/"))).DER(),
		"a constraint on a bad domain":  ca.Fixed(1, extension(oidConstraints, permitted(tb, 2, canary+"..x"))).DER(),
		"a constraint on a bad mailbox": ca.Fixed(1, extension(oidConstraints, permitted(tb, 1, "@"+canary+"@"))).DER(),
		"a constraint on a bad URI":     ca.Fixed(1, extension(oidConstraints, permitted(tb, 6, canary+"..x"))).DER(),
	}
	for name, der := range list {
		if _, err := x509.ParseCertificate(der); err == nil || !strings.Contains(err.Error(), canary) {
			tb.Fatalf("%s: the parser says %v, which does not quote the canary, so it proves nothing", name, err)
		}
	}
	return list
}

// The parser quotes names from the certificate, so quoted text must not be mistaken for
// the parser's own finding.
func TestQuotedNameIsNotTheFault(t *testing.T) {
	t.Parallel()
	der := ca.Fixed(1, extension(oidAltName, tagged(t, 6, "http://[negative serial number"))).DER()
	result, problem := certs.Parse(ca.PEM(der), origin)
	if problem != nil {
		t.Fatal(problem)
	}
	if cause := result.Certificates[0].Nonconforming; strings.Contains(cause, "serial") || !strings.Contains(cause, "2.5.29.17") {
		t.Errorf("a bad URI is reported as %q", cause)
	}
}

var (
	oidAltName     = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidConstraints = asn1.ObjectIdentifier{2, 5, 29, 30}
)

// extension adds an extension to a certificate unchanged, without the checks that Go
// makes when it writes one.
func extension(oid asn1.ObjectIdentifier, value []byte) func(*x509.Certificate) {
	return func(template *x509.Certificate) {
		template.ExtraExtensions = append(template.ExtraExtensions, pkix.Extension{Id: oid, Value: value})
	}
}

// tagged returns GeneralNames (RFC 5280, section 4.2.1.6) with one name; the tag is its
// kind: 1 mailbox, 2 domain, 6 URI.
func tagged(tb testing.TB, tag int, name string) []byte {
	tb.Helper()
	return encodeASN1(tb, []asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: tag, Bytes: []byte(name)}})
}

// permitted returns NameConstraints (RFC 5280, section 4.2.1.10) that permit one
// subtree.
func permitted(tb testing.TB, tag int, name string) []byte {
	tb.Helper()
	subtree := tagged(tb, tag, name)
	return encodeASN1(tb, []asn1.RawValue{
		{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: subtree},
	})
}

func encodeASN1(tb testing.TB, value any) []byte {
	tb.Helper()
	der, err := asn1.Marshal(value)
	if err != nil {
		tb.Fatal(err)
	}
	return der
}
