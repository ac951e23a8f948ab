package main

import (
	"encoding/json"
	"fmt"
)

// kubeletConfig returns the configuration of a kubelet that shares its machine:
// no evictions, no reservations, no iptables chains, and cgroups v1 or v2 without
// systemd. Changes of ConfigMaps and Secrets reach pods in about a second.
func (n *node) kubeletConfig(p *plan) string {
	text, err := json.MarshalIndent(map[string]any{
		"apiVersion":                    "kubelet.config.k8s.io/v1beta1",
		"kind":                          "KubeletConfiguration",
		"address":                       n.Gateway,
		"port":                          p.kubeletPort,
		"healthzPort":                   0,
		"readOnlyPort":                  0,
		"tlsCertFile":                   p.pki("kubelet.crt"),
		"tlsPrivateKeyFile":             p.pki("kubelet.key"),
		"authentication":                map[string]any{"x509": map[string]any{"clientCAFile": p.pki("ca.crt")}},
		"containerRuntimeEndpoint":      "unix://" + n.socket(),
		"podLogsDir":                    n.path("pod-logs"),
		"volumePluginDir":               n.path("kubelet", "volume-plugins"),
		"staticPodPath":                 "",
		"resolvConf":                    "",
		"cgroupDriver":                  "cgroupfs",
		"cgroupRoot":                    "/" + n.Name,
		"failCgroupV1":                  false,
		"failSwapOn":                    false,
		"enforceNodeAllocatable":        []string{},
		"localStorageCapacityIsolation": false,
		"makeIPTablesUtilChains":        false,
		"imageGCHighThresholdPercent":   100,
		"evictionHard": map[string]string{
			"nodefs.available": "0%", "nodefs.inodesFree": "0%", "imagefs.available": "0%", "imagefs.inodesFree": "0%",
			"memory.available": "0%", "pid.available": "0%",
		},
		"syncFrequency": "1s",
		"configMapAndSecretChangeDetectionStrategy": "Watch",
	}, "", "  ")
	if err != nil {
		return err.Error() // unreachable: strings, numbers and booleans can always be marshaled
	}
	return string(text)
}

// kubelet returns the kubelet's process.
func (p *plan) kubelet() *process {
	probes := []string{fmt.Sprintf("https://%s:%d/healthz", p.node.Gateway, p.kubeletPort)}
	return p.part(kubelet, probes, []string{
		"--config=" + p.node.path("kubelet.json"),
		"--kubeconfig=" + p.pki("kubelet.kubeconfig"),
		"--root-dir=" + p.node.path("kubelet"),
		"--cert-dir=" + p.node.path("kubelet", "pki"),
		"--hostname-override=" + nodeName,
		"--node-ip=" + p.node.Gateway,
	})
}

// scheduler returns the process of kube-scheduler.
func (p *plan) scheduler() *process {
	return p.part(scheduler, []string{local(p.schedulerPort, "/healthz")}, []string{
		"--kubeconfig=" + p.pki("scheduler.kubeconfig"),
		"--bind-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", p.schedulerPort),
		"--tls-cert-file=" + p.pki("scheduler.crt"),
		"--tls-private-key-file=" + p.pki("scheduler.key"),
		"--leader-elect=false",
	})
}

// apiServerNodeArgs returns the API server's additional arguments in a cluster
// with a node.
func (p *plan) apiServerNodeArgs() []string {
	return []string{
		// Pods and the kubelet connect to this address. Other machines cannot reach it.
		"--bind-address=" + p.node.Gateway,
		"--advertise-address=" + p.node.Gateway,
		// Without kube-proxy, webhooks are called at the addresses of their pods.
		"--enable-aggregator-routing=true",
		"--kubelet-certificate-authority=" + p.pki("ca.crt"),
		"--kubelet-client-certificate=" + p.pki("apiserver-kubelet-client.crt"),
		"--kubelet-client-key=" + p.pki("apiserver-kubelet-client.key"),
		"--kubelet-preferred-address-types=InternalIP",
	}
}
