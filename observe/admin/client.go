package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/ringway/ringway/config"
)

// Client uses the API of a gateway that runs.
type Client struct {
	base  string
	token config.Secret
	http  *http.Client
}

// NewClient makes a client for an admin address, as the configuration has it. The token is for TCP.
func NewClient(address string, token config.Secret) *Client {
	c := &Client{base: "http://" + address, token: token}
	transport := &http.Transport{DisableKeepAlives: true}
	if path, ok := strings.CutPrefix(address, unixPrefix); ok {
		c.base = "http://ringway"
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}
	}
	c.http = &http.Client{Transport: transport}
	return c
}

// Status is how the gateway is, as JSON.
func (c *Client) Status(ctx context.Context) (json.RawMessage, error) {
	text, _, err := c.do(ctx, http.MethodGet, "/v1/status", "", nil)
	return text, err
}

// Config is the configuration that runs.
func (c *Client) Config(ctx context.Context) (out Config, err error) {
	return out, c.decode(ctx, &out, http.MethodGet, "/v1/config", "", nil)
}

// Diff tells how a configuration differs from the one that runs.
func (c *Client) Diff(ctx context.Context, text []byte) (out Result, err error) {
	return out, c.decode(ctx, &out, http.MethodPost, "/v1/config/diff", "", text)
}

// Apply goes over to a configuration, if the one that runs has the given hash; empty for any.
func (c *Client) Apply(ctx context.Context, text []byte, ifHash string) (out Result, err error) {
	tag := "*"
	if ifHash != "" {
		tag = strconv.Quote(ifHash)
	}
	return out, c.decode(ctx, &out, http.MethodPut, "/v1/config", tag, text)
}

// Reload has the gateway read its file again. A preview only tells what would change.
func (c *Client) Reload(ctx context.Context, preview bool) (out Result, err error) {
	return out, c.decode(ctx, &out, http.MethodPost, "/v1/reload?preview="+strconv.FormatBool(preview), "", nil)
}

// SetWeight gives an endpoint another weight, 0 to drain it, and the configuration's own when it is nil.
func (c *Client) SetWeight(ctx context.Context, cluster, endpoint string, weight *int) error {
	body, err := json.Marshal(map[string]*int{"weight": weight})
	if err != nil {
		return err
	}
	_, _, err = c.do(ctx, http.MethodPatch, "/v1/clusters/"+url.PathEscape(cluster)+"/endpoints/"+url.PathEscape(endpoint), "", body)
	return err
}

// Upgrade has the gateway go over to the program that is on disk. It returns when the new one serves.
func (c *Client) Upgrade(ctx context.Context) error {
	_, _, err := c.do(ctx, http.MethodPost, "/v1/upgrade", "", nil)
	return err
}

// Drain has the gateway end when everything in flight has finished. It returns when that has begun.
func (c *Client) Drain(ctx context.Context) error {
	_, _, err := c.do(ctx, http.MethodPost, "/v1/drain", "", nil)
	return err
}

func (c *Client) decode(ctx context.Context, out any, method, path, ifMatch string, body []byte) error {
	text, _, err := c.do(ctx, method, path, ifMatch, body)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("answer of %s: %w", path, err)
	}
	return nil
}

// do makes a request. What the gateway refuses is a *Refusal.
func (c *Client) do(ctx context.Context, method, path, ifMatch string, body []byte) ([]byte, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+string(c.token))
	}
	if ifMatch != "" {
		req.Header.Set("If-Match", ifMatch)
	}
	res, err := c.http.Do(req)
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err // which has the address; the URL says nothing more
	}
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 2*maxBody))
	if err != nil {
		return nil, nil, err
	}
	if res.StatusCode < 300 {
		return text, res.Header, nil
	}
	r := &Refusal{Status: res.StatusCode}
	if err := json.Unmarshal(text, r); err != nil || r.Detail == "" {
		r.Detail = fmt.Sprintf("%s %s: %s", method, path, res.Status)
	}
	return nil, res.Header, r
}
