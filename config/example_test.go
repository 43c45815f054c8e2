package config_test

import (
	"fmt"

	"github.com/ringway/ringway/config"
)

// poolSpec is how a package writes its part of the file: keys, docs, defaults and rules in one place.
type poolSpec struct {
	Endpoints []endpointSpec  `yaml:"endpoints" doc:"The servers." config:"required"`
	Balance   balance         `yaml:"balance" doc:"How a server is chosen."`
	Timeout   config.Duration `yaml:"timeout" doc:"How long connecting may take."`
}

func (p *poolSpec) SetDefaults() {
	p.Balance, p.Timeout = "round_robin", 5_000_000_000
}

func (p *poolSpec) Validate(c *config.Check) {
	if len(p.Endpoints) == 0 {
		c.At("endpoints").Errorf("a pool needs at least one endpoint")
	}
	for i, e := range p.Endpoints {
		if e.Weight < 1 {
			c.At("endpoints", i, "weight").Errorf("a weight is at least 1, found %d", e.Weight)
		}
	}
}

type balance string

func (balance) EnumValues() []string { return []string{"round_robin", "random", "least_request"} }

// endpointSpec may also be written as its address alone.
type endpointSpec struct {
	Address string `yaml:"address" doc:"host:port" config:"required"`
	Weight  int    `yaml:"weight" doc:"Its share."`
}

func (e *endpointSpec) SetDefaults() { e.Weight = 1 }

func (e *endpointSpec) FromScalar(s string) error {
	e.Address = s
	return nil
}

func ExampleDecode() {
	var p poolSpec
	err := config.Decode("pool.yaml", []byte(`
endpoints: ["127.0.0.1:3000", {address: "127.0.0.1:3001", weight: 2}]
balance: random
`), &p)
	fmt.Println(p.Endpoints, p.Balance, p.Timeout, err)

	fmt.Println(config.Decode("pool.yaml", []byte(`
endpoints: [{address: "127.0.0.1:3001", weight: 0}]
balance: randm
timout: 2s
`), &poolSpec{}))
	// Output:
	// [{127.0.0.1:3000 1} {127.0.0.1:3001 2}] random 5s <nil>
	// pool.yaml:2:49: endpoints[0].weight: a weight is at least 1, found 0
	// pool.yaml:3:10: balance: expected one of round_robin, random, least_request, found "randm"; did you mean "random"?
	// pool.yaml:4:1: timout: unknown key; did you mean "timeout"?
}
