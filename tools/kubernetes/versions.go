package main

import (
	"crypto/sha256"
	_ "embed"
	"fmt"
	"regexp"
	"runtime"
	"strings"
)

// The module's own files are embedded, so that the command knows its versions and
// can build them from any working directory.
//
//go:embed go.mod
var goMod []byte

//go:embed go.sum
var goSum []byte

// versions are the pinned releases, as module versions such as "v1.37.2".
type versions struct {
	kubernetes, etcd string
}

// pinnedVersions returns the versions that go.mod requires.
func pinnedVersions() (versions, error) {
	k, err := required("k8s.io/kubernetes")
	if err != nil {
		return versions{}, err
	}
	e, err := required("go.etcd.io/etcd/server/v3")
	return versions{kubernetes: k, etcd: e}, err
}

// required returns the version at which go.mod requires a module. A tidy go.mod
// contains the selected version of every module that is built, so the result
// equals that of `go list -m` without the need for Go (a test compares the two).
func required(module string) (string, error) {
	line := regexp.MustCompile(`(?m)^\s*(?:require )?` + regexp.QuoteMeta(module) + ` (v\S+)`)
	match := line.FindSubmatch(goMod)
	if match == nil {
		return "", fmt.Errorf("go.mod of tools/kubernetes does not require %s: add it with `go get -C tools/kubernetes %s`", module, module)
	}
	return string(match[1]), nil
}

// linkerFlags returns the linker flags that set the version of the binaries.
// Without them the API server reports v0.0.0, on which clients and feature gates
// rely.
func (v versions) linkerFlags() string {
	const pkg = "k8s.io/component-base/version"
	part := strings.SplitN(strings.TrimPrefix(v.kubernetes, "v"), ".", 3)
	return fmt.Sprintf("-s -w -X %[1]s.gitVersion=%[2]s -X %[1]s.gitMajor=%[3]s -X %[1]s.gitMinor=%[4]s -X %[1]s.gitTreeState=clean",
		pkg, v.kubernetes, part[0], part[1])
}

// cacheKey returns the name of the binaries' directory. It depends on everything
// that affects the binaries.
func (v versions) cacheKey() string {
	sum := sha256.Sum256([]byte(v.linkerFlags() + "\x00" + string(goMod) + string(pauseSource)))
	return fmt.Sprintf("%s-etcd-%s-%s-%s-%x", v.kubernetes, v.etcd, runtime.GOOS, runtime.GOARCH, sum[:4])
}
