// Handover counts what clients notice of a proxy that gets another configuration or another program under load: Ringway, nginx,
// HAProxy, each in the ways that it has for that. The clients are those of package clients, which the end-to-end tests hold Ringway to.
//
// Reading starts in main.go, which is the order of work. The proxies and what is done to them are the table in peers.go, their
// configurations are in configs.go.
//
// Ringway has a drain_timeout of 10 s. nginx and HAProxy have no such thing by default: their old processes live as long as their
// last connection. So each is run twice: as they are, where the column "processes" tells how many there are in the end, and with the
// same 10 s (worker_shutdown_timeout, hard-stop-after).
//
// It is a program: nobody imports it. Run it with
//
//	go run ./bench/handover [-duration 30s] [-every 2s] [-run REGEXP]
package main
