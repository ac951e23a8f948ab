package main

import (
	"context"
	"encoding/json"
	"fmt"
)

// networkConfig returns the CNI configuration. It attaches pods to the bridge,
// with addresses that can reach the machine, and be reached from it, and nothing
// else.
func (n *node) networkConfig() string {
	text, err := json.MarshalIndent(map[string]any{
		"cniVersion": "0.4.0",
		"name":       n.Name,
		"plugins": []any{map[string]any{
			"type": "bridge", "bridge": n.Name,
			"ipam": map[string]any{
				"type": "host-local", "dataDir": n.path("addresses"),
				"ranges": []any{[]any{map[string]any{"subnet": n.Subnet, "gateway": n.Gateway}}},
				"routes": []any{map[string]any{"dst": "0.0.0.0/0"}},
			},
		}},
	}, "", "  ")
	if err != nil {
		return err.Error() // unreachable: strings can always be marshaled
	}
	return string(text)
}

// setUp creates what the node's processes need: the bridge, on whose address the
// API server listens before any pod exists; the route from pods to the address of
// the Service "kubernetes"; and the cgroup of all pods.
func (n *node) setUp(ctx context.Context) error {
	for _, command := range [][]string{
		{"ip", "link", "add", n.Name, "type", "bridge"},
		{"ip", "address", "add", n.Gateway + "/24", "dev", n.Name},
		{"ip", "link", "set", n.Name, "up"},
		append([]string{"iptables", "--wait", "--table", "nat", "--append"}, n.rule()...),
	} {
		if err := n.command(ctx, command[0], command[1:]...); err != nil {
			return err
		}
	}
	return n.makeCgroup()
}

// rule returns the only iptables rule: it forwards connections to the Service
// "kubernetes" to the API server.
func (n *node) rule() []string {
	return []string{
		"PREROUTING", "--source", n.Subnet, "--destination", serviceAddress, "--protocol", "tcp", "--dport", "443",
		"--match", "comment", "--comment", n.Name, "--jump", "DNAT", "--to-destination", fmt.Sprintf("%s:%d", n.Gateway, n.APIPort),
	}
}
