package main

import (
	"crypto/sha256"
	_ "embed"
	"fmt"
	"regexp"
	"runtime"
	"strings"
)

// The module's own files are part of the command, so that it knows its versions
// and can build them from any working directory.
//
//go:embed go.mod
var goMod []byte

//go:embed go.sum
var goSum []byte

// versions are the pinned releases, as module versions ("v1.37.2").
type versions struct {
	kubernetes, etcd string
}

func pinnedVersions() (versions, error) {
	k, err := required("k8s.io/kubernetes")
	if err != nil {
		return versions{}, err
	}
	e, err := required("go.etcd.io/etcd/server/v3")
	return versions{kubernetes: k, etcd: e}, err
}

// required returns the version at which go.mod requires a module. A tidy go.mod
// names the selected version of every module that is built, so this is what
// `go list -m` says, without needing Go (a test compares the two).
func required(module string) (string, error) {
	line := regexp.MustCompile(`(?m)^\s*(?:require )?` + regexp.QuoteMeta(module) + ` (v\S+)`)
	found := line.FindSubmatch(goMod)
	if found == nil {
		return "", fmt.Errorf("go.mod of tools/kubernetes does not require %s: add it with `go get -C tools/kubernetes %s`", module, module)
	}
	return string(found[1]), nil
}

// linkerFlags put the version into the binaries; without them the API server
// reports v0.0.0, which clients and feature gates take at its word.
func (v versions) linkerFlags() string {
	const pkg = "k8s.io/component-base/version"
	part := strings.SplitN(strings.TrimPrefix(v.kubernetes, "v"), ".", 3)
	return fmt.Sprintf("-s -w -X %[1]s.gitVersion=%[2]s -X %[1]s.gitMajor=%[3]s -X %[1]s.gitMinor=%[4]s -X %[1]s.gitTreeState=clean",
		pkg, v.kubernetes, part[0], part[1])
}

// cacheKey names the folder of binaries: anything that changes them changes it.
func (v versions) cacheKey() string {
	sum := sha256.Sum256([]byte(v.linkerFlags() + "\x00" + string(goMod) + string(pauseSource)))
	return fmt.Sprintf("%s-etcd-%s-%s-%s-%x", v.kubernetes, v.etcd, runtime.GOOS, runtime.GOARCH, sum[:4])
}
