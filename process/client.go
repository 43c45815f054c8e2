package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/ringway/ringway/process/link"
	"github.com/ringway/ringway/process/message"
	"github.com/ringway/ringway/sys"
)

// Client asks a master for something: a worker over its link, a command line over the control socket.
type Client struct {
	link  func() *link.Link
	close func()
}

// Dial connects to the control socket of the master that runs. Only root and the master's own user are let in.
func Dial(ctx context.Context, path, product string) (*Client, error) {
	l, _, err := dial(ctx, path, newHello(message.RoleControl, product, 0))
	if err != nil {
		return nil, err
	}
	l.Start(func(context.Context, *link.Delivery) link.Reply {
		return link.Refuse(message.ReasonForbidden, fmt.Errorf("nothing can be asked of a %v", message.RoleControl))
	})
	return &Client{link: func() *link.Link { return l }, close: l.Close}, nil
}

// dial connects to a control socket. who has made that socket, which need not be who answers.
func dial(ctx context.Context, path string, mine *message.Hello) (l *link.Link, who sys.Credentials, err error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, who, err
	}
	u := c.(*net.UnixConn)
	if who, err = sys.PeerCredentials(u); err != nil {
		u.Close()
		return nil, who, err
	}
	l, err = link.Connect(ctx, u, mine, permitUsers(), nil)
	return l, who, err
}

// newHello is what this program says of itself.
func newHello(role message.Role, product string, generation uint64) *message.Hello {
	return &message.Hello{
		Role: role, Min: message.MinVersion, Max: message.MaxVersion, PID: os.Getpid(), Product: product, Generation: generation,
		StateMin: stateVersion, StateMax: stateVersion,
	}
}

// permitUsers lets in root, this process's user, and those that are named.
func permitUsers(more ...uint32) link.Permit {
	return func(c sys.Credentials, _ *message.Hello) error {
		if c.UID == 0 || c.UID == uint32(os.Geteuid()) {
			return nil
		}
		for _, uid := range more {
			if c.UID == uid {
				return nil
			}
		}
		return fmt.Errorf("only root and the user of the gateway may speak with it")
	}
}

// Close ends the connection of a Client that was dialled.
func (c *Client) Close() {
	if c.close != nil {
		c.close()
	}
}

// ReadConfig is the configuration as the master finds it on disk. Only a worker may ask.
func (c *Client) ReadConfig(ctx context.Context) (Config, error) {
	m, _, err := link.Ask[*message.Config](ctx, c.link(), &message.ReadConfig{})
	if err != nil {
		return Config{}, err
	}
	return *m, nil
}

// ReloadRequest says what to reload.
type ReloadRequest struct {
	// Config is the configuration to go over to; nil for the file as it is now.
	Config *Config
	// Preview: only say what would change.
	Preview bool
	// IfHash is the configuration that has to be running, else the reload is refused; empty for any.
	IfHash string
}

// ReloadResult is what a reload came to.
type ReloadResult struct {
	Hash string // of the configuration that runs now
	Diff string
}

// Reload changes the configuration, as a whole or not at all.
func (c *Client) Reload(ctx context.Context, r ReloadRequest) (ReloadResult, error) {
	m, _, err := link.Ask[*message.Reloaded](ctx, c.link(), &message.Reload{Config: r.Config, Preview: r.Preview, IfHash: r.IfHash})
	if err != nil {
		return ReloadResult{}, err
	}
	return ReloadResult{Hash: m.Hash, Diff: m.Diff}, nil
}

// Upgrade replaces worker and master by the program that is on disk now. It returns when the new worker serves, or with the
// reason why the old one still does.
func (c *Client) Upgrade(ctx context.Context) error { return c.link().Tell(ctx, &message.Upgrade{}) }

// Drain ends master and worker when everything in flight has finished. It returns when that has begun.
func (c *Client) Drain(ctx context.Context) error { return c.link().Tell(ctx, &message.Drain{}) }

// Stop ends master and worker at once. It returns when that has begun.
func (c *Client) Stop(ctx context.Context) error { return c.link().Tell(ctx, &message.Stop{}) }

// Reopen opens log files anew.
func (c *Client) Reopen(ctx context.Context) error { return c.link().Tell(ctx, &message.Reopen{}) }

// Status is how the master is: one word, and the JSON of a MasterStatus.
func (c *Client) Status(ctx context.Context) (state string, json []byte, err error) {
	return c.status(ctx, false)
}

// Master is how the master is, without what its workers tell of themselves.
func (c *Client) Master(ctx context.Context) (s MasterStatus, err error) {
	_, text, err := c.status(ctx, true)
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	return s, err
}

func (c *Client) status(ctx context.Context, brief bool) (state string, json []byte, err error) {
	m, _, err := link.Ask[*message.StatusAnswer](ctx, c.link(), &message.Status{Brief: brief})
	if err != nil {
		return "", nil, err
	}
	return m.State, m.JSON, nil
}

// IsState reports whether a master has refused something because of what is going on, and not tried it.
func IsState(err error) bool { return errors.Is(err, &message.Refusal{Reason: message.ReasonState}) }
