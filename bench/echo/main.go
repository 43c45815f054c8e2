package main

import (
	"flag"
	"fmt"
	"log"
)

func main() {
	server := flag.String("server", "", "loop, gnet or net")
	driver := flag.String("driver", "auto", "the loop's driver: auto, uring or epoll")
	listen := flag.String("listen", "", "address to listen on")
	flag.Parse()
	var err error
	switch *server {
	case "loop":
		err = serveLoop(*listen, *driver)
	case "gnet":
		err = serveGnet(*listen)
	case "net":
		err = serveNet(*listen)
	default:
		err = fmt.Errorf("-server %q: have loop, gnet, net", *server)
	}
	log.Fatal(err) // serving has no end
}
