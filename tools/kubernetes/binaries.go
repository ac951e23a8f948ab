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

// nodeTools are built only where a node is wanted.
var nodeTools = []tool{
	{scheduler, "k8s.io/kubernetes/cmd/kube-scheduler", 9 * time.Second},
	{kubelet, "k8s.io/kubernetes/cmd/kubelet", 28 * time.Second},
	{pause, "./pause", time.Second},
}

// toolsFor returns all tools of a control plane, and those of a node if wanted.
func toolsFor(node bool) []tool {
	if node {
		return slices.Concat(tools, nodeTools)
	}
	return tools
}

// assets returns the folder that holds the binaries: KUBEBUILDER_ASSETS if that
// is set, or else the cached one, where those that are missing are built first.
func assets(ctx context.Context, node bool, progress io.Writer) (string, error) {
	dir, err := assetsDir()
	if err != nil {
		return "", err
	}
	if os.Getenv("KUBEBUILDER_ASSETS") != "" {
		fmt.Fprintf(progress, "using the binaries in KUBEBUILDER_ASSETS=%s\n", dir)
		return dir, errors.Join(has(dir, etcd), has(dir, apiServer))
	}
	if len(missing(dir, toolsFor(node))) == 0 {
		return dir, nil
	}
	return dir, build(ctx, dir, toolsFor(node), progress)
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

// missing returns those of the tools that dir does not hold.
func missing(dir string, wanted []tool) []tool {
	return slices.DeleteFunc(slices.Clone(wanted), func(t tool) bool { return has(dir, t.name) == nil })
}

// build puts those of the tools into dir that it lacks, all of them or none.
// Another process that builds the same folder is waited for and its work is used.
func build(ctx context.Context, dir string, wanted []tool, progress io.Writer) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fmt.Errorf("cache of built binaries: %w", err)
	}
	lock, err := lockFile(ctx, dir+".lock", progress)
	if err != nil {
		return err
	}
	defer lock.Close()
	lacking := missing(dir, wanted)
	if len(lacking) == 0 {
		return nil
	}
	partial := dir + ".partial"
	defer os.RemoveAll(partial)
	if err := errors.Join(os.RemoveAll(partial), writeModule(partial)); err != nil {
		return fmt.Errorf("cache of built binaries: %w", err)
	}
	if err := buildTools(ctx, partial, lacking, progress); err != nil {
		return err
	}
	return moveTools(filepath.Join(partial, "bin"), dir, lacking)
}

// moveTools moves each tool in one step, so that none is ever found half written.
func moveTools(from, to string, built []tool) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	for _, t := range built {
		if err := os.Rename(filepath.Join(from, t.name), filepath.Join(to, t.name)); err != nil {
			return err
		}
	}
	return nil
}

// writeModule makes a module with this one's requirements and one package, pause.
func writeModule(dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, pause), 0o755); err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, pause, "main.go"), pauseSource, 0o644),
		os.WriteFile(filepath.Join(dir, "go.mod"), goMod, 0o644),
		os.WriteFile(filepath.Join(dir, "go.sum"), goSum, 0o644))
}

func buildTools(ctx context.Context, module string, wanted []tool, progress io.Writer) error {
	v, err := pinnedVersions()
	if err != nil {
		return err
	}
	total := time.Duration(0)
	for _, t := range wanted {
		total += t.cold
	}
	fmt.Fprintf(progress, "building %d programs of Kubernetes %s and etcd %s from source, once: about %s on 2 cores with a cold Go cache, plus downloads\n",
		len(wanted), v.kubernetes, v.etcd, roughly(total))
	for i, t := range wanted {
		fmt.Fprintf(progress, "%d of %d: %s (cold: about %s)\n", i+1, len(wanted), t.name, roughly(t.cold))
		began := time.Now()
		if err := buildTool(ctx, module, t, v.linkerFlags(), progress); err != nil {
			return fmt.Errorf("building %s: %w; the lines above say why", t.name, err)
		}
		fmt.Fprintf(progress, "%d of %d: %s took %s\n", i+1, len(wanted), t.name, time.Since(began).Round(100*time.Millisecond))
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
