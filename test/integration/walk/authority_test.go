package walk

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"
)

// authorities are the CAs of the walk, each as the PEM block that a target should
// hold (T1). They are new in each run; the walk knows them by their number.
var authorities = newAuthorities(10)

func newAuthorities(count int) []string {
	var list []string
	for i := range count {
		public, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			panic(err)
		}
		template := &x509.Certificate{
			SerialNumber:          big.NewInt(int64(i + 1)),
			Subject:               pkix.Name{CommonName: fmt.Sprintf("CA %d", i)},
			NotBefore:             time.Now().Add(-time.Hour),
			NotAfter:              time.Now().AddDate(1, 0, 0),
			IsCA:                  true,
			BasicConstraintsValid: true,
			KeyUsage:              x509.KeyUsageCertSign,
		}
		der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
		if err != nil {
			panic(err)
		}
		list = append(list, pemText(der))
	}
	return list
}

// blocks gives the PEM blocks of CAs.
func blocks(numbers []int) []string {
	var list []string
	for _, number := range numbers {
		list = append(list, authorities[number])
	}
	return list
}

// numbersIn gives the CAs whose blocks a text is made of.
func numbersIn(text string) []int {
	var numbers []int
	for block := range strings.SplitAfterSeq(text, "-----END CERTIFICATE-----\n") {
		if number := slices.Index(authorities, block); number >= 0 {
			numbers = append(numbers, number)
		}
	}
	return numbers
}

func pemOf(numbers []int) string { return strings.Join(blocks(numbers), "") }
