// Package quickstart proves that the commands in the documentation work as typed: it
// reads them from the pages and has bash run them, in a copy of the checkout with a
// demo cluster of its own. `make test-quickstart` runs it.
package quickstart
