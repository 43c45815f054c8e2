// Package process is what Ringway is made of as processes: a master that never touches traffic and workers that serve,
// so that neither a configuration, nor a new binary, nor a crash costs a connection that could have been kept.
//
// Reading starts at service.go: Service is what a worker runs and Mover what of it hands live connections over; both are
// implemented by the gateway. Then
//
//	master.go       RunMaster: the one goroutine that the master's state belongs to, signals, the watchdog
//	actions.go      what the state machine of package lifecycle decides, carried out
//	child.go        a worker as its master has it: fork, exec, greeting, end
//	sockets.go      the listening sockets, which belong to the master
//	requests.go     what workers and operators ask of a master
//	control.go      the control socket: command lines, and the adoption of a worker whose master died
//	pidfile.go      the file with the master's number
//	become.go       the master's exec into its successor, in place
//	worker.go       RunWorker: the other side; worker_move.go has hand-over and orphanhood
//	transfer.go     connections on their way from one worker to another
//	client.go       Client: what a command line or an admin API asks of the master
//
// Package message has the protocol, link moves it, lifecycle decides, systemd speaks with the service manager. The protocol,
// byte by byte, and what versions owe each other is in docs/handover.md.
//
// # How to be run
//
//	if process.IsWorker() {
//		return process.RunWorker(service, process.WorkerOptions{…})
//	}
//	signals := process.SuccessorSignals() // before anything that takes time
//	return process.RunMaster(process.MasterOptions{Signals: signals, …})
//
// A worker is the same program with the same arguments. Package cli is the only caller.
//
// # What a Service owes
//
// Sockets come from Setup.Listen and Change.Listen; Running names the listeners in use, and the master closes the others. A
// Service closes its own copies and nothing else: it removes no file of a Unix socket, and never calls shutdown on a
// socket that listens, which would end it for everybody. O_NONBLOCK is shared by all copies of a socket: a Service sets
// what its driver needs when it begins to accept, and during an upgrade never while another one accepts that needs the other
// (Mover.NonBlocking, Giver.Alike).
package process
