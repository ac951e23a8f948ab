package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestWrongUsage(t *testing.T) {
	cases := map[string]struct {
		args []string
		want string
	}{
		"no command":             {nil, "Usage"},
		"an unknown command":     {[]string{"dance"}, `no command "dance"`},
		"no directory":           {[]string{"down"}, "--dir is missing"},
		"an empty directory":     {[]string{"down", "--dir="}, "must not be empty"},
		"no kubeconfig":          {[]string{"up", "--dir=x"}, "--kubeconfig is missing"},
		"an extra argument":      {[]string{"down", "--dir=x", "y"}, `unexpected argument "y"`},
		"an API server argument": {[]string{"run", "--apiserver-arg=v=2"}, "--name=value"},
		"no process":             {[]string{"restart", "--dir=x"}, "--process is missing"},
		"nothing to load":        {[]string{"load", "--dir=x"}, "at least one image archive"},
		"nothing to pack":        {[]string{"pack", "--image=x", "--out=y"}, "at least one PATH=FILE"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var out, progress bytes.Buffer
			err := dispatch(t.Context(), stdio{strings.NewReader(""), &out, &progress}, c.args)
			if !errors.Is(err, errUsage) {
				t.Errorf("got error %v, want errUsage", err)
			}
			if !strings.Contains(progress.String(), c.want) || out.Len() > 0 {
				t.Errorf("got %q and on standard output %q; want %q and nothing", progress.String(), out.String(), c.want)
			}
		})
	}
}

func TestCommandErrors(t *testing.T) {
	cases := map[string]struct {
		args []string
		want string
	}{
		"an unknown signal":                 {[]string{"signal", "--dir=x", "--process=etcd", "--signal=HUP"}, "want one of CONT, KILL, STOP, TERM"},
		"a signal without target":           {[]string{"signal", "--dir=x", "--process=etcd", "--signal=KILL"}, "no control plane in"},
		"a restart without a control plane": {[]string{"restart", "--dir=x", "--process=etcd"}, "no control plane in"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			err := dispatch(t.Context(), stdio{strings.NewReader(""), t.Output(), t.Output()}, c.args)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
