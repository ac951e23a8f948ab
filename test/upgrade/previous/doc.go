// Package previous proves that an upgrade from an earlier commit writes no target. It
// builds that commit's operator and chart, has the operator write the targets of Bundles of
// every shape, replaces both by those of this checkout, and compares all targets.
package previous
