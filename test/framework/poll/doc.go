// Package poll waits for a condition, by checking it repeatedly.
//
// [Until] and [UntilWithin] return an error, for helpers and TestMain. [Eventually] and
// [EventuallyWithin] fail the test.
package poll
