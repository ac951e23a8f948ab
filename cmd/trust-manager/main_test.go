package main

import (
	"flag"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"trust-manager": main})
}

var update = flag.Bool("update", false, "write the output of the binary into the scripts that compare it")

// TestScripts checks the output and exit code of the binary when it does not get as
// far as an API server.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{Dir: "testdata/script", UpdateScripts: *update})
}
