// Command mutations checks that the tests notice defects. Each file
// <ID>-<short-name>.mutation in this folder describes one small change to the sources, the
// behaviour of docs/contract.md that it breaks, and the cheapest test that fails with it:
//
//	id: S9
//	change: an empty bundle is accepted
//	file: internal/bundle/collect.go
//	test: internal/bundle TestBuildRefuses
//
//	-	case count == 0:
//	+	case count < 0:
//
// After the empty line, a line starts with "-" if it is removed, with "+" if it is added,
// and with a space if it stays. The removed and unchanged lines must occur in the file
// exactly once, as whole lines. With a header "count: 2" they must occur twice, and
// both occurrences change: a generated CustomResourceDefinition repeats the rules of a
// type that has several fields.
//
// The command applies each mutation in a temporary copy of the checkout, so the checkout
// never changes, and files that tests read at run time can be mutated like sources. A
// mutation is killed if a test fails. If the packages do not build, or no test runs, the
// mutation itself is invalid. The command fails if a mutation survives or is invalid.
package main
