// Package metadata lists and reads objects that the caches hold as metadata only.
package metadata
