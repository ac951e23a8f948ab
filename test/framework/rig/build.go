package rig

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// commands are the paths of the built binaries.
type commands struct {
	cluster, operator string
}

// build compiles the commands of this checkout. The cluster command has its own
// module.
func build(ctx context.Context, root, dir string, progress io.Writer) (commands, error) {
	built := commands{cluster: filepath.Join(dir, "cluster-command"), operator: filepath.Join(dir, "trust-manager")}
	for output, source := range map[string][2]string{
		built.cluster:  {filepath.Join(root, "tools", "kubernetes"), "."},
		built.operator: {root, "./cmd/trust-manager"},
	} {
		command := exec.CommandContext(ctx, "go", "build", "-C", source[0], "-o", output, source[1])
		command.Env = append(os.Environ(), "GOWORK=off") // the module of the cluster command is not in the workspace
		command.Stdout, command.Stderr = progress, progress
		if err := command.Run(); err != nil {
			return commands{}, fmt.Errorf("building %s in %s: %w; see the output above", source[1], source[0], err)
		}
	}
	return built, nil
}
