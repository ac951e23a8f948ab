package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

const (
	etcd              = "etcd"
	apiServer         = "kube-apiserver"
	controllerManager = "kube-controller-manager"
	kubectl           = "kubectl"
)

// tool is one binary to build. cold is how long it took with an empty Go build
// cache on 2 cores, in the order of the list (later ones reuse packages).
type tool struct {
	name, pkg string
	cold      time.Duration
}

var tools = []tool{
	{apiServer, "k8s.io/kubernetes/cmd/kube-apiserver", 305 * time.Second},
	{etcd, "go.etcd.io/etcd/server/v3", 13 * time.Second},
	{kubectl, "k8s.io/kubernetes/cmd/kubectl", 23 * time.Second},
	{controllerManager, "k8s.io/kubernetes/cmd/kube-controller-manager", 111 * time.Second},
}

// assets returns the folder that holds the binaries: KUBEBUILDER_ASSETS if that
// is set, or else the cached one, which is built first if need be.
func assets(ctx context.Context, progress io.Writer) (string, error) {
	dir, err := assetsDir()
	if err != nil {
		return "", err
	}
	if os.Getenv("KUBEBUILDER_ASSETS") != "" {
		fmt.Fprintf(progress, "using the binaries in KUBEBUILDER_ASSETS=%s\n", dir)
		return dir, errors.Join(has(dir, etcd), has(dir, apiServer))
	}
	if complete(dir) {
		return dir, nil
	}
	return dir, build(ctx, dir, progress)
}

// assetsDir says where the binaries are or will be.
func assetsDir() (string, error) {
	if dir := os.Getenv("KUBEBUILDER_ASSETS"); dir != "" {
		return filepath.Abs(dir)
	}
	v, err := pinnedVersions()
	if err != nil {
		return "", err
	}
	cache := os.Getenv("TRUST_MANAGER_CACHE")
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("no folder for built binaries: %w; set TRUST_MANAGER_CACHE to one", err)
		}
		cache = filepath.Join(user, "trust-manager")
	}
	return filepath.Abs(filepath.Join(cache, "kubernetes", v.cacheKey()))
}

// has returns an error unless dir holds the executable called name.
func has(dir, name string) error {
	info, err := os.Stat(filepath.Join(dir, name))
	if err == nil && (info.IsDir() || info.Mode()&0o111 == 0) {
		err = errors.New("it is no executable file")
	}
	if err != nil {
		return fmt.Errorf("%s is needed in %s: %w; put it there, or unset KUBEBUILDER_ASSETS and run `cluster build`", name, dir, err)
	}
	return nil
}

func complete(dir string) bool {
	for _, t := range tools {
		if has(dir, t.name) != nil {
			return false
		}
	}
	return true
}

// build fills dir with all tools. Another process that builds the same folder is
// waited for and its work is used; dir appears whole or not at all.
func build(ctx context.Context, dir string, progress io.Writer) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fmt.Errorf("cache of built binaries: %w", err)
	}
	lock, err := lockFile(ctx, dir+".lock", progress)
	if err != nil {
		return err
	}
	defer lock.Close()
	if complete(dir) {
		return nil
	}
	partial := dir + ".partial"
	defer os.RemoveAll(partial)
	if err := errors.Join(os.RemoveAll(partial), os.RemoveAll(dir), writeModule(partial)); err != nil {
		return fmt.Errorf("cache of built binaries: %w", err)
	}
	if err := buildTools(ctx, partial, progress); err != nil {
		return err
	}
	return os.Rename(filepath.Join(partial, "bin"), dir)
}

// writeModule makes a module with this one's requirements and no package.
func writeModule(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "go.mod"), goMod, 0o644),
		os.WriteFile(filepath.Join(dir, "go.sum"), goSum, 0o644))
}

func buildTools(ctx context.Context, module string, progress io.Writer) error {
	v, err := pinnedVersions()
	if err != nil {
		return err
	}
	total := time.Duration(0)
	for _, t := range tools {
		total += t.cold
	}
	fmt.Fprintf(progress, "building Kubernetes %s and etcd %s from source, once: about %s on 2 cores with a cold Go cache, plus downloads\n",
		v.kubernetes, v.etcd, roughly(total))
	for i, t := range tools {
		fmt.Fprintf(progress, "%d of %d: %s (cold: about %s)\n", i+1, len(tools), t.name, roughly(t.cold))
		began := time.Now()
		if err := buildTool(ctx, module, t, v.linkerFlags(), progress); err != nil {
			return fmt.Errorf("building %s: %w; the lines above say why", t.name, err)
		}
		fmt.Fprintf(progress, "%d of %d: %s took %s\n", i+1, len(tools), t.name, time.Since(began).Round(100*time.Millisecond))
	}
	return nil
}

// roughly rounds a duration up to what is honest to promise.
func roughly(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%d s", int(d.Seconds()+9)/10*10)
	}
	return fmt.Sprintf("%d min", int((d + 59*time.Second).Minutes()))
}

func buildTool(ctx context.Context, module string, t tool, ldflags string, progress io.Writer) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", ldflags,
		"-o", filepath.Join(module, "bin", t.name), t.pkg)
	cmd.Dir = module
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH)
	cmd.Stdout, cmd.Stderr = progress, progress
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = 10 * time.Second
	return cmd.Run()
}
