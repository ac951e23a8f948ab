// Package metrics holds what an administrator watches (C5): histograms and counters of
// the operator's work, and gauges for each Bundle, read from the ledger.
//
// Invariants: no label has values that grow with namespaces or certificates, and
// a Bundle that is gone has no series.
package metrics
