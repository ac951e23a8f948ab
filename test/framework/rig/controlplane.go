package rig

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"time"
)

// The processes of the control plane that tests stop and restart.
const (
	Etcd      = "etcd"
	APIServer = "kube-apiserver"
	// ControllerManager runs the garbage collector and the namespace controller.
	ControllerManager = "kube-controller-manager"
)

// stopLimit is several times as long as the control plane takes to stop.
const stopLimit = 30 * time.Second

// controlPlane is one `cluster run`. It ends when its standard input is closed, and so
// with this process.
type controlPlane struct {
	binary, dir string
	// kubeconfig is the path of the administrator's kubeconfig.
	kubeconfig string
	command    *exec.Cmd
	input      io.Closer
}

// startControlPlane starts a control plane and waits until it is ready. It builds binaries
// that are not in the cache, and logs that to progress.
func startControlPlane(binary, dir string, progress io.Writer, arguments ...string) (*controlPlane, error) {
	c := &controlPlane{binary: binary, dir: filepath.Join(dir, "cluster"), kubeconfig: filepath.Join(dir, "admin.kubeconfig")}
	flags := []string{"run", "--dir", c.dir, "--kubeconfig", c.kubeconfig}
	for _, argument := range arguments {
		flags = append(flags, "--apiserver-arg", argument)
	}
	c.command = exec.Command(binary, flags...)
	c.command.Stderr = progress
	output, err := c.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if c.input, err = c.command.StdinPipe(); err != nil {
		return nil, err
	}
	if err := c.command.Start(); err != nil {
		return nil, fmt.Errorf("starting the control plane: %w", err)
	}
	if line, _ := bufio.NewReader(output).ReadString('\n'); line != "ready\n" {
		return nil, errors.Join(errors.New("the control plane did not become ready; see the output above"), c.stop())
	}
	return c, nil
}

// control runs another command on the control plane.
func (c *controlPlane) control(command string, arguments ...string) error {
	arguments = append([]string{command, "--dir", c.dir}, arguments...)
	if output, err := exec.Command(c.binary, arguments...).CombinedOutput(); err != nil {
		return fmt.Errorf("cluster %s: %w\n%s", command, err, output)
	}
	return nil
}

func (c *controlPlane) stop() error {
	if err := c.input.Close(); err != nil {
		return err
	}
	watchdog := time.AfterFunc(stopLimit, func() { _ = c.command.Process.Kill() })
	defer watchdog.Stop()
	if err := c.command.Wait(); err != nil {
		return errors.Join(errors.New("the control plane did not stop cleanly"), err)
	}
	return nil
}
