// Package spdx describes Go programs as bills of materials in SPDX 2.3
// (https://spdx.github.io/spdx-spec/v2.3).
//
// The modules of a program are those that the Go linker has recorded in it. The same input
// produces the same document: the time of creation is the caller's, and packages are sorted.
package spdx
