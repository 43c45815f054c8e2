package main

import (
	"os"
	"strings"
	"text/template"
)

// site is what a program is started with: the fields its configuration
// template and its command line may use.
type site struct {
	// Dir is a directory of its own, File the configuration in it.
	Dir, File string
	// Listen and Origin are host:port.
	Listen, Origin string
	// MaxConns bounds client connections. A proxy needs twice as many
	// descriptors and some.
	MaxConns int
	// Root says that the program starts as root, where nginx would give up its
	// rights and could not read the private Dir.
	Root bool
}

// Port is the port of Listen, for configurations that name the host apart.
func (s site) Port() string { return s.Listen[strings.LastIndexByte(s.Listen, ':')+1:] }

// write fills the template into File.
func (s site) write(config string) error {
	t, err := template.New("config").Parse(config)
	if err != nil {
		return err
	}
	out, err := os.Create(s.File)
	if err != nil {
		return err
	}
	if err := t.Execute(out, s); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

// DRIVER is replaced by the driver asked for.
const ringwayConfig = `listeners: {web: {address: "{{.Listen}}", routes: [{cluster: site}]}}
clusters: {site: {endpoints: ["{{.Origin}}"]}}
runtime: {driver: DRIVER, loops: 1}
`

// nginxMain is the part the proxy and the origin share. Timeouts and request
// counts are out of the way, so that no connection ends by itself.
const nginxMain = `{{if .Root}}user root;
{{end}}worker_processes 1;
daemon off;
pid {{.Dir}}/nginx.pid;
error_log stderr error;
worker_rlimit_nofile {{.MaxFiles}};
events { worker_connections {{.MaxFiles}}; }
http {
  access_log off;
  default_type application/octet-stream;
  sendfile on;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  client_body_temp_path {{.Dir}}/client;
  proxy_temp_path {{.Dir}}/proxy;
  fastcgi_temp_path {{.Dir}}/fastcgi;
  uwsgi_temp_path {{.Dir}}/uwsgi;
  scgi_temp_path {{.Dir}}/scgi;
`

// MaxFiles is the number of descriptors a proxy with MaxConns needs.
func (s site) MaxFiles() int { return 2*s.MaxConns + 128 }

const nginxConfig = nginxMain + `
  upstream site {
    server {{.Origin}};
    keepalive 256;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
  }
  server {
    listen {{.Listen}};
    location / {
      proxy_pass http://site;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
    }
  }
}
`

// BODY is replaced by the small body.
const originConfig = nginxMain + `
  open_file_cache max=16 inactive=1h;
  open_file_cache_valid 1h;
  server {
    listen {{.Listen}} backlog=4096;
    location = ` + smallPath + ` { return 200 "BODY"; }
    location / { root {{.Dir}}/files; }
  }
}
`

const haproxyConfig = `global
  nbthread 1
  maxconn {{.MaxConns}}
defaults
  mode http
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout http-request 1h
  timeout http-keep-alive 1h
  option forwardfor
  http-reuse always
frontend web
  bind {{.Listen}}
  http-request set-header X-Forwarded-Proto http
  default_backend site
backend site
  server origin {{.Origin}}
`

// caddyConfig raises the upstream pool from 32 to what nginx is given: at 64
// connections Caddy would else open a new one for every other request.
const caddyConfig = `{
  admin off
  auto_https off
  persist_config off
  log {
    level ERROR
  }
  servers {
    protocols h1
  }
}
http://:{{.Port}} {
  bind 127.0.0.1
  reverse_proxy {{.Origin}} {
    transport http {
      keepalive_idle_conns_per_host 256
    }
  }
}
`

// DRIVER is replaced by the driver asked for.
const ringwayRelayConfig = `listeners: {db: {address: "{{.Listen}}", protocol: tcp, cluster: site}}
clusters: {site: {endpoints: ["{{.Origin}}"]}}
runtime: {driver: DRIVER, loops: 1}
`

// OPTION is replaced by one that asks for splice, or by nothing.
const haproxyRelayConfig = `global
  nbthread 1
  maxconn {{.MaxConns}}
defaults
  mode tcp
  OPTION
  timeout connect 5s
  timeout client 1h
  timeout server 1h
frontend db
  bind {{.Listen}}
  default_backend site
backend site
  server origin {{.Origin}}
`

// Where the stream module is a file of its own, the distributions that have it
// load it from modules-enabled.
const nginxRelayConfig = `{{if .Root}}user root;
{{end}}worker_processes 1;
daemon off;
pid {{.Dir}}/nginx.pid;
error_log stderr error;
worker_rlimit_nofile {{.MaxFiles}};
include /etc/nginx/modules-enabled/*.conf;
events { worker_connections {{.MaxFiles}}; }
stream {
  server {
    listen {{.Listen}};
    proxy_pass {{.Origin}};
    proxy_timeout 1h;
  }
}
`
