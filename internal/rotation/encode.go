package rotation

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/encode"
)

// maxKey is the maximum length of a key, in bytes.
const maxKey = 253

// maxUnreadable is how many bytes of an unreadable value are preserved.
const maxUnreadable = 4 << 10

// MaxSize is the maximum total size of the values of a ConfigMap, in bytes.
const MaxSize = 1 << 20

// Encode returns the object that holds a state, based on the existing one, which may be nil
// and is not modified. Foreign content of the existing object is preserved. If the
// certificates do not fit into [MaxSize], the object has only the fingerprints of some, so
// that retentions still end on time.
func Encode(namespace string, spec bundle.Spec, state bundle.State, existing *corev1.ConfigMap) *corev1.ConfigMap {
	object := &corev1.ConfigMap{}
	if existing != nil {
		object = existing.DeepCopy()
	}
	object.Namespace, object.Name = namespace, Name(spec.ID)
	object.Labels = withEntry(object.Labels, LabelKey, spec.ID.Name)
	object.OwnerReferences = nil
	if !spec.Orphan { // otherwise the retained certificates outlive the Bundle in its targets
		object.OwnerReferences = []metav1.OwnerReference{spec.Owner}
	}
	object.Data, object.BinaryData = data(existing, spec, state, nil), binaryData(existing, state, nil)
	if excess := size(object) - MaxSize; excess > 0 {
		reduced := reduce(excess, spec, state)
		object.Data, object.BinaryData = data(existing, spec, state, reduced), binaryData(existing, state, reduced)
	}
	resolveDuplicateKeys(object)
	return object
}

// fingerprintSet is a set of certificates that an object stores only as fingerprints.
type fingerprintSet map[[sha256.Size]byte]bool

// reduce selects the certificates to store only as fingerprints, so that an object that is
// excess bytes too large fits. It selects the largest first, and certificates that are
// still in a source before retained ones, which are stored nowhere else.
func reduce(excess int, spec bundle.Spec, state bundle.State) fingerprintSet {
	reduced := fingerprintSet{}
	excess += len(fingerprintsComment) + sha256.Size // what introduces the fingerprints
	larger := func(a, b certs.Certificate) int {
		return cmp.Or(cmp.Compare(len(b.DER), len(a.DER)), bytes.Compare(a.Fingerprint[:], b.Fingerprint[:]))
	}
	for _, present := range slices.SortedFunc(slices.Values(state.Present), larger) {
		if saved := len(present.DER) - sha256.Size; excess > 0 && saved > 0 {
			reduced[present.Fingerprint] = true
			excess -= saved
		}
	}
	largerRetained := func(a, b bundle.Retained) int { return larger(a.Certificate, b.Certificate) }
	for _, retained := range slices.SortedFunc(slices.Values(state.Retained), largerRetained) {
		if excess <= 0 {
			break
		}
		if saved := len(encodeRetained(retained, spec.Rotation.Until(retained))) - len(fingerprintLine(retained)); len(retained.Certificate.DER) > 0 {
			reduced[retained.Certificate.Fingerprint] = true
			excess -= saved
		}
	}
	return reduced
}

// size returns the size that the API server limits to [MaxSize].
func size(object *corev1.ConfigMap) (bytes int) {
	for _, value := range object.Data {
		bytes += len(value)
	}
	for _, value := range object.BinaryData {
		bytes += len(value)
	}
	return bytes
}

// resolveDuplicateKeys renames keys of BinaryData that are also in Data, which the API
// server rejects.
func resolveDuplicateKeys(object *corev1.ConfigMap) {
	for _, key := range slices.Sorted(maps.Keys(object.BinaryData)) {
		if _, exists := object.Data[key]; !exists {
			continue
		}
		value := object.BinaryData[key]
		delete(object.BinaryData, key)
		renamed := "unreadable-bytes-" + key
		if _, exists := object.Data[renamed]; !exists && len(renamed) <= maxKey {
			object.BinaryData[renamed] = value[:min(len(value), maxUnreadable)]
		}
	}
}

// Same reports whether two objects hold the same state for the same Bundle; either may be
// nil.
func Same(a, b *corev1.ConfigMap) bool {
	if a == nil || b == nil {
		return a == b
	}
	return maps.Equal(a.Data, b.Data) && maps.EqualFunc(a.BinaryData, b.BinaryData, slices.Equal[[]byte]) &&
		a.Labels[LabelKey] == b.Labels[LabelKey] &&
		slices.EqualFunc(a.OwnerReferences, b.OwnerReferences, func(a, b metav1.OwnerReference) bool { return a.UID == b.UID })
}

// data returns the Data of an object, including unreadable entries of the existing one.
func data(existing *corev1.ConfigMap, spec bundle.Spec, state bundle.State, reduced fingerprintSet) map[string]string {
	text := map[string]string{keyReadme: readme(spec.ID.Name)}
	var existingData map[string]string
	if existing != nil {
		existingData = existing.Data
	}
	for key, value := range existingData {
		if strings.HasPrefix(key, keyRetained) {
			if _, fault := decodeRetained(key, value); fault == "" {
				continue
			}
		}
		switch key {
		case keySources, keyMissing, keyEvicted, keyReadme, keyRetainedFingerprints:
		case keyPresent, keyPresentFingerprints, keyUnreadable: // these belong in BinaryData, and no key may be in both
			text["unreadable-text-"+key] = value[:min(len(value), maxUnreadable)]
		default:
			text[key] = value
		}
	}
	fingerprints := strings.Builder{}
	fingerprints.WriteString(unreadableLines(existingData[keyRetainedFingerprints]))
	for _, retained := range state.Retained {
		if len(retained.Certificate.DER) == 0 || reduced[retained.Certificate.Fingerprint] {
			fingerprints.WriteString(fingerprintLine(retained))
			continue
		}
		text[retainedKey(retained)] = encodeRetained(retained, spec.Rotation.Until(retained))
	}
	if fingerprints.Len() > 0 {
		text[keyRetainedFingerprints] = fingerprintsComment + fingerprints.String()
	}
	if len(state.Known) > 0 {
		text[keySources] = strings.Join(state.Known, "\n") + "\n"
	}
	if len(state.Missing) > 0 {
		text[keyMissing] = strings.Join(state.Missing, "\n") + "\n"
	}
	if len(state.Evicted) > 0 {
		var lines strings.Builder
		for _, evicted := range state.Evicted {
			fmt.Fprintf(&lines, "%x %s\n", evicted.Fingerprint, evicted.Left.UTC().Format(time.RFC3339))
		}
		text[keyEvicted] = lines.String()
	}
	return text
}

// binaryData returns the BinaryData of an object, including unreadable entries of the
// existing one.
func binaryData(existing *corev1.ConfigMap, state bundle.State, reduced fingerprintSet) map[string][]byte {
	binary := map[string][]byte{}
	if existing != nil {
		maps.Copy(binary, existing.BinaryData)
	}
	if damaged := binary[keyPresent]; len(damaged) > 0 {
		if _, err := certs.ParseDER(damaged); err != nil {
			binary[keyUnreadable] = damaged[:min(len(damaged), maxUnreadable)]
		}
	}
	delete(binary, keyPresent)
	delete(binary, keyPresentFingerprints)
	if len(state.Present)+len(state.Known) > 0 {
		der := []byte{} // not nil: an empty list differs from a missing one
		var fingerprints []byte
		for i := range state.Present {
			certificate := &state.Present[i]
			if len(certificate.DER) == 0 || reduced[certificate.Fingerprint] {
				fingerprints = append(fingerprints, certificate.Fingerprint[:]...)
				continue
			}
			der = append(der, certificate.DER...)
		}
		binary[keyPresent] = der
		if len(fingerprints) > 0 {
			binary[keyPresentFingerprints] = encodeFingerprints(fingerprints, der)
		}
	}
	return binary
}

// fingerprintsComment explains the lines below it to users.
const fingerprintsComment = commentMark + " Retained certificates that do not fit into this object: SHA-256, when each left its sources,\n" +
	commentMark + " when it expires. Delete a line to end its retention.\n"

// unreadableLines returns the lines that are neither comments nor valid entries.
func unreadableLines(value string) string {
	var text strings.Builder
	for _, line := range nonEmptyLines(value) {
		if _, ok := decodeFingerprint(line); !ok && !strings.HasPrefix(line, commentMark) {
			text.WriteString(line + "\n")
		}
	}
	return text.String()
}

// fingerprintLine returns the line of a retained certificate that does not fit.
func fingerprintLine(retained bundle.Retained) string {
	line := retained.Certificate.SHA256() + " " + retained.Left.UTC().Format(time.RFC3339)
	if expiry := retained.Certificate.NotAfter; !expiry.IsZero() {
		line += " " + expiry.UTC().Format(time.RFC3339)
	}
	return line + "\n"
}

// encodeRetained returns the value of a retained certificate. The subject is quoted, since
// it may contain line ends and thus any further lines.
func encodeRetained(retained bundle.Retained, until time.Time) string {
	return "# Subject: " + strconv.QuoteToASCII(retained.Certificate.DisplaySubject()) + "\n" +
		leftMark + " " + retained.Left.UTC().Format(time.RFC3339) + "\n" +
		"# Trusted until: " + until.UTC().Format(time.RFC3339) + ", or until this key is deleted\n" +
		string(encode.PEM([]certs.Certificate{retained.Certificate}))
}

// readme returns the value of keyReadme for the Bundle of this name.
func readme(name string) string {
	return "trust-manager keeps here what spec.rotation of the Bundle " + name + " needs: certificates that have left\n" +
		"every source and are trusted for a while still, under a key " + keyRetained + "<SHA-256>" + suffix + " each, and those\n" +
		"that the sources had last. Delete the key of a certificate to end that at once. Never use this as a source.\n"
}

// withEntry returns a copy of a map with one more entry.
func withEntry(original map[string]string, key, value string) map[string]string {
	copied := maps.Clone(original)
	if copied == nil {
		copied = map[string]string{}
	}
	copied[key] = value
	return copied
}
