// Command cluster is a placeholder.
package main

func main() {}
