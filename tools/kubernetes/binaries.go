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
	"slices"
	"syscall"
	"time"
)

const (
	etcd              = "etcd"
	apiServer         = "kube-apiserver"
	controllerManager = "kube-controller-manager"
	kubectl           = "kubectl"
	scheduler         = "kube-scheduler"
	kubelet           = "kubelet"
	pause             = "pause"
)

// tool is one binary to build. cold is its build time with an empty Go build
// cache on 2 cores, in the order of the list (later tools reuse packages).
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

// nodeTools are built only with --node.
var nodeTools = []tool{
	{scheduler, "k8s.io/kubernetes/cmd/kube-scheduler", 9 * time.Second},
	{kubelet, "k8s.io/kubernetes/cmd/kubelet", 28 * time.Second},
	{pause, "./pause", time.Second},
}

// toolsFor returns the tools of a control plane with these options.
func toolsFor(opts options) []tool {
	wanted := slices.DeleteFunc(slices.Clone(tools), func(t tool) bool { return opts.WithoutControllerManager && t.name == controllerManager })
	if opts.Node {
		return slices.Concat(wanted, nodeTools)
	}
	return wanted
}

// assets returns the directory of the binaries: KUBEBUILDER_ASSETS if set,
// otherwise the cache, in which it builds missing binaries first.
func assets(ctx context.Context, opts options, progress io.Writer) (string, error) {
	dir, err := assetsDir()
	if err != nil {
		return "", err
	}
	if os.Getenv("KUBEBUILDER_ASSETS") != "" {
		fmt.Fprintf(progress, "using the binaries in KUBEBUILDER_ASSETS=%s\n", dir)
		return dir, errors.Join(has(dir, etcd), has(dir, apiServer))
	}
	if len(missing(dir, toolsFor(opts))) == 0 {
		return dir, nil
	}
	return dir, build(ctx, dir, toolsFor(opts), progress)
}

// assetsDir returns the directory of the binaries, which need not exist yet.
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
			return "", fmt.Errorf("no cache directory for binaries: %w; set TRUST_MANAGER_CACHE to a directory", err)
		}
		cache = filepath.Join(user, "trust-manager")
	}
	return filepath.Abs(filepath.Join(cache, "kubernetes", v.cacheKey()))
}

// has returns an error unless dir contains the named executable.
func has(dir, name string) error {
	info, err := os.Stat(filepath.Join(dir, name))
	if err == nil && (info.IsDir() || info.Mode()&0o111 == 0) {
		err = errors.New("it is not an executable file")
	}
	if err != nil {
		return fmt.Errorf("%s is required in %s: %w; add it, or unset KUBEBUILDER_ASSETS and run `cluster build`", name, dir, err)
	}
	return nil
}

// missing returns the tools that dir does not contain.
func missing(dir string, wanted []tool) []tool {
	return slices.DeleteFunc(slices.Clone(wanted), func(t tool) bool { return has(dir, t.name) == nil })
}

// build builds the tools that dir lacks and adds all of them or none. It waits
// for another process that builds into the same directory and uses its result.
func build(ctx context.Context, dir string, wanted []tool, progress io.Writer) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fmt.Errorf("cache of binaries: %w", err)
	}
	lock, err := lockFile(ctx, dir+".lock", progress)
	if err != nil {
		return err
	}
	defer lock.Close()
	absent := missing(dir, wanted)
	if len(absent) == 0 {
		return nil
	}
	partial := dir + ".partial"
	defer os.RemoveAll(partial)
	if err := errors.Join(os.RemoveAll(partial), writeModule(partial)); err != nil {
		return fmt.Errorf("cache of binaries: %w", err)
	}
	if err := buildTools(ctx, partial, absent, progress); err != nil {
		return err
	}
	return moveTools(filepath.Join(partial, "bin"), dir, absent)
}

// moveTools moves each tool atomically, so that no partially written binary is
// visible.
func moveTools(source, target string, built []tool) error {
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	for _, t := range built {
		if err := os.Rename(filepath.Join(source, t.name), filepath.Join(target, t.name)); err != nil {
			return err
		}
	}
	return nil
}

// writeModule writes a module with this module's requirements and the package
// pause.
func writeModule(dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, pause), 0o755); err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, pause, "main.go"), pauseSource, 0o644),
		os.WriteFile(filepath.Join(dir, "go.mod"), goMod, 0o644),
		os.WriteFile(filepath.Join(dir, "go.sum"), goSum, 0o644))
}

// buildTools builds the wanted tools and writes progress with the expected duration.
func buildTools(ctx context.Context, module string, wanted []tool, progress io.Writer) error {
	v, err := pinnedVersions()
	if err != nil {
		return err
	}
	total := time.Duration(0)
	for _, t := range wanted {
		total += t.cold
	}
	fmt.Fprintf(progress, "building %d programs of Kubernetes %s and etcd %s from source, once: about %s on 2 cores with an empty Go cache, plus downloads\n",
		len(wanted), v.kubernetes, v.etcd, roughly(total))
	for i, t := range wanted {
		fmt.Fprintf(progress, "%d of %d: %s (empty cache: about %s)\n", i+1, len(wanted), t.name, roughly(t.cold))
		start := time.Now()
		if err := buildTool(ctx, module, t, v.linkerFlags(), progress); err != nil {
			return fmt.Errorf("building %s: %w; see the output above", t.name, err)
		}
		fmt.Fprintf(progress, "%d of %d: %s took %s\n", i+1, len(wanted), t.name, time.Since(start).Round(100*time.Millisecond))
	}
	return nil
}

// roughly formats a duration rounded up to 10 seconds, or to minutes from one
// minute on.
func roughly(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%d s", int(d.Seconds()+9)/10*10)
	}
	return fmt.Sprintf("%d min", int((d + 59*time.Second).Minutes()))
}

// buildTool builds one tool into the bin directory of the module.
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
