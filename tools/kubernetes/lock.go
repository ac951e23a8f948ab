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

// lockFile acquires the exclusive advisory lock on a file, which it creates if
// necessary. It waits for the current holder until ctx ends. Closing the file, or
// the end of the process, releases the lock.
func lockFile(ctx context.Context, name string, progress io.Writer) (*os.File, error) {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	return locked(ctx, file, progress)
}

// lockFolder is like lockFile, for a directory that its holder may remove. A lock
// on a removed directory protects nothing, so it is acquired again on the new
// one.
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

// locked waits for the lock on file and returns file. It closes file on failure.
func locked(ctx context.Context, file *os.File, progress io.Writer) (*os.File, error) {
	for reported := false; ; {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return file, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			file.Close()
			return nil, fmt.Errorf("locking %s: %w", file.Name(), err)
		}
		if !reported {
			fmt.Fprintf(progress, "waiting for another cluster command to release %s\n", file.Name())
			reported = true
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			file.Close()
			return nil, fmt.Errorf("waiting for the lock on %s: %w", file.Name(), err)
		}
	}
}

// sameFile reports whether name still refers to the open file.
func sameFile(open *os.File, name string) bool {
	opened, errOpened := open.Stat()
	current, errCurrent := os.Stat(name)
	return errOpened == nil && errCurrent == nil && os.SameFile(opened, current)
}

// sleep waits for d. It returns an error if ctx ends first.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
