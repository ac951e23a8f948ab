// Package port finds TCP ports for the servers that a test starts.
package port
