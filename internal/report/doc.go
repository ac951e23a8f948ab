// Package report describes the trust of a whole cluster in one document: what the lint rules find,
// the bundles with their sources, every certificate with its origin, when certificates expire, and
// which namespace has which bundle.
//
// [New] makes the report, and [HTML], [Markdown] and [CSV] write it; as JSON it is the [Report]
// itself.
//
// Invariants: the same input makes the same report, byte by byte; every text of a report is
// printable, that is without control and format characters; each renderer escapes all texts for
// its format, since subjects of certificates, keys and messages are foreign; the HTML document
// loads nothing and runs no script. The package does no I/O but to the given writer, does not read
// the clock and does not log.
//
// It does not read a cluster: package cli converts what package survey has read.
package report
