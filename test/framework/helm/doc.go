// Package helm runs Helm on this project's chart, and parses what it renders into objects.
//
// It uses the Helm in bin/ of the checkout, without the user's settings and kubeconfig.
package helm
