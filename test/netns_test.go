package test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
)

// twins are two network namespaces with a veth pair between them: one for a client, one for the peer that answers it.
type twins struct {
	t            *testing.T
	client, peer string      // names of the namespaces, for `ip netns exec`
	pinged       *os.Process // pingPeer, once it was started
}

// Addresses of the pair's ends. The peer's side also stands for the blocks behind it.
const (
	client4, peer4, behind4 = "10.77.0.1", "10.77.0.2", "10.78.0.0/16"
	client6, peer6, behind6 = "fd77::1", "fd77::2", "fd78::/64"
	peerLink6               = "fe80::2"
)

var twinCount atomic.Int32

// newTwins makes the namespaces, or skips where this process may not.
func newTwins(t *testing.T) *twins {
	t.Helper()
	ip := tool(t, "ip", "iproute2")
	id := fmt.Sprintf("rw%d-%d", os.Getpid()%100_000, twinCount.Add(1))
	n := &twins{t: t, client: id + "c", peer: id + "p"}
	if out, err := exec.Command(ip, "netns", "add", n.client).CombinedOutput(); err != nil {
		t.Skipf("no permission to make network namespaces: %v: %s", err, out)
	}
	t.Cleanup(func() {
		for _, name := range []string{n.client, n.peer} {
			_ = exec.Command(ip, "netns", "del", name).Run() // takes the interfaces with it
		}
	})
	n.ip("netns", "add", n.peer)
	n.ip("-n", n.client, "link", "add", "veth0", "type", "veth", "peer", "name", "veth0", "netns", n.peer)
	for _, end := range []struct{ ns, addr4, addr6, link6 string }{{n.client, client4, client6, "fe80::1"}, {n.peer, peer4, peer6, peerLink6}} {
		n.ip("-n", end.ns, "addr", "add", end.addr4+"/24", "dev", "veth0")
		n.ip("-n", end.ns, "-6", "addr", "add", end.addr6+"/64", "dev", "veth0", "nodad")
		n.ip("-n", end.ns, "-6", "addr", "add", end.link6+"/64", "dev", "veth0", "nodad")
		n.ip("-n", end.ns, "link", "set", "lo", "up")
		n.ip("-n", end.ns, "link", "set", "veth0", "up")
	}
	n.ip("-n", n.client, "route", "add", behind4, "via", peer4)
	n.ip("-n", n.client, "-6", "route", "add", behind6, "via", peer6)
	// Else the peer's kernel would say that it has no way on.
	n.ip("-n", n.peer, "route", "add", "local", behind4, "dev", "lo")
	n.ip("-n", n.peer, "-6", "route", "add", "local", behind6, "dev", "lo")
	return n
}

func (n *twins) ip(args ...string) {
	n.t.Helper()
	if out, err := exec.Command(tool(n.t, "ip", "iproute2"), args...).CombinedOutput(); err != nil {
		n.t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// command is a program that runs in one of the namespaces.
func (n *twins) command(namespace string, args ...string) *exec.Cmd {
	n.t.Helper()
	return exec.Command(tool(n.t, "ip", "iproute2"), append([]string{"netns", "exec", namespace}, args...)...)
}

// set writes a kernel parameter of a namespace.
func (n *twins) set(namespace, parameter, value string) {
	n.t.Helper()
	c := n.command(namespace, "tee", "/proc/sys/"+parameter)
	c.Stdin, c.Stdout = strings.NewReader(value), io.Discard
	if err := c.Run(); err != nil {
		n.t.Fatalf("%s: %v", parameter, err)
	}
}
