package checkout

import (
	"fmt"
	"os"
	"path/filepath"
)

// Root returns the nearest directory with a go.mod: the working directory or one above it.
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
