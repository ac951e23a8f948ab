// Package runtimes tests which CAs programs trust for each way of providing a
// bundle, on the layout of a Debian image: whether the bundle is added to the
// image's CAs or replaces them. The guide contains the results.
package runtimes
