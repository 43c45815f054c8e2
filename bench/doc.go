// Bench compares HTTP proxies side by side: Ringway, nginx, HAProxy, on
// request Caddy, and the bare forwarder that bounds what Ringway can reach.
//
// What it measures is CPU time per request, because that is what a proxy costs
// whoever runs it; requests per second on a machine that also runs the load
// generator and the origin say more about those two. The time is read from
// /proc/PID/stat of every process of the proxy, threads and reaped children
// included, before and after wrk ran. The kernel's work for a socket is part
// of it as far as it ran in the proxy's context.
//
// Every proxy has one worker (one thread, one loop), the same origin, and
// stays running through all rounds; one at a time is under load. A round
// visits every proxy once in an order that rotates, ratios are formed within a
// round and the tables show medians over rounds, so that a machine that slows
// down for a while slows all of them.
//
// The suite "runtime" measures what the gateway stands on in the same way: echo
// servers on Ringway's loop, on gnet and on package net (bench/echo), TCP relays,
// and what needs no load, such as waking a loop or spawning a task (bench/micro).
// Its load is bench/messages, which compares every byte that comes back.
//
// The suite "http2" has h2load for its load. The suite "tls" has wrk, and bench/tlsload for what wrk cannot do: full handshakes whose key
// exchange is known, so that like is compared with like, the percentiles of requests beside handshakes (tail.go), and the slowest
// beside many clients that say hello at once (burst.go). The memory of connections at rest,
// plain and with TLS, is measured by this program's own client (idle.go).
//
// Reading starts in main.go, which is the order of work. The proxies are the
// table in peers.go: adding one is one entry there and, where it reads a file,
// one template in configs.go. The loads are the table in loads.go. Peers and
// loads of the runtime are in suites.go, its other measurements in micros.go.
//
// A machine that does other work gives figures that do not count, ratios
// included: the report says so.
//
// It is a program: nobody imports it. Run it with
//
//	go run ./bench [-suite gateway|tls|http2|grpc|runtime|all] [-run REGEXP] [-rounds N] [-duration 3s] [-driver auto|epoll|uring|both] [-caddy] [-json FILE]
//
// The load goes to 127.0.0.1 only, from and to ports picked free, and lasts
// for the time given. Children die with the program, also on Ctrl-C.
package main
