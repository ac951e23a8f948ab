// Package capackage implements the file format of a default CA package: a JSON object
// (RFC 8259) that contains PEM text with a name and a version.
//
//	{"name": "mozilla", "version": "20261030", "bundle": "-----BEGIN CERTIFICATE-----\n…"}
//
// Invariants: [Encode] accepts every [Package] that [Parse] returns, and Parse reads the
// result back as an equal Package. The [Package.ID] fits into the status of a Bundle.
//
// Package certs decides whether the PEM text contains certificates, and which.
package capackage
