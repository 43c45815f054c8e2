// Package preface reads what stands at the start of a connection before what it carries: the PROXY protocol's header, which a
// proxy in front of us sends, and the ClientHello, which is looked at and passed on. It gathers their bytes, however they
// were split, without taking one too many.
//
// Start reading at gather.go, then proxy.go and hello.go; spec.go says which peers are proxies. The inbound packages call it, in
// the task of a connection; what is malformed, late or cut off they decide upon.
package preface
