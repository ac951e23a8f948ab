package localnode

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// place maps the file system of a container to this machine.
type place struct {
	// root is the directory of the image's files.
	root string
	// mounts maps each mount path to the directory of its volume.
	mounts map[string]string
}

// commandLine is what a container runs: the program and its arguments, with the
// paths of this machine, and the complete environment.
type commandLine struct {
	args, environment []string
	folder            string
}

// newCommandLine combines the image's configuration and the container by the
// rules of Kubernetes: the container's command replaces the image's entrypoint
// and arguments, and the container's args replace the image's arguments. The
// given variables and arguments are appended.
func newCommandLine(config imageConfig, c *corev1.Container, at place, variables, arguments []string) (*commandLine, error) {
	environment := slices.Clone(config.Env)
	for _, variable := range c.Env {
		environment = append(environment, variable.Name+"="+expand(variable.Value, environment))
	}
	environment = append(environment, variables...)
	args := config.Entrypoint
	switch {
	case len(c.Command) > 0:
		args = slices.Concat(c.Command, c.Args)
	case len(c.Args) > 0:
		args = slices.Concat(args, c.Args)
	default:
		args = slices.Concat(args, config.Cmd)
	}
	if len(args) == 0 {
		return nil, fmt.Errorf("neither the image nor the pod specifies a command for container %s", c.Name)
	}
	line := &commandLine{environment: environment, folder: at.root}
	for _, arg := range args {
		line.args = append(line.args, at.translate(expand(arg, environment)))
	}
	for _, arg := range arguments {
		line.args = append(line.args, expand(arg, environment))
	}
	if folder := c.WorkingDir; folder != "" {
		line.folder = at.translate(folder)
	} else if config.WorkingDir != "" {
		line.folder = at.translate(config.WorkingDir)
	}
	return line, nil
}

// expand replaces $(NAME) by the last value of the variable. An unknown variable
// is kept as it is.
func expand(text string, environment []string) string {
	for _, variable := range slices.Backward(environment) {
		name, value, _ := strings.Cut(variable, "=")
		text = strings.ReplaceAll(text, "$("+name+")", value)
	}
	return text
}

// translate replaces the path in an argument, which is the whole argument or
// follows an equals sign. A path in a volume becomes the path in the volume's
// directory, and a path in the image the path in the image's directory.
func (p place) translate(arg string) string {
	flag, path, found := strings.Cut(arg, "=")
	if found {
		flag += "="
	} else {
		flag, path = "", arg
	}
	if !filepath.IsAbs(path) {
		return arg
	}
	// The longest mount path comes first, since one mount may contain another.
	paths := make([]string, 0, len(p.mounts))
	for mount := range p.mounts {
		paths = append(paths, mount)
	}
	slices.SortFunc(paths, func(a, b string) int { return len(b) - len(a) })
	for _, mount := range paths {
		mounted := strings.TrimSuffix(mount, "/")
		if path == mounted || strings.HasPrefix(path, mounted+"/") {
			return flag + p.mounts[mount] + strings.TrimPrefix(path, mounted)
		}
	}
	if own := filepath.Join(p.root, path); filepath.Clean(path) != "/" && exists(own) {
		return flag + own
	}
	return arg
}

// exists reports whether a file, directory or link exists.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
