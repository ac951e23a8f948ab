// Package checkout finds the checkout that a test runs in.
package checkout
