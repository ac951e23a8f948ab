// Package text formats counts and shortens texts for messages to users. It knows nothing of
// their subject.
package text
