package main

import (
	"errors"
	"fmt"
	"regexp"
	"runtime/debug"
	"time"
)

// listModule holds Mozilla's list.
const listModule = "golang.org/x/crypto/x509roots/fallback"

// pseudoVersion finds the time of the commit in a Go module's version that
// stands for an untagged commit: 14 digits, UTC, before the commit's hash
// (https://go.dev/ref/mod#pseudo-versions).
var pseudoVersion = regexp.MustCompile(`[.-](\d{14})-[0-9a-f]{12}$`)

// listDate returns the day of the list, in UTC, that is compiled into this
// program. Go records the module's version in what go build, go run and go
// test make; other build systems may not.
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

// listVersion returns the version of listModule that was really built in: that
// of its replacement where there is one.
func listVersion(info *debug.BuildInfo) (string, error) {
	if info == nil {
		return "", errors.New("this program was built without module versions in it")
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
	return "", fmt.Errorf("this program was built without the version of %s in it", listModule)
}
