package model

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/ca"
)

// endLine ends each certificate in a target.
const endLine = "-----END CERTIFICATE-----\n"

// Certificates returns the certificates in the text of a source, each as the PEM block
// that targets contain (S5, T1).
func Certificates(text string) ([]string, error) {
	var list []string
	for rest := []byte(text); ; {
		block, next := pem.Decode(rest)
		if block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("block %d is of type %q", len(list)+1, block.Type)
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return nil, fmt.Errorf("block %d: %w", len(list)+1, err)
		}
		list, rest = append(list, ca.PEM(block.Bytes)), next
	}
	if strings.Count(text, "-----BEGIN ") != len(list) {
		return nil, errors.New("a block is damaged")
	}
	return list, nil
}

// Blocks splits the text of a target after each certificate.
func Blocks(text string) []string {
	blocks := strings.SplitAfter(text, endLine)
	return slices.DeleteFunc(blocks, func(block string) bool { return block == "" })
}

// Fingerprint returns the SHA-256 of a certificate that is a PEM block, as hexadecimal
// digits.
func Fingerprint(certificate string) string {
	block, _ := pem.Decode([]byte(certificate))
	return digestOf(block.Bytes)
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// parse returns a certificate that is a PEM block.
func parse(certificate string) (*x509.Certificate, error) {
	block, _ := pem.Decode([]byte(certificate))
	if block == nil {
		return nil, errors.New("a damaged block")
	}
	return x509.ParseCertificate(block.Bytes)
}

// Excludes reports whether a certificate that is a PEM block is excluded (K3).
func Excludes(list []v1alpha1.Exclusion, certificate string) bool {
	if len(list) == 0 {
		return false
	}
	parsed, err := parse(certificate)
	return err == nil && slices.ContainsFunc(list, func(e v1alpha1.Exclusion) bool {
		return e.SHA256 == digestOf(parsed.Raw) || e.PublicKeySHA256 == digestOf(parsed.RawSubjectPublicKeyInfo) ||
			e.Subject != "" && e.Subject == parsed.Subject.String()
	})
}

// expired reports whether a certificate that is a PEM block has expired at a time.
func expired(certificate string, at time.Time) bool {
	parsed, err := parse(certificate)
	return err == nil && parsed.NotAfter.Before(at)
}

// describe returns a short form of a text: the subjects of its certificates, if any.
func describe(text string) string {
	if !strings.Contains(text, "-----BEGIN ") {
		return fmt.Sprintf("%.80q", text)
	}
	var subjects []string
	for _, block := range Blocks(text) {
		if parsed, err := parse(block); err != nil {
			subjects = append(subjects, err.Error())
		} else {
			subjects = append(subjects, fmt.Sprintf("%s %.8s", parsed.Subject, digestOf(parsed.Raw)))
		}
	}
	return fmt.Sprintf("%d bytes of [%s]", len(text), strings.Join(subjects, ", "))
}
