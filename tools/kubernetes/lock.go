package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
)

// lockFile takes the exclusive advisory lock on a file, which it makes if need
// be, and waits for whoever has it until ctx ends. Closing the file, or the end
// of the process, gives the lock back.
func lockFile(ctx context.Context, name string, progress io.Writer) (*os.File, error) {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	return locked(ctx, file, progress)
}

// lockFolder is lockFile for a folder that its holder may remove: a lock on a
// folder that has been removed meanwhile is worth nothing, so it is taken anew.
func lockFolder(ctx context.Context, name string, progress io.Writer) (*os.File, error) {
	for {
		if err := os.MkdirAll(name, 0o700); err != nil {
			return nil, err
		}
		folder, err := os.Open(name)
		if errors.Is(err, os.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, err
		}
		if folder, err = locked(ctx, folder, progress); err != nil {
			return nil, err
		}
		if sameFile(folder, name) {
			return folder, nil
		}
		folder.Close()
	}
}

func locked(ctx context.Context, file *os.File, progress io.Writer) (*os.File, error) {
	for told := false; ; {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return file, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			file.Close()
			return nil, fmt.Errorf("locking %s: %w", file.Name(), err)
		}
		if !told {
			fmt.Fprintf(progress, "waiting for another cluster command to finish with %s\n", file.Name())
			told = true
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			file.Close()
			return nil, fmt.Errorf("waiting for the lock on %s: %w", file.Name(), err)
		}
	}
}

func sameFile(open *os.File, name string) bool {
	had, errHad := open.Stat()
	is, errIs := os.Stat(name)
	return errHad == nil && errIs == nil && os.SameFile(had, is)
}

// sleep waits for d or until ctx ends, which is an error.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
