package bundle

import (
	"crypto/sha256"
	"fmt"
	"time"

	"trust-manager.io/internal/certs"
)

// MaxCertificates limits the certificates of a bundle. A target holds at most 1 MiB,
// which is fewer than 4,000 of the smallest useful certificates; a larger bundle is
// rejected before it costs memory for files.
const MaxCertificates = 10_000

// Input is the content of one object, or of a source that is not an object. A source
// with a selector has one Input for each object that it selects, possibly none.
type Input struct {
	// Origin has the field path of the source and, for an object, its name.
	Origin certs.Origin
	// Texts are the texts of the input, in the order of their certificates.
	Texts []Text
	// Problem describes why the source could not be read; Texts is then ignored.
	Problem *certs.Problem
	// Absent is true if there is nothing to read and this is not an error.
	Absent bool
	// Source identifies what is read, independently of its position in the Bundle;
	// empty for text in the Bundle and for objects that a selector finds.
	Source string
	// Note describes something that users should know although the source is
	// usable; empty for none.
	Note string
}

// Text is one text of a source.
type Text struct {
	// Key is the key of the text in its object; empty if it has none.
	Key string
	// PEM is the text, encoded as RFC 7468 defines.
	PEM string
	// Parsed is the parsed text, if the caller has it already; PEM is then
	// ignored.
	Parsed *certs.Result
}

// Bundle is the ordered certificates of all sources. It is immutable.
type Bundle struct {
	Certificates []certs.Certificate
	// Retained describes the last len(Retained) certificates: those that have left
	// every source.
	Retained []Retained
	// Unavailable are certificates that should be retained too, but of which only the
	// fingerprint is known. Without them the bundle would lack trusted certificates.
	Unavailable []Retained
	// Missing counts the sources that are missing and that rotation tolerates.
	Missing int
	// Omitted counts the certificates of the sources that are not in the bundle.
	Omitted Omitted
	// Notes describe what users should know although the bundle is good.
	Notes []string
	// EarliestNotAfter is when the first of the certificates expires.
	EarliestNotAfter time.Time
	// ValidUntil is the last moment at which the bundle is valid, if time alone changes it:
	// a retention ends, or a certificate expires that the filter then keeps out. It is
	// zero otherwise.
	ValidUntil time.Time
}

// Omitted counts certificates of the sources that are not in the bundle, by reason.
type Omitted struct {
	Duplicate, Expired, NonCA, NotSelfSigned, Nonconforming, Excluded int
}

// Builder builds one bundle repeatedly and parses only texts that have changed since
// the previous build. It is not safe for concurrent use.
type Builder struct {
	parsed     map[certs.Origin]parsedText
	selfSigned selfSignedCache
	// size is the number of certificates of the previous bundle, used to preallocate.
	size int
	// leftAt has the time at which each certificate that has left every source was first
	// missed, and previous the certificates of the previous bundle.
	leftAt   map[[sha256.Size]byte]time.Time
	previous []certs.Certificate
}

// parsedText is a text and its parsed form. Comparing equal strings costs nothing if
// they share memory, as the texts of an unchanged object do.
type parsedText struct {
	pem    string
	result certs.Result
}

// Build returns the bundle of the given sources without the certificates that the filter
// keeps out. If a source is missing or invalid, the bundle is empty and the error is
// [Problems] with every such source.
func (b *Builder) Build(inputs []Input, filter Filter, now time.Time) (Bundle, error) {
	built, _, err := b.BuildRetaining(inputs, filter, Rotation{}, State{}, now)
	return built, err
}

// BuildRetaining is [Builder.Build] with certificates that are retained after they have
// left every source. The previous State is that of the build before. The returned State
// must be persisted before the bundle is written anywhere; with an error it is empty,
// and the previous one remains valid.
func (b *Builder) BuildRetaining(inputs []Input, filter Filter, rotation Rotation, previous State, now time.Time) (Bundle, State, error) {
	c := newCollector(filter, now, &b.selfSigned, b.size)
	c.leftAt, c.previous = b.leftAt, b.previous
	parsed := make(map[certs.Origin]parsedText, len(b.parsed))
	defer func() {
		b.parsed = parsed
		b.selfSigned.evict()
	}()
	for _, input := range inputs {
		if rotation.tolerates(input, previous) {
			c.tolerate(input, previous)
			continue
		}
		results, problem := b.read(input, parsed)
		if problem != nil {
			c.problems = append(c.problems, problem)
			continue
		}
		if !input.Absent && input.Source != "" {
			c.known = append(c.known, input.Source)
		}
		c.add(input.Origin.Field, results)
		if input.Note != "" {
			c.bundle.Notes = append(c.bundle.Notes, input.Note)
		}
	}
	var next State
	if rotation.Retain <= 0 {
		c.leftAt = nil
	}
	if rotation.Retain > 0 && len(c.problems) == 0 {
		next = c.retain(previous, rotation)
		c.problems = rotation.checkMax(c.candidates, c.newlyMissing)
	}
	if problems := c.check(); len(problems) > 0 {
		return Bundle{}, State{}, problems
	}
	b.size = len(c.bundle.Certificates)
	b.leftAt, b.previous = c.leftAt, c.bundle.Certificates
	return c.finish(), next, nil
}

// read parses all texts of an input. An input without any certificate is a problem: a
// truncated file must not shrink a bundle (S8).
func (b *Builder) read(input Input, parsed map[certs.Origin]parsedText) ([]certs.Result, *certs.Problem) {
	if input.Problem != nil || input.Absent {
		return nil, input.Problem
	}
	var results []certs.Result
	var stores Problems
	empty := true
	for _, text := range input.Texts {
		origin := input.Origin
		origin.Key = text.Key
		result, problem := b.parse(origin, text, parsed)
		if problem != nil {
			return nil, problem
		}
		if other := result.OtherEncoding; other.Description != "" {
			problem = &certs.Problem{Origin: origin, Reason: certs.SourceBuildError, Detail: other.Description}
			if !other.KeyStore {
				return nil, problem
			}
			stores = append(stores, problem)
		}
		empty = empty && result.Empty()
		results = append(results, result)
	}
	switch {
	case empty && len(stores) > 0:
		return nil, stores[0]
	case empty:
		origin := input.Origin
		if len(input.Texts) == 1 {
			origin.Key = input.Texts[0].Key
		}
		return nil, &certs.Problem{Origin: origin, Reason: certs.SourceBuildError,
			Detail: "no certificate found; at least one PEM block of type CERTIFICATE is required"}
	case len(stores) > 0: // key stores are often beside the PEM file
		results = append(results, certs.Result{Skipped: []certs.Problem{ignoredStores(stores)}})
	}
	return results, nil
}

// ignoredStores returns the note on keys that are key stores.
func ignoredStores(stores Problems) certs.Problem {
	note := *stores[0]
	note.Detail = "the key is ignored, since other keys have certificates: " + note.Detail
	if more := len(stores) - 1; more > 0 {
		note.Detail += fmt.Sprintf("; so are %d more key stores", more)
	}
	return note
}

// parse returns the parsed form of a text, from the previous build if it is unchanged.
func (b *Builder) parse(origin certs.Origin, text Text, parsed map[certs.Origin]parsedText) (certs.Result, *certs.Problem) {
	if text.Parsed != nil {
		return *text.Parsed, nil
	}
	if cached, ok := b.parsed[origin]; ok && cached.pem == text.PEM {
		parsed[origin] = parsedText{text.PEM, cached.result}
		return cached.result, nil
	}
	result, problem := certs.Parse(text.PEM, origin)
	if problem != nil {
		return certs.Result{}, problem
	}
	parsed[origin] = parsedText{text.PEM, result}
	return result, nil
}
