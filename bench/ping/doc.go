// Ping compares ringway ping with fping, and with mping if a program of that name is there, on loopback: what each reports as
// lost, what the kernel counted, CPU time, memory.
//
// Loopback loses nothing, and the kernel counts in /proc/net/snmp how many requests arrived and how many replies; so a
// tool that reports a loss is wrong unless the kernel's counts differ too. Each run has a network namespace of its own, so that
// nobody else's packets are counted; without permission for one it uses the host's and says so.
//
// Reading starts in main.go, which is the order of work. The tools are the table in tools.go, the loads the one in main.go.
//
// It is a program: nobody imports it. Run it with
//
//	go run ./bench/ping [-duration 10s] [-run REGEXP] [-rounds 3] [-mping PATH]
package main
