// Package suite skips tests whose requirements are missing, such as a built control plane.
// In CI a missing requirement is a failure.
package suite
