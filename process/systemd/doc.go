// Package systemd speaks with a service manager as systemd does: notifications (sd_notify(3)), the watchdog
// (sd_watchdog_enabled(3)) and sockets that were opened for us (sd_listen_fds(3)). Without a service manager everything
// here does nothing.
//
// Reading starts at notify.go; activate.go has the sockets. Package process is the only caller, in the master.
package systemd
