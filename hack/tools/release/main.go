// Command release describes the files of a release, for hack/release.sh.
//
//	release bills --version V --revision COMMIT [--licenses FILE] DIR
//	release provenance --version V --revision COMMIT [--tag TAG] --go VERSION --architectures "A ..." --platforms "P ..." [--suites "S ..."] DIR
//
// bills writes a bill of materials (SPDX) beside each archive of the command line in DIR.
// provenance writes DIR/provenance.intoto.json, an in-toto statement on all files in DIR, and on
// the images that DIR/images.txt lists, with the SLSA provenance v1 as its predicate.
//
// Invariant: the same files and flags produce the same output. Neither contains the time or the
// machine of the build.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "bills":
			return runBills(args[1:])
		case "provenance":
			return runProvenance(args[1:])
		}
	}
	return errors.New("no command given, want bills or provenance")
}

func runBills(args []string) error {
	flags := flag.NewFlagSet("bills", flag.ContinueOnError)
	version := flags.String("version", "", "version of the programs")
	revision := flags.String("revision", "", "commit that the programs are built from")
	list := flags.String("licenses", "", "list of the licenses of all modules; if unset, bills of materials contain no licenses")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *version == "" || *revision == "" || flags.NArg() != 1 {
		return errors.New("--version, --revision and a folder are required")
	}
	return writeBills(flags.Arg(0), *version, *revision, *list)
}

func runProvenance(args []string) error {
	flags := flag.NewFlagSet("provenance", flag.ContinueOnError)
	var b build
	flags.StringVar(&b.version, "version", "", "version of the release")
	flags.StringVar(&b.revision, "revision", "", "commit that the release is built from")
	flags.StringVar(&b.tag, "tag", "", "tag of that commit")
	flags.StringVar(&b.goVersion, "go", "", "version of Go that built the programs")
	architectures := flags.String("architectures", "", "architectures of the images, separated by spaces")
	platforms := flags.String("platforms", "", "platforms of the command line, separated by spaces")
	suites := flags.String("suites", "", "Debian suites of the default CA packages, separated by spaces")
	if err := flags.Parse(args); err != nil {
		return err
	}
	b.architectures, b.platforms, b.suites = strings.Fields(*architectures), strings.Fields(*platforms), strings.Fields(*suites)
	if b.version == "" || b.revision == "" || b.goVersion == "" || len(b.architectures) == 0 || len(b.platforms) == 0 || flags.NArg() != 1 {
		return errors.New("--version, --revision, --go, --architectures, --platforms and a folder are required")
	}
	folder := flags.Arg(0)
	statement, err := b.statement(folder)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, provenanceFile), statement, 0o644) //nolint:gosec // nothing in it is secret
}
