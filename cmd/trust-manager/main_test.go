package main

import (
	"flag"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"trust-manager": main})
}

var update = flag.Bool("update", false, "write what the binary says into the scripts that compare it")

// What the binary says and how it ends where it does not come as far as an API
// server.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{Dir: "testdata/script", UpdateScripts: *update})
}
