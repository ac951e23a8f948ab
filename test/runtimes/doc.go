// Package runtimes tests which CAs programs trust for each way of providing a bundle:
// whether the bundle is added to the CAs of the image or replaces them. The tables in
// docs/guide/pods.md contain the results:
//
//	go test ./test/runtimes            compare the tables with new results
//	go test ./test/runtimes -update    write new results into the tables
//
// Invariants: each program is the installed one, and runs in a mount namespace of its own
// in which the files of an image are at their usual paths; "Image" is the only CA of an
// image, also in the lists that Node.js and requests bring along; a failure other than an
// untrusted certificate fails the test.
//
// A client gets addresses as arguments, and prints a line for each: "trusted", or the
// error.
package runtimes
