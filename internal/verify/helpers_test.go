package verify_test

import (
	"crypto/rand"
	"crypto/x509"
	"slices"
	"strings"
	"testing"
	"time"

	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/verify"
	"trust-manager.io/test/framework/ca"
)

const host = "server.example"

// negativeSerial is the number of a [ca.Fixed] CA with the name and key of [ca.NegativeSerial],
// with which Go can sign.
const negativeSerial = 0x7a_11_22_33_44_55_66_77

// wish is what a result should be. Empty fields are not compared.
type wish struct {
	// cause is empty for a trusted chain.
	cause verify.Cause
	// also are the other causes.
	also []verify.Cause
	// missing are the subjects of the missing CAs, and known a place of the last one.
	missing []string
	known   string
	role    verify.Role
	forgot  verify.Likelihood
	// says are parts of the detail, and notes of the notes.
	says, notes []string
}

func (w wish) check(t *testing.T, result verify.Result) {
	t.Helper()
	var causes []verify.Cause
	var missing, places []string
	for _, fault := range result.Faults {
		causes = append(causes, fault.Cause)
	}
	for _, ca := range result.Missing {
		missing, places = append(missing, ca.Subject), nil
		for _, location := range ca.Known {
			places = append(places, location.Place)
		}
	}
	var wanted []verify.Cause
	if w.cause != "" {
		wanted = append([]verify.Cause{w.cause}, w.also...)
	}
	last := verify.MissingCA{}
	if len(result.Missing) > 0 {
		last = result.Missing[len(result.Missing)-1]
	}
	notes := strings.Join(result.Notes, "\n")
	isWrong := result.Trusted != (w.cause == "") || result.Cause != w.cause || !slices.Equal(causes, wanted) ||
		!slices.Equal(missing, w.missing) || w.known != "" && !slices.Contains(places, w.known) ||
		last.Role != w.role || result.ServerForgot != w.forgot || (notes == "") != (len(w.notes) == 0)
	for _, part := range w.says {
		isWrong = isWrong || !strings.Contains(result.Detail, part)
	}
	for _, part := range w.notes {
		isWrong = isWrong || !strings.Contains(notes, part)
	}
	if isWrong {
		t.Errorf("trusted %v, causes %q, missing %q (%s, in %q), forgot %q\ndetail: %s\nnotes: %s\nwant %+v",
			result.Trusted, causes, missing, last.Role, places, result.ServerForgot, result.Detail, notes, w)
	}
}

// trust returns the certificates of PEM texts.
func trust(texts ...string) []certs.Certificate {
	result, problem := certs.Parse(strings.Join(texts, ""), certs.Origin{})
	if problem != nil {
		panic(problem)
	}
	return result.Certificates
}

// in returns certificates in a place.
func in(description string, texts ...string) (places []verify.Place) {
	for _, certificate := range trust(texts...) {
		places = append(places, verify.Place{Certificate: certificate, Description: description})
	}
	return places
}

func ders(pairs ...ca.Pair) (list [][]byte) {
	for _, pair := range pairs {
		list = append(list, pair.DER())
	}
	return list
}

// intermediate returns a CA that another one has issued.
func intermediate(issuer ca.CA, name string, changes ...func(*x509.Certificate)) ca.CA {
	return ca.CA{Pair: issuer.Issue(append([]func(*x509.Certificate){ca.Named(name), ca.Intermediate}, changes...)...)}
}

// leaf returns a certificate for [host].
func leaf(issuer ca.CA, changes ...func(*x509.Certificate)) ca.Pair {
	return issuer.Issue(append([]func(*x509.Certificate){ca.Named("leaf"), ca.ForHosts(host), current}, changes...)...)
}

// cross returns the certificate of a CA, issued by another one.
func cross(issuer, subject ca.CA, changes ...func(*x509.Certificate)) ca.Pair {
	key, err := issuer.TLS()
	if err != nil {
		panic(err)
	}
	template, parent := subject.X509(), issuer.X509()
	template.AuthorityKeyId = nil
	for _, change := range changes {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, subject.X509().PublicKey, key.PrivateKey)
	if err != nil {
		panic(err)
	}
	return ca.Pair{Certificate: ca.PEM(der), Key: subject.Key}
}

// renewed returns a certificate of a root with the same name and key.
func renewed(root ca.CA, changes ...func(*x509.Certificate)) ca.CA {
	return ca.CA{Pair: cross(root, root, append([]func(*x509.Certificate){current}, changes...)...)}
}

var (
	past    = ca.Valid(time.Now().AddDate(-2, 0, 0), time.Now().AddDate(-1, 0, 0))
	future  = ca.Valid(time.Now().AddDate(1, 0, 0), time.Now().AddDate(2, 0, 0))
	current = ca.Valid(time.Now().Add(-time.Hour), time.Now().AddDate(0, 6, 0))
)

// publishedAt names where the certificate of the issuer is.
func publishedAt(url string) func(*x509.Certificate) {
	return func(template *x509.Certificate) { template.IssuingCertificateURL = []string{url} }
}
