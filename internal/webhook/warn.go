package webhook

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
)

const (
	// maxWarning and maxWarnings respect the limits of the API server: 256 characters per
	// warning, 4,096 in total.
	maxWarning  = 255
	maxWarnings = 15
	// maxBlocks is the maximum number of certificates that one warning lists.
	maxBlocks = 10
	// maxText bounds the text of all sources that is checked, in bytes, because the API
	// server waits for the response. A target holds at most 1 MiB of certificates.
	maxText = 4 << 20
	// expiryWarning is how long before its expiry a certificate causes a warning.
	expiryWarning = 30 * 24 * time.Hour
)

// warnings describes valid content of a Bundle and its sources that is usually a mistake.
// They contain no data from certificates.
func warnings(spec bundle.Spec, inputs []bundle.Input, now time.Time) []string {
	list := specWarnings(spec)
	size := 0
	for _, input := range inputs {
		if size += textSize(input); size > maxText {
			list = append(list, formatWarning(input.Origin, "this source and all later ones are not checked for warnings, "+
				"because the sources contain more than 4 MiB of text; see the status of the Bundle"))
			break
		}
		list = append(list, inputWarnings(input, now)...)
	}
	if more := len(list) - maxWarnings; more > 0 {
		list = append(list[:maxWarnings-1], fmt.Sprintf("and %d more warnings", more+1))
	}
	return list
}

// specWarnings returns the warnings about the Bundle itself.
func specWarnings(spec bundle.Spec) []string {
	var list []string
	for _, store := range spec.Stores {
		if store.Format == bundle.JKS {
			list = append(list, "spec.target.additionalFormats.jks: JKS is deprecated, and Java itself recommends against it; "+
				"use pkcs12, unless an old version of Java must read the store")
		}
	}
	var chains []string
	for _, source := range spec.Sources {
		if source.Object != nil && source.Object.Key == corev1.TLSCertKey {
			chains = append(chains, source.Field+".key")
		}
	}
	if len(chains) > 0 {
		list = append(list, joinFirst(chains, 3)+": tls.crt often contains a chain with intermediates, and changes with each renewal; "+
			"use a key that contains only a root, ideally a copy of it in a ConfigMap")
	}
	return list
}

// inputWarnings returns the warnings about one object or text. A missing object causes no
// warning, because a Bundle is often applied together with its sources.
func inputWarnings(input bundle.Input, now time.Time) []string {
	built, err := new(bundle.Builder).Build([]bundle.Input{input}, bundle.Filter{}, now)
	var problems bundle.Problems
	if !errors.As(err, &problems) {
		return certificateWarnings(built.Certificates, now)
	}
	var list []string
	for _, problem := range problems {
		if problem.Reason == certs.SourceBuildError {
			list = append(list, formatWarning(problem.Origin, problem.Detail))
		}
	}
	return list
}

// flaw is a property of a certificate that is usually a mistake in a trust store.
type flaw struct {
	has func(certificate *certs.Certificate, now time.Time) bool
	// singular and plural describe the flaw and its fix.
	singular, plural string
}

func flaws() []flaw {
	return []flaw{{
		has:      func(c *certs.Certificate, _ time.Time) bool { return !c.CA },
		singular: "not a CA certificate; trust only the root CA that issued it",
		plural:   "not CA certificates; trust only the root CAs that issued them",
	}, {
		has:      func(c *certs.Certificate, _ time.Time) bool { return c.CA && !c.SelfIssued },
		singular: "an intermediate; if it is trusted like a root, it cannot be rotated before every trust store is updated. Use its root",
		plural:   "intermediates; if they are trusted like roots, they cannot be rotated before every trust store is updated. Use their roots",
	}, {
		has:      func(c *certs.Certificate, now time.Time) bool { return now.After(c.NotAfter) },
		singular: "expired; most software rejects every certificate that it issued. Remove it",
		plural:   "expired; most software rejects every certificate that they issued. Remove them",
	}, {
		has: func(c *certs.Certificate, now time.Time) bool {
			return !now.After(c.NotAfter) && now.Add(expiryWarning).After(c.NotAfter)
		},
		singular: "expires within 30 days; add its successor now, so that both are trusted while certificates are replaced",
		plural:   "expire within 30 days; add their successors now, so that both old and new are trusted while certificates are replaced",
	}}
}

// certificateWarnings returns one warning for each flaw and text.
func certificateWarnings(certificates []certs.Certificate, now time.Time) []string {
	var list []string
	for _, flaw := range flaws() {
		var origins []certs.Origin
		for i := range certificates {
			if flaw.has(&certificates[i], now) {
				origins = append(origins, certificates[i].Origin)
			}
		}
		// Certificates of one text are adjacent.
		for len(origins) > 0 {
			n := slices.IndexFunc(origins, func(o certs.Origin) bool { return textOf(o) != textOf(origins[0]) })
			if n < 0 {
				n = len(origins)
			}
			list = append(list, flaw.warning(origins[:n]))
			origins = origins[n:]
		}
	}
	return list
}

// warning returns the warning about the flaw in certificates of one text.
func (f flaw) warning(origins []certs.Origin) string {
	if len(origins) == 1 {
		return formatWarning(origins[0], f.singular)
	}
	blocks := make([]string, 0, len(origins))
	for _, origin := range origins {
		blocks = append(blocks, strconv.Itoa(origin.Block))
	}
	return formatWarning(origins[0], f.plural, blocks...)
}

// textOf returns the origin of the text that contains a block.
func textOf(block certs.Origin) certs.Origin {
	block.Block = 0
	return block
}

// joinFirst joins at most the first limit parts, and counts the rest.
func joinFirst(parts []string, limit int) string {
	if more := len(parts) - limit; more > 0 {
		return strings.Join(parts[:limit], ", ") + " and " + strconv.Itoa(more) + " more"
	}
	return strings.Join(parts, ", ")
}

// formatWarning joins an origin and a text. If the warning is about several blocks of the
// origin's text, blocks lists them. If the warning is too long, formatWarning shortens the
// names of object and key.
func formatWarning(origin certs.Origin, text string, blocks ...string) string {
	format := func() string {
		place := origin.String()
		if len(blocks) > 0 {
			place = strings.TrimSuffix(place, "block "+blocks[0]) + "blocks " + joinFirst(blocks, maxBlocks)
		}
		return place + ": " + text
	}
	if excess := len(format()) - maxWarning; excess > 0 {
		room := max(0, len(origin.Object)+len(origin.Key)-excess)
		origin.Key = shorten(origin.Key, max(room/2, room-len(origin.Object)))
		origin.Object = shorten(origin.Object, room-len(origin.Key))
	}
	return truncate(format())
}

// shorten removes the middle of a name, so that it has at most length bytes, but keeps at
// least 9.
func shorten(name string, length int) string {
	const gap, minimum = "...", 9
	length = max(length, minimum)
	if len(name) <= length {
		return name
	}
	tail := (length - len(gap)) / 2
	head := length - len(gap) - tail
	return strings.ToValidUTF8(name[:head]+gap+name[len(name)-tail:], "")
}

// truncate limits a warning that is too long even with short names, such as one with a key
// that has to be escaped.
func truncate(warning string) string {
	if len(warning) <= maxWarning {
		return warning
	}
	return strings.ToValidUTF8(warning[:maxWarning-len("...")], "") + "..."
}

// textSize returns the size of an input's texts in bytes.
func textSize(input bundle.Input) int {
	size := 0
	for _, text := range input.Texts {
		size += len(text.PEM)
	}
	return size
}
