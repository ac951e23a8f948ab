package main

import (
	"errors"
	"fmt"
	"regexp"
	"runtime/debug"
	"time"
)

// listModule is the Go module that contains Mozilla's list.
const listModule = "golang.org/x/crypto/x509roots/fallback"

// pseudoVersion matches the commit time in the pseudo-version of a Go module: 14
// digits, UTC, before the commit's hash
// (https://go.dev/ref/mod#pseudo-versions).
var pseudoVersion = regexp.MustCompile(`[.-](\d{14})-[0-9a-f]{12}$`)

// listDate returns the date, in UTC, of the list that is compiled into this
// program. go build, go run and go test record the module's version; other build
// systems may not.
func listDate(info *debug.BuildInfo) (time.Time, error) {
	version, err := listVersion(info)
	if err != nil {
		return time.Time{}, err
	}
	match := pseudoVersion.FindStringSubmatch(version)
	if match == nil {
		return time.Time{}, fmt.Errorf("version %q of %s has no date in it", version, listModule)
	}
	day, err := time.Parse("20060102", match[1][:len("20060102")])
	if err != nil {
		return time.Time{}, fmt.Errorf("version %q of %s has no date in it: %w", version, listModule, err)
	}
	return day, nil
}

// listVersion returns the version of [listModule] that was built in, or the
// version of its replacement if it was replaced.
func listVersion(info *debug.BuildInfo) (string, error) {
	if info == nil {
		return "", errors.New("this program was built without module versions")
	}
	for _, module := range info.Deps {
		if module.Path != listModule {
			continue
		}
		if module.Replace != nil {
			module = module.Replace
		}
		return module.Version, nil
	}
	return "", fmt.Errorf("this program was built without the version of %s", listModule)
}
