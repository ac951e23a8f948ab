package retention

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

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/encode"
)

// maxKey bounds a key, in bytes.
const maxKey = 253

// keptUnreadable bounds what is kept of an unreadable list of certificates, in bytes.
const keptUnreadable = 4 << 10

// MaxSize is the largest sum of the values of a ConfigMap, in bytes.
const MaxSize = 1 << 20

// Encode returns the object that remembers a state, made of the one that there is, or of
// nil. That one is not changed. What is in it and is not the operator's stays. Of
// certificates that do not fit into MaxSize, it has the fingerprints: a retention then
// still ends at its time.
func Encode(namespace string, spec bundle.Spec, state bundle.State, before *corev1.ConfigMap) *corev1.ConfigMap {
	object := &corev1.ConfigMap{}
	if before != nil {
		object = before.DeepCopy()
	}
	object.Namespace, object.Name = namespace, Name(spec.Name)
	object.Labels = with(object.Labels, v1alpha1.RotationLabelKey, spec.Name)
	object.OwnerReferences = []metav1.OwnerReference{spec.Owner}
	object.Data, object.BinaryData = data(before, spec, state, nil), binaryData(before, state, nil)
	if excess := size(object) - MaxSize; excess > 0 {
		reduced := reduce(excess, spec, state)
		object.Data, object.BinaryData = data(before, spec, state, reduced), binaryData(before, state, reduced)
	}
	separate(object)
	return object
}

// fingerprintSet has certificates that an object names by their fingerprints alone.
type fingerprintSet map[[sha256.Size]byte]bool

// reduce returns the certificates to be named by their fingerprints alone, so that an
// object that is so many bytes too large fits. The largest go first, and those that a
// source still has before those that are nowhere else.
func reduce(excess int, spec bundle.Spec, state bundle.State) fingerprintSet {
	reduced := fingerprintSet{}
	excess += len(fingerprintsComment)
	larger := func(a, b certs.Certificate) int {
		return cmp.Or(cmp.Compare(len(b.DER), len(a.DER)), bytes.Compare(a.Fingerprint[:], b.Fingerprint[:]))
	}
	for _, one := range slices.SortedFunc(slices.Values(state.Present), larger) {
		if saved := len(one.DER) - sha256.Size; excess > 0 && saved > 0 {
			reduced[one.Fingerprint] = true
			excess -= saved
		}
	}
	byEntry := func(a, b bundle.Retained) int { return larger(a.Certificate, b.Certificate) }
	for _, one := range slices.SortedFunc(slices.Values(state.Retained), byEntry) {
		if excess <= 0 {
			break
		}
		if saved := len(retained(one, spec.Rotation.Until(one))) - len(fingerprintLine(one)); len(one.Certificate.DER) > 0 {
			reduced[one.Certificate.Fingerprint] = true
			excess -= saved
		}
	}
	return reduced
}

// size returns what the API server limits to MaxSize.
func size(object *corev1.ConfigMap) (bytes int) {
	for _, value := range object.Data {
		bytes += len(value)
	}
	for _, value := range object.BinaryData {
		bytes += len(value)
	}
	return bytes
}

// separate gives bytes another key that stand under one that has a text as well, which
// the API server refuses.
func separate(object *corev1.ConfigMap) {
	for _, key := range slices.Sorted(maps.Keys(object.BinaryData)) {
		if _, both := object.Data[key]; !both {
			continue
		}
		value := object.BinaryData[key]
		delete(object.BinaryData, key)
		other := "unreadable-bytes-" + key
		if _, both := object.Data[other]; !both && len(other) <= maxKey {
			object.BinaryData[other] = value[:min(len(value), keptUnreadable)]
		}
	}
}

// Same says whether two objects remember the same for the same Bundle; either may be
// nil.
func Same(a, b *corev1.ConfigMap) bool {
	if a == nil || b == nil {
		return a == b
	}
	return maps.Equal(a.Data, b.Data) && maps.EqualFunc(a.BinaryData, b.BinaryData, slices.Equal[[]byte]) &&
		a.Labels[v1alpha1.RotationLabelKey] == b.Labels[v1alpha1.RotationLabelKey] &&
		len(a.OwnerReferences) == 1 && len(b.OwnerReferences) == 1 && a.OwnerReferences[0].UID == b.OwnerReferences[0].UID
}

// data gives the text of an object, with what it has that cannot be read.
func data(object *corev1.ConfigMap, spec bundle.Spec, state bundle.State, reduced fingerprintSet) map[string]string {
	text := map[string]string{keyReadme: readme(spec.Name)}
	var before map[string]string
	if object != nil {
		before = object.Data
	}
	for key, value := range before {
		if strings.HasPrefix(key, keyRetained) {
			if _, fault := decodeRetained(key, value); fault == "" {
				continue
			}
		}
		switch key {
		case keySources, keyMissing, keyEvicted, keyReadme, keyRetainedFingerprints:
		case keyPresent, keyPresentFingerprints, keyUnreadable: // they stand in the other map, and no key may be in both
			text["unreadable-text-"+key] = value[:min(len(value), keptUnreadable)]
		default:
			text[key] = value
		}
	}
	fingerprints := strings.Builder{}
	fingerprints.WriteString(unreadableLines(before[keyRetainedFingerprints]))
	for _, one := range state.Retained {
		if len(one.Certificate.DER) == 0 || reduced[one.Certificate.Fingerprint] {
			fingerprints.WriteString(fingerprintLine(one))
			continue
		}
		text[retainedKey(one)] = retained(one, spec.Rotation.Until(one))
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
		var evicted strings.Builder
		for _, one := range state.Evicted {
			fmt.Fprintf(&evicted, "%x %s\n", one.Fingerprint, one.Left.UTC().Format(time.RFC3339))
		}
		text[keyEvicted] = evicted.String()
	}
	return text
}

// binaryData gives the bytes of an object, with what it has that cannot be read.
func binaryData(object *corev1.ConfigMap, state bundle.State, reduced fingerprintSet) map[string][]byte {
	binary := map[string][]byte{}
	if object != nil {
		maps.Copy(binary, object.BinaryData)
	}
	if damaged := binary[keyPresent]; len(damaged) > 0 {
		if _, err := decodePresent(damaged); err != nil {
			binary[keyUnreadable] = damaged[:min(len(damaged), keptUnreadable)]
		}
	}
	delete(binary, keyPresent)
	delete(binary, keyPresentFingerprints)
	if len(state.Present)+len(state.Known) > 0 {
		all := []byte{} // that there is none is worth knowing, too
		for i := range state.Present {
			one := &state.Present[i]
			if len(one.DER) == 0 || reduced[one.Fingerprint] {
				binary[keyPresentFingerprints] = append(binary[keyPresentFingerprints], one.Fingerprint[:]...)
				continue
			}
			all = append(all, one.DER...)
		}
		binary[keyPresent] = all
	}
	return binary
}

// fingerprintsComment tells a person what the lines after it are.
const fingerprintsComment = commentMark + " Retained certificates that do not fit into this object: SHA-256, when each left its sources,\n" +
	commentMark + " when it expires. Delete a line to end its retention.\n"

// unreadableLines returns the lines that are neither comments nor name a certificate.
func unreadableLines(value string) string {
	var text strings.Builder
	for _, line := range lines(value) {
		if _, ok := decodeFingerprint(line); !ok && !strings.HasPrefix(line, commentMark) {
			text.WriteString(line + "\n")
		}
	}
	return text.String()
}

// fingerprintLine returns the line that stands for a certificate that does not fit.
func fingerprintLine(one bundle.Retained) string {
	line := one.Certificate.SHA256() + " " + one.Left.UTC().Format(time.RFC3339)
	if expiry := one.Certificate.NotAfter; !expiry.IsZero() {
		line += " " + expiry.UTC().Format(time.RFC3339)
	}
	return line + "\n"
}

// retained gives the text of one certificate that is retained. The subject is quoted,
// since it may hold a line end, and whatever stands after that.
func retained(one bundle.Retained, until time.Time) string {
	return "# Subject: " + strconv.QuoteToASCII(one.Certificate.ShownSubject()) + "\n" +
		leftMark + " " + one.Left.UTC().Format(time.RFC3339) + "\n" +
		"# Trusted until: " + until.UTC().Format(time.RFC3339) + ", or until this key is deleted\n" +
		string(encode.PEM([]certs.Certificate{one.Certificate}))
}

func readme(name string) string {
	return "trust-manager keeps here what spec.rotation of the Bundle " + name + " needs: certificates that have left\n" +
		"every source and are trusted for a while still, under a key " + keyRetained + "<SHA-256>" + suffix + " each, and those\n" +
		"that the sources had last. Delete the key of a certificate to end that at once. Never use this as a source.\n"
}

// with gives a map with one more entry. The map itself is not changed.
func with(before map[string]string, key, value string) map[string]string {
	after := maps.Clone(before)
	if after == nil {
		after = map[string]string{}
	}
	after[key] = value
	return after
}
