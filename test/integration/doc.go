// Package integration tests the operator as a process on a real control plane. Each test
// names the ids of the contract that it proves, such as S11 or T7 (docs/contract.md).
//
// A test reads as a short script:
//
//	operator(t)                                    // the shared operator runs
//	s := newScene(t)                               // names that no other test uses
//	namespaces := s.namespaces(2)                  // selected by the scene's Bundles
//	a, b := newAuthority("A"), newAuthority("B")
//	source := s.source(a)                          // a ConfigMap in the trust namespace
//	bundle := s.bundle(from(source))               // a Bundle that reads it
//	awaitTargets(t, bundle, namespaces, a)         // every target holds exactly this
//	mark := env.Audit.Mark()
//	fill(t, source, b)
//	awaitTargets(t, bundle, namespaces, b)
//	wrote := requests(t, mark, writesOf(bundle))   // what the operator wrote since
//
// Other verbs: inLine, defaultCAs and s.secret make sources; change and label edit objects;
// awaitCondition and awaitSynced check the status; a target literal describes one object
// in detail (await, look); s.faultyNamespaces can make writes fail (env.Admission);
// poll.Eventually waits for anything else, and stays checks that something remains true.
//
// All tests share one control plane, and every operator acts on all Bundles. So tests that
// need an operator of their own (startOperator, addOperator, noOperator) run first, one
// after another; those that use the shared one run in parallel after them. Namespaces are
// not deleted, since that would slow down tests that measure durations.
package integration
