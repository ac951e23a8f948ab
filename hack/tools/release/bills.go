package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"trust-manager.io/hack/tools/spdx"
)

// archiveSuffix is the suffix of the archives of the command line.
const archiveSuffix = ".tar.gz"

// writeBills writes a bill of materials beside each archive of the command line in a folder.
func writeBills(folder, version, revision, list string) error {
	archives, err := filepath.Glob(filepath.Join(folder, "kubectl-trust-*"+archiveSuffix))
	if err != nil {
		return err
	}
	if len(archives) == 0 {
		return fmt.Errorf("%s contains no archive kubectl-trust-*%s", folder, archiveSuffix)
	}
	var licenses spdx.Licenses
	if list != "" {
		if licenses, err = spdx.ReadLicenses(list); err != nil {
			return err
		}
	}
	created, err := sourceDate()
	if err != nil {
		return err
	}
	for _, archive := range archives {
		text, err := bill(archive, version, revision, created, licenses)
		if err != nil {
			return fmt.Errorf("%s: %w", archive, err)
		}
		path := strings.TrimSuffix(archive, archiveSuffix) + ".spdx.json"
		if err := os.WriteFile(path, text, 0o644); err != nil { //nolint:gosec // nothing in it is secret
			return err
		}
	}
	return nil
}

// bill returns the bill of materials of an archive with one program.
func bill(path, version, revision string, created time.Time, licenses spdx.Licenses) ([]byte, error) {
	archive, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	program, err := programIn(archive)
	if err != nil {
		return nil, err
	}
	modules, err := spdx.Modules([]spdx.Program{program}, revision, licenses)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(archive)
	digest := hex.EncodeToString(sum[:])
	return spdx.New("https://trust-manager.io/spdx/kubectl-trust/"+digest, "trust-manager-hack-release", created, spdx.Package{
		ID: "SPDXRef-archive", Name: "kubectl-trust", Version: version, FileName: filepath.Base(path), Download: spdx.NoAssertion,
		Purpose: "ARCHIVE", SourceInfo: "commit " + revision, Checksums: []spdx.Checksum{{Algorithm: "SHA256", Value: digest}},
		References: spdx.PURL("pkg:generic/kubectl-trust@" + version + "?checksum=sha256:" + digest),
	}, modules).Encode()
}

// programIn returns the program in an archive of the command line.
func programIn(archive []byte) (spdx.Program, error) {
	content, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return spdx.Program{}, err
	}
	for reader := tar.NewReader(content); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return spdx.Program{}, errors.New("it contains no program kubectl-trust")
		} else if err != nil {
			return spdx.Program{}, err
		}
		if strings.TrimSuffix(filepath.Base(header.Name), ".exe") != "kubectl-trust" {
			continue
		}
		data, err := io.ReadAll(reader)
		return spdx.Program{Path: header.Name, Data: data}, err
	}
}

// sourceDate returns the time in SOURCE_DATE_EPOCH
// (https://reproducible-builds.org/specs/source-date-epoch/).
func sourceDate() (time.Time, error) {
	seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	return time.Unix(seconds, 0).UTC(), nil
}
