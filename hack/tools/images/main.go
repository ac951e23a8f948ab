// Command images builds the container images from existing binaries and packages,
// without a container runtime, and checks images.
//
//	images build --binaries DIR --packages DIR --out DIR --version V --revision COMMIT [--licenses FILE]
//	images check [--architectures "A ..."] DIR
//	images unpack [--architecture A] ARCHIVE DIR
//
// The folder of --binaries has one subfolder for each architecture with
// the programs trust-manager and trust-package-copy. The folder of --packages has the
// default CA packages: for each image of a package a file <image>.json, and a file
// <image>.source that describes the source of the certificates (source.go). --licenses
// is the list of licenses that hack/licenses generates.
//
// For each image the command writes <image>.tar, an OCI archive (a tar of an OCI image
// layout) with an index of the architectures, and <image>.spdx.json, its bill of
// materials. It prints archive, reference and digest. The archive contains the reference
// that the chart uses, so that containerd imports it under that name:
// trust-manager.io/images/<image>:<tag>. The tag is the version of the programs or of
// the package.
//
// Invariants: an image contains only its own files, which are owned by root and
// whose programs are static, and it runs as user 65532; the same input produces the same
// digest and the same bill of materials, because files have a fixed timestamp and the time of
// creation is that in SOURCE_DATE_EPOCH.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"trust-manager.io/hack/tools/spdx"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "images:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "build":
			return runBuild(args[1:])
		case "check":
			return runCheck(args[1:])
		case "unpack":
			return runUnpack(args[1:])
		}
	}
	return errors.New("no command given, want build, check or unpack")
}

func runBuild(args []string) error {
	flags := flag.NewFlagSet("build", flag.ContinueOnError)
	binaries := flags.String("binaries", "", "folder with a subfolder of programs for each architecture")
	packages := flags.String("packages", "", "folder of default CA packages")
	out := flags.String("out", "", "folder for the archives")
	version := flags.String("version", "", "version of the programs")
	revision := flags.String("revision", "", "commit that the programs are built from")
	list := flags.String("licenses", "", "list of the licenses of all modules; if unset, bills of materials contain no licenses")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *binaries == "" || *packages == "" || *out == "" || *version == "" || *revision == "" {
		return errors.New("--binaries, --packages, --out, --version and --revision are required")
	}
	recipes, err := recipesOf(*binaries, *packages, *version)
	if err != nil {
		return err
	}
	var known spdx.Licenses
	if *list != "" {
		if known, err = spdx.ReadLicenses(*list); err != nil {
			return err
		}
	}
	created, err := sourceDate()
	if err != nil {
		return err
	}
	for _, r := range recipes {
		r.revision, r.licenses, r.created = *revision, known, created
		if err := build(r, *out); err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
	}
	return nil
}

// sourceDate returns the time in SOURCE_DATE_EPOCH
// (https://reproducible-builds.org/specs/source-date-epoch/), or the epoch if it is unset.
func sourceDate() (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		return epoch, nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// build writes an image and its bill of materials and prints archive, reference and digest.
func build(r recipe, out string) error {
	index, err := r.index()
	if err != nil {
		return err
	}
	digest, err := index.Digest()
	if err != nil {
		return err
	}
	if err := r.write(index, filepath.Join(out, r.name+".tar")); err != nil {
		return err
	}
	bill, err := r.bill(digest)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(out, r.name+".spdx.json"), bill, 0o644); err != nil { //nolint:gosec // nothing in it is secret
		return err
	}
	fmt.Println(r.name+".tar", r.reference(), digest)
	return nil
}

func runCheck(args []string) error {
	flags := flag.NewFlagSet("check", flag.ContinueOnError)
	architectures := flags.String("architectures", "amd64 arm arm64 ppc64le s390x", "architectures that each image must have")
	if err := flags.Parse(args); err != nil {
		return err
	}
	archives, err := filepath.Glob(filepath.Join(flags.Arg(0), "*.tar"))
	if err != nil {
		return err
	}
	if flags.NArg() != 1 || len(archives) == 0 {
		return fmt.Errorf("no archives in %q", flags.Args())
	}
	var faults []error
	for _, archive := range archives {
		image, err := check(archive, strings.Fields(*architectures))
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", archive, err))
			continue
		}
		fmt.Printf("%s: %s\n", filepath.Base(archive), image)
	}
	return errors.Join(faults...)
}
