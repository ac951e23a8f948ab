// Package request bounds the time of the operator's requests for single objects, and
// explains to users why one failed.
package request
