// Command fakeclock is cmd/trust-manager with a clock that a test can advance while it
// runs. The environment variable CLOCK names a file that holds the offset from the
// machine's clock, a duration such as "72h".
//
// Timers run on the machine's clock. To make the operator notice a new offset, a test
// must also cause an event, such as a change to a source.
package main
