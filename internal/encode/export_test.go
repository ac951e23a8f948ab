package encode

import "trust-manager.io/internal/certs"

// What tests look at from outside, beside the files: the two rules that names
// are made by.
var (
	Subject = certs.Subject
	Lower   = lower
)
