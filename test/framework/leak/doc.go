// Package leak creates private keys for tests to plant, and finds fragments of them in a
// program's output.
//
// [Keys] returns one key of each kind. [Search.Find] finds a key by any 15 consecutive
// characters, in each form in which programs show bytes: unchanged, in hexadecimal, in
// base64 at any offset, and in base64 of base64. It ignores what all keys of a kind have in
// common.
package leak
