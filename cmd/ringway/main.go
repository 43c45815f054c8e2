// Command ringway is the gateway. Its subcommands are in package cli.
package main

import (
	"os"

	"github.com/ringway/ringway/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:], os.Stdout, os.Stderr)) }
