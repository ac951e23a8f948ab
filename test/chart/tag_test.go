package chart

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Versions of CA packages are dates, and Helm parses an unquoted value of digits
// as a number.
func TestTagOfDigits(t *testing.T) {
	file := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(file, []byte("defaultPackageImage: {tag: 20991231}\nimage: {tag: 20991232}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"on the command line": {"--set", "defaultPackageImage.tag=20991231,image.tag=20991232"},
		"as a string":         {"--set-string", "defaultPackageImage.tag=20991231,image.tag=20991232"},
		"in a file":           {"--values", file},
	} {
		t.Run(name, func(t *testing.T) {
			deployment := render(t, args...).get(t, "Deployment", "trust-manager")
			for container, want := range map[string]string{"initContainers": ":20991231", "containers": ":20991232"} {
				image := at(t, deployment, "spec", "template", "spec", container, 0, "image")
				if !strings.HasSuffix(strings.Trim(image, `"`), want) {
					t.Errorf("%s: got image %s, want tag %s", container, image, want)
				}
			}
		})
	}
}
