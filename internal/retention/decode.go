package retention

import (
	"cmp"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
)

// The keys of the ConfigMap.
const (
	// keyReadme explains the object to whoever finds it.
	keyReadme = "README"
	// keyPresent has the certificates that the sources had last, as DER, one after
	// another, in the order of their fingerprints.
	keyPresent = "present"
	// keySources has the sources that were read, a line each.
	keySources = "sources"
	// keyMissing has those of them that were missing last, a line each.
	keyMissing = "missing-sources"
	// keyEvicted has what had to go early: a line each of fingerprint and time.
	keyEvicted = "evicted"
	// keyRetained, with a fingerprint and ".pem" after it, has one certificate that
	// is retained.
	keyRetained = "retained-"
	suffix      = ".pem"
	// keyRetainedFingerprints has the certificates that are retained and do not fit into
	// the object: a line each of fingerprint, the time when it left, and its NotAfter.
	keyRetainedFingerprints = "fingerprints-retained"
	// keyPresentFingerprints has the fingerprints of those under keyPresent that do not
	// fit, as 32 bytes each, one after another.
	keyPresentFingerprints = "fingerprints-present"
	// keyUnreadable has what stood under keyPresent and could not be read.
	keyUnreadable = "unreadable-present"
)

// commentMark begins a line that is for people.
const commentMark = "#"

// leftMark begins the line of a retained certificate that says when it left.
const leftMark = "# Left its sources:"

// Decode reads what an object remembers. The faults say what could not be read, and
// under which key.
func Decode(object *corev1.ConfigMap) (state bundle.State, faults []string) {
	fault := func(key, what string) {
		faults = append(faults, fmt.Sprintf("ConfigMap %s/%s, key %q: %s", object.Namespace, object.Name, key, what))
	}
	for key, value := range object.Data {
		switch {
		case key == keyReadme:
		case key == keySources:
			state.Known = lines(value)
		case key == keyMissing:
			state.Missing = lines(value)
		case key == keyEvicted:
			for _, line := range lines(value) {
				if one, ok := decodeEvicted(line); ok {
					state.Evicted = append(state.Evicted, one)
				}
			}
		case key == keyRetainedFingerprints:
			for _, line := range lines(value) {
				one, ok := decodeFingerprint(line)
				switch {
				case ok:
					state.Retained = append(state.Retained, one)
				case !strings.HasPrefix(line, commentMark):
					fault(key, "a line is not of the form <SHA-256> <time when it left> [<time when it expires>], so its certificate is not retained")
				}
			}
		case strings.HasPrefix(key, keyRetained):
			one, what := decodeRetained(key, value)
			if what != "" {
				fault(key, what)
				continue
			}
			state.Retained = append(state.Retained, one)
		default:
			fault(key, "this is no key of the operator's, and not heeded; delete it")
		}
	}
	for key := range object.BinaryData {
		if key != keyPresent && key != keyPresentFingerprints {
			fault(key, "this could not be read, and is not heeded; delete the key when you have seen to it")
		}
	}
	present, there := object.BinaryData[keyPresent]
	var err error
	if state.Present, err = decodePresent(present); err != nil {
		fault(keyPresent, "this is not a list of certificates in DER, so what has left its sources since it was damaged is not retained")
	}
	state.Present = append(state.Present, fingerprints(object.BinaryData[keyPresentFingerprints])...)
	if err != nil || !there {
		// A source that is missing would take along what nobody knows any more.
		state.Known, state.Missing = nil, nil
	}
	slices.SortFunc(state.Retained, func(a, b bundle.Retained) int {
		return cmp.Or(a.Left.Compare(b.Left), cmp.Compare(a.Certificate.SHA256(), b.Certificate.SHA256()))
	})
	slices.Sort(faults)
	return state, faults
}

// decodeRetained reads one retained certificate, or says what is wrong with it.
func decodeRetained(key, value string) (one bundle.Retained, fault string) {
	parsed, problem := certs.Parse(value, certs.Origin{})
	if problem != nil {
		return one, problem.Error() + "; the certificate is not retained"
	}
	if len(parsed.Certificates) != 1 {
		return one, "there is not exactly one certificate in it, so it is not retained"
	}
	one.Certificate = parsed.Certificates[0]
	if key != retainedKey(one) {
		return one, "its name is not that of the certificate in it, which is therefore not retained"
	}
	for line := range strings.Lines(value) {
		if text, found := strings.CutPrefix(line, leftMark); found {
			var ok bool
			if one.Left, ok = moment(text); !ok {
				break
			}
			return one, ""
		}
	}
	return one, fmt.Sprintf("there is no line %q with a time such as 2026-01-31T12:00:00Z, so the certificate is not retained", leftMark)
}

func retainedKey(one bundle.Retained) string { return keyRetained + one.Certificate.SHA256() + suffix }

// decodePresent reads certificates in DER.
func decodePresent(value []byte) ([]certs.Certificate, error) {
	parsed, err := x509.ParseCertificates(value)
	if err != nil {
		return nil, err
	}
	var list []certs.Certificate
	for _, one := range parsed {
		list = append(list, certs.FromX509(one))
	}
	return list, nil
}

// decodeFingerprint reads a retained certificate of which there is a line only.
func decodeFingerprint(line string) (one bundle.Retained, ok bool) {
	words := strings.Fields(line)
	if len(words) < 2 || len(words) > 3 {
		return one, false
	}
	sum, ok := decodeEvicted(words[0] + " " + words[1])
	if !ok {
		return one, false
	}
	one.Certificate.Fingerprint, one.Left = sum.Fingerprint, sum.Left
	if len(words) == 3 {
		one.Certificate.NotAfter, ok = moment(words[2])
	}
	return one, ok
}

// fingerprints reads fingerprints of 32 bytes each. Bytes beyond the last whole one
// name nothing.
func fingerprints(value []byte) []certs.Certificate {
	var list []certs.Certificate
	for ; len(value) >= sha256.Size; value = value[sha256.Size:] {
		list = append(list, certs.Certificate{Fingerprint: [sha256.Size]byte(value)})
	}
	return list
}

func decodeEvicted(line string) (one bundle.Evicted, ok bool) {
	fingerprint, at, _ := strings.Cut(line, " ")
	digits, err := hex.DecodeString(fingerprint)
	if err != nil || len(digits) != sha256.Size {
		return one, false
	}
	left, ok := moment(at)
	return bundle.Evicted{Fingerprint: [sha256.Size]byte(digits), Left: left}, ok
}

// moment reads a time, to the second.
func moment(text string) (at time.Time, ok bool) {
	at, err := time.Parse(time.RFC3339, strings.TrimSpace(text))
	at = at.UTC().Truncate(time.Second)
	return at, err == nil && at.Year() > 1900 && at.Year() < 9999
}

// lines gives the lines of a text that are not empty.
func lines(text string) []string {
	var list []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			list = append(list, line)
		}
	}
	return list
}
