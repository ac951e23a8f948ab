// Package app implements the operator's command line: flags, logging, the
// connection to the API server, leader election, health and metrics.
//
// Invariants: an invalid flag or an unusable default CA package fails the start
// with an error that names it. When its context is canceled, the operator lets
// writes in progress finish, releases the Lease and returns no error. While the API
// server cannot be reached, the process continues.
//
// The reconcilers are in package controller.
package app
