// Package metadata reads objects that the caches hold as metadata only.
package metadata
