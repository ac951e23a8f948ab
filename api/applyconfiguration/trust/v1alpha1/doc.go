// Package v1alpha1 contains the apply configurations of trust.cert-manager.io/v1alpha1, for
// typed server-side apply. They are generated from the types.
package v1alpha1
