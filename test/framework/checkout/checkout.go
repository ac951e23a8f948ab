// Package checkout tells tests where the checkout is that they run in.
package checkout

import (
	"fmt"
	"os"
	"path/filepath"
)

// Root finds the folder of the root module: the nearest one above the working
// directory, or that itself, with a go.mod.
func Root() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("no go.mod in %s or above it: run the tests from within the checkout", start)
}
