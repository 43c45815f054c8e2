// Code generated from filters.txt by gen; DO NOT EDIT.

package table

import (
	"github.com/ringway/ringway/gateway/filter"
	"github.com/ringway/ringway/gateway/filter/clientcert"
	"github.com/ringway/ringway/gateway/filter/grpcweb"
	"github.com/ringway/ringway/gateway/filter/headers"
	"github.com/ringway/ringway/gateway/filter/respond"
)

// Entry is one filter of a route in the configuration: exactly one of its keys.
type Entry struct {
	_ struct{} `config:"oneof"`

	Headers           *headers.Spec    `yaml:"headers" doc:"Sets, adds and removes header fields of the request and of the response."`
	ClientCertificate *clientcert.Spec `yaml:"client_certificate" doc:"Lets requests pass by their client's certificate, and tells the upstream of it."`
	GrpcWeb           *grpcweb.Spec    `yaml:"grpc_web" doc:"Translates gRPC-Web, in binary and in base64, to gRPC."`
	Respond           *respond.Spec    `yaml:"respond" doc:"Answers the request itself."`
}

// Names are the filters' keys.
var Names = []string{"headers", "client_certificate", "grpc_web", "respond"}

// Name is the key of the filter that e holds.
func (e *Entry) Name() string {
	switch {
	case e.Headers != nil:
		return "headers"
	case e.ClientCertificate != nil:
		return "client_certificate"
	case e.GrpcWeb != nil:
		return "grpc_web"
	case e.Respond != nil:
		return "respond"
	}
	return ""
}

// Build makes the filter for one loop.
func (e *Entry) Build() filter.Filter {
	switch {
	case e.Headers != nil:
		return e.Headers.New()
	case e.ClientCertificate != nil:
		return e.ClientCertificate.New()
	case e.GrpcWeb != nil:
		return e.GrpcWeb.New()
	case e.Respond != nil:
		return e.Respond.New()
	}
	panic("table: empty entry passed validation")
}

// Answers reports whether the filter answers every request itself.
func (e *Entry) Answers() bool {
	switch {
	case e.Headers != nil:
		return e.Headers.Answers()
	case e.ClientCertificate != nil:
		return e.ClientCertificate.Answers()
	case e.GrpcWeb != nil:
		return e.GrpcWeb.Answers()
	case e.Respond != nil:
		return e.Respond.Answers()
	}
	return false
}
