// Package bundle holds the inner form of a Bundle (Spec), to which every API
// kind and version is converted at the door, and builds the bundle itself: the
// ordered, deduplicated certificates of all its sources.
//
// What always holds: the same input gives the same bundle, in the order of the
// sources (S1 to S3); one source that is missing or invalid fails the whole
// build, and nothing is returned with an error, so that no bundle ever shrinks
// quietly. The package does no input or output, asks for no time and logs
// nothing.
//
// It does not know how targets look: files come from package encode, and what
// a target should hold from package target.
package bundle

import (
	"crypto/sha256"
	"time"

	"trust-manager.io/internal/certs"
)

// MaxCertificates bounds one bundle. A target holds at most 1 MiB, so fewer
// than 4,000 of the smallest useful certificates; anything above is refused
// before it costs memory for files.
const MaxCertificates = 10_000

// Input is what one object gave, or a source that is no object. A source with a
// selector gives an Input for each object, or none.
type Input struct {
	// Origin has the source's field path and, for an object, its name.
	Origin certs.Origin
	// Texts are what was read, in the order in which they count.
	Texts []Text
	// Problem says why the source could not be read; Texts are then ignored.
	Problem *certs.Problem
	// Absent says that there is nothing to read, and that this is fine.
	Absent bool
	// Source names what is read in a way that does not change when the Bundle does;
	// empty where it is not the Bundle that names it.
	Source string
	// Note is something that a person should know although the source is
	// usable; empty for none.
	Note string
}

// Text is one text of a source.
type Text struct {
	// Key is where in the object the text stands; empty where there is none.
	Key string
	// PEM is the text, encoded as RFC 7468 says.
	PEM string
	// Parsed is the parsed text, where the giver has it already; PEM is then
	// ignored.
	Parsed *certs.Result
}

// Bundle is the ordered certificates of all sources. It is never changed after
// Build.
type Bundle struct {
	Certificates []certs.Certificate
	// Retained are the last of the certificates: those that have left every source.
	Retained []Retained
	// Unavailable are those that should be retained as well, but of which only the
	// fingerprint is known. A bundle without them would be short of what is trusted.
	Unavailable []Retained
	// Missing counts the sources that are missing and hold nothing up, by rotation.
	Missing int
	// Left counts what the sources have and the bundle has not.
	Left Left
	// Notes are what a person should know although the bundle is good.
	Notes []string
	// EarliestNotAfter is when the first of the certificates expires.
	EarliestNotAfter time.Time
	// Changes is the last moment at which the bundle holds, if time alone ends
	// that: a certificate expires, and such are not kept. It is zero otherwise.
	Changes time.Time
}

// Left counts certificates of the sources that are not in the bundle, by the reason
// why.
type Left struct {
	Duplicate, Expired, NonCA, NotSelfSigned, Excluded int
}

// Builder builds one bundle again and again, and parses only what has changed
// since the last time. It is not safe for concurrent use.
type Builder struct {
	parsed map[certs.Origin]parsedText
	signed selfSigned
	// size is how many certificates the bundle had last: room for as many is made
	// at once.
	size int
	// missed has when each certificate that has left every source was first missed, and
	// last are the certificates of the last bundle.
	missed map[[sha256.Size]byte]time.Time
	last   []certs.Certificate
}

// parsedText pairs a result with the text that it came from. Comparing equal
// strings costs nothing where they share memory, as texts of an unchanged
// object do.
type parsedText struct {
	pem    string
	result certs.Result
}

// Build makes the bundle of the given sources without what the filter leaves
// out. Where any source is missing or invalid the error is Problems, with each
// of them, and the bundle is empty.
func (b *Builder) Build(inputs []Input, filter Filter, now time.Time) (Bundle, error) {
	built, _, err := b.BuildRetaining(inputs, filter, Rotation{}, State{}, now)
	return built, err
}

// BuildRetaining is Build with what stays for a while after it has left every source,
// given what is remembered of the build before. The State is what has to be remembered
// next, before anything of the bundle is written anywhere; with an error it is empty,
// and the one before holds.
func (b *Builder) BuildRetaining(inputs []Input, filter Filter, rotation Rotation, before State, now time.Time) (Bundle, State, error) {
	result := newCollector(filter, now, &b.signed, b.size)
	result.missed, result.last = b.missed, b.last
	parsed := make(map[certs.Origin]parsedText, len(b.parsed))
	defer func() {
		b.parsed = parsed
		b.signed.forget()
	}()
	for _, input := range inputs {
		if rotation.forgiven(input, before) {
			result.forgive(input, before)
			continue
		}
		found, problem := b.read(input, parsed)
		if problem != nil {
			result.problems = append(result.problems, problem)
			continue
		}
		if !input.Absent && input.Source != "" {
			result.known = append(result.known, input.Source)
		}
		result.add(input.Origin.Field, found)
		if input.Note != "" {
			result.bundle.Notes = append(result.bundle.Notes, input.Note)
		}
	}
	var next State
	if rotation.Retain <= 0 {
		result.missed = nil
	}
	if rotation.Retain > 0 && len(result.problems) == 0 {
		next = result.retain(before, rotation)
		result.problems = rotation.unforgiven(result.lost, result.staying)
	}
	if problems := result.check(); len(problems) > 0 {
		return Bundle{}, State{}, problems
	}
	b.size = len(result.bundle.Certificates)
	b.missed, b.last = result.missed, result.bundle.Certificates
	return result.finish(), next, nil
}

// read parses all texts of an input. An object without any certificate is a
// problem: a truncated file must not shrink a bundle (S8).
func (b *Builder) read(input Input, parsed map[certs.Origin]parsedText) ([]certs.Result, *certs.Problem) {
	if input.Problem != nil || input.Absent {
		return nil, input.Problem
	}
	var results []certs.Result
	empty := true
	for _, text := range input.Texts {
		origin := input.Origin
		origin.Key = text.Key
		result, problem := b.parse(origin, text, parsed)
		if problem != nil {
			return nil, problem
		}
		empty = empty && result.Empty()
		results = append(results, result)
	}
	if empty {
		origin := input.Origin
		if len(input.Texts) == 1 {
			origin.Key = input.Texts[0].Key
		}
		return nil, &certs.Problem{Origin: origin, Reason: certs.SourceBuildError,
			Detail: "there is no certificate in it; at least one PEM block of type CERTIFICATE is needed"}
	}
	return results, nil
}

func (b *Builder) parse(origin certs.Origin, text Text, parsed map[certs.Origin]parsedText) (certs.Result, *certs.Problem) {
	if text.Parsed != nil {
		return *text.Parsed, nil
	}
	if known, ok := b.parsed[origin]; ok && known.pem == text.PEM {
		parsed[origin] = parsedText{text.PEM, known.result}
		return known.result, nil
	}
	result, problem := certs.Parse(text.PEM, origin)
	if problem != nil {
		return certs.Result{}, problem
	}
	parsed[origin] = parsedText{text.PEM, result}
	return result, nil
}
