// Package v1alpha2 contains the apply configurations of trust-manager.io/v1alpha2, for
// typed server-side apply. They are generated from the types.
package v1alpha2
