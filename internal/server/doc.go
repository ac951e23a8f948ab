// Package server creates the HTTP servers of the operator's ports, which every pod in
// the cluster's network can reach.
//
// Invariants: the number of connections, the size of a request's headers and the time
// for each request are bounded, and therefore the memory that clients can use. A new
// client always gets a connection, whatever earlier clients do: they lose theirs.
//
// Handlers bound everything else that a request costs, such as its body.
package server
