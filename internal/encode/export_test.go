package encode

import "trust-manager.io/internal/certs"

// The two rules for names, exported for tests.
var (
	Subject = certs.Subject
	Lower   = lower
)
