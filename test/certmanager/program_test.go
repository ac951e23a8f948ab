package certmanager

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// bin returns the path of a program that make builds.
func bin(name string) (string, error) {
	path, err := filepath.Abs(filepath.Join("..", "..", "bin", name))
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		return "", fmt.Errorf("these tests need bin/%s; run `make test-integration`, which builds it", name)
	}
	return path, nil
}

// program is a process that ends with its standard input, and so with this one.
type program struct {
	command *exec.Cmd
	input   io.Closer
	log     output
}

// output collects what a process writes. It is safe for concurrent use.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(text []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(text)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// start starts a program, and waits until it prints "ready".
func start(name string, arguments ...string) (*program, error) {
	path, err := bin(name)
	if err != nil {
		return nil, err
	}
	p := &program{command: exec.Command(path, arguments...)}
	p.command.Stderr = &p.log
	output, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if p.input, err = p.command.StdinPipe(); err != nil {
		return nil, err
	}
	if err := p.command.Start(); err != nil {
		return nil, err
	}
	if line, _ := bufio.NewReader(output).ReadString('\n'); line != "ready\n" {
		return nil, errors.Join(fmt.Errorf("%s %s did not get ready", name, arguments[0]), p.stop(), errors.New(p.log.String()))
	}
	return p, nil
}

// stop ends the program. It does nothing if the program was not started.
func (p *program) stop() error {
	if p == nil || p.command.ProcessState != nil {
		return nil
	}
	return errors.Join(p.input.Close(), p.command.Wait())
}
