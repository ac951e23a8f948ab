// Package quickstart tests that the commands in the documentation work as typed:
// it extracts them from the pages and runs them with bash in a copy of the
// checkout with its own demo cluster. `make test-quickstart` runs it.
package quickstart
