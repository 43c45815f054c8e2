// Package test is the end-to-end suite: the real binary between real peers, over loopback.
//
// Scripts in testdata/*.txtar drive the command line as a user types it (script_test.go has their commands). The Go tests
// beside them start the binary as a child (process_test.go) and speak to it with raw sockets, net/http, curl, wrk and
// Node; origins are nginx, net/http and scripted sockets (origin_test.go). Start reading at process_test.go.
//
// Tests that mostly wait call t.Parallel, and have both drivers at once by driversAtOnce; those that judge how long something took,
// or kill and upgrade at chosen moments, run alone.
//
// Everything runs on both drivers. These variables change a run:
//
//	RINGWAY_DRIVER=uring|epoll  only that driver
//	RINGWAY_LONG=1              bodies of 10 GiB instead of 512 MiB
//	CI_REQUIRE_URING=1          fail, instead of skipping, where io_uring is forbidden
//	CI_REQUIRE_TOOLS=1          fail, instead of skipping, where a peer is not installed
//
// No other package imports this one.
package test
