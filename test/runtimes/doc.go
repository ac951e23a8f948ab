// Package runtimes shows what programs trust that are given a bundle in one way or
// another, on the layout of a Debian image: whether the bundle is added to the CAs of the
// image or replaces them. The guide states what these tests find.
package runtimes
