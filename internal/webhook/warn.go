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
	// maxWarning and maxWarnings keep to what the API server passes on to a
	// client: 256 characters of one warning, 4,096 of all.
	maxWarning  = 255
	maxWarnings = 15
	// maxBlocks is how many certificates one warning names.
	maxBlocks = 10
	// maxText bounds the text of all sources that is looked at, in bytes: the API
	// server waits for the answer. A target holds 1 MiB of certificates at most.
	maxText = 4 << 20
	// soon is how long before its end a certificate is said to expire soon.
	soon = 30 * 24 * time.Hour
)

// warnings tells what is legal and usually wrong in a Bundle, given what its
// sources hold. Nothing in them comes out of a certificate.
func warnings(spec bundle.Spec, inputs []bundle.Input, now time.Time) []string {
	list := aboutSpec(spec)
	size := 0
	for _, input := range inputs {
		if size += sizeOf(input); size > maxText {
			list = append(list, fit(input.Origin, "this source and those after it are not looked at for warnings, "+
				"since the sources have more than 4 MiB of text; the Bundle's status will tell"))
			break
		}
		list = append(list, aboutInput(input, now)...)
	}
	if more := len(list) - maxWarnings; more > 0 {
		list = append(list[:maxWarnings-1], fmt.Sprintf("and %d more warnings", more+1))
	}
	return list
}

// aboutSpec tells what the Bundle itself shows.
func aboutSpec(spec bundle.Spec) []string {
	var list []string
	for _, store := range spec.Stores {
		if store.Format == bundle.JKS {
			list = append(list, "spec.target.additionalFormats.jks: JKS is deprecated, and Java itself advises against it; "+
				"use pkcs12, unless an old Java has to read it")
		}
	}
	var chains []string
	for _, source := range spec.Sources {
		if source.Object != nil && source.Object.Key == corev1.TLSCertKey {
			chains = append(chains, source.Field+".key")
		}
	}
	if len(chains) > 0 {
		list = append(list, shownOf(chains, 3)+": tls.crt often holds a chain with intermediates, and changes with each renewal; "+
			"use a key with a root alone, best a copy of it in a ConfigMap")
	}
	return list
}

// aboutInput tells what one object or text holds. An object that is missing may
// yet come, as where a Bundle is applied together with its sources.
func aboutInput(input bundle.Input, now time.Time) []string {
	built, err := new(bundle.Builder).Build([]bundle.Input{input}, bundle.Filter{}, now)
	var problems bundle.Problems
	if !errors.As(err, &problems) {
		return aboutCertificates(built.Certificates, now)
	}
	var list []string
	for _, problem := range problems {
		if problem.Reason == certs.SourceBuildError {
			list = append(list, fit(problem.Origin, problem.Detail))
		}
	}
	return list
}

// flaw is something that is usually wrong with a certificate in a trust store.
type flaw struct {
	has func(certificate *certs.Certificate, now time.Time) bool
	// one and many say what it is, and what to do.
	one, many string
}

func flaws() []flaw {
	return []flaw{{
		has:  func(c *certs.Certificate, _ time.Time) bool { return !c.CA },
		one:  "not a CA certificate; a trust store should hold the root that issued it, and that alone",
		many: "not CA certificates; a trust store should hold the roots that issued them, and those alone",
	}, {
		has:  func(c *certs.Certificate, _ time.Time) bool { return c.CA && !c.SelfIssued },
		one:  "an intermediate; trusted like a root, it cannot be rotated before every trust store is updated. Use its root",
		many: "intermediates; trusted like roots, they cannot be rotated before every trust store is updated. Use their roots",
	}, {
		has:  func(c *certs.Certificate, now time.Time) bool { return now.After(c.NotAfter) },
		one:  "expired; most software accepts nothing any more that it has issued. Take it out",
		many: "expired; most software accepts nothing any more that they have issued. Take them out",
	}, {
		has: func(c *certs.Certificate, now time.Time) bool {
			return !now.After(c.NotAfter) && now.Add(soon).After(c.NotAfter)
		},
		one:  "expires within 30 days; add its successor now, so that both are trusted while certificates are replaced",
		many: "expire within 30 days; add their successors now, so that old and new are trusted while certificates are replaced",
	}}
}

// aboutCertificates gives one warning for each flaw and text.
func aboutCertificates(certificates []certs.Certificate, now time.Time) []string {
	var list []string
	for _, flaw := range flaws() {
		var found []certs.Origin
		for i := range certificates {
			if flaw.has(&certificates[i], now) {
				found = append(found, certificates[i].Origin)
			}
		}
		// Certificates of one text stand together.
		for len(found) > 0 {
			same := slices.IndexFunc(found, func(o certs.Origin) bool { return textOf(o) != textOf(found[0]) })
			if same < 0 {
				same = len(found)
			}
			list = append(list, flaw.of(found[:same]))
			found = found[same:]
		}
	}
	return list
}

// of tells of the flaw in certificates of one text.
func (f flaw) of(places []certs.Origin) string {
	if len(places) == 1 {
		return fit(places[0], f.one)
	}
	blocks := make([]string, 0, len(places))
	for _, place := range places {
		blocks = append(blocks, strconv.Itoa(place.Block))
	}
	return fit(places[0], f.many, blocks...)
}

// textOf gives the text that a block stands in.
func textOf(block certs.Origin) certs.Origin {
	block.Block = 0
	return block
}

// shownOf lists the first few of many.
func shownOf(parts []string, few int) string {
	if more := len(parts) - few; more > 0 {
		return strings.Join(parts[:few], ", ") + " and " + strconv.Itoa(more) + " more"
	}
	return strings.Join(parts, ", ")
}

// fit puts where and what together; blocks are those of a place that has more than
// one. Where that is too long for a warning, the names of object and key are
// shortened.
func fit(where certs.Origin, what string, blocks ...string) string {
	tell := func() string {
		place := where.String()
		if len(blocks) > 0 {
			place = strings.TrimSuffix(place, "block "+blocks[0]) + "blocks " + shownOf(blocks, maxBlocks)
		}
		return place + ": " + what
	}
	if over := len(tell()) - maxWarning; over > 0 {
		room := max(0, len(where.Object)+len(where.Key)-over)
		where.Key = shortened(where.Key, max(room/2, room-len(where.Object)))
		where.Object = shortened(where.Object, room-len(where.Key))
	}
	return cut(tell())
}

// shortened leaves out the middle of a name, so that it has a length in bytes, or
// as few as make sense.
func shortened(name string, length int) string {
	const gap, least = "...", 9
	length = max(length, least)
	if len(name) <= length {
		return name
	}
	tail := (length - len(gap)) / 2
	head := length - len(gap) - tail
	return strings.ToValidUTF8(name[:head]+gap+name[len(name)-tail:], "")
}

// cut is for what no shortening makes fit, such as a key of odd characters.
func cut(warning string) string {
	if len(warning) <= maxWarning {
		return warning
	}
	return strings.ToValidUTF8(warning[:maxWarning-len("...")], "") + "..."
}

// sizeOf gives the bytes of text that an input has.
func sizeOf(input bundle.Input) int {
	size := 0
	for _, text := range input.Texts {
		size += len(text.PEM)
	}
	return size
}
