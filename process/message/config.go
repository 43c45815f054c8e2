package message

import (
	"crypto/sha256"
	"encoding/hex"
)

// Hash names the bytes of a configuration: SHA-256, in hexadecimal.
func Hash(config []byte) string {
	sum := sha256.Sum256(config)
	return hex.EncodeToString(sum[:])
}

// Config is the configuration that a worker starts with. The master does not understand it and passes it on, so that a
// new worker may understand what an old master does not.
type Config struct {
	Name  string // of the file, for what is said about faults in it; one that came otherwise is named otherwise
	Bytes []byte
}

// Type is TypeConfig.
func (*Config) Type() Type { return TypeConfig }

// Hash names the configuration.
func (m *Config) Hash() string { return Hash(m.Bytes) }

func (m *Config) append(b []byte) []byte {
	b = putBytes(b, 1, m.Name)
	b = putBytes(b, 2, m.Bytes)
	return putBytes(b, 3, m.Hash())
}

func (m *Config) parse(r *reader) {
	hash := ""
	for r.next() {
		switch r.id {
		case 1:
			m.Name = r.string()
		case 2:
			m.Bytes = r.bytes()
		case 3:
			hash = r.string()
		default:
			r.skip()
		}
	}
	if r.err == nil && hash != m.Hash() {
		r.fail("a configuration that is not what its hash says")
	}
}

// Reload changes the configuration. A master tells it a worker; a worker, asked by its admin API, or a command line asks
// it of a master, and then an absent Config stands for the file as it is now.
type Reload struct {
	Config *Config
	// Preview: tell what would change, and change nothing.
	Preview bool
	// IfHash is the configuration that has to be running, else the reload is refused with ReasonState; empty for any.
	IfHash string
}

// Type is TypeReload.
func (*Reload) Type() Type { return TypeReload }

func (m *Reload) append(b []byte) []byte {
	if m.Config != nil {
		b = putGroup(b, 1, m.Config.append)
	}
	b = putBool(b, 2|critical, m.Preview)
	return putBytes(b, 3|critical, m.IfHash)
}

func (m *Reload) parse(r *reader) {
	for r.next() {
		switch r.id {
		case 1:
			m.Config = new(Config)
			r.group(m.Config.parse)
		case 2 | critical:
			m.Preview = r.bool()
		case 3 | critical:
			m.IfHash = r.string()
		default:
			r.skip()
		}
	}
}

// Reloaded answers a Reload that was done, or previewed.
type Reloaded struct {
	Hash string // of the configuration that runs now
	Diff string // for people; empty if nothing changed
	// Listeners are all that are in use now, so that the master closes the others.
	Listeners []ListenerKey
	// DrainTimeout is what the new configuration gives a drain; see Ready.
	DrainTimeout Millis
}

// Type is TypeReloaded.
func (*Reloaded) Type() Type { return TypeReloaded }

func (m *Reloaded) append(b []byte) []byte {
	b = putBytes(b, 1, m.Hash)
	b = putBytes(b, 2, m.Diff)
	for i := range m.Listeners {
		b = putGroup(b, 3, m.Listeners[i].append)
	}
	return putUint(b, 4, m.DrainTimeout)
}

func (m *Reloaded) parse(r *reader) {
	for r.next() {
		switch r.id {
		case 1:
			m.Hash = r.string()
		case 2:
			m.Diff = r.string()
		case 3:
			m.Listeners = append(m.Listeners, parseKey(r))
		case 4:
			m.DrainTimeout = r.millis()
		default:
			r.skip()
		}
	}
}

// ReadConfig asks a master for the configuration as it is on disk, which a worker with fewer privileges may not be able to read. It is
// answered by Config.
type ReadConfig struct{ nothing }

// Type is TypeReadConfig.
func (*ReadConfig) Type() Type { return TypeReadConfig }
