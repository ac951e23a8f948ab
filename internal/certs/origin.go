// Package certs turns PEM text (RFC 7468) into X.509 certificates (RFC 5280).
//
// What always holds: a text is taken whole or not at all; every certificate
// and every problem carries its origin; no message holds anything of the text
// itself, since the text may be a private key by mistake. The package does no
// input or output, asks for no time and logs nothing.
//
// It does not order, deduplicate or filter: that is package bundle.
package certs

import (
	"strconv"
	"strings"
)

// Origin says where a text, or one block of it, comes from.
type Origin struct {
	// Field is the path of the source in the Bundle, for example
	// "spec.sources[2].configMap".
	Field string
	// Object is the kind, namespace and name of the object that holds the
	// text, for example "ConfigMap cert-manager/roots"; empty where the text
	// stands in the Bundle itself.
	Object string
	// Key is the key in that object; empty where there is none.
	Key string
	// Block is the number of the PEM block in the text, counted from 1;
	// 0 means the text as a whole.
	Block int
}

// String gives the origin as a person reads it, most exact part last:
// `spec.sources[2].configMap: ConfigMap cert-manager/roots, key "ca.crt", block 3`.
func (o Origin) String() string {
	var parts []string
	if o.Object != "" {
		parts = append(parts, o.Object)
	}
	if o.Key != "" {
		parts = append(parts, "key "+strconv.Quote(o.Key))
	}
	if o.Block > 0 {
		parts = append(parts, "block "+strconv.Itoa(o.Block))
	}
	where := strings.Join(parts, ", ")
	switch {
	case o.Field == "":
		return where
	case where == "":
		return o.Field
	}
	return o.Field + ": " + where
}

// Reason is the class of a problem. Its text is the reason of the Bundle's
// condition, which scripts compare with: it never changes.
type Reason string

// The reasons for which sources give no bundle.
const (
	SourceNotFound   Reason = "SourceNotFound"
	SourceBuildError Reason = "SourceBuildError"
)

// Problem says why a text cannot be used, and where it stands.
type Problem struct {
	Origin Origin
	Reason Reason
	// Detail tells a person what is wrong and what to do. It holds nothing of
	// the text.
	Detail string
}

// Error gives origin and detail.
func (p *Problem) Error() string {
	if where := p.Origin.String(); where != "" {
		return where + ": " + p.Detail
	}
	return p.Detail
}
