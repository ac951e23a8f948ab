package certs

import (
	"strconv"
	"strings"
)

// Origin identifies where a text, or one PEM block of it, comes from.
type Origin struct {
	// Field is the path of the source in the Bundle, for example
	// "spec.sources[2].configMap".
	Field string
	// Object is the kind, namespace and name of the object that holds the
	// text, for example "ConfigMap cert-manager/roots"; empty if the text is in
	// the Bundle itself.
	Object string
	// Key is the key in that object; empty if the origin has no key.
	Key string
	// Block is the number of the PEM block in the text, counted from 1;
	// 0 means the whole text.
	Block int
}

// String returns the origin for use in messages, the most specific part last:
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
	location := strings.Join(parts, ", ")
	switch {
	case o.Field == "":
		return location
	case location == "":
		return o.Field
	}
	return o.Field + ": " + location
}

// Reason is the class of a problem. Its text is the reason in the Bundle's
// condition, which scripts compare against, so it never changes.
type Reason string

// The reasons why the sources do not make a bundle.
const (
	SourceNotFound   Reason = "SourceNotFound"
	SourceBuildError Reason = "SourceBuildError"
)

// Problem describes why a text cannot be used, and where it is.
type Problem struct {
	Origin Origin
	Reason Reason
	// Detail describes to users what is wrong and what to do. It contains no part
	// of the text.
	Detail string
}

// Error returns the origin, if it is known, and the detail.
func (p *Problem) Error() string {
	if origin := p.Origin.String(); origin != "" {
		return origin + ": " + p.Detail
	}
	return p.Detail
}
