package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"time"
)

// options are the command line behind the command.
type options struct {
	to, listen    string
	connections   int
	send, receive int
	duration      time.Duration
}

func main() {
	log.SetFlags(0)
	if err := run(os.Args[1:]); err != nil {
		log.Fatal("messages: ", err)
	}
}

// run does what the command line says.
func run(args []string) error {
	if len(args) == 0 {
		return errors.New("have drive, answer")
	}
	var o options
	flags := flag.NewFlagSet("messages", flag.ContinueOnError)
	flags.StringVar(&o.to, "to", "", "address to connect to")
	flags.StringVar(&o.listen, "listen", "", "address to listen on")
	flags.IntVar(&o.connections, "connections", 1, "connections to keep busy")
	flags.IntVar(&o.send, "send", numberSize, "bytes of a message sent")
	flags.IntVar(&o.receive, "receive", numberSize, "bytes of a message received")
	flags.DurationVar(&o.duration, "for", time.Second, "time to drive")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if o.send < numberSize || o.receive < numberSize || o.connections < 1 {
		return fmt.Errorf("a message has at least %d bytes, and there is at least one connection", numberSize)
	}
	switch args[0] {
	case "drive":
		return o.drive()
	case "answer":
		return o.answer()
	}
	return fmt.Errorf("no command %q: have drive, answer", args[0])
}

// drive connects, waits for the word, and prints what came of it.
func (o options) drive() error {
	d, err := connect(o)
	if err != nil {
		return err
	}
	in := bufio.NewReader(os.Stdin)
	fmt.Println("connected")
	if _, err := in.ReadString('\n'); err != nil {
		return err
	}
	result, err := d.run(o.duration)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		return err
	}
	_, _ = in.ReadString('\n') // the end of the input, or whatever else ends us
	return nil
}
