// Package watch turns the events of informers into calls of one function.
package watch
