package rotation

import (
	"bytes"
	"cmp"
	"crypto/sha256"
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
	// keyReadme explains the object to users.
	keyReadme = "README"
	// keyPresent has the certificates that were in the sources at the last build, as
	// concatenated DER, sorted by fingerprint.
	keyPresent = "present"
	// keySources has the sources that have been read, one per line.
	keySources = "sources"
	// keyMissing has those of them that were missing at the last build, one per line.
	keyMissing = "missing-sources"
	// keyEvicted has the evicted certificates, one per line: fingerprint and time.
	keyEvicted = "evicted"
	// keyRetained is the prefix of the keys of retained certificates; a fingerprint and
	// suffix follow.
	keyRetained = "retained-"
	suffix      = ".pem"
	// keyRetainedFingerprints has the retained certificates that do not fit into the
	// object, one per line: fingerprint, time when it left, NotAfter.
	keyRetainedFingerprints = "fingerprints-retained"
	// keyPresentFingerprints has the fingerprints of the certificates that do not fit
	// under keyPresent, as encodeFingerprints writes them.
	keyPresentFingerprints = "fingerprints-present"
	// keyUnreadable has a former value of keyPresent that could not be read.
	keyUnreadable = "unreadable-present"
)

// commentMark starts a line that is a comment for users.
const commentMark = "#"

// leftMark starts the line of a retained certificate with the time when it left.
const leftMark = "# Left its sources:"

// Decode returns the state in an object. The faults describe what could not be read, and
// under which key.
func Decode(object *corev1.ConfigMap) (state bundle.State, faults []string) {
	addFault := func(key, description string) {
		faults = append(faults, fmt.Sprintf("ConfigMap %s/%s, key %q: %s", object.Namespace, object.Name, key, description))
	}
	for key, value := range object.Data {
		decodeText(&state, key, value, addFault)
	}
	for key := range object.BinaryData {
		if key != keyPresent && key != keyPresentFingerprints {
			addFault(key, "this could not be read and is ignored; inspect it, then delete the key")
		}
	}
	present, exists := object.BinaryData[keyPresent]
	var err error
	if state.Present, err = certs.ParseDER(present); err != nil {
		addFault(keyPresent, "this is not a list of certificates in DER; certificates that left their sources after it was damaged are not retained")
	}
	state.Present = append(state.Present, decodeFingerprints(object.BinaryData[keyPresentFingerprints], present)...)
	if err != nil || !exists {
		// Without the list, certificates of a missing source could not be retained, so no
		// source may be tolerated as missing.
		state.Known, state.Missing = nil, nil
	}
	slices.SortFunc(state.Retained, func(a, b bundle.Retained) int {
		return cmp.Or(a.Left.Compare(b.Left), cmp.Compare(a.Certificate.SHA256(), b.Certificate.SHA256()))
	})
	slices.Sort(faults)
	return state, faults
}

// decodeText reads one key of the object's text.
func decodeText(state *bundle.State, key, value string, addFault func(key, description string)) {
	switch {
	case key == keyReadme:
	case key == keySources:
		state.Known = nonEmptyLines(value)
	case key == keyMissing:
		state.Missing = nonEmptyLines(value)
	case key == keyEvicted:
		for _, line := range nonEmptyLines(value) {
			if evicted, ok := decodeEvicted(line); ok {
				state.Evicted = append(state.Evicted, evicted)
			}
		}
	case key == keyRetainedFingerprints:
		for _, line := range nonEmptyLines(value) {
			retained, ok := decodeFingerprint(line)
			switch {
			case ok:
				state.Retained = append(state.Retained, retained)
			case !strings.HasPrefix(line, commentMark):
				addFault(key, "a line is not of the form <SHA-256> <time when it left> [<time when it expires>], so its certificate is not retained")
			}
		}
	case strings.HasPrefix(key, keyRetained):
		retained, fault := decodeRetained(key, value)
		if fault != "" {
			addFault(key, fault)
			return
		}
		state.Retained = append(state.Retained, retained)
	default:
		addFault(key, "the operator does not use this key and ignores it; delete it")
	}
}

// decodeRetained reads a retained certificate. If it is invalid, fault describes why.
func decodeRetained(key, value string) (retained bundle.Retained, fault string) {
	parsed, problem := certs.Parse(value, certs.Origin{})
	if problem != nil {
		return retained, problem.Error() + "; the certificate is not retained"
	}
	if len(parsed.Certificates) != 1 {
		return retained, "the value is not exactly one certificate, so it is not retained"
	}
	retained.Certificate = parsed.Certificates[0]
	if key != retainedKey(retained) {
		return retained, "the key does not match the SHA-256 of its certificate, so the certificate is not retained"
	}
	for line := range strings.Lines(value) {
		if text, found := strings.CutPrefix(line, leftMark); found {
			var ok bool
			if retained.Left, ok = parseTime(text); !ok {
				break
			}
			return retained, ""
		}
	}
	return retained, fmt.Sprintf("there is no line %q with a time such as 2026-01-31T12:00:00Z, so the certificate is not retained", leftMark)
}

// retainedKey returns the key of a retained certificate.
func retainedKey(retained bundle.Retained) string {
	return keyRetained + retained.Certificate.SHA256() + suffix
}

// decodeFingerprint reads a line of keyRetainedFingerprints.
func decodeFingerprint(line string) (retained bundle.Retained, ok bool) {
	words := strings.Fields(line)
	if len(words) < 2 || len(words) > 3 {
		return retained, false
	}
	prefix, ok := decodeEvicted(words[0] + " " + words[1])
	if !ok {
		return retained, false
	}
	retained.Certificate.Fingerprint, retained.Left = prefix.Fingerprint, prefix.Left
	if len(words) == 3 {
		retained.Certificate.NotAfter, ok = parseTime(words[2])
	}
	return retained, ok
}

// encodeFingerprints returns fingerprints of 32 bytes each, after the SHA-256 of the
// certificates that are stored beside them. An earlier version of the operator changes those
// and leaves the fingerprints, which are then stale.
func encodeFingerprints(fingerprints, present []byte) []byte {
	sum := sha256.Sum256(present)
	return append(sum[:], fingerprints...)
}

// decodeFingerprints returns the certificates that encodeFingerprints names, or nil if they
// are stale. Bytes beyond the last whole fingerprint name nothing.
func decodeFingerprints(value, present []byte) (list []certs.Certificate) {
	if sum := sha256.Sum256(present); !bytes.HasPrefix(value, sum[:]) {
		return nil
	}
	for value = value[sha256.Size:]; len(value) >= sha256.Size; value = value[sha256.Size:] {
		list = append(list, certs.Certificate{Fingerprint: [sha256.Size]byte(value)})
	}
	return list
}

// decodeEvicted reads a line of keyEvicted.
func decodeEvicted(line string) (evicted bundle.Evicted, ok bool) {
	fingerprint, at, _ := strings.Cut(line, " ")
	digits, err := hex.DecodeString(fingerprint)
	if err != nil || len(digits) != sha256.Size {
		return evicted, false
	}
	left, ok := parseTime(at)
	return bundle.Evicted{Fingerprint: [sha256.Size]byte(digits), Left: left}, ok
}

// parseTime reads a time, truncated to seconds.
func parseTime(text string) (at time.Time, ok bool) {
	at, err := time.Parse(time.RFC3339, strings.TrimSpace(text))
	at = at.UTC().Truncate(time.Second)
	return at, err == nil && at.Year() > 1900 && at.Year() <= 9999
}

// nonEmptyLines returns the lines of a text that are not empty, without leading and
// trailing white space.
func nonEmptyLines(text string) []string {
	var list []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			list = append(list, line)
		}
	}
	return list
}
